"""Noticing that a worker stays away."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Absence:
    """One wait for a worker that somebody wants to have back.

    :param missing: called when it has not come in time.
    """

    def __init__(self, clock: IReactorTime, missing: Callable[[], None]) -> None:
        self._clock = clock
        self._missing = missing
        self._timer: IDelayedCall | None = None

    @property
    def counts(self) -> bool:
        """Whether it is being waited for."""
        return self._timer is not None

    def begin(self, timeout_s: float) -> None:
        """Wait anew."""
        self.end()
        self._timer = self._clock.callLater(timeout_s, self._over)

    def end(self) -> None:
        """The worker is here, or nobody waits for it any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _over(self) -> None:
        self._timer = None
        self._missing()
