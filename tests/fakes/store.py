"""A store without threads: everything is written and read at once, in SQLite's memory."""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, create_engine, event
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred, execute, succeed

from ci_master.events.bus import Bus
from ci_master.storage.batch import carry_out, note_losses
from ci_master.storage.schema import metadata
from ci_master.storage.transaction import Group, Transaction

T = TypeVar("T")


class InstantStore:
    """Has the methods of :class:`ci_master.storage.store.Store`.

    What is asked for while somebody is being told of something is written after that.
    """

    def __init__(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN"))
        metadata.create_all(engine)
        self._connection = engine.connect()
        self._next: dict[str, int] = {}
        self._waiting: deque[Transaction] = deque()
        self._busy = False
        #: How many questions were asked.
        self.reads = 0

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def next_id(self, table: Table) -> int:
        number = self._next[table.name] = self._next.get(table.name, 0) + 1
        return number

    def transaction(
        self, about: str, *, bus: Bus | None = None, group: Group | None = None
    ) -> Transaction:
        return Transaction(self, about, bus=bus, group=group)

    def take(self, transaction: Transaction) -> None:
        self._waiting.append(transaction)
        if self._busy:
            return
        self._busy = True
        try:
            while self._waiting:
                one = self._waiting.popleft()
                if one.ops:
                    with self._connection.begin():
                        carry_out(self._connection, [one])
                    note_losses([one])
                one.settle()
        finally:
            self._busy = False

    def write(self, function: Callable[[Connection], T], about: str = "a write") -> "Deferred[T]":
        transaction = self.transaction(about)
        answer = transaction.run(function)
        return transaction.commit().addCallback(lambda _: answer.value)

    def read(self, function: Callable[[Connection], T]) -> "Deferred[T]":
        self.reads += 1
        return execute(self._read, function)

    def _read(self, function: Callable[[Connection], T]) -> T:
        with self._connection.begin():
            return function(self._connection)

    def now(self, function: Callable[[Connection], T]) -> T:
        """What a function of the connection answers, for tests."""
        return self._read(function)

    def committed(self) -> "Deferred[None]":
        return succeed(None)


def _set_up(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")
