"""``/ws``: from an HTTP request to a WebSocket. Autobahn is loaded when the first one comes."""

import importlib
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from ci_common.aio import spawn
from ci_www.auth import may
from ci_www.live.hub import Hub
from ci_www.parts import WebParts


@implementer(IResource)
class WebSocketUpgrade(Resource):
    """Takes upgrades of our own pages and of programs; refuses those of other sites."""

    isLeaf = True
    log = Logger()

    def __init__(self, hub: Hub, parts: WebParts) -> None:
        super().__init__()
        self._hub = hub
        self._parts = parts
        self._factory: Any = None

    def render(self, request: Any) -> Any:
        """Upgrade, or say why not."""
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        if (request.getHeader("upgrade") or "").lower() != "websocket":
            request.setResponseCode(426, b"Upgrade Required")
            request.setHeader(b"Upgrade", b"WebSocket")
            return b"this is for WebSockets\n"
        origin = request.getHeader("origin")
        if origin and not request.site.policy.origin_allowed(request, origin):
            request.setResponseCode(403)
            return b"invalid origin\n"
        if not may(request, "get", "events"):
            request.setResponseCode(403)
            return b"you may not listen to events\n"
        if self._factory is not None:
            return self._factory.upgrade(request)
        loaded: Deferred[Any] = spawn(self._load(), self.log, "loading the WebSocket server")
        loaded.addCallback(lambda _done: self._upgrade(request))
        return NOT_DONE_YET

    async def _load(self) -> None:
        module = await self._parts.in_thread(importlib.import_module, "ci_www.live.websocket")
        if self._factory is None:
            self._factory = module.Factory(self._hub, self._parts)

    def _upgrade(self, request: Any) -> None:
        if request._disconnected:
            return
        if self._factory is None:
            request.setResponseCode(503)
            request.finish()
            return
        body = self._factory.upgrade(request)
        if body != NOT_DONE_YET:
            request.write(body)
            request.finish()
