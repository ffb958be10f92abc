"""Reports of build requests before there is a build."""

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from ci_common.aio import call_override, settle
from ci_common.results import CANCELLED
from ci_master.reporters import utils
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.utils import BuildStatusGeneratorMixin, Report
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.message import MessageFormatterRenderable


@implementer(IReportGenerator)
class BuildRequestGenerator(BuildStatusGeneratorMixin):
    """Reports new build requests, and those that are cancelled before they become a build.

    The report's build has the form of a build, without id and number.

    :param formatter: makes the message; None sends "Build pending."
    :type formatter: formatter or None
    """

    wanted_event_keys = [("buildrequests", None, "new"), ("buildrequests", None, "cancel")]

    def __init__(
        self,
        tags: Any = None,
        builders: Any = None,
        schedulers: Any = None,
        branches: Any = None,
        add_patch: bool = False,
        formatter: Any = None,
    ) -> None:
        super().__init__("all", tags, builders, schedulers, branches, None, None, add_patch)
        self.formatter = formatter or MessageFormatterRenderable("Build pending.")

    @deferring
    async def partial_build_dict(
        self, master: Any, buildrequest: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The request in the form of a build."""
        build: dict[str, Any] = {"buildid": None, "number": None, "workerid": None}
        build["buildrequestid"] = buildrequest["buildrequestid"]
        build["state_string"] = "pending"
        await utils.get_details_for_buildrequest(master, buildrequest, build)
        build["properties"] = await _properties(master, build)
        return build

    @deferring
    async def generate(
        self, master: Any, reporter: Any, key: Any, message: Mapping[str, Any]
    ) -> Report | None:
        """The report of a request."""
        build = await settle(self.partial_build_dict(master, message))
        if key[-1] == "cancel":
            build.update(complete=True, results=CANCELLED, state_string="cancelled")
        if not self.is_message_needed_by_props(build):
            return None
        report: Report = await settle(self.buildrequest_message(master, build))
        return report

    @deferring
    async def buildrequest_message(self, master: Any, build: dict[str, Any]) -> Report:
        """The report of a request in the form of a build."""
        users = await utils.get_responsible_users_for_buildset(master, build["buildset"]["bsid"])
        made = await call_override(
            self.formatter.format_message_for_build,
            master,
            build,
            is_buildset=True,
            users=users,
            mode=self.mode,
        )
        return {
            **made,
            "results": build["results"],
            "builds": [build],
            "buildset": build["buildset"],
            "users": list(users),
            "patches": self._get_patches_for_build(build),
            "logs": [],
        }


async def _properties(master: Any, build: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the buildset, and what its build would have: builder, and the only source."""
    given = await master.data.get(("buildsets", build["buildset"]["bsid"], "properties"))
    stamps = build["buildset"]["sourcestamps"]
    found: dict[str, Any] = {"buildername": (build["builder"]["name"], "Builder")}
    if len(stamps) == 1:
        for name in ("branch", "revision", "repository", "project", "codebase"):
            found[name] = (stamps[0][name], "Build")
    return {**found, **given}
