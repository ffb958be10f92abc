"""A part of a build that can be made to end, whatever it waits for."""

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred

T = TypeVar("T")

#: Seconds after a stop, or the loss of a worker, after which what still runs is cancelled; and
#: seconds more after which it is left to itself. Together they are less than ten.
CUT_S = 8.0
TIDY_S = 1.0


class Course(Generic[T]):
    """Work that somebody waits for, until it has ended or is cut short.

    :ivar outcome: fires with what the work comes to; with CancelledError if it was cut short and
        did not end by that.
    """

    log = Logger()

    def __init__(self, work: Awaitable[T], clock: IReactorTime) -> None:
        self.outcome: Deferred[T] = Deferred()
        self._clock = clock
        self._timer: Any = None
        self._work = to_deferred(work)
        self._work.addBoth(self._ended)

    def cut_soon(self) -> None:
        """Cut it short if it does not end by itself in :data:`CUT_S`."""
        if not self.outcome.called and self._timer is None:
            self._timer = self._clock.callLater(CUT_S, self.cut)

    def cut(self) -> None:
        """Cancel it; if it swallows that, wait for it no longer."""
        if self.outcome.called:
            return
        self._stop_timer()
        self._timer = self._clock.callLater(TIDY_S, self._abandon)
        self._work.cancel()

    def _abandon(self) -> None:
        self._timer = None
        if not self.outcome.called:
            self.outcome.errback(CancelledError())

    def _ended(self, result: Any) -> None:
        self._stop_timer()
        if not self.outcome.called:
            self.outcome.callback(result)  # a Failure too
        elif isinstance(result, Failure) and not result.check(CancelledError):
            self.log.failure("work that was given up failed later", failure=result)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
