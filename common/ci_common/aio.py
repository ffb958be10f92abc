"""Bridges between coroutines, Deferreds and plain values."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks
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


async def call_override(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what a user gave us, and wait for it if it is of the kind that must be waited for."""
    return await settle(function(*args, **kwargs))
