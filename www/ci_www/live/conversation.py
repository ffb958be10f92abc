"""What is said over a WebSocket: Buildbot's commands, and the shorter talk of our pages.

Pages say ``{"sub": [topic, ...], "after": number}`` and hear ``{"seq": ..., "k": ..., "m": ...}``
from the event after that number on, or ``{"resync": true, "seq": ...}``: look for yourself.
"""

import json
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from ci_www.live.hub import Event, Hub
from ci_www.live.outbox import Outbox
from ci_www.live.topics import BadTopic, Topic, parse

MOST_TOPICS = 500


class BadFrame(Exception):
    """A frame that is not JSON: the connection is closed."""


class Conversation:
    """One client.

    :param send: sends a text frame.
    :param drop: cuts the connection.
    """

    log = Logger()

    def __init__(self, hub: Hub, send: Callable[[str], None], drop: Callable[[], None]) -> None:
        self._hub = hub
        self._drop = drop
        self._numbered = False  # whether this is one of our pages
        self._lost = False
        self.outbox = Outbox(send, overflowed=self._overflow, gone=self.ended)
        hub.join(self)

    def ended(self) -> None:
        """The connection is gone; may be told twice."""
        self._hub.leave(self)

    def close(self) -> None:
        """We go."""
        self.ended()
        self._drop()

    def deliver(self, event: Event) -> None:
        """Something happened that this client wants to hear of."""
        if self._lost and self.outbox.paused:
            return  # "resync" waits to be read; what it makes the client ask for has this too
        self._lost = False
        if self._numbered:
            self.outbox.put(f'{{"seq":{event.seq},{event.text}}}')
        else:
            self.outbox.put(f"{{{event.text}}}")

    def _overflow(self) -> None:
        if self._numbered:
            self._lost = True
            self._resync()  # waits in the outbox, alone, until the client reads again
        else:
            self.close()

    def _resync(self) -> None:
        self.outbox.put(json.dumps({"resync": True, "seq": self._hub.seq}))

    # -- frames -----------------------------------------------------------------------------------

    def heard(self, text: str) -> None:
        """The client says something.

        :raises BadFrame: if that is not JSON.
        """
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadFrame(str(error)) from None
        if isinstance(frame, dict) and "sub" in frame and "cmd" not in frame:
            self._subscribe(frame)
        else:
            self._command(frame if isinstance(frame, dict) else {})

    def _subscribe(self, frame: dict[str, Any]) -> None:
        self._numbered = True
        wanted = frame["sub"]
        try:
            if not isinstance(wanted, list) or len(wanted) > MOST_TOPICS:
                raise BadTopic("too many topics")
            topics = list(dict.fromkeys(parse(text) for text in wanted))
        except BadTopic as error:
            self.outbox.put(json.dumps({"error": str(error), "code": error.status}))
            return
        for topic in self._hub.topics_of(self):
            self._hub.unwant(self, topic)
        for topic in topics:
            self._hub.want(self, topic)
        after = frame.get("after")
        if isinstance(after, int):
            missed = self._hub.missed(self, after)
            if missed is None:
                self._resync()
            else:
                for event in missed:
                    self.deliver(event)

    def _command(self, frame: dict[str, Any]) -> None:
        number = frame.get("_id")
        if not _can_be_written(number):
            self._refuse(400, "'_id' cannot be written as JSON", None)
        elif number is None and frame.get("type") is None:
            self._refuse(400, "no '_id' or 'type' in websocket frame", None)
        elif frame.get("cmd") is None:
            self._refuse(400, "no 'cmd' in websocket frame", None)
        else:
            self._do(frame["cmd"], frame, number)

    def _do(self, command: Any, frame: dict[str, Any], number: Any) -> None:
        if command == "ping":
            self._acknowledge("pong", number)
        elif command in ("startConsuming", "stopConsuming"):
            try:
                topic = self._path(frame)
            except BadTopic as error:
                self._refuse(error.status, str(error), number)
                return
            if command == "startConsuming":
                self._start(topic, number)
            elif self._hub.unwant(self, topic):
                self._acknowledge("OK", number)
            else:
                self._refuse(400, f"path was not consumed '{frame['path']}'", number)
        else:
            self._refuse(404, f"no such command type '{command}'", number)

    def _path(self, frame: dict[str, Any]) -> Topic:
        extra = sorted(frame.keys() - {"cmd", "_id", "path", "type"})
        if extra or "path" not in frame:
            what = extra[0] if extra else "path"
            raise BadTopic(f"Invalid method argument '{what}'")
        return parse(frame["path"])

    def _start(self, topic: Topic, number: Any) -> None:
        if len(self._hub.topics_of(self)) >= MOST_TOPICS:
            self._refuse(400, "too many paths", number)
            return
        self._hub.want(self, topic)
        self._acknowledge("OK", number)

    def _acknowledge(self, message: str, number: Any) -> None:
        self.outbox.put(json.dumps({"msg": message, "code": 200, "_id": number}))

    def _refuse(self, code: int, error: str, number: Any) -> None:
        self.outbox.put(json.dumps({"error": error, "code": code, "_id": number}))


def _can_be_written(number: Any) -> bool:
    """Whether an answer can carry it: Python reads ``NaN`` and ``1e999``, which are no JSON."""
    try:
        json.dumps(number, allow_nan=False)
    except (ValueError, RecursionError):
        return False
    return True
