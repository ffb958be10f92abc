"""The WebSocket server, by Autobahn. Loaded only when somebody connects."""

import json
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.logger import Logger

from ci_www.failures import failed, log_failure
from ci_www.live.conversation import BadFrame, Conversation
from ci_www.live.hub import Hub
from ci_www.parts import WebParts

_LONGEST_FRAME = 64 * 1024


class EventSocket(WebSocketServerProtocol):
    """One connection."""

    conversation: Conversation | None = None
    _failures = Logger()

    def onOpen(self) -> None:
        """The handshake is done."""
        transport: Any = self.transport
        self.conversation = Conversation(
            self.factory.hub,
            self._tell,
            # Autobahn lets an application send no "going away" (1001)
            lambda: self.sendClose(1000, "the master stops"),
        )
        transport.unregisterProducer()  # the HTTP channel's: it is not in charge any more
        transport.registerProducer(self.conversation.outbox, True)

    def _tell(self, text: str) -> None:
        if self.state == self.STATE_OPEN:  # else it is about to be gone, and hears of it
            self.sendMessage(text.encode())

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A frame has come."""
        if self.conversation is None:
            return
        try:
            self.conversation.heard(payload.decode("utf-8"))
        except (BadFrame, UnicodeDecodeError):
            self.dropConnection(abort=True)
        except Exception:
            number = log_failure(self._failures, "a frame of a WebSocket")
            error = f"Internal Error: {failed(number)}"
            self._tell(json.dumps({"error": error, "code": 500, "_id": None}))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone."""
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.ended()


class Factory(WebSocketServerFactory):
    """Makes connections, for one web server."""

    protocol = EventSocket

    def __init__(self, hub: Hub, parts: WebParts) -> None:
        super().__init__(reactor=parts.clock)
        self.hub = hub
        self.setProtocolOptions(
            maxFramePayloadSize=_LONGEST_FRAME,
            maxMessagePayloadSize=_LONGEST_FRAME,
            autoPingInterval=parts.www.get("ws_ping_interval") or 30,
            autoPingTimeout=20,
            openHandshakeTimeout=10,
            # whose scripts may connect has been decided before
            allowedOrigins=["*"],
            allowNullOrigin=True,
        )
        self._resource = WebSocketResource(self)

    def upgrade(self, request: Any) -> Any:
        """Take over a request's connection."""
        return self._resource.render(request)
