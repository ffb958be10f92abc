"""Rows of the outbox: events that reporters have still to tell, in the order they happened."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from ci_master.events.bus import Key
from ci_master.storage import reads_builds
from ci_master.storage.schema import outbox as t
from ci_master.storage.schema import reporters

#: The events that reporters tell of, by the first and the last part of their keys. Whatever
#: happens with others, these are stored together with what they tell of.
KINDS = frozenset(
    {
        ("builds", "new"),
        ("builds", "finished"),
        ("buildsets", "complete"),
        ("buildrequests", "new"),
        ("buildrequests", "cancel"),
        ("buildrequests", "complete"),
        ("workers", "missing"),
    }
)

Kind = tuple[str, str]


def kind_of(key: Sequence[str | None]) -> Kind | None:
    """The kind of an event, or of a pattern of keys; None if it is not one of :data:`KINDS`."""
    if len(key) != 3 or key[0] is None or key[2] is None:
        return None
    kind = (key[0], key[2])
    return kind if kind in KINDS else None


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event as it was when it happened.

    :ivar at: unix seconds.
    """

    id: int
    key: Key
    at: int
    message: Mapping[str, Any]

    def as_row(self) -> dict[str, Any]:
        """As stored."""
        text = json.dumps(self.message, default=str, separators=(",", ":"))
        return {"id": self.id, "key": "/".join(self.key), "at": self.at, "message_json": text}


def after(tx: Connection, event_id: int, limit: int) -> list[OutboxEvent]:
    """The events that follow one, in their order."""
    query = select(t).where(t.c.id > event_id).order_by(t.c.id).limit(limit)
    return [_event(row) for row in tx.execute(query)]


def get(tx: Connection, ids: Sequence[int]) -> list[OutboxEvent]:
    """The events with these ids, in their order."""
    query = select(t).where(t.c.id.in_(ids)).order_by(t.c.id)
    return [_event(row) for row in tx.execute(query)]


def _event(row: Row[Any]) -> OutboxEvent:
    return OutboxEvent(row.id, tuple(row.key.split("/")), row.at, json.loads(row.message_json))


def trim(tx: Connection, done: int) -> None:
    """Delete the events up to one, but for the newest: ids are never used again."""
    newest = select(func.max(t.c.id)).scalar_subquery()
    last = tx.execute(select(newest)).scalar()
    if last is not None:
        tx.execute(delete(t).where(t.c.id <= done, t.c.id < last))


def forget(tx: Connection, reporter_id: int) -> None:
    """Delete a reporter."""
    tx.execute(delete(reporters).where(reporters.c.id == reporter_id))


def add_ends(tx: Connection, build_ids: Iterable[int], now: int) -> None:
    """Add the ends of builds that no running master told of, if there is a reporter at all."""
    if not tx.execute(select(func.count()).select_from(reporters)).scalar():
        return
    next_id = int(tx.execute(select(func.coalesce(func.max(t.c.id), 0))).scalar_one()) + 1
    rows: list[dict[str, Any]] = []
    for buildid in build_ids:
        build = reads_builds.get(tx, buildid)
        if build is not None:
            key = ("builds", str(buildid), "finished")
            rows.append(OutboxEvent(next_id + len(rows), key, now, build).as_row())
    if rows:
        tx.execute(insert(t), rows)
