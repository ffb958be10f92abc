"""The texts that tell what a step does and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ci_common.aio import settle
from ci_common.results import (
    ALL_RESULTS,
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SUCCESS,
    WARNINGS,
    Results,
)

Summary = dict[str, str]


def joined(description: Any) -> str:
    """A description, which is a string or a list of them, as one text."""
    if not description:
        return ""
    if isinstance(description, str):
        return description
    return " ".join(str(part) for part in description)


class SummaryMixin:
    """Overridable texts of a step. Overrides may be coroutines or return Deferreds."""

    name: Any
    description: Any
    descriptionDone: Any
    descriptionSuffix: Any
    flunkOnFailure: bool
    flunkOnWarnings: bool
    haltOnFailure: bool
    warnOnFailure: bool
    warnOnWarnings: bool
    results: int | None = None
    timed_out = False
    max_lines_reached = False
    #: list of results, True (all) or False (none); None: those that the flags make matter
    updateBuildSummaryPolicy: Any = None

    def getCurrentSummary(self) -> Any:
        """What is shown while the step runs, under the key ``step``."""
        text = joined(self.description)
        if not text:
            return {"step": "running"}
        return {"step": self._with_suffix(text)}

    def getResultSummary(self) -> Any:
        """What is shown afterwards: ``step`` for the step, ``build`` for its build."""
        text = joined(self.descriptionDone) or joined(self.description)
        text = self._with_suffix(text) if text else "finished"
        return {"step": self._with_outcome(text, " (max lines reached)")}

    def _with_suffix(self, text: str) -> str:
        suffix = joined(self.descriptionSuffix)
        return f"{text} {suffix}" if suffix else text

    def _with_outcome(self, text: str, max_lines: str) -> str:
        if self.results is not None and self.results != SUCCESS:
            text += f" ({Results[self.results]})"
        if self.timed_out:
            text += " (timed out)"
        elif self.max_lines_reached:
            text += max_lines
        return text

    async def getBuildResultSummary(self) -> Summary:
        """The same with ``build``, the step's part of the build's text, if this result matters."""
        summary: Summary = await settle(self.getResultSummary())
        if (
            isinstance(summary, dict)
            and "step" in summary
            and "build" not in summary
            and self.results in self._summary_policy()
        ):
            return {**summary, "build": summary["step"]}
        return summary

    def _summary_policy(self) -> Sequence[int]:
        policy = self.updateBuildSummaryPolicy
        if policy is True:
            return ALL_RESULTS
        if policy is False:
            return ()
        if policy is not None:
            return list(policy)
        wanted = [EXCEPTION, RETRY, CANCELLED]
        if self.flunkOnFailure or self.haltOnFailure or self.warnOnFailure:
            wanted.append(FAILURE)
        if self.warnOnWarnings or self.flunkOnWarnings:
            wanted.append(WARNINGS)
        return wanted
