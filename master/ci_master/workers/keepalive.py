"""Find out that a silent worker is gone."""

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_master.workers.session import Session

#: seconds that an answer may take, where the interval is not shorter
ANSWER_S = 30.0


class Keepalive:
    """Ping a worker that has been silent for an interval; close the connection if it stays so.

    A worker that hangs, or a lost connection, is noticed within two intervals. Whatever it sends
    counts as a sign of life, so that one that is merely busy is not taken for dead.

    :param interval_s: 0 or None switches it off.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, session: Session, interval_s: float | None) -> None:
        self._clock = clock
        self._session = session
        self._interval_s = interval_s or 0.0
        self._timer: IDelayedCall | None = None
        self._stopped = False
        self._asking = False
        self._wait(self._interval_s)

    def stop(self) -> None:
        """The session has ended."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def change_interval(self, interval_s: float | None) -> None:
        """Ping at another interval from now on."""
        if (interval_s or 0.0) != self._interval_s:
            self._interval_s = interval_s or 0.0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._asking:
                self._wait(self._interval_s)

    def _wait(self, seconds: float) -> None:
        if self._interval_s and not self._stopped:
            self._timer = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        silent_s = self._clock.seconds() - self._session.heard_at
        if silent_s < self._interval_s:
            self._wait(self._interval_s - silent_s)
            return
        asked_at = self._clock.seconds()
        self._asking = True
        answer = to_deferred(self._session.ping())
        answer.addTimeout(min(self._interval_s, ANSWER_S), self._clock)
        answer.addCallbacks(self._answered, self._silent, errbackArgs=(asked_at,))

    def _answered(self, _: object) -> None:
        self._asking = False
        self._wait(self._interval_s)

    def _silent(self, failure: Failure, asked_at: float) -> None:
        self._asking = False
        if self._stopped:
            return
        if self._session.heard_at > asked_at:  # it has much to say, and is slow about it
            self._wait(self._interval_s)
            return
        self.log.warn(
            "worker {name} does not answer; closing its connection",
            name=self._session.worker_name,
        )
        self._session.close()
