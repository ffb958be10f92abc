"""How long a request whose build was cut off rests before it is tried again."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

FIRST_S = 1.0
LONGEST_S = 60.0


class Backoff:
    """Rests that double from a second to a minute, by request.

    So a worker that breaks every build at once cannot make the master spin.

    :param ended: called with the id of a request that may be tried again.
    """

    def __init__(self, clock: IReactorTime, ended: Callable[[int], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._next_s: dict[int, float] = {}
        self._timers: dict[int, IDelayedCall] = {}
        #: request id -> clock seconds of the end of its rest
        self.resting: dict[int, float] = {}

    def rest(self, request_id: int) -> None:
        """Begin a rest."""
        self._stop(request_id)
        wait_s = self._next_s.get(request_id, FIRST_S)
        self._next_s[request_id] = min(2 * wait_s, LONGEST_S)
        self.resting[request_id] = self._clock.seconds() + wait_s
        self._timers[request_id] = self._clock.callLater(wait_s, self._over, request_id)

    def forget(self, request_id: int) -> None:
        """The request is complete."""
        self._stop(request_id)
        self._next_s.pop(request_id, None)

    def close(self) -> None:
        """End all rests."""
        for request_id in list(self._timers):
            self._stop(request_id)

    def _stop(self, request_id: int) -> None:
        self.resting.pop(request_id, None)
        timer = self._timers.pop(request_id, None)
        if timer is not None:
            timer.cancel()

    def _over(self, request_id: int) -> None:
        del self._timers[request_id]
        self.resting.pop(request_id, None)
        self._ended(request_id)
