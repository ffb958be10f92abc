"""The writer: one thread, one connection, one commit for all that is waiting."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_master.storage.batch import carry_out, fail_all, note_losses
from ci_master.storage.engine import may_pass, reason_of
from ci_master.storage.leases import LeaseLost
from ci_master.storage.transaction import Transaction

_LONGEST_WAIT_S = 5.0

#: Milliseconds for which a master that has waited long enough waits for a locked SQLite file.
_LAST_LOCK_WAIT_MS = 1000

#: Seconds that the end of the thread may take.
LONGEST_JOIN_S = 20.0

Batch = list[Transaction]


class Writer:
    """Carries out batches of transactions in a thread of its own.

    :param done: called in that thread with each batch, whose transactions know by then what
        became of them.
    """

    log = Logger()

    def __init__(self, engine: Engine, done: Callable[[Batch], None]) -> None:
        self._engine = engine
        self._done = done
        #: called at the end of each transaction; raises LeaseLost if nothing may be written
        self.fence: Callable[[Connection], None] | None = None
        self._fenced_off: Failure | None = None
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._stopping = Event()
        self._sqlite = engine.dialect.name == "sqlite"
        self._postgresql = engine.dialect.name == "postgresql"
        self._connection: Connection | None = None
        self._full = False
        self._thread = Thread(target=self._run, name="storage-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        """Hand over a batch; ``done`` will be called once for it."""
        self._batches.put(batch)

    def give_up(self) -> None:
        """From now on, what cannot be written at once fails."""
        self._stopping.set()

    def stop(self) -> None:
        """End the thread once the batches handed over are done. Blocks until then, if not for ever:

        a database that does not even refuse may keep the thread, but not the process.
        """
        self._stopping.set()
        self._batches.put(None)
        self._thread.join(LONGEST_JOIN_S)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                self._stubbornly(batch)
            except BaseException:  # whatever it is, somebody waits for an answer
                self.log.failure("a batch of {count} writes failed", count=len(batch))
                fail_all(batch, Failure())
            self._done(batch)
            del batch  # its rows, while we wait for the next one
        self._drop_connection()

    def _stubbornly(self, batch: Batch) -> None:
        """Commit the batch, trying again for as long as the database is merely away."""
        wait_s = 0.1
        while True:
            if self._fenced_off is not None:
                fail_all(batch, self._fenced_off)
                note_losses(batch)
                return
            try:
                self._commit(batch)
                note_losses(batch)
                return
            except LeaseLost:
                self._drop_connection()
                self._fenced_off = Failure()
            except Exception as error:
                self._drop_connection()
                if not may_pass(error):
                    self._refused(batch, error)
                    return
                if self._stopping.is_set():
                    self.log.error(
                        "the database stays away ({reason}): {count} writes are lost",
                        reason=reason_of(error),
                        count=len(batch),
                    )
                    fail_all(batch, Failure())
                    note_losses(batch)
                    return
                self.log.warn(
                    "the database does not take writes ({reason}); trying again in {wait_s} s,"
                    " {count} writes wait",
                    reason=reason_of(error),
                    wait_s=wait_s,
                    count=len(batch),
                )
                self._stopping.wait(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    def _refused(self, batch: Batch, error: Exception) -> None:
        """A batch as a whole could not be committed: find out which of it cannot be."""
        if len(batch) == 1:
            fail_all(batch, Failure(error))
            note_losses(batch)
            return
        self.log.warn(
            "{count} writes were refused together ({reason}); writing each for itself",
            count=len(batch),
            reason=reason_of(error),
        )
        for transaction in batch:
            self._stubbornly([transaction])

    def _commit(self, batch: Batch) -> None:
        if not any(transaction.ops for transaction in batch):
            return
        connection = self._connected()
        durable = any(transaction.durable for transaction in batch)
        self._set_durability(connection, durable)
        if self._sqlite and self._stopping.is_set():
            _tell_driver(connection, f"PRAGMA busy_timeout={_LAST_LOCK_WAIT_MS}")
        with connection.begin():
            if self._postgresql and not durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            carry_out(connection, batch)
            if self.fence is not None:
                self.fence(connection)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._full = False
        return self._connection

    def _set_durability(self, connection: Connection, durable: bool) -> None:
        if self._sqlite and durable != self._full:
            level = "FULL" if durable else "NORMAL"
            _tell_driver(connection, f"PRAGMA synchronous={level}")
            self._full = durable

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except DBAPIError as error:
                self.log.debug("closing the connection: {error}", error=error)


def _tell_driver(connection: Connection, pragma: str) -> None:
    """Change a setting of SQLite, outside of transactions."""
    driver = connection.connection.driver_connection
    assert driver is not None  # it was just used
    driver.execute(pragma)
