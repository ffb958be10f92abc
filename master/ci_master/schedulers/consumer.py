"""Which changes a scheduler takes, and why it does not take others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ci_master.data.change import Change
from ci_master.data.filters import ChangeFilter

__all__ = ["ChangeConsumer", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scheduler thinks of a change."""

    taken: bool
    important: bool = False
    why: str = ""  # a part of a sentence, if it is not taken


class ChangeConsumer:
    """Looks at each new change on behalf of one scheduler.

    :param got_change: called as ``got_change(change, message, important)`` for changes taken.
    :param codebases: names of the scheduler's codebases.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        got_change: Callable[[Change, Mapping[str, Any], bool], Deferred[Any]],
        *,
        codebases: Mapping[str, Any],
        file_is_important: Callable[[Any], Any] | None,
        change_filter: Any,
        only_important: bool,
    ) -> None:
        self._name = name
        self._got_change = got_change
        self._codebases = codebases
        self._file_is_important = file_is_important
        self._filter = change_filter
        self._only_important = only_important
        could_pass = getattr(change_filter, "could_pass", None)
        self._could_pass: Callable[[Mapping[str, Any]], bool] = could_pass or (lambda _: True)
        branches = getattr(change_filter, "only_branches", None)
        #: The only branches whose changes can be taken; None: all.
        self.only_branches: tuple[str | None, ...] | None = branches() if branches else None

    def hear(self, message: Mapping[str, Any]) -> Deferred[Any] | None:
        """Take a new change, as REST dict. Errors of users' callables end here, in the log.

        :returns: fires when what comes of the change is on its way to storage; None: nothing.
        """
        if not self._could_pass(message):
            return None
        change = Change.from_json(message)
        try:
            verdict = self.judge(change)
        except Exception:
            self.log.failure(
                "scheduler '{name}' could not judge change {number}: its filter or "
                "fileIsImportant failed",
                name=self._name,
                number=change.number,
            )
            return None
        if verdict.taken:
            return self._got_change(change, message, verdict.important)
        self.log.debug(
            "scheduler '{name}' leaves out change {number}: {why}",
            name=self._name,
            number=change.number,
            why=verdict.why,
        )
        return None

    def judge(self, change: Change) -> Verdict:
        """Whether the change is taken and important. Raises what users' callables raise."""
        if self._filter is not None:
            why = self._refusal(change)
            if why is not None:
                return Verdict(False, why=why)
        if change.codebase not in self._codebases:
            known = ", ".join(repr(name) for name in self._codebases)
            return Verdict(
                False,
                why=f"its codebase {change.codebase!r} is none of the scheduler's ({known})",
            )
        important = self._file_is_important is None or bool(self._file_is_important(change))
        if self._only_important and not important:
            return Verdict(
                False,
                why="it is not important (fileIsImportant), and only "
                "important changes are taken (onlyImportant)",
            )
        return Verdict(True, important)

    def _refusal(self, change: Change) -> str | None:
        """Why the filter does not let the change pass; users' filters may be of any class."""
        ours = isinstance(self._filter, ChangeFilter)
        if ours and type(self._filter).filter_change is ChangeFilter.filter_change:
            return self._filter.why_not(change)
        return None if self._filter.filter_change(change) else f"{self._filter!r} refuses it"
