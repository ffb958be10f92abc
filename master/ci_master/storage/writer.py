"""The writer: one thread, one connection, one commit for all that is waiting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.exc import DBAPIError
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_master.storage.engine import may_pass
from ci_master.storage.unitofwork import UnitOfWork

_LONGEST_WAIT_S = 5.0


@dataclass(slots=True, eq=False)
class Insert:
    """Write a new row."""

    table: Table
    row: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Update:
    """Change columns of a row."""

    table: Table
    row_id: int
    values: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Work:
    """Run a function of the connection; ``told`` gets its answer, or a Failure, after commit."""

    function: Callable[[Connection], Any]
    told: Callable[[Any], None]


@dataclass(slots=True, eq=False)
class Barrier:
    """Nothing to write: ``told`` gets None, or a Failure, when what came before is stored."""

    told: Callable[[Any], None]


@dataclass(slots=True, eq=False)
class AfterCommit:
    """Call this in the reactor once what came before is committed."""

    callback: Callable[[], None]


Op = Insert | Update | Work | Barrier | AfterCommit


@dataclass
class Outcome:
    """What became of a batch: what to tell whom, in order."""

    calls: list[tuple[Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)


class Writer:
    """Carries out batches of operations in a thread of its own.

    :param done: called in that thread with the :class:`Outcome` of each batch.
    """

    log = Logger()

    def __init__(self, engine: Engine, done: Callable[[Outcome], None]) -> None:
        self._engine = engine
        self._done = done
        self._batches: SimpleQueue[list[Op] | None] = SimpleQueue()
        self._stopping = Event()
        self._sqlite = engine.dialect.name == "sqlite"
        self._postgresql = engine.dialect.name == "postgresql"
        self._connection: Connection | None = None
        self._full = False
        self._thread = Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, batch: list[Op]) -> None:
        """Hand over a batch; ``done`` will be called once for it."""
        self._batches.put(batch)

    def give_up(self) -> None:
        """From now on, what cannot be written at once fails."""
        self._stopping.set()

    def stop(self) -> None:
        """End the thread once the batches handed over are done. Blocks until then."""
        self._stopping.set()
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._done(self._stubbornly(batch))
        self._drop_connection()

    def _stubbornly(self, batch: list[Op]) -> Outcome:
        """Commit the batch, trying again for as long as the database is merely away."""
        wait_s = 0.1
        while True:
            try:
                return self._commit(batch)
            except Exception as error:
                self._drop_connection()
                if may_pass(error) and self._stopping.is_set():
                    self.log.error(
                        "the database stays away ({reason}): {count} writes are lost",
                        reason=_reason(error),
                        count=len(batch),
                    )
                    return _all_failed(batch, Failure())
                if not may_pass(error):
                    self.log.failure("a batch of {count} writes failed", count=len(batch))
                    return _all_failed(batch, Failure())
                self.log.warn(
                    "the database does not take writes ({reason}); trying again in {wait_s} s,"
                    " {count} writes wait",
                    reason=_reason(error),
                    wait_s=wait_s,
                    count=len(batch),
                )
                self._stopping.wait(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    def _commit(self, batch: list[Op]) -> Outcome:
        outcome = Outcome()
        connection = self._connected()
        promised = any(isinstance(op, Work | Barrier) for op in batch)
        self._set_durability(connection, promised)
        with connection.begin():
            if self._postgresql and not promised:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            unit = UnitOfWork()
            broken: Failure | None = None
            for op in batch:
                if isinstance(op, Insert):
                    unit.insert(op.table, op.row)
                elif isinstance(op, Update):
                    unit.update(op.table, op.row_id, op.values)
                elif isinstance(op, AfterCommit):
                    outcome.calls.append((op.callback, ()))
                elif isinstance(op, Work):
                    broken = self._flush(connection, unit) or broken
                    unit = UnitOfWork()
                    outcome.calls.append((op.told, (_within_savepoint(connection, op.function),)))
                else:
                    broken = self._flush(connection, unit) or broken
                    unit = UnitOfWork()
                    outcome.calls.append((op.told, (broken,)))
            self._flush(connection, unit)
        return outcome

    def _flush(self, connection: Connection, unit: UnitOfWork) -> Failure | None:
        if not unit:
            return None
        try:
            with connection.begin_nested():
                unit.flush(connection)
            return None
        except Exception as error:
            if may_pass(error):
                raise
            self.log.failure("rows could not be written together; writing them one by one")
        failure = None
        for table, row_id, reason in unit.flush_one_by_one(connection):
            failure = Failure(reason)
            self.log.error(
                "row {row_id} of {table} could not be written: {error}",
                row_id=row_id,
                table=table,
                error=reason,
            )
        return failure

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._full = False
        return self._connection

    def _set_durability(self, connection: Connection, promised: bool) -> None:
        if self._sqlite and promised != self._full:
            level = "FULL" if promised else "NORMAL"
            driver = connection.connection.driver_connection
            assert driver is not None  # it was just used
            driver.execute(f"PRAGMA synchronous={level}")
            self._full = promised

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except DBAPIError as error:
                self.log.debug("closing the connection: {error}", error=error)


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip()


def _within_savepoint(connection: Connection, function: Callable[[Connection], Any]) -> Any:
    try:
        with connection.begin_nested():
            return function(connection)
    except Exception as error:
        if may_pass(error):
            raise
        return Failure()


def _all_failed(batch: list[Op], failure: Failure) -> Outcome:
    outcome = Outcome()
    for op in batch:
        if isinstance(op, Work | Barrier):
            outcome.calls.append((op.told, (failure,)))
    return outcome
