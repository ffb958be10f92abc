"""What REST reads of builds, their properties and what belongs to them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from ci_master.storage.build_changes import requests_of_change
from ci_master.storage.reads_page import Columns, Page, rows_of
from ci_master.storage.schema import (
    build_data,
    build_properties,
    buildrequests,
    builds,
    buildsets,
)

_CHUNK = 500

Json = dict[str, Any]

COLUMNS: Columns = {
    "buildid": builds.c.id,
    "number": builds.c.number,
    "builderid": builds.c.builderid,
    "buildrequestid": builds.c.buildrequestid,
    "workerid": builds.c.workerid,
    "masterid": builds.c.masterid,
    "started_at": builds.c.started_at,
    "complete": builds.c.complete_at.is_not(None),
    "complete_at": builds.c.complete_at,
    "locks_duration_s": builds.c.locks_duration_s,
    "state_string": builds.c.state_string,
    "results": builds.c.results,
}
FIELDS = tuple(COLUMNS)

_ALL: Select[Any] = select(
    *(COLUMNS[name] if name != "complete" else COLUMNS[name].label("complete") for name in FIELDS)
)


# Built once: to build a statement costs more than to run it.
_BY_ID = _ALL.where(builds.c.id == bindparam("buildid"))
_IS_NUMBER = (builds.c.builderid == bindparam("of")) & (builds.c.number == bindparam("at"))
_BY_NUMBER = _ALL.where(_IS_NUMBER)
_ID_BY_NUMBER = select(builds.c.id).where(_IS_NUMBER)
_PROPERTIES = select(build_properties.c.id, build_properties.c.properties_json).where(
    build_properties.c.id.in_(bindparam("ids", expanding=True))
)


def as_json(row: Row[Any]) -> Json:
    """A row as REST build, without properties."""
    build = dict(zip(FIELDS, row, strict=True))
    build["complete"] = build["complete_at"] is not None
    build["properties"] = {}
    return build


def get(tx: Connection, buildid: int) -> Json | None:
    """The build with this id."""
    row = tx.execute(_BY_ID, {"buildid": buildid}).first()
    return None if row is None else as_json(row)


def get_by_number(tx: Connection, builderid: int, number: int) -> Json | None:
    """A builder's build by its number."""
    row = tx.execute(_BY_NUMBER, {"of": builderid, "at": number}).first()
    return None if row is None else as_json(row)


def id_of(tx: Connection, builderid: int, number: int) -> int | None:
    """Id of a builder's build."""
    return tx.execute(_ID_BY_NUMBER, {"of": builderid, "at": number}).scalar()


def page_of(
    tx: Connection,
    page: Page,
    *,
    of: Mapping[str, int] | None = None,
    properties: Sequence[str] = (),
) -> list[Json]:
    """Builds, with the properties of these names (``*`` for all) read by one query.

    :param of: field -> value that all of them have.
    """
    query = _ALL
    for field, value in (of or {}).items():
        query = query.where(COLUMNS[field] == value)
    return _page(tx, query, page, properties)


def _page(tx: Connection, query: Select[Any], page: Page, properties: Sequence[str]) -> list[Json]:
    found = [as_json(row) for row in rows_of(tx, query, COLUMNS, page, default_order=[builds.c.id])]
    if properties:
        add_properties(tx, found, properties)
    return found


def of_change(
    tx: Connection, changeid: int, page: Page, *, properties: Sequence[str] = ()
) -> list[Json]:
    """Builds that were asked for because of a change, or whose sources it made."""
    requests = requests_of_change(changeid)
    return _page(tx, _ALL.where(builds.c.buildrequestid.in_(requests)), page, properties)


def triggered_by(
    tx: Connection, buildid: int, page: Page, *, properties: Sequence[str] = ()
) -> list[Json]:
    """Builds that a build caused."""
    sets = select(buildsets.c.id).where(buildsets.c.parent_buildid == buildid)
    requests = select(buildrequests.c.id).where(buildrequests.c.buildsetid.in_(sets))
    return _page(tx, _ALL.where(builds.c.buildrequestid.in_(requests)), page, properties)


# -- properties -------------------------------------------------------------------------------


def add_properties(tx: Connection, found: Sequence[Json], names: Sequence[str]) -> None:
    """Fill in the properties of these names (``*`` for all) that the builds have."""
    by_id = properties_of(tx, [build["buildid"] for build in found])
    for build in found:
        build["properties"] = chosen(by_id.get(build["buildid"], {}), names)


def chosen(properties: Json, names: Sequence[str]) -> Json:
    """Those properties that are asked for; ``*`` is all."""
    if "*" in names:
        return properties
    return {name: properties[name] for name in names if name in properties}


def properties_of(tx: Connection, ids: Sequence[int]) -> dict[int, Json]:
    """Build id -> its properties."""
    found: dict[int, Json] = {}
    for at in range(0, len(ids), _CHUNK):
        rows = tx.execute(_PROPERTIES, {"ids": ids[at : at + _CHUNK]})
        found.update((row_id, json.loads(text)) for row_id, text in rows)
    return found


def exists(tx: Connection, buildid: int) -> bool:
    """Whether there is a build with this id."""
    return tx.execute(select(builds.c.id).where(builds.c.id == buildid)).first() is not None


# -- data -------------------------------------------------------------------------------------


def data_of(tx: Connection, buildid: int, name: str | None = None) -> list[Json]:
    """The values attached to a build, or the one of this name; their bytes are left out."""
    t = build_data
    query = select(t.c.buildid, t.c.name, t.c.length, t.c.source).where(t.c.buildid == buildid)
    if name is not None:
        query = query.where(t.c.name == name)
    return [
        {"buildid": build, "name": label, "length": length, "value": None, "source": source}
        for build, label, length, source in tx.execute(query.order_by(t.c.name))
    ]


def data_value(tx: Connection, buildid: int, name: str) -> bytes | None:
    """The bytes of a value attached to a build."""
    t = build_data
    return tx.execute(
        select(t.c.value).where((t.c.buildid == buildid) & (t.c.name == name))
    ).scalar()
