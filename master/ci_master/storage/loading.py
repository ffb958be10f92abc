"""What a master reads once, when it starts: everything that is not in a final state."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ci_master.storage import schema, sourcestamps


def all_rows(tx: Connection, table: Any) -> Sequence[Row[Any]]:
    """A whole table, which is small."""
    return tx.execute(select(table).order_by(table.c.id)).all()


def highest_id(tx: Connection, table: Any) -> int:
    """The id of the newest row of a table; 0 if it is empty."""
    return int(tx.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())


def highest_build_numbers(tx: Connection) -> dict[int, int]:
    """Builder id -> number of its newest build."""
    b = schema.builds
    newest = (
        select(func.max(b.c.number)).where(b.c.builderid == schema.builders.c.id).scalar_subquery()
    )
    found = tx.execute(select(schema.builders.c.id, newest))
    return {builderid: number for builderid, number in found if number is not None}


def _open(ids: Collection[int] | None) -> ColumnElement[bool]:
    sets = schema.buildsets.c
    return ~sets.complete if ids is None else sets.id.in_(ids)


def open_buildsets(tx: Connection, ids: Collection[int] | None = None) -> Sequence[Row[Any]]:
    """Buildsets that are not complete, or those with one of these ids."""
    t = schema.buildsets
    return tx.execute(select(t).where(_open(ids)).order_by(t.c.id)).all()


def parents_of_open_buildsets(
    tx: Connection, ids: Collection[int] | None = None
) -> dict[int | None, int]:
    """Build id -> id of its request, for builds that triggered buildsets not complete yet."""
    sets, b = schema.buildsets, schema.builds
    parents = select(sets.c.parent_buildid).where(_open(ids), sets.c.parent_buildid.is_not(None))
    found = tx.execute(select(b.c.id, b.c.buildrequestid).where(b.c.id.in_(parents)))
    return {buildid: requestid for buildid, requestid in found}


def requests_of_open_buildsets(
    tx: Connection, ids: Collection[int] | None = None
) -> Sequence[Row[Any]]:
    """All requests, also complete ones, of buildsets that are not complete."""
    t, sets = schema.buildrequests, schema.buildsets
    joined = t.join(sets, t.c.buildsetid == sets.c.id)
    return tx.execute(select(t).select_from(joined).where(_open(ids)).order_by(t.c.id)).all()


def stamps_of_open_buildsets(
    tx: Connection, ids: Collection[int] | None = None
) -> list[tuple[int, dict[str, Any]]]:
    """Buildset id and REST source stamp, for buildsets that are not complete."""
    links, sets = schema.buildset_sourcestamps, schema.buildsets
    joined = links.join(sets, links.c.buildsetid == sets.c.id)
    query = (
        select(links.c.buildsetid, links.c.sourcestampid)
        .select_from(joined)
        .where(_open(ids))
        .order_by(links.c.id)
    )
    known = sourcestamps.of_buildsets(tx, _open(ids))
    return [(buildsetid, known[ssid]) for buildsetid, ssid in tx.execute(query)]


def decoded(text: str) -> Any:
    """JSON text of a column."""
    return json.loads(text)
