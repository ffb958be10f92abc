"""Result codes of steps, builds and build sets, and how they combine."""

from collections.abc import Iterable
from typing import Protocol

SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED = ALL_RESULTS = range(7)

#: Name of each result, indexed by its code.
Results = ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"]

_PLURALS = ["successes", "warnings", "failures", "skipped", "exceptions", "retries", "cancelled"]

#: From worst to best.
_SEVERITY = (CANCELLED, RETRY, EXCEPTION, FAILURE, WARNINGS, SUCCESS, SKIPPED)


class ResultFlags(Protocol):
    """What a step says about how its result counts for the build."""

    flunkOnFailure: bool
    flunkOnWarnings: bool
    warnOnFailure: bool
    warnOnWarnings: bool
    haltOnFailure: bool


def statusToString(status: int | None, count: int = 1) -> str:
    """The word for a result code; its plural where ``count`` is above 1."""
    if status is None:
        return "not finished"
    if not 0 <= status < len(Results):
        return "Invalid status"
    return Results[status] if count <= 1 else _PLURALS[status]


def worst_status(a: int, b: int) -> int:
    """The worse of two results: CANCELLED is the worst, SKIPPED the best."""
    for status in _SEVERITY:
        if status in (a, b):
            return status
    raise ValueError(f"neither {a!r} nor {b!r} is a result code")


def worst_of(results: Iterable[int], start: int = SUCCESS) -> int:
    """The worst of several results, at least ``start``."""
    worst = start
    for result in results:
        worst = worst_status(worst, result)
    return worst


def computeResultAndTermination(
    obj: ResultFlags, result: int, previousResult: int
) -> tuple[int, bool]:
    """What a step's result makes of its build's.

    :param obj: the step, or whatever carries the five flags.
    :returns: the build's result so far, and whether only ``alwaysRun`` steps may follow.
    """
    contribution, terminate = result, False
    if result == FAILURE:
        contribution = SUCCESS
        if obj.warnOnFailure:
            contribution = WARNINGS
        if obj.flunkOnFailure:
            contribution = FAILURE
        terminate = bool(obj.haltOnFailure)
    elif result == WARNINGS:
        contribution = SUCCESS
        if obj.warnOnWarnings:
            contribution = WARNINGS
        if obj.flunkOnWarnings:
            contribution = FAILURE
    elif result in (EXCEPTION, RETRY, CANCELLED):
        terminate = True
    return worst_status(previousResult, contribution), terminate
