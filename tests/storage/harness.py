"""A store with its own event loop turned by hand, so that a storage test is plain code."""

import queue
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Table
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from ci_master.data.data import Data
from ci_master.events.bus import Bus
from ci_master.storage.migrate import upgrade
from ci_master.storage.store import Store

T = TypeVar("T")

LIMIT_S = 20


class HandReactor(Clock):
    """A clock that also takes calls from threads; :meth:`run` turns it until something fires."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(1_700_000_000)
        self._from_threads: queue.Queue[Callable[[], Any]] = queue.Queue()

    def callFromThread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._from_threads.put(lambda: function(*args, **kwargs))

    def getThreadPool(self) -> Any:
        raise NotImplementedError("the store brings its own threads")

    def run(self, work: Awaitable[T]) -> T:
        """Turn until the work is done; gives its answer or raises what it raised."""
        done: Deferred[T] = work if isinstance(work, Deferred) else ensureDeferred(work)
        outcome: list[Any] = []
        done.addBoth(outcome.append)
        while not outcome:
            self.advance(0)
            if outcome:
                break
            self._from_threads.get(timeout=LIMIT_S)()
        if hasattr(outcome[0], "raiseException"):
            outcome[0].raiseException()
        answer: T = outcome[0]
        return answer


class Desk:
    """An open store and its data, on a database with our tables.

    ``run`` waits for coroutines and Deferreds; ``events`` are the keys that were published.
    """

    def __init__(self, url: str, basedir: str) -> None:
        self.url = url
        self.basedir = basedir
        self.reactor = HandReactor()
        upgrade(url, basedir)
        self.open()

    def open(self) -> None:
        """Open it again, as a restarted master does."""
        self.bus = Bus()
        self.events: list[tuple[str, ...]] = []
        self.messages: list[Any] = []
        self.bus.subscribe_all(self._hear)
        self.store = Store(self.url, self.basedir, self.reactor)
        self.run(self.store.open())
        self.data = Data(self.store, self.bus, self.reactor)
        self.run(self.data.open("host:/srv/master"))

    def _hear(self, seq: int, key: tuple[str, ...], message: Any) -> None:
        self.events.append(key)
        self.messages.append(message)

    def run(self, work: Awaitable[T]) -> T:
        """Wait for this, turning the reactor."""
        return self.reactor.run(work)

    def settle(self) -> None:
        """Wait until all that was asked is answered and told."""
        self.run(self.store.transaction("a wait").commit())

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Write a row as an act of its own, for which nobody waits."""
        act = self.store.transaction(f"a row of {table.name}")
        act.insert(table, row)
        act.submit()

    def update(self, table: Table, row_id: int, values: Mapping[str, Any]) -> None:
        """Change a row as an act of its own, for which nobody waits."""
        act = self.store.transaction(f"a row of {table.name}")
        act.update(table, row_id, values)
        act.submit()

    def crash(self) -> None:
        """Drop everything in memory, as ``kill -9`` would: only what is stored is left."""
        self.run(self.store.close())

    def close(self) -> None:
        """End it."""
        self.run(self.store.close())
