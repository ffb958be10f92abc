"""The store: what the other packages write to and read from."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, func, literal, select, union_all
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from ci_common.faults import Refused
from ci_master.events.bus import Bus
from ci_master.storage.engine import database_url, may_pass, open_engine
from ci_master.storage.leases import application_name
from ci_master.storage.schema import metadata
from ci_master.storage.transaction import Group, Transaction
from ci_master.storage.writer import Batch, Writer

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

    :param token: of the process, for the lease of the database.
    """

    log = Logger()

    def __init__(
        self, url: str, basedir: str, reactor: Any, *, token: str = "", **engine_kwargs: Any
    ) -> None:
        self._name = application_name(token)
        self._url = database_url(url, basedir)
        self._reactor: Any = reactor
        self._clock: IReactorTime = reactor
        self._from_thread: IReactorFromThreads = reactor
        self._engine_kwargs = engine_kwargs
        self._next_ids: dict[str, int] = {}
        self._waiting: Batch = []
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
        writing = open_engine(self._url, application_name=self._name, **self._engine_kwargs)
        self._reader = open_engine(
            self._url, readers=READERS, application_name=self._name, **self._engine_kwargs
        )
        self._engines = [writing, self._reader]
        self._readers.start()
        self._writer = Writer(
            writing, lambda batch: self._from_thread.callFromThread(self._finish, batch)
        )
        self._writer.start()
        await self.learn_ids()

    async def learn_ids(self) -> None:
        """Read the highest ids: at the start, and once no other master can add rows any more."""
        self._next_ids = await self.read(_next_ids)

    def hurry(self) -> None:
        """The master stops: do not wait for ever if the database is away."""
        if self._writer is not None and self._last_tries is None:
            self._last_tries = self._clock.callLater(LAST_TRIES_S, self._writer.give_up)

    async def close(self) -> None:
        """Write what waits, then disconnect; also if that wait is cancelled."""
        self.hurry()
        try:
            while self._writer is not None and (self._busy or self._waiting):
                self._hand_over()
                idle: Deferred[None] = Deferred()
                self._idle.append(idle)
                await idle
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        self._closed = True
        never_written, self._waiting = self._waiting, []
        for transaction in never_written:  # the store was never opened
            self.take(transaction)
        if self._last_tries is not None and self._last_tries.active():
            self._last_tries.cancel()
        if self._writer is not None:
            self._writer.stop()
        if self._readers.started:
            self._readers.stop()
        for engine in self._engines:
            engine.dispose()

    def fence_by(self, fence: Callable[[Connection], None] | None) -> None:
        """Have this called at the end of each transaction.

        Where it raises :class:`~ci_master.storage.leases.LeaseLost` the transaction is undone, and
        nothing is written any more.
        """
        if self._writer is not None:
            self._writer.fence = fence

    # -- ids ----------------------------------------------------------------------------------

    def next_id(self, table: Table) -> int:
        """An id for a new row of this table."""
        number = self._next_ids[table.name]
        self._next_ids[table.name] = number + 1
        return number

    # -- writing ------------------------------------------------------------------------------

    def transaction(
        self, about: str, *, bus: Bus | None = None, group: Group | None = None
    ) -> Transaction:
        """An act to be filled; see :class:`ci_master.storage.transaction.Transaction`."""
        return Transaction(self, about, bus=bus, group=group)

    def write(self, function: Callable[[Connection], T], about: str = "a write") -> "Deferred[T]":
        """Run a function of the connection, as a transaction of its own.

        It may run more than once, if the database went away in its midst.

        :returns: fires with its answer when that is stored; fails if it raises.
        """
        transaction = self.transaction(about)
        answer = transaction.run(function)
        return transaction.commit().addCallback(lambda _: answer.value)

    def committed(self) -> "Deferred[None]":
        """Fires when everything asked for so far can be read; at once if nothing waits.

        It waits for :data:`READ_WAIT_S` at most: where the database is away, the read that
        follows will say so. It never fails.
        """
        if not self._busy and not self._waiting:
            return succeed(None)
        answer: Deferred[None] = Deferred()

        def fire(_: object = None) -> None:
            if limit.active():
                limit.cancel()
            if not answer.called:
                answer.callback(None)

        limit = self._clock.callLater(READ_WAIT_S, fire)
        wait = self.transaction("a read that waits")
        wait.after_commit(fire)
        wait.on_failure(fire)
        self.take(wait)
        return answer

    def take(self, transaction: Transaction) -> None:
        """Carry out a transaction, after those that were taken before.

        If the store is closed, the transaction fails at once.
        """
        if self._closed:
            transaction.failure = Failure(RuntimeError("the store is closed"))
            transaction.settle()
            return
        self._waiting.append(transaction)
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

    def _finish(self, batch: Batch) -> None:
        self._busy = False
        self._hand_over()
        for transaction in batch:
            transaction.settle()
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
            self.log.warn("a read failed: {error}", error=str(error).partition("\n")[0])
            raise Refused(503, "the database does not answer; try again soon") from error


def _next_ids(connection: Connection) -> dict[str, int]:
    query = union_all(
        *(
            select(literal(table.name), func.coalesce(func.max(table.c.id), 0))
            for table in metadata.sorted_tables
        )
    )
    return {name: highest + 1 for name, highest in connection.execute(query)}
