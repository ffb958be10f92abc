"""The hub: hears all events of the bus once, and tells each client those it wants."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ci_common.jsontext import strict_json
from ci_master.events.bus import Bus, Subscription
from ci_www.live.topics import CONTROL, Index, Topic, matches

#: So many events are kept for clients that come back.
KEPT = 10_000
#: Without clients for this long, the hub stops listening: events that nobody wants cost nothing.
LINGER_S = 300


class Event:
    """An event with its number; its text is made once, when the first client wants it."""

    __slots__ = ("_text", "key", "message", "seq")

    def __init__(self, seq: int, key: Topic, message: Mapping[str, Any]) -> None:
        self.seq = seq
        self.key = key
        self.message = message
        self._text = ""

    @property
    def text(self) -> str:
        """``"k":...,"m":...``: what the frames of all kinds of clients have in common."""
        if not self._text:
            message = strict_json(self.message, separators=(",", ":"), default=str)
            self._text = f'"k":{json.dumps("/".join(self.key))},"m":{message}'
        return self._text


class Client(Protocol):
    """Somebody who hears of events."""

    def deliver(self, event: Event) -> None: ...
    def close(self) -> None: ...
    def __hash__(self) -> int: ...


class Hub:
    """Knows the clients and what they want, and keeps the last events."""

    log = Logger()

    def __init__(self, bus: Bus, clock: IReactorTime) -> None:
        self._bus = bus
        self._clock = clock
        self._index: Index[Client] = Index()
        self._topics: dict[Client, list[Topic]] = {}
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._heard_since = 0  # the number of the last event that was not heard
        self._subscription: Subscription | None = None
        self._lingering: Any = None
        self._running = False

    def start(self) -> None:
        """Take clients."""
        self._running = True

    def stop(self) -> None:
        """Close all clients and take no more."""
        self._running = False
        for client in list(self._topics):
            client.close()
        self._sleep()

    @property
    def seq(self) -> int:
        """Number of the event told last."""
        return self._bus.seq

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self._topics)

    # -- clients ----------------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Take a client; it wants nothing yet."""
        self._topics.setdefault(client, [])
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._subscription is None and self._running:
            self._heard_since = self._bus.seq
            self._subscription = self._bus.subscribe_all(self._hear)

    def leave(self, client: Client) -> None:
        """Forget a client; may be told twice."""
        for topic in self._topics.pop(client, []):
            self._index.remove(topic, client)
        if not self._topics and self._subscription is not None and self._lingering is None:
            self._lingering = self._clock.callLater(LINGER_S, self._sleep)

    def want(self, client: Client, topic: Topic) -> None:
        """Tell the client of this topic, from now on."""
        mine = self._topics[client]
        if topic not in mine:
            mine.append(topic)
            self._index.add(topic, client)

    def unwant(self, client: Client, topic: Topic) -> bool:
        """Tell it no more; False if it was not told."""
        mine = self._topics.get(client, [])
        if topic not in mine:
            return False
        mine.remove(topic)
        self._index.remove(topic, client)
        return True

    def topics_of(self, client: Client) -> list[Topic]:
        """What a client wants."""
        return list(self._topics.get(client, []))

    def missed(self, client: Client, after: int) -> list[Event] | None:
        """The events since number ``after`` that the client wants; None if they are not kept.

        What happened while nobody listened was not even numbered. So whoever knows nothing
        newer than the moment in which we began to listen has to look for itself.
        """
        if after > self._bus.seq or after <= self._heard_since:
            return None
        mine = self._topics.get(client, [])
        found: list[Event] = []
        for event in reversed(self._kept):
            if event.seq <= after:
                return found[::-1]
            if any(matches(topic, event.key) for topic in mine):
                found.append(event)
        if self._kept and self._kept[0].seq > after + 1:
            return None
        return found[::-1]

    # -- events -----------------------------------------------------------------------------------

    def _hear(self, seq: int, key: Topic, message: Mapping[str, Any]) -> None:
        if key[0] == CONTROL:  # also of what users' code produces, and to topics such as "*/*/*"
            return
        event = Event(seq, key, message)
        self._kept.append(event)
        for client in list(self._index.wanting(key)):
            client.deliver(event)

    def _sleep(self) -> None:
        """Listen no more, and forget what was heard."""
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        self._lingering = None
        if self._subscription is not None:
            self._subscription.stop()
            self._subscription = None
        self._kept.clear()
