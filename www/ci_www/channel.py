"""One HTTP connection: what is no HTTP is answered with 400, and headers and bodies must come."""

from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

#: Seconds in which the headers of a request must have come, however slowly they drip in.
HEADERS_S = 60
#: Each so many seconds a body must have grown by so many bytes, until it is complete.
BODY_S, BODY_BYTES = 30, 8 * 1024
#: Digits of a length; more of them are no length of anything.
_LONGEST_LENGTH = 15
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebChannel(HTTPChannel):
    """A connection of a browser, a program, or somebody who has the wrong port."""

    site: Any  # set by the site, ci_www.site.WebSite
    _begun = False
    _refused = False
    _due: Any = None  # IDelayedCall

    def connectionMade(self) -> None:
        """Somebody is there."""
        super().connectionMade()
        self._expect_headers()

    def dataReceived(self, data: bytes) -> None:
        """Something has come; a request begins with the name of a method."""
        if self._refused:
            return
        if not self._begun:
            self._begun = True
            if not data[:1].isalpha():
                self._refuse()
                return
        try:
            super().dataReceived(data)
        except Exception as error:  # of the parser; what resources raise is caught before
            self._refuse(f" ({type(error).__name__}: {str(error)[:80]})")

    def headerReceived(self, line: bytes) -> bool:
        """A header is complete; False if the connection is at its end."""
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and len(value.strip()) > _LONGEST_LENGTH:
            self._refuse()
            return False
        return bool(super().headerReceived(line))

    def lineLengthExceeded(self, line: bytes) -> None:
        """A header or the address is too long."""
        self._refuse()

    def allHeadersReceived(self) -> None:
        """The head of a request is complete."""
        self._cancel_deadline()
        super().allHeadersReceived()
        if self.length != 0:
            self._expect_body(self.requests[-1], 0)

    def allContentReceived(self) -> None:
        """The body is complete."""
        self._cancel_deadline()
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:
        """A request is answered; another may follow."""
        super().requestDone(request)
        if self.transport is not None and self._due is None:
            self._expect_headers()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """They are gone."""
        self._cancel_deadline()
        super().connectionLost(reason)

    def _cancel_deadline(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()

    def _expect_body(self, request: Any, had: int) -> None:
        """Look at a body that is on its way, again and again."""
        self._due = self.callLater(BODY_S, lambda: self._look_at_body(request, had))

    def _look_at_body(self, request: Any, had: int) -> None:
        if request.body_bytes - had < BODY_BYTES:
            self._too_slow()
        else:
            self._expect_body(request, request.body_bytes)

    def _expect_headers(self) -> None:
        self._due = self.callLater(HEADERS_S, self._too_slow)

    def _too_slow(self) -> None:
        self._due = None
        if self.transport is not None:
            self.transport.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Twisted's parser has met what is no HTTP."""
        self._refuse()

    def _refuse(self, why: str = "") -> None:
        transport: Any = self.transport
        if transport is None or self._refused:
            return
        self._refused = True
        peer = str(getattr(self.getPeer(), "host", "somebody"))
        self.site.noise.warn("{peer} sent what is no HTTP{why}", peer=peer, why=why)
        transport.write(_BAD_REQUEST)
        transport.loseConnection()
