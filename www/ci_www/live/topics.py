"""Topics: patterns of event keys, as ``builds/*/finished``; ``*`` is any one segment."""

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)

Topic = tuple[str, ...]

#: Keys that begin with this are what masters say to each other; nobody else may listen.
CONTROL = "control"

LONGEST_TOPIC = 300
_MOST_SEGMENTS = 12


class BadTopic(ValueError):
    """A text that is no topic, or that of events which are not told.

    :ivar status: as in HTTP.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def parse(text: object) -> Topic:
    """A topic from its text.

    :raises BadTopic: if it is none.
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TOPIC:
        raise BadTopic(f"invalid path format '{str(text)[:LONGEST_TOPIC]}'")
    topic = tuple(text.strip("/").split("/"))
    if len(topic) > _MOST_SEGMENTS or "" in topic:
        raise BadTopic(f"invalid path format '{text}'")
    if topic[0] == CONTROL:
        raise BadTopic(f"'{text}': control messages are not told", 403)
    return topic


def matches(topic: Topic, key: Topic) -> bool:
    """Whether an event with this key belongs to the topic."""
    return len(topic) == len(key) and all(
        want in ("*", have) for want, have in zip(topic, key, strict=True)
    )


class Index(Generic[C]):
    """Who wants what, so that an event costs the more the more of them want it."""

    def __init__(self) -> None:
        self._exact: dict[Topic, set[C]] = {}
        #: By length and first segment.
        self._wild: dict[tuple[int, str], dict[Topic, set[C]]] = {}

    def add(self, topic: Topic, client: C) -> None:
        """Remember that a client wants a topic."""
        self._family(topic).setdefault(topic, set()).add(client)

    def remove(self, topic: Topic, client: C) -> None:
        """Forget it."""
        family = self._family(topic)
        clients = family.get(topic, set())
        clients.discard(client)
        if not clients:
            family.pop(topic, None)

    def wanting(self, key: Topic) -> Iterator[C]:
        """The clients that want an event; a client once for each of its topics that match."""
        yield from self._exact.get(key, ())
        for first in (key[0], "*"):
            for topic, clients in self._wild.get((len(key), first), {}).items():
                if matches(topic, key):
                    yield from clients

    def _family(self, topic: Topic) -> dict[Topic, set[C]]:
        if "*" not in topic:
            return self._exact
        return self._wild.setdefault((len(topic), topic[0]), {})
