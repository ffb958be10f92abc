"""One HTTP connection: what is no HTTP is answered with 400, and headers have a deadline."""

from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

#: Seconds in which the headers of a request must have come, however slowly they drip in.
HEADERS_S = 60
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebChannel(HTTPChannel):
    """A connection of a browser, a program, or somebody who has the wrong port."""

    _begun = False
    _due: Any = None  # IDelayedCall

    def connectionMade(self) -> None:
        """Somebody is there."""
        super().connectionMade()
        self._expect_headers()

    def dataReceived(self, data: bytes) -> None:
        """Something has come; a request begins with the name of a method."""
        if not self._begun:
            self._begun = True
            if not data[:1].isalpha():
                self._refuse()
                return
        super().dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A header or the address is too long."""
        self._refuse()

    def allHeadersReceived(self) -> None:
        """The head of a request is complete."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        super().allHeadersReceived()

    def requestDone(self, request: Any) -> None:
        """A request is answered; another may follow."""
        super().requestDone(request)
        if self.transport is not None and self._due is None:
            self._expect_headers()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """They are gone."""
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()
        super().connectionLost(reason)

    def _expect_headers(self) -> None:
        self._due = self.callLater(HEADERS_S, self._too_slow)

    def _too_slow(self) -> None:
        self._due = None
        if self.transport is not None:
            self.transport.loseConnection()

    def _refuse(self) -> None:
        transport: Any = self.transport
        transport.write(_BAD_REQUEST)
        transport.loseConnection()
