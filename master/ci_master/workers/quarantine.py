"""Keeping work away from a worker whose builds break for no fault of theirs."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

FIRST_S = 10.0
LONGEST_S = 3600.0


class Quarantine:
    """A wait that doubles from 10 seconds to an hour each time that it is needed again.

    :param ended: called when a wait is over.
    """

    def __init__(self, clock: IReactorTime, ended: Callable[[], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._next_s = FIRST_S
        self._timer: IDelayedCall | None = None

    @property
    def until(self) -> float | None:
        """Clock seconds of its end; None if the worker is free."""
        return self._timer.getTime() if self._timer is not None else None

    def begin(self) -> None:
        """Wait; longer than the last time. During a wait nothing changes."""
        if self._timer is None:
            self._timer = self._clock.callLater(self._next_s, self._over)
            self._next_s = min(2 * self._next_s, LONGEST_S)

    def reset(self) -> None:
        """The worker has proved itself: free it, and begin at 10 seconds the next time."""
        self._next_s = FIRST_S
        if self.stop():
            self._ended()

    def stop(self) -> bool:
        """Drop the timer, if there is one."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None

    def _over(self) -> None:
        self._timer = None
        self._ended()
