"""What REST reads of build requests and buildsets."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select

from ci_master.storage.reads_builds import chosen
from ci_master.storage.reads_changes import STAMP_WITH_PATCH
from ci_master.storage.reads_page import Columns, Page, rows_of
from ci_master.storage.schema import (
    buildrequests,
    buildset_sourcestamps,
    buildsets,
    sourcestamps,
)
from ci_master.storage.sourcestamps import as_json as stamp_as_json

_CHUNK = 500

Json = dict[str, Any]

REQUEST_COLUMNS: Columns = {
    "buildrequestid": buildrequests.c.id,
    "buildsetid": buildrequests.c.buildsetid,
    "builderid": buildrequests.c.builderid,
    "priority": buildrequests.c.priority,
    # what has ended was taken, though earlier versions did not write down by whom
    "claimed": or_(buildrequests.c.complete, buildrequests.c.claimed_by_masterid.is_not(None)),
    "claimed_at": buildrequests.c.claimed_at,
    "claimed_by_masterid": buildrequests.c.claimed_by_masterid,
    "complete": buildrequests.c.complete,
    "results": buildrequests.c.results,
    "submitted_at": buildrequests.c.submitted_at,
    "complete_at": buildrequests.c.complete_at,
    "waited_for": buildrequests.c.waited_for,
}
REQUEST_FIELDS = tuple(REQUEST_COLUMNS)

_REQUESTS: Select[Any] = select(*(REQUEST_COLUMNS[name].label(name) for name in REQUEST_FIELDS))


# Built once: to build a statement costs more than to run it.
_REQUEST_BY_ID = _REQUESTS.where(buildrequests.c.id == bindparam("of"))
_SET_PROPERTIES = select(buildsets.c.id, buildsets.c.properties_json).where(
    buildsets.c.id.in_(bindparam("ids", expanding=True))
)


def _request_json(row: Row[Any]) -> Json:
    request = dict(zip(REQUEST_FIELDS, row, strict=True))
    request["complete"] = bool(request["complete"])
    request["claimed"] = bool(request["claimed"])
    if request["complete"] and request["claimed_at"] is None:
        request["claimed_at"] = request["complete_at"]
    request["properties"] = None
    return request


def request(tx: Connection, requestid: int, *, properties: Sequence[str] = ()) -> Json | None:
    """The build request with this id."""
    row = tx.execute(_REQUEST_BY_ID, {"of": requestid}).first()
    if row is None:
        return None
    found = _request_json(row)
    if properties:
        _add_properties(tx, [found], properties)
    return found


def requests_page(
    tx: Connection,
    page: Page,
    *,
    of: Mapping[str, int] | None = None,
    properties: Sequence[str] = (),
) -> list[Json]:
    """Build requests, with the properties of these names (``*`` for all) if any are named.

    :param of: field -> value that all of them have.
    """
    query = _REQUESTS
    for field, value in (of or {}).items():
        query = query.where(REQUEST_COLUMNS[field] == value)
    rows = rows_of(tx, query, REQUEST_COLUMNS, page, default_order=[buildrequests.c.id])
    found = [_request_json(row) for row in rows]
    if properties:
        _add_properties(tx, found, properties)
    return found


def _add_properties(tx: Connection, found: Sequence[Json], names: Sequence[str]) -> None:
    by_set = set_properties(tx, sorted({one["buildsetid"] for one in found}))
    for one in found:
        one["properties"] = chosen(by_set.get(one["buildsetid"], {}), names)


def set_properties(tx: Connection, ids: Sequence[int]) -> dict[int, Json]:
    """Buildset id -> its properties."""
    found: dict[int, Json] = {}
    for at in range(0, len(ids), _CHUNK):
        rows = tx.execute(_SET_PROPERTIES, {"ids": ids[at : at + _CHUNK]})
        found.update((row_id, json.loads(text)) for row_id, text in rows)
    return found


# -- buildsets --------------------------------------------------------------------------------

SET_COLUMNS: Columns = {
    "bsid": buildsets.c.id,
    "external_idstring": buildsets.c.external_idstring,
    "reason": buildsets.c.reason,
    "rebuilt_buildid": buildsets.c.rebuilt_buildid,
    "submitted_at": buildsets.c.submitted_at,
    "complete": buildsets.c.complete,
    "complete_at": buildsets.c.complete_at,
    "results": func.coalesce(buildsets.c.results, -1),  # -1 before the end
    "parent_buildid": buildsets.c.parent_buildid,
    "parent_relationship": buildsets.c.parent_relationship,
}
SET_FIELDS = tuple(SET_COLUMNS)

_SETS: Select[Any] = select(*(SET_COLUMNS[name].label(name) for name in SET_FIELDS))


def buildset(tx: Connection, bsid: int) -> Json | None:
    """The buildset with this id."""
    found = _with_stamps(tx, tx.execute(_SETS.where(buildsets.c.id == bsid)).all())
    return found[0] if found else None


def buildsets_page(tx: Connection, page: Page) -> list[Json]:
    """Buildsets with their source stamps, read by two queries."""
    return _with_stamps(tx, rows_of(tx, _SETS, SET_COLUMNS, page, default_order=[buildsets.c.id]))


def _with_stamps(tx: Connection, rows: Sequence[Row[Any]]) -> list[Json]:
    found = [dict(zip(SET_FIELDS, row, strict=True)) for row in rows]
    stamps = stamps_of(tx, [one["bsid"] for one in found])
    for one in found:
        one["complete"] = bool(one["complete"])
        one["sourcestamps"] = stamps.get(one["bsid"], [])
    return found


def stamps_of(tx: Connection, ids: Sequence[int]) -> dict[int, list[Json]]:
    """Buildset id -> its source stamps."""
    found: dict[int, list[Json]] = {}
    link = buildset_sourcestamps
    for at in range(0, len(ids), _CHUNK):
        query = (
            STAMP_WITH_PATCH.add_columns(link.c.buildsetid)
            .join(link, link.c.sourcestampid == sourcestamps.c.id)
            .where(link.c.buildsetid.in_(ids[at : at + _CHUNK]))
            .order_by(link.c.id)
        )
        for row in tx.execute(query):
            found.setdefault(row.buildsetid, []).append(stamp_as_json(row._mapping))
    return found
