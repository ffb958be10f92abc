"""Being the one master of a database: taken at the start, renewed, given back at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_master.storage import leases, schema
from ci_master.storage.engine import DatabaseUnusable, database_url, one_off_engine, show
from ci_master.storage.leases import HEARTBEAT_S, Holder, Lease, LeaseHeld, LeaseLost

#: What the lease is for.
KIND, KEY = "master", "database"


@dataclass(frozen=True)
class Identity:
    """Which process wants to be the master, and what it knows of others.

    :param is_gone: whether another holder has certainly ended, although its heartbeat is young.
    """

    me: Holder
    is_gone: Callable[[Holder], bool]


class Mastership:
    """The lease of the database.

    :param lost: called once with the reason, if another master has taken it over: this one must
        stop. By then storage takes nothing from it any more.
    """

    log = Logger()

    def __init__(
        self,
        store: Any,
        clock: IReactorTime,
        identity: Identity,
        lost: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._identity = identity
        self._tell_lost = lost
        self.lease: Lease | None = None
        self._renewing = False
        self._ticker = LoopingCall(self._renew)
        self._ticker.clock = clock

    def take(self, tx: Connection) -> Lease:
        """Take the lease, as a part of the transaction that begins a master's run.

        :raises DatabaseUnusable: if another master holds it; the text says which.
        """
        try:
            return leases.take(
                tx,
                KIND,
                KEY,
                self._identity.me,
                now=int(self._clock.seconds()),
                is_gone=self._identity.is_gone,
            )
        except LeaseHeld as held:
            raise DatabaseUnusable(held_text(held.lease)) from held

    def begin(self, lease: Lease) -> None:
        """The lease is taken: from now on it is renewed, and every transaction depends on it."""
        self.lease = lease
        self._store.fence_by(lambda tx: leases.check(tx, lease))
        self._ticker.start(HEARTBEAT_S, now=False)

    async def end(self) -> None:
        """Give the lease back, after all else that was asked for is written."""
        if self._ticker.running:
            self._ticker.stop()
        lease, self.lease = self.lease, None
        if lease is not None:
            await self._store.write(lambda tx: leases.release(tx, lease), "the end of the lease")

    def _renew(self) -> None:
        lease = self.lease
        if lease is None or self._renewing:
            return  # while the database is away one renewal waits, and no more
        self._renewing = True
        written = self._store.write(
            lambda tx: leases.renew(tx, lease, now=int(self._clock.seconds()))
        )
        written.addErrback(self._not_renewed).addBoth(self._renewed)

    def _renewed(self, _: object) -> None:
        self._renewing = False

    def _not_renewed(self, failure: Failure) -> None:
        if not failure.check(LeaseLost):
            self.log.warn("no heartbeat: {error}", error=failure.getErrorMessage())
            return
        if self.lease is not None:
            self.lease = None
            if self._ticker.running:
                self._ticker.stop()
            self._tell_lost(failure.getErrorMessage())


def held_text(lease: Lease) -> str:
    """Who has the database, and what to do, for a person."""
    holder = lease.holder
    since = datetime.fromtimestamp(lease.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"the database is in use by another master: process {holder.pid} on {holder.host}, of the"
        f" directory {holder.directory}, since {since}; it was heard of"
        f" {max(0, lease.now - lease.renewed_at)} s ago. One database can have one master only:"
        " stop that one, or give this one a database of its own. If that process is gone, this"
        f" one can start in {max(1, lease.rest_s)} s"
    )


def holder_of(url: str, basedir: str) -> Lease | None:
    """The lease of a database that is not open, if a master holds it. Nothing is changed.

    :raises DatabaseUnusable: if the database cannot be read.
    """
    target = database_url(url, basedir)
    engine = one_off_engine(target, reading=True)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table(schema.leases.name):
                return None
            return leases.find(connection, KIND, KEY, now=int(time.time()))
    except DBAPIError as error:
        raise DatabaseUnusable(
            f"the database {show(target)} cannot be read: {error.orig}"
        ) from error
    finally:
        engine.dispose()
