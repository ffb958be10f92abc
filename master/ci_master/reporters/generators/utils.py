"""What the generators have in common: which builds matter, and the report of one build."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ci_common.aio import call_override, settle
from ci_common.faults import nearest
from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    SUCCESS,
    WARNINGS,
    statusToString,
)
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded
from ci_master.reporters import utils
from ci_master.reporters.deferring import deferring

Report = dict[str, Any]

_RESULT_MODES = {
    "failing": FAILURE,
    "passing": SUCCESS,
    "warnings": WARNINGS,
    "exception": EXCEPTION,
    "cancelled": CANCELLED,
}


class BuildStatusGeneratorMixin(Recorded):
    """Chooses builds by result, builder, scheduler and branch.

    :param mode: which results are reported: ``change``, ``failing``, ``passing``, ``problem``,
        ``warnings``, ``exception`` and ``cancelled`` in a list; or the string ``all``; or the
        string ``warnings`` for failing and warnings.
    :type mode: string or list of strings
    :param tags: report only builders that have one of these tags.
    :type tags: list of strings or None
    :param builders: report only the builders of these names; not together with ``tags``.
    :type builders: list of strings or None
    :param schedulers: report only builds that these schedulers asked for.
    :type schedulers: list of strings or None
    :param branches: report only builds of these branches.
    :type branches: list of strings or None
    :param subject: the subject; may hold %(result)s, %(builder)s, %(projectName)s and
        %(title)s.
    :type subject: string or None
    :param add_logs: which logs are attached to the report: all, or those of these names.
    :type add_logs: True, list of strings or None
    :param add_patch: attach the patches of the source stamps to the report.
    """

    possible_modes = ("change", *_RESULT_MODES, "problem")
    wanted_event_keys: Sequence[tuple[str | None, ...]] = []

    def __init__(
        self,
        mode: Any,
        tags: Any = None,
        builders: Any = None,
        schedulers: Any = None,
        branches: Any = None,
        subject: str | None = None,
        add_logs: Any = None,
        add_patch: bool = False,
    ) -> None:
        self._asked_mode = mode
        self.mode = _modes(mode)
        self.tags = tags
        self.builders = builders
        self.schedulers = schedulers
        self.branches = branches
        self.subject = subject
        self.add_logs = add_logs
        self.add_patch = add_patch

    # -- the configuration

    def check(self) -> None:
        """Report what is wrong with the arguments."""
        me = type(self).__name__
        for one in self.mode:
            if one not in self.possible_modes:
                near = nearest(str(one), self.possible_modes)
                known = f"known modes: {', '.join(self.possible_modes)}; or 'all'"
                hint = f"did you mean '{near}'?" if near else known
                configFault(f"{me} has mode {one!r}, which there is not", hint)
        if self.tags is not None and self.builders is not None:
            configFault(f"{me} has both tags and builders", "choose builders by one of them")
        for name in ("tags", "builders", "schedulers", "branches"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, list | tuple | set | frozenset):
                configFault(
                    f"{name} of {me} must be a list, not {value!r}",
                    f"write {name}=[{value!r}]" if isinstance(value, str) else "",
                )
        if self.subject is not None and "\n" in self.subject:
            configFault(f"the subject of {me} has more than one line")
        if not isinstance(self.add_logs, bool | list | tuple | set | None):
            configFault(
                f"add_logs of {me} must be True or a list of names, not {self.add_logs!r}",
                'write add_logs=["stdio"]',
            )

    def generate_name(self) -> str:
        """The class and what it chooses."""
        parts = [type(self).__name__]
        for label in ("tags", "builders", "schedulers", "branches"):
            values = getattr(self, label)
            if values is not None:
                parts.append(f"{label}_{'+'.join(str(one) for one in values)}")
        parts.append("_".join(str(one) for one in self.mode))
        return "_".join(parts)

    # -- which builds

    def is_message_needed_by_props(self, build: Mapping[str, Any]) -> bool:
        """Whether builder, scheduler and branch are among those wanted."""
        builder = build["builder"]
        properties = build.get("properties") or {}
        if self.builders is not None and builder["name"] not in self.builders:
            return False
        if self.tags is not None and not self._matches_any_tag(builder["tags"]):
            return False
        scheduler = properties.get("scheduler", [None])[0]
        if self.schedulers is not None and scheduler not in self.schedulers:
            return False
        return self.branches is None or properties.get("branch", [None])[0] in self.branches

    def is_message_needed_by_results(self, build: Mapping[str, Any]) -> bool:
        """Whether the result is of a kind that is wanted, or another than before on its branch.

        A result that says nothing of the branch (exception, retry, cancelled, skipped) is no
        change; nor is that of a builder's first build there, or of somebody's patch.
        """
        results = build["results"]
        if any(_RESULT_MODES.get(mode, -1) == results for mode in self.mode):
            return True
        previous = build.get("prev_build")
        if previous is None or results not in utils.TELLING:
            return False
        if "change" in self.mode and previous["results"] != results:
            return True
        became_bad = results == FAILURE and previous["results"] != FAILURE
        return "problem" in self.mode and became_bad

    def _is_out_of_question(self, build: Mapping[str, Any]) -> bool:
        """Whether the result alone says no: then nothing more need be read of that build."""
        usual = BuildStatusGeneratorMixin.is_message_needed_by_results
        if type(self).is_message_needed_by_results is not usual:
            return False
        if "change" in self.mode and build["results"] in utils.TELLING:
            return False
        return not self.is_message_needed_by_results(
            {**build, "prev_build": None if build["results"] != FAILURE else {"results": SUCCESS}}
        )

    def _matches_any_tag(self, tags: Iterable[str]) -> bool:
        return bool(set(self.tags or ()) & set(tags))

    # -- the report

    def _wants(self, formatter: Any) -> dict[str, Any]:
        """What to look up of builds, for the choice and for the message."""
        by_properties = self.schedulers is not None or self.branches is not None
        content = formatter.want_logs_content or self.add_logs or False
        return {
            "want_properties": formatter.want_properties or by_properties,
            "want_steps": formatter.want_steps or bool(content),
            "want_previous_build": True,
            "want_logs": formatter.want_logs or bool(content),
            "want_logs_content": True if content is True else content,
        }

    @deferring
    async def build_message(
        self, formatter: Any, master: Any, reporter: Any, build: dict[str, Any]
    ) -> Report:
        """The report of one build that has its details."""
        users = await settle(utils.getResponsibleUsersForBuild(master, build["buildid"]))
        made = await call_override(
            formatter.format_message_for_build,
            master,
            build,
            is_buildset=False,
            users=users,
            mode=self.mode,
        )
        return {
            **made,
            "subject": self._subject(master, build, made.get("subject")),
            "results": build["results"],
            "builds": [build],
            "buildset": build["buildset"],
            "users": list(users),
            "patches": self._get_patches_for_build(build),
            "logs": self._get_logs_for_build(build),
        }

    def _subject(self, master: Any, build: Mapping[str, Any], made: Any) -> Any:
        if self.subject is None:
            return made
        return formatted_subject(self.subject, master, build["results"], build["builder"]["name"])

    def _get_patches_for_build(self, build: Mapping[str, Any]) -> list[Any]:
        if not self.add_patch:
            return []
        stamps = build["buildset"]["sourcestamps"]
        return [stamp["patch"] for stamp in stamps if stamp.get("patch")]

    def _get_logs_for_build(self, build: Mapping[str, Any]) -> list[Any]:
        logs = [log for step in build.get("steps") or () for log in step.get("logs") or ()]
        return [log for log in logs if utils.should_attach_log(self.add_logs, log)]


def formatted_subject(subject: str, master: Any, results: int | None, builder: str) -> str:
    """A subject with its %(...)s filled in."""
    return subject % {
        "result": statusToString(results),
        "projectName": master.config.title,
        "title": master.config.title,
        "builder": builder,
    }


def _modes(mode: Any) -> tuple[Any, ...]:
    if mode == "all":
        return ("failing", "passing", "warnings", "exception", "cancelled")
    if mode == "warnings":
        return ("failing", "warnings")
    return (mode,) if isinstance(mode, str) else tuple(mode)
