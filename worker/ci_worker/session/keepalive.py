"""Ask the master regularly whether it is still there."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure


class Keepalive:
    """Calls the master every ``interval_s``; a call unanswered for as long means it is gone.

    So a dead connection is noticed within two intervals.
    """

    def __init__(
        self, clock: Any, interval_s: float, perspective: Any, on_dead: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._perspective = perspective
        self._on_dead = on_dead
        self._loop = LoopingCall(self._call)
        self._loop.clock = clock
        self._stopped = False

    def start(self) -> None:
        """Begin; the first call is one interval from now."""
        self._loop.start(self._interval_s, now=False)

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True
        if self._loop.running:
            self._loop.stop()

    def _call(self) -> Deferred[Any]:
        answer: Deferred[Any] = self._perspective.callRemote("keepalive")
        answer.addTimeout(self._interval_s, self._clock)
        return answer.addErrback(self._dead)

    def _dead(self, failure: Failure) -> None:
        if not self._stopped:
            self.stop()
            self._on_dead(f"keepalive: {failure.getErrorMessage() or 'no answer in time'}")
