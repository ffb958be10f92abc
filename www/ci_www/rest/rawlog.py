"""Whole logs, streamed: read ahead by one block, never faster than the client takes them."""

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

#: (log id, line to begin at) -> (bytes, line to go on from; None at the end)
ReadBlock = Callable[[int, int], Awaitable[tuple[bytes, int | None]]]


@implementer(IPushProducer)
class LogStream:
    """Writes a log to a request. At most two blocks are held at a time."""

    def __init__(self, request: Any, read_block: ReadBlock, logid: int) -> None:
        self._request = request
        self._read_block = read_block
        self._logid = logid
        self._resumed: Deferred[None] | None = None
        self._stopped = False

    async def run(self, head: bytes, tail: bytes = b"", *, first: int = 0) -> None:
        """Send it all from line ``first`` on and finish, or stop when the client is gone."""
        request = self._request
        request.registerProducer(self, True)
        try:
            if head:
                request.write(head)
            line: int | None = first
            ahead = self._start(first)
            while line is not None and not self._stopped:
                block, line = await ahead
                if line is not None:
                    ahead = self._start(line)
                if self._resumed is not None:
                    await self._resumed
                if block and not self._stopped:
                    request.write(block)
        finally:
            if not self._stopped:
                request.unregisterProducer()
        if not self._stopped:
            if tail:
                request.write(tail)
            request.finish()

    def _start(self, line: int) -> "Deferred[tuple[bytes, int | None]]":
        return Deferred.fromCoroutine(self._read(line))

    async def _read(self, line: int) -> tuple[bytes, int | None]:
        return await self._read_block(self._logid, line)

    def pauseProducing(self) -> None:
        """The client is slower than we are."""
        if self._resumed is None:
            self._resumed = Deferred()

    def resumeProducing(self) -> None:
        """The client can take more."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.callback(None)

    def stopProducing(self) -> None:
        """The client is gone."""
        self._stopped = True
        self.resumeProducing()
