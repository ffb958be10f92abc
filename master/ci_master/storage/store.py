"""The store: what the other rooms write to and read from."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, func, literal, select, union_all
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from ci_common.faults import Refused
from ci_master.storage.engine import database_url, may_pass, open_engine
from ci_master.storage.schema import metadata
from ci_master.storage.writer import (
    AfterCommit,
    Barrier,
    Insert,
    Op,
    Outcome,
    Update,
    Work,
    Writer,
)

T = TypeVar("T")

READERS = 3
#: Seconds that a read waits for writes which were asked for before it.
READ_WAIT_S = 5

#: Seconds for which a master that stops waits for a database that is away.
LAST_TRIES_S = 10.0


class Store:
    """Group commit for writes, a few connections of their own for reads.

    Whatever is asked of the writer is carried out in the order in which it was asked. All that
    is asked in one turn of the reactor, and all that gathers while a commit is under way, goes
    into one transaction.
    """

    log = Logger()

    def __init__(self, url: str, basedir: str, reactor: Any, **engine_kwargs: Any) -> None:
        self._url = database_url(url, basedir)
        self._reactor: Any = reactor
        self._clock: IReactorTime = reactor
        self._from_thread: IReactorFromThreads = reactor
        self._engine_kwargs = engine_kwargs
        self._next_ids: dict[str, int] = {}
        self._waiting: list[Op] = []
        self._busy = False
        self._hand_over_due = False
        self._idle: list[Deferred[None]] = []
        self._closed = False
        self._last_tries: IDelayedCall | None = None
        self._writer: Writer | None = None
        self._engines: list[Engine] = []
        self._reader: Engine | None = None
        self._readers = ThreadPool(0, READERS, name="storage-readers")

    async def open(self) -> None:
        """Connect and learn the highest ids. The tables exist already."""
        writing = open_engine(self._url, **self._engine_kwargs)
        self._reader = open_engine(self._url, readers=READERS, **self._engine_kwargs)
        self._engines = [writing, self._reader]
        self._readers.start()
        self._writer = Writer(
            writing, lambda outcome: self._from_thread.callFromThread(self._finish, outcome)
        )
        self._writer.start()
        self._next_ids = await self.read(_next_ids)

    def hurry(self) -> None:
        """The master stops: do not wait for ever if the database is away."""
        if self._writer is not None and self._last_tries is None:
            self._last_tries = self._clock.callLater(LAST_TRIES_S, self._writer.give_up)

    async def close(self) -> None:
        """Write what waits, then disconnect."""
        self.hurry()
        while self._busy or self._waiting:
            self._hand_over()
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        self._closed = True
        if self._last_tries is not None and self._last_tries.active():
            self._last_tries.cancel()
        if self._writer is not None:
            self._writer.stop()
        if self._readers.started:
            self._readers.stop()
        for engine in self._engines:
            engine.dispose()

    # -- ids ----------------------------------------------------------------------------------

    def next_id(self, table: Table) -> int:
        """An id for a new row of this table."""
        number = self._next_ids[table.name]
        self._next_ids[table.name] = number + 1
        return number

    # -- writing ------------------------------------------------------------------------------

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Write a new row, with its ``id``. The row must not be changed afterwards."""
        self._ask(Insert(table, row))

    def update(self, table: Table, row_id: int, values: Mapping[str, Any]) -> None:
        """Change columns of the row with this id."""
        self._ask(Update(table, row_id, values))

    def execute(self, function: Callable[[Connection], object]) -> None:
        """Run a function of the connection, in order; nobody waits, a failure is logged."""

        def told(answer: Any) -> None:
            if not isinstance(answer, Failure):
                return
            if answer.value is not None and may_pass(answer.value):
                self.log.error("a write failed: {reason}", reason=answer.getErrorMessage())
            else:
                self.log.failure("a write failed", failure=answer)

        self._ask(Work(function, told))

    def write(self, function: Callable[[Connection], T]) -> "Deferred[T]":
        """Run a function of the connection, in order.

        It may run more than once, if the database went away in its midst.

        :returns: fires with its answer when that is stored; fails alone if it raises.
        """
        answer: Deferred[T] = Deferred()
        self._ask(Work(function, _teller(answer)))
        return answer

    def durable(self) -> "Deferred[None]":
        """Fires when everything asked for so far is stored, fails if a part could not be."""
        answer: Deferred[None] = Deferred()
        self._ask(Barrier(_teller(answer)))
        return answer

    def committed(self) -> "Deferred[None]":
        """Fires when everything asked for so far can be read; at once if nothing waits.

        Unlike :meth:`durable` it asks for no more than that. It waits for :data:`READ_WAIT_S`
        at most: where the database is away, the read that follows will say so.
        """
        if not self._busy and not self._waiting:
            return succeed(None)
        answer: Deferred[None] = Deferred()

        def fire() -> None:
            if limit.active():
                limit.cancel()
            if not answer.called:
                answer.callback(None)

        limit = self._clock.callLater(READ_WAIT_S, fire)
        self._ask(AfterCommit(fire))
        return answer

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back in the reactor when everything asked for so far is committed."""
        self._ask(AfterCommit(callback))

    def _ask(self, op: Op) -> None:
        if self._closed:
            raise RuntimeError("the store is closed")
        self._waiting.append(op)
        if not self._busy and not self._hand_over_due:
            self._hand_over_due = True
            self._clock.callLater(0, self._hand_over)

    def _hand_over(self) -> None:
        self._hand_over_due = False
        if self._busy or not self._waiting or self._writer is None:
            return
        batch, self._waiting = self._waiting, []
        self._busy = True
        self._writer.submit(batch)

    def _finish(self, outcome: Outcome) -> None:
        self._busy = False
        self._hand_over()
        for function, arguments in outcome.calls:
            try:
                function(*arguments)
            except Exception:
                self.log.failure("failed after a commit")
        if not self._busy and not self._waiting:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    # -- reading ------------------------------------------------------------------------------

    def read(self, function: Callable[[Connection], T]) -> "Deferred[T]":
        """Run a function of a reading connection in a thread; fires with its answer."""
        return deferToThreadPool(self._reactor, self._readers, self.read_here, function)

    def read_here(self, function: Callable[[Connection], T]) -> T:
        """The same in the calling thread, which is not the reactor's.

        :raises Refused: with the status 503, if the database is away.
        """
        if self._reader is None:
            raise RuntimeError("the store is not open")
        try:
            with self._reader.connect() as connection:
                return function(connection)
        except Exception as error:
            if not may_pass(error):
                raise
            raise Refused(503, f"the database does not answer; try again soon ({error})") from error


def _teller(deferred: "Deferred[Any]") -> Callable[[Any], None]:
    def tell(answer: Any) -> None:
        if isinstance(answer, Failure):
            deferred.errback(answer)
        else:
            deferred.callback(answer)

    return tell


def _next_ids(connection: Connection) -> dict[str, int]:
    query = union_all(
        *(
            select(literal(table.name), func.coalesce(func.max(table.c.id), 0))
            for table in metadata.sorted_tables
        )
    )
    return {name: highest + 1 for name, highest in connection.execute(query)}
