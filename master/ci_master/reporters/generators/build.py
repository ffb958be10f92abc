"""Reports of builds."""

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ci_common.aio import settle
from ci_master.reporters import utils
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.utils import BuildStatusGeneratorMixin, Report
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.message import MessageFormatter, MessageFormatterRenderable

DEFAULT_MODE = ("failing", "passing", "warnings")


@implementer(IReportGenerator)
class BuildStatusGenerator(BuildStatusGeneratorMixin):
    """Reports builds that have ended, chosen by their result.

    :param report_new: report the beginning of each build too, whatever ``mode`` says.
    :param message_formatter: makes the message; None stands for a ``MessageFormatter`` without
        arguments.
    :type message_formatter: formatter or None
    """

    wanted_event_keys = [("builds", None, "finished")]

    def __init__(
        self,
        mode: Any = DEFAULT_MODE,
        tags: Any = None,
        builders: Any = None,
        schedulers: Any = None,
        branches: Any = None,
        add_logs: Any = None,
        add_patch: bool = False,
        report_new: bool = False,
        message_formatter: Any = None,
        subject: str | None = None,
    ) -> None:
        super().__init__(mode, tags, builders, schedulers, branches, subject, add_logs, add_patch)
        self.formatter = MessageFormatter() if message_formatter is None else message_formatter
        if report_new:
            self.wanted_event_keys = [("builds", None, "new"), ("builds", None, "finished")]

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, message: Mapping[str, Any]
    ) -> Report | None:
        """The report of a build, if it is one of those wanted."""
        if key[-1] != "new" and self._is_out_of_question(message):
            return None
        build = dict(message)
        await utils.getDetailsForBuild(master, build, **self._wants(self.formatter))
        is_new = key[-1] == "new"
        if not self.is_message_needed_by_props(build):
            return None
        if not is_new and not self.is_message_needed_by_results(build):
            return None
        report: Report = await settle(self.build_message(self.formatter, master, reporter, build))
        return report


@implementer(IReportGenerator)
class BuildStartEndStatusGenerator(BuildStatusGeneratorMixin):
    """Reports the beginning and the end of each build.

    :param start_formatter: makes the message of the beginning; None sends "Build started."
    :type start_formatter: formatter or None
    :param end_formatter: makes the message of the end; None sends "Build done."
    :type end_formatter: formatter or None
    """

    wanted_event_keys = [("builds", None, "new"), ("builds", None, "finished")]

    def __init__(
        self,
        tags: Any = None,
        builders: Any = None,
        schedulers: Any = None,
        branches: Any = None,
        add_logs: Any = None,
        add_patch: bool = False,
        start_formatter: Any = None,
        end_formatter: Any = None,
    ) -> None:
        super().__init__("all", tags, builders, schedulers, branches, None, add_logs, add_patch)
        self.start_formatter = start_formatter or MessageFormatterRenderable("Build started.")
        self.end_formatter = end_formatter or MessageFormatterRenderable("Build done.")

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, message: Mapping[str, Any]
    ) -> Report | None:
        """The report of a build's beginning or end."""
        formatter = self.start_formatter if key[-1] == "new" else self.end_formatter
        build = dict(message)
        wants = {**self._wants(formatter), "want_previous_build": False}
        await utils.getDetailsForBuild(master, build, **wants)
        if not self.is_message_needed_by_props(build):
            return None
        report: Report = await settle(self.build_message(formatter, master, reporter, build))
        return report
