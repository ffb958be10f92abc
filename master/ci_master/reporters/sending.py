"""Sending to a receiver that may be slow or away for a while: a few tries, then given up."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.task import deferLater

from ci_common.faults import Refused
from ci_common.retry import retry_wait_s

T = TypeVar("T")

#: A report is tried so often.
TRIES = 5


class Undelivered(Exception):
    """The receiver did not take a report; the text is for whoever reads the log."""


class TryAgain(Undelivered):
    """It may take it later."""


def may_pass(error: BaseException) -> bool:
    """Whether an error tells of the world (a network, a receiver or our database that is away),
    so that the same may succeed later. Any other is the receiver's mind, or a mistake of ours.
    """
    if isinstance(error, Undelivered):
        return isinstance(error, TryAgain)
    if isinstance(error, Refused):
        return error.status == 503
    reasons = getattr(error, "reasons", None)  # how Twisted wraps what broke off a request
    if isinstance(reasons, list):
        return any(may_pass(reason.value) for reason in reasons)
    return isinstance(error, OSError | ConnectError | ConnectionClosed | TimeoutError)


async def with_retries(
    clock: Any,
    attempt: Callable[[], Awaitable[T]],
    *,
    tries: int = TRIES,
    chance: Callable[[], float] = random.random,
) -> T:
    """Make attempts until one does not raise :class:`TryAgain`.

    Between them it waits longer and longer, with full jitter.

    :raises Undelivered: what the last attempt raised.
    """
    failed = 0
    while True:
        try:
            return await attempt()
        except TryAgain as error:
            failed += 1
            if failed >= tries:
                raise Undelivered(f"{error} (tried {tries} times)") from error
        # The first wait is below 2 s, the fourth below 16 s.
        await deferLater(clock, retry_wait_s(failed + 1, chance))
