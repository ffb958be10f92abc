"""What REST reads of changes and source stamps."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from ci_master.storage.changes import as_json
from ci_master.storage.reads_page import Columns, Page, count_of, rows_of
from ci_master.storage.schema import buildset_sourcestamps, changes, patches, sourcestamps
from ci_master.storage.sourcestamps import as_json as stamp_as_json

_CHUNK = 500

Json = dict[str, Any]

_NAMED = (
    "author",
    "committer",
    "comments",
    "revision",
    "when_timestamp",
    "branch",
    "category",
    "revlink",
    "repository",
    "project",
    "codebase",
)
CHANGE_COLUMNS: Columns = {
    "changeid": changes.c.id,
    **{name: changes.c[name] for name in _NAMED},
}
STAMP_COLUMNS: Columns = {
    "ssid": sourcestamps.c.id,
    "branch": sourcestamps.c.branch,
    "revision": sourcestamps.c.revision,
    "repository": sourcestamps.c.repository,
    "project": sourcestamps.c.project,
    "codebase": sourcestamps.c.codebase,
    "created_at": sourcestamps.c.created_at,
}

#: Source stamps with the columns of their patches, but for its body.
STAMP_WITH_PATCH: Select[Any] = select(
    sourcestamps,
    patches.c.level,
    patches.c.author.label("patch_author"),
    patches.c.comment.label("patch_comment"),
    patches.c.subdir,
).select_from(sourcestamps.outerjoin(patches, sourcestamps.c.patchid == patches.c.id))

_CHANGES: Select[Any] = select(changes)


def changes_page(
    tx: Connection, page: Page, *, ids: Sequence[int] | None = None, ssid: int | None = None
) -> list[Json]:
    """Changes with their source stamps, newest first unless the page says otherwise.

    :param ids: only these.
    :param ssid: only those of this source stamp.
    """
    query = _CHANGES
    if ids is not None:
        query = query.where(changes.c.id.in_(ids))
    if ssid is not None:
        query = query.where(changes.c.sourcestampid == ssid)
    rows = rows_of(tx, query, CHANGE_COLUMNS, page, default_order=[changes.c.id.desc()])
    return _with_stamps(tx, rows)


def change(tx: Connection, changeid: int) -> Json | None:
    """The change with this id."""
    found = _with_stamps(tx, tx.execute(_CHANGES.where(changes.c.id == changeid)).all())
    return found[0] if found else None


def _with_stamps(tx: Connection, rows: Sequence[Row[Any]]) -> list[Json]:
    ids = sorted({row.sourcestampid for row in rows})
    stamps: dict[int, Json] = {}
    for at in range(0, len(ids), _CHUNK):
        query = STAMP_WITH_PATCH.where(sourcestamps.c.id.in_(ids[at : at + _CHUNK]))
        for row in tx.execute(query):
            stamps[row.id] = stamp_as_json(row._mapping)
    return [as_json(row._mapping, stamps.get(row.sourcestampid)) for row in rows]


def stamp(tx: Connection, ssid: int) -> Json | None:
    """The source stamp with this id."""
    row = tx.execute(STAMP_WITH_PATCH.where(sourcestamps.c.id == ssid)).first()
    return None if row is None else stamp_as_json(row._mapping)


def stamps_page(
    tx: Connection, page: Page, *, buildsetid: int | None = None
) -> tuple[list[Json], int]:
    """Source stamps and how many match; only those of a buildset if one is named."""
    query = STAMP_WITH_PATCH
    if buildsetid is not None:
        link = buildset_sourcestamps
        query = query.join(link, link.c.sourcestampid == sourcestamps.c.id)
        query = query.where(link.c.buildsetid == buildsetid)
    rows = rows_of(tx, query, STAMP_COLUMNS, page, default_order=[sourcestamps.c.id])
    total = len(rows)
    if page.limit is not None or page.offset:
        total = count_of(tx, query, STAMP_COLUMNS, page)
    return [stamp_as_json(row._mapping) for row in rows], total
