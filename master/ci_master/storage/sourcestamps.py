"""Rows of source stamps and their patches."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select

from ci_master.storage.schema import buildset_sourcestamps, buildsets, patches
from ci_master.storage.schema import sourcestamps as t

_WITH_PATCH = select(
    t,
    patches.c.level,
    patches.c.author.label("patch_author"),
    patches.c.comment.label("patch_comment"),
    patches.c.subdir,
).select_from(t.outerjoin(patches, t.c.patchid == patches.c.id))

# Built once: to build a statement costs more than to run it.
_BY_HASH = _WITH_PATCH.where(t.c.hash == bindparam("hash"))
_BY_IDS = _WITH_PATCH.where(t.c.id.in_(bindparam("ids", expanding=True)))


def find_or_add(
    tx: Connection, row: Mapping[str, Any], patch_row: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The stamp with this hash as REST dict; ``row`` is stored if there was none."""
    found = tx.execute(_BY_HASH, {"hash": row["hash"]}).first()
    if found is not None:
        return as_json(found._mapping)
    if patch_row is not None:
        tx.execute(insert(patches), dict(patch_row))
    tx.execute(insert(t), dict(row))
    extra: dict[str, Any] = {"level": None}
    if patch_row is not None:
        extra = {
            "level": patch_row["level"],
            "patch_author": patch_row["author"],
            "patch_comment": patch_row["comment"],
            "subdir": patch_row["subdir"],
        }
    return as_json({**row, **extra})


def get(tx: Connection, ssid: int) -> dict[str, Any] | None:
    """The stamp with this id as REST dict."""
    return get_many(tx, [ssid]).get(ssid)


def get_many(tx: Connection, ssids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Stamp id -> REST dict, of the stamps with these ids. One statement: not for too many ids."""
    found = tx.execute(_BY_IDS, {"ids": list(ssids)})
    return {row.id: as_json(row._mapping) for row in found}


def of_buildsets(tx: Connection, wanted: ColumnElement[bool]) -> dict[int, dict[str, Any]]:
    """Stamp id -> REST dict, of the stamps of many buildsets. One statement.

    :param wanted: which buildsets, as a condition of their columns.
    """
    links = buildset_sourcestamps
    ids = (
        select(links.c.sourcestampid)
        .select_from(links.join(buildsets, links.c.buildsetid == buildsets.c.id))
        .where(wanted)
    )
    found = tx.execute(_WITH_PATCH.where(t.c.id.in_(ids)))
    return {row.id: as_json(row._mapping) for row in found}


def patch_body(tx: Connection, patchid: int) -> bytes | None:
    """The text of a patch."""
    query = select(patches.c.body).where(patches.c.id == patchid)
    return tx.execute(query).scalar()


def as_json(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of the stamp and its patch's columns as REST source stamp."""
    patch = None
    if row["patchid"] is not None:
        patch = {
            "patchid": row["patchid"],
            "level": row["level"],
            "author": row["patch_author"],
            "comment": row["patch_comment"],
            "subdir": row["subdir"],
            "body": None,
        }
    return {
        "ssid": row["id"],
        "branch": row["branch"],
        "revision": row["revision"],
        "repository": row["repository"],
        "project": row["project"],
        "codebase": row["codebase"],
        "patch": patch,
        "created_at": row["created_at"],
    }
