"""Leases: who owns a thing that must have one owner, until when.

An owner renews its lease every few seconds. What is not renewed for :data:`LEASE_S` may be taken
over, which raises its epoch. A former owner that was merely asleep finds the higher epoch before
its next commit (:func:`check`), so that it cannot write any more.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, text, update
from sqlalchemy.exc import DBAPIError

from ci_master.storage.schema import leases

#: Seconds between two renewals, and seconds without one after which a lease may be taken over.
HEARTBEAT_S = 5
LEASE_S = 30

t = leases


@dataclass(frozen=True)
class Holder:
    """A process that may hold leases.

    :ivar host: name of its machine, for people. ``machine`` tells machines, their reboots and
        containers apart: two processes of one ``machine`` see each other's process ids.
    :ivar began: when the process began, in the words of its system; "" if that is not known.
    :ivar token: made anew for each process.
    :ivar file: which file an SQLite database is, on its machine: a copy of it is another one. ""
        for other databases.
    """

    host: str
    machine: str
    pid: int
    began: str
    directory: str
    token: str
    file: str = ""


@dataclass(frozen=True)
class Lease:
    """A lease as it is stored; times are unix seconds, by the clock of the database."""

    id: int
    epoch: int
    holder: Holder
    since: int
    renewed_at: int
    now: int

    @property
    def rest_s(self) -> int:
        """Seconds until it may be taken over; not above zero if it may be."""
        return self.renewed_at + LEASE_S - self.now


class LeaseHeld(Exception):
    """Somebody else holds it. ``lease`` tells who."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"held by process {lease.holder.pid} on {lease.holder.host}")
        self.lease = lease


class LeaseLost(Exception):
    """Somebody else has taken it over: nothing may be written any more."""


def take(
    tx: Connection,
    kind: str,
    key: str,
    me: Holder,
    *,
    now: int,
    is_gone: Callable[[Holder], bool],
) -> Lease:
    """Take a lease that is free, that expired, or whose holder is known to be gone.

    :param is_gone: whether a holder has certainly ended.
    :raises LeaseHeld: if none of that is the case.
    """
    now = _now(tx, now)
    _make(tx, kind, key)
    before = _lease(tx.execute(_row(kind, key)).one(), now)
    if before.holder.token and (before.rest_s <= 0 or is_gone(before.holder)):
        _end_connections(tx, before.holder)
    row = tx.execute(_row(kind, key).with_for_update()).one()
    found = _lease(row, now)
    if row.token and found.rest_s > 0 and not is_gone(found.holder):
        raise LeaseHeld(found)
    values = {
        "epoch": row.epoch + 1,
        "token": me.token,
        "holder_json": json.dumps(asdict(me)),
        "since": now,
        "renewed_at": now,
    }
    tx.execute(update(t).where(t.c.id == row.id).values(values))
    return Lease(row.id, row.epoch + 1, me, now, now, now)


def find(tx: Connection, kind: str, key: str, *, now: int) -> Lease | None:
    """The lease, if somebody holds it."""
    row = tx.execute(_row(kind, key)).one_or_none()
    return _lease(row, _now(tx, now)) if row is not None and row.token else None


def renew(tx: Connection, lease: Lease, *, now: int) -> None:
    """Hold it for another :data:`LEASE_S`.

    :raises LeaseLost: if somebody else has taken it.
    """
    mine = (t.c.id == lease.id) & (t.c.epoch == lease.epoch)
    done = tx.execute(update(t).where(mine).values(renewed_at=_now(tx, now)))
    if done.rowcount != 1:
        _lost(tx, lease)


def release(tx: Connection, lease: Lease) -> None:
    """Give it back. Harmless if it is lost."""
    mine = (t.c.id == lease.id) & (t.c.epoch == lease.epoch)
    tx.execute(update(t).where(mine).values(token=""))


def check(tx: Connection, lease: Lease) -> None:
    """Make sure, at the end of a transaction, that it is still held.

    Nobody can take it before that transaction is over, so what it wrote was written by the owner.

    :raises LeaseLost: if somebody else has taken it.
    """
    row = _epoch(tx, lease.id)
    if row is None or row[0] != lease.epoch:
        _lost(tx, lease)


def _epoch(tx: Connection, lease_id: int) -> Any:
    """The row of the epoch. Each commit comes by here, so the driver is asked directly.

    SQLite has one writer at a time; elsewhere the row is kept from being changed.
    """
    query = f"SELECT epoch FROM leases WHERE id = {lease_id:d}"
    if tx.dialect.name != "sqlite":
        return tx.exec_driver_sql(query + " FOR SHARE").fetchone()
    driver: Any = tx.connection.driver_connection
    try:
        return driver.execute(query).fetchone()
    except sqlite3.Error:  # ask again in the way that tells which errors may pass
        return tx.exec_driver_sql(query).fetchone()


def _lost(tx: Connection, lease: Lease) -> None:
    row = tx.execute(select(t).where(t.c.id == lease.id)).one_or_none()
    if row is None:
        raise LeaseLost("its row is gone")
    other = Holder(**json.loads(row.holder_json))
    raise LeaseLost(f"process {other.pid} on {other.host} has taken it, for {other.directory}")


def _row(kind: str, key: str) -> Select[Any]:
    return select(t).where((t.c.kind == kind) & (t.c.key == key))


_MAKE = text(
    "INSERT INTO leases (id, kind, key, epoch, token, holder_json, since, renewed_at)"
    " SELECT coalesce(max(id), 0) + 1, :kind, :key, 0, '', '{}', 0, 0 FROM leases"
    " WHERE true ON CONFLICT DO NOTHING"
)


def _make(tx: Connection, kind: str, key: str) -> None:
    """Make the row if there is none, also where another master does so at the same moment."""
    if tx.execute(_row(kind, key)).one_or_none() is None:
        tx.execute(_MAKE, {"kind": kind, "key": key})


def _lease(row: Row[Any], now: int) -> Lease:
    holder = Holder(**json.loads(row.holder_json)) if row.token else _NOBODY
    return Lease(row.id, row.epoch, holder, row.since, row.renewed_at, now)


def application_name(token: str) -> str:
    """What a holder's connections to a PostgreSQL server are called."""
    return f"ci-master {token}"


def _end_connections(tx: Connection, holder: Holder) -> None:
    """End what a former holder has open: one that sleeps in a transaction keeps its locks."""
    if tx.dialect.name == "postgresql":
        with contextlib.suppress(DBAPIError), tx.begin_nested():  # of another role: not ours to end
            tx.execute(_TERMINATE, {"name": application_name(holder.token)})


_TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = :name AND pid <> pg_backend_pid()"
)

_NOBODY = Holder("", "", 0, "", "", "")


def _now(tx: Connection, now: int) -> int:
    """Unix seconds of the database's clock, which is the same one for all who use it."""
    if tx.dialect.name != "postgresql":
        return now
    return int(tx.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
