"""The in-memory event bus: who asked for a kind of event is called when it happens."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.logger import Logger

Key = tuple[str, ...]
Pattern = tuple[str | None, ...]
Message = Mapping[str, Any]
Listener = Callable[[Key, Message], object]
AllListener = Callable[[int, Key, Message], object]


class Subscription:
    """What :meth:`Bus.subscribe` returns; :meth:`stop` may be called more than once."""

    __slots__ = ("_remove",)

    def __init__(self, remove: Callable[[], None]) -> None:
        self._remove: Callable[[], None] | None = remove

    def stop(self) -> None:
        """Hear no more, from now on: also not of the event being told right now."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove()


class Recorder(Protocol):
    """Stores events together with what they tell of."""

    def wants(self, key: Key) -> bool:
        """Whether an event is to be stored."""

    def record(self, act: Any, key: Key, message: Message) -> None:
        """Add an event to a transaction."""


class Bus:
    """Tells events to listeners, in the order in which they are published.

    A key is a tuple of strings such as ``("builds", "7", "finished")``; its message is the
    resource as a REST dict, which nobody may change. Dispatch is synchronous: a listener that
    fails is logged and does not hurt the others.
    """

    log = Logger()

    def __init__(self, begin: int = 0) -> None:
        """Make a bus.

        :param begin: the first event gets the number after it. A master takes the time in
            milliseconds: then a page that knows the number of an event of an earlier run is known
            to have missed something.
        """
        #: Number of the event published last.
        self.seq = begin
        #: What has events stored that nobody may miss.
        self.recorder: Recorder | None = None
        # Listeners by length of the key and its first segment (None: any first segment).
        self._buckets: dict[tuple[int, str | None], dict[object, tuple[Pattern, Listener]]] = {}
        self._all: dict[object, AllListener] = {}

    def subscribe(self, pattern: Pattern, listener: Listener) -> Subscription:
        """Call ``listener(key, message)`` for each event whose key matches.

        :param pattern: segments; None matches any one segment; lengths must be equal.
        """
        place = (len(pattern), pattern[0])
        token = object()
        self._buckets.setdefault(place, {})[token] = (pattern, listener)

        def remove() -> None:
            bucket = self._buckets.get(place, {})
            bucket.pop(token, None)
            if not bucket:
                self._buckets.pop(place, None)

        return Subscription(remove)

    def subscribe_all(self, listener: AllListener) -> Subscription:
        """Call ``listener(seq, key, message)`` for every event."""
        token = object()
        self._all[token] = listener
        return Subscription(lambda: self._all.pop(token, None) and None)

    def wants(self, key: Key) -> bool:
        """Whether anybody would hear of an event with this key's length and first segment."""
        length = len(key)
        return bool(
            self._all or (length, key[0]) in self._buckets or (length, None) in self._buckets
        )

    def publish(self, key: Key, message: Message) -> None:
        """Tell everyone who asked for it."""
        self.seq += 1
        length = len(key)
        for place in ((length, key[0]), (length, None)):
            bucket = self._buckets.get(place)
            if bucket:
                self._tell(bucket, key, message)
        if self._all:
            for listener in list(self._all.values()):
                self._call(key, listener, self.seq, key, message)

    def _tell(
        self, bucket: dict[object, tuple[Pattern, Listener]], key: Key, message: Message
    ) -> None:
        for token, (pattern, listener) in list(bucket.items()):
            matches = all(
                want is None or want == have for want, have in zip(pattern, key, strict=True)
            )
            if matches and token in bucket:
                self._call(key, listener, key, message)

    def _call(self, event: Key, listener: Callable[..., object], *args: object) -> None:
        try:
            listener(*args)
        except Exception:
            self.log.failure("a listener failed to take event {event}", event="/".join(event))
