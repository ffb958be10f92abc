"""A store without threads: everything is written and read at once, in SQLite's memory."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, create_engine, event
from sqlalchemy.pool import StaticPool
from twisted.internet.defer import Deferred, execute, succeed

from ci_master.storage.schema import metadata
from ci_master.storage.unitofwork import UnitOfWork

T = TypeVar("T")


class InstantStore:
    """Has the methods of :class:`ci_master.storage.store.Store`."""

    def __init__(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(engine, "connect", lambda one, _: setattr(one, "isolation_level", None))
        metadata.create_all(engine)
        self._connection = engine.connect()
        self._next: dict[str, int] = {}
        #: How many questions were asked.
        self.reads = 0

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()

    def next_id(self, table: Table) -> int:
        number = self._next[table.name] = self._next.get(table.name, 0) + 1
        return number

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        unit = UnitOfWork()
        unit.insert(table, row)
        unit.flush(self._connection)

    def update(self, table: Table, row_id: int, values: Mapping[str, Any]) -> None:
        unit = UnitOfWork()
        unit.update(table, row_id, values)
        unit.flush(self._connection)

    def execute(self, function: Callable[[Connection], object]) -> None:
        function(self._connection)

    def write(self, function: Callable[[Connection], T]) -> "Deferred[T]":
        return execute(function, self._connection)

    def read(self, function: Callable[[Connection], T]) -> "Deferred[T]":
        self.reads += 1
        return execute(function, self._connection)

    def durable(self) -> "Deferred[None]":
        return succeed(None)

    def committed(self) -> "Deferred[None]":
        return succeed(None)

    def after_commit(self, callback: Callable[[], None]) -> None:
        callback()
