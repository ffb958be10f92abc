"""What waits to be sent to a client that is slower than the events: bounded."""

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

#: More than this is not kept for a slow client.
MOST_BYTES = 256 * 1024


@implementer(IPushProducer)
class Outbox:
    """Sends at once while the transport takes it; keeps a little while it does not.

    :param send: puts one text onto the transport.
    :param overflowed: called when too much waits; what waits is dropped before.
    :param gone: called when the connection ends.
    """

    def __init__(
        self,
        send: Callable[[str], None],
        *,
        overflowed: Callable[[], None],
        gone: Callable[[], None],
    ) -> None:
        self._send = send
        self._overflowed = overflowed
        self._gone = gone
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether the transport takes nothing now."""
        return self._paused

    def put(self, text: str) -> None:
        """Send this, now or when the client has caught up."""
        if not self._paused:
            self._send(text)
            return
        self._waiting.append(text)
        self._bytes += len(text)
        if self._bytes > MOST_BYTES:
            self._waiting.clear()
            self._bytes = 0
            self._overflowed()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self._paused = False
        while self._waiting and not self._paused:
            text = self._waiting.popleft()
            self._bytes -= len(text)
            self._send(text)

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._waiting.clear()
        self._bytes = 0
        self._gone()
