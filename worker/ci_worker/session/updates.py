"""What a command has to tell the master, in order, few calls at a time.

Updates that are ready at the same moment travel in one call. Nothing waits for the master's answer
but the producer of output: it is asked to pause while too much is unanswered.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread.pb import DeadReferenceError, PBConnectionLost

#: An update waits this long at most for others to travel with.
LINGER_S = 0.1

#: An update call is sent at once when this much text waits for it. Three times as much still fits
#: into one string of the protocol (640 KiB), in the worst case of decoding.
CALL_BYTES = 64 * 1024

#: A producer has to pause while this much is unanswered.
MOST_BYTES = 512 * 1024
MOST_CALLS = 8

Entry = tuple[str, Any]

log = Logger()


class Updates:
    """The updates of one command.

    :param remote: has ``callRemote("update", list)`` and ``callRemote("complete", failure)``.
    :param on_full: called when a producer should pause; ``on_room`` when it may go on.
    """

    def __init__(
        self,
        remote: Any,
        clock: IReactorTime,
        *,
        on_full: Callable[[], None] | None = None,
        on_room: Callable[[], None] | None = None,
    ) -> None:
        self._remote = remote
        self._clock = clock
        self.on_full = on_full
        self.on_room = on_room
        self._waiting: list[Entry] = []
        self._last: list[Entry] = []
        self._waiting_bytes = 0
        self._timer: Any = None
        self._calls = 0
        self._unanswered_bytes = 0
        self._muted = False
        self.is_full = False

    def put(self, key: str, value: Any, size: int = 0) -> None:
        """Add one update; ``size`` is about how many bytes it is, where that matters."""
        if self._muted:
            return
        self._waiting.append((key, value))
        self._waiting_bytes += size
        if self._waiting_bytes >= CALL_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.callLater(LINGER_S, self._linger_ended)

    def put_last(self, key: str, value: Any) -> None:
        """Add an update that follows everything else, even the time that the command took."""
        self._last.append((key, value))

    def flush(self) -> None:
        """Send what waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._send()

    def mute(self) -> None:
        """Drop all that is not sent yet and all that comes: nobody listens any more."""
        self._muted = True
        self._waiting.clear()
        if self.is_full:  # the end of a producer is seen only by reading on
            self.is_full = False
            if self.on_room is not None:
                self.on_room()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def complete(self, failure: Failure | None) -> Deferred[None]:
        """Send the rest and the end; fires when the master has taken it, or cannot."""
        for key, value in self._last:
            self.put(key, value)
        self.flush()
        if self._muted:
            return succeed(None)
        answered: Deferred[Any] = self._call("complete", failure)
        return gatherResults([answered.addErrback(self._failed, "complete")]).addCallback(
            lambda _: None
        )

    def _linger_ended(self) -> None:
        self._timer = None
        self._send()

    def _send(self) -> None:
        if not self._waiting:
            return
        entries, size = merged(self._waiting), self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0
        self._calls += 1
        self._unanswered_bytes += size
        if not self.is_full and self._at_limit():
            self.is_full = True
            if self.on_full is not None:
                self.on_full()
        answered = self._call("update", [[{key: value}, 0] for key, value in entries])
        answered.addErrback(self._failed, "update").addBoth(self._answered, size)

    def _call(self, method: str, argument: Any) -> Deferred[Any]:
        try:
            answered: Deferred[Any] = self._remote.callRemote(method, argument)
        except DeadReferenceError:
            return succeed(None).addCallback(self._raise_dead)
        return answered

    @staticmethod
    def _raise_dead(_: None) -> None:
        raise DeadReferenceError("the connection to the master is gone")

    def _at_limit(self) -> bool:
        return self._calls >= MOST_CALLS or self._unanswered_bytes >= MOST_BYTES

    def _answered(self, _: Any, size: int) -> None:
        self._calls -= 1
        self._unanswered_bytes -= size
        if self.is_full and not self._at_limit() and not self._muted:
            self.is_full = False
            if self.on_room is not None:
                self.on_room()

    def _failed(self, failure: Failure, what: str) -> None:
        if failure.check(PBConnectionLost, DeadReferenceError) is None:
            log.failure("the master could not take an {what}", failure=failure, what=what)


def merged(entries: list[Entry]) -> list[Entry]:
    """Join neighbours of the same stream: texts of one key, log texts of one name."""
    joined: list[Entry] = []
    parts: list[str] = []
    stream: Any = None

    def close() -> None:
        if parts:
            text = "".join(parts)
            joined.append((stream, text) if isinstance(stream, str) else ("log", (stream[0], text)))
            parts.clear()

    for key, value in entries:
        here: Any
        if key in ("stdout", "stderr", "header"):
            here, text = key, value
        elif key == "log":
            here, text = (value[0],), value[1]
        else:
            close()
            stream = None
            joined.append((key, value))
            continue
        if here != stream:
            close()
            stream = here
        parts.append(text)
    close()
    return joined
