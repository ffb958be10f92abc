"""Bridges between coroutines, Deferreds and plain values."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


def spawn(work: Awaitable[T], log: Logger, doing: str) -> Deferred[T | None]:
    """Start a coroutine that nobody waits for; a failure is logged with what it was doing.

    :returns: a Deferred that always succeeds, for those who want to know when it has ended.
    """

    def log_failure(failure: Failure) -> None:
        log.failure("failed while {doing}", failure=failure, doing=doing)

    return to_deferred(work).addErrback(log_failure)


def to_deferred(value: Any) -> Deferred[Any]:
    """A Deferred for a coroutine, a Deferred or any awaitable."""
    if isinstance(value, Deferred):
        return value
    return ensureDeferred(value)


async def settle(value: Any) -> Any:
    """The plain value of what a user's override returned.

    Takes a coroutine, a Deferred, a generator written for ``inlineCallbacks``, or the value
    itself, which comes back unchanged.
    """
    if isinstance(value, Generator):
        running = value
        value = inlineCallbacks(lambda: running)()
    if isinstance(value, Deferred) or inspect.isawaitable(value):
        return await value
    return value


#: What a function of a user may raise: also what would end a program, as ``sys.exit()`` does. One
#: build, or one answer, fails by it, and nothing else.
USERS_ERRORS = (Exception, SystemExit, KeyboardInterrupt)


class EndedByOverride(Exception):
    """A user's function raised what would end a program, as ``sys.exit()`` does."""


async def call_override(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what a user gave us, and wait for it if it is of the kind that must be waited for.

    :raises EndedByOverride: instead of ``SystemExit`` and other exceptions that are no
        ``Exception``: whoever cleans up after a failure catches it like any other.
    """
    try:
        return await settle(function(*args, **kwargs))
    except (Exception, GeneratorExit):
        raise
    except BaseException as error:
        raise EndedByOverride(f"{type(error).__name__}: {error}") from error


async def within(clock: IReactorTime, limit_s: float, work: Awaitable[T]) -> T:
    """The outcome of some work, if it ends in time; otherwise the work is cancelled.

    :raises TimeoutError: after ``limit_s`` seconds, also if the work does not heed its end.
    """
    running = to_deferred(work)
    outcome: Deferred[T] = Deferred()

    def give_up() -> None:
        outcome.errback(TimeoutError(f"it did not end within {limit_s:g} seconds"))
        running.cancel()

    timer = clock.callLater(limit_s, give_up)

    def ended(result: Any) -> None:
        if timer.active():
            timer.cancel()
            outcome.callback(result)

    running.addBoth(ended)
    return await outcome
