"""Find out that a silent worker is gone."""

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_master.workers.session import Session

#: seconds that an answer may take, where the interval is not shorter
ANSWER_S = 60.0


class Keepalive:
    """Ping a worker that has been silent for an interval; close the connection if it stays so.

    A lost connection is noticed within two intervals.

    :param interval_s: 0 or None switches it off.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, session: Session, interval_s: float | None) -> None:
        self._clock = clock
        self._session = session
        self._interval_s = interval_s or 0.0
        self._timer: IDelayedCall | None = None
        self._stopped = False
        self._wait(self._interval_s)

    def stop(self) -> None:
        """The session has ended."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, seconds: float) -> None:
        if self._interval_s and not self._stopped:
            self._timer = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        silent_s = self._clock.seconds() - self._session.heard_at
        if silent_s < self._interval_s:
            self._wait(self._interval_s - silent_s)
            return
        answer = to_deferred(self._session.ping())
        answer.addTimeout(min(self._interval_s, ANSWER_S), self._clock)
        answer.addCallbacks(lambda _: self._wait(self._interval_s), self._silent)

    def _silent(self, failure: Failure) -> None:
        if not self._stopped:
            self.log.warn(
                "worker {name} does not answer; closing its connection",
                name=self._session.worker_name,
            )
            self._session.close()
