"""``/sse``: events as a stream that any HTTP client can read."""

import uuid
from collections.abc import Callable
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ci_common.jsontext import strict_json
from ci_www.auth import may
from ci_www.live.hub import Event, Hub
from ci_www.live.outbox import Outbox
from ci_www.live.topics import BadTopic, Topic, parse


class Listener:
    """One stream."""

    def __init__(self, hub: Hub, request: Any) -> None:
        self.hub = hub
        self._request = request
        self._closed = False
        self.outbox = Outbox(self._write, overflowed=self.close, gone=self.ended)
        hub.join(self)

    def _write(self, text: str) -> None:
        self._request.write(text.encode())

    def deliver(self, event: Event) -> None:
        """Something happened that this client wants to hear of."""
        data = strict_json({"key": event.key, "message": event.message}, default=str)
        self.outbox.put(f"event: event\ndata: {data}\n\n")

    def ended(self) -> None:
        """The connection is gone."""
        self._closed = True
        self.hub.leave(self)

    def close(self) -> None:
        """Cut it off: the client is too slow, or we go."""
        if not self._closed:
            self.ended()
            self._request.transport.abortConnection()


class ServerSentEvents(Resource):
    """Streams, and changing what they tell of."""

    isLeaf = True

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub
        self._listeners: dict[str, Listener] = {}

    def render_GET(self, request: Any) -> Any:
        """Listen, or change what a listener hears. A path without a verb is listened to."""
        if not may(request, "get", "events"):
            return _refuse(request, 403, "you may not listen to events")
        path = [segment.decode("utf-8", "replace") for segment in request.postpath]
        if path and path[-1] == "":
            path.pop()
        verb, rest = (path[0] if path else ""), path[1:]
        if verb == "add":
            return self._change(request, rest, self._add)
        if verb == "remove":
            return self._change(request, rest, self._remove)
        return self._listen(request, rest if verb == "listen" else path)

    def _listen(self, request: Any, path: list[str]) -> Any:
        try:
            topic = parse("/".join(path)) if path else None
        except BadTopic as error:
            return _refuse(request, error.status, str(error))
        request.setHeader(b"Content-Type", b"text/event-stream")
        request.setHeader(b"Cache-Control", b"no-cache")
        request.setHeader(b"X-Accel-Buffering", b"no")  # nginx must pass each event on at once
        name = str(uuid.uuid4())
        listener = self._listeners[name] = Listener(self._hub, request)
        request.notifyFinish().addBoth(lambda _ended: self._forget(name))
        request.write(f"event: handshake\ndata: {name}\n\n".encode())
        request.registerProducer(listener.outbox, True)
        if topic is not None:
            self._hub.want(listener, topic)
        return NOT_DONE_YET

    def _forget(self, name: str) -> None:
        self._listeners.pop(name).ended()

    def _change(
        self, request: Any, path: list[str], change: Callable[[Any, Listener, Topic], bytes]
    ) -> bytes:
        if not path:
            return _refuse(request, 400, "need uuid")
        listener = self._listeners.get(path[0])
        if listener is None:
            return _refuse(request, 400, "unknown uuid")
        try:
            topic = parse("/".join(path[1:]))
        except BadTopic as error:
            return _refuse(request, error.status, str(error))
        return change(request, listener, topic)

    def _add(self, request: Any, listener: Listener, topic: Topic) -> bytes:
        self._hub.want(listener, topic)
        return _ok(request)

    def _remove(self, request: Any, listener: Listener, topic: Topic) -> bytes:
        if not self._hub.unwant(listener, topic):
            return _refuse(request, 404, "consumer is not listening to this event")
        return _ok(request)


def _ok(request: Any) -> bytes:
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return b"ok"


def _refuse(request: Any, status: int, text: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return text.encode()
