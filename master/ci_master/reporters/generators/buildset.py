"""Reports of whole buildsets."""

from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from ci_common.aio import call_override, settle
from ci_common.results import RETRY
from ci_master.data.recorded import Recorded
from ci_master.reporters import utils
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.build import DEFAULT_MODE
from ci_master.reporters.generators.utils import (
    BuildStatusGeneratorMixin,
    Report,
    formatted_subject,
)
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.message import MessageFormatter


@implementer(IReportGenerator)
class BuildSetStatusGenerator(BuildStatusGeneratorMixin):
    """Makes one report of each buildset that is complete, with a part for each chosen build.

    :param message_formatter: makes the part of each build; None stands for a
        ``MessageFormatter`` without arguments.
    :type message_formatter: formatter or None
    """

    wanted_event_keys = [("buildsets", None, "complete")]

    def __init__(
        self,
        mode: Any = DEFAULT_MODE,
        tags: Any = None,
        builders: Any = None,
        schedulers: Any = None,
        branches: Any = None,
        subject: str | None = None,
        add_logs: Any = None,
        add_patch: bool = False,
        message_formatter: Any = None,
    ) -> None:
        super().__init__(mode, tags, builders, schedulers, branches, subject, add_logs, add_patch)
        self.formatter = MessageFormatter() if message_formatter is None else message_formatter

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, message: Mapping[str, Any]
    ) -> Report | None:
        """The report, if any of the builds is one of those wanted."""
        found = await utils.getDetailsForBuildset(
            master, message["bsid"], **self._wants(self.formatter)
        )
        wanted = [
            build
            for build in found["builds"]
            if self.is_message_needed_by_props(build) and self.is_message_needed_by_results(build)
        ]
        if not wanted:
            return None
        buildset = {**found["buildset"], **message}
        report: Report = await settle(
            self.buildset_message(self.formatter, master, reporter, wanted, buildset)
        )
        if getattr(self.formatter, "is_usual", False):
            whole = await call_override(
                self.formatter.format_message_for_buildset,
                master,
                buildset,
                final_builds(found["builds"]),
                is_buildset=True,
                users=report["users"],
                mode=self.mode,
            )
            subject = report["subject"] if self.subject is not None else whole["subject"]
            report = {**report, "body": whole["body"], "subject": subject}
        return report

    @deferring
    async def buildset_message(
        self, formatter: Any, master: Any, reporter: Any, builds: list[Any], buildset: Any
    ) -> Report:
        """One report of several builds."""
        body: Any = None
        kind = subject = extra_info = None
        users: set[str] = set()
        patches: list[Any] = []
        logs: list[Any] = []
        for build in builds:
            blamed = await settle(utils.getResponsibleUsersForBuild(master, build["buildid"]))
            users.update(blamed)
            part = await call_override(
                formatter.format_message_for_build,
                master,
                build,
                is_buildset=True,
                users=blamed,
                mode=self.mode,
            )
            body = _joined(body, part["body"])
            kind, subject = kind or part["type"], subject or part.get("subject")
            extra_info = {**(extra_info or {}), **(part.get("extra_info") or {})} or None
            patches = self._get_patches_for_build(build)
            logs += self._get_logs_for_build(build)
        if self.subject is not None:
            subject = formatted_subject(self.subject, master, buildset["results"], "whole buildset")
        return {
            "body": body,
            "subject": subject,
            "type": kind,
            "results": buildset["results"],
            "builds": builds,
            "buildset": buildset,
            "users": sorted(users),
            "patches": patches,
            "logs": logs,
            "extra_info": extra_info,
        }


@implementer(IReportGenerator)
class BuildSetCombinedStatusGenerator(Recorded):
    """Makes one report of each buildset that is complete, from all of its builds.

    :param message_formatter: makes the message of the whole buildset with its method
        ``format_message_for_buildset``.
    :type message_formatter: formatter
    """

    wanted_event_keys = [("buildsets", None, "complete")]

    def __init__(self, message_formatter: Any) -> None:
        self.formatter = message_formatter

    def check(self) -> None:
        """Nothing can be wrong."""

    def generate_name(self) -> str:
        """The class."""
        return type(self).__name__

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, message: Mapping[str, Any]
    ) -> Report | None:
        """The report; none of a buildset without builds, as where all were collapsed."""
        formatter = self.formatter
        found = await utils.getDetailsForBuildset(
            master,
            message["bsid"],
            want_properties=formatter.want_properties,
            want_steps=formatter.want_steps,
            want_previous_build=False,
            want_logs=formatter.want_logs,
            want_logs_content=formatter.want_logs_content,
        )
        if not found["builds"]:
            return None
        buildset = {**found["buildset"], **message}
        report: Report = await settle(
            self.buildset_message(formatter, master, reporter, buildset, found["builds"])
        )
        return report

    @deferring
    async def buildset_message(
        self, formatter: Any, master: Any, reporter: Any, buildset: Any, builds: list[Any]
    ) -> Report:
        """The report of a buildset and its builds."""
        users = await utils.get_responsible_users_for_buildset(master, buildset["bsid"])
        made = await call_override(
            formatter.format_message_for_buildset,
            master,
            buildset,
            final_builds(builds),
            is_buildset=True,
            users=users,
            mode=("passing",),
        )
        return {
            **made,
            "results": buildset["results"],
            "builds": builds,
            "buildset": buildset,
            "users": users,
            "patches": [],
            "logs": [],
        }


def final_builds(builds: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The builds without those that were retried, where another one followed."""
    last = {build["buildrequestid"]: build["buildid"] for build in builds}
    return [one for one in builds if one["results"] != RETRY or one["buildid"] in last.values()]


def _joined(body: Any, part: Any) -> Any:
    """Texts and lists grow; of other things the first counts."""
    if body is None or part is None:
        return part if body is None else body
    if isinstance(body, str) and isinstance(part, str):
        return body + part
    if isinstance(body, list) and isinstance(part, list):
        return [*body, *part]
    return body
