"""Rows of changes."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ci_master.storage import sourcestamps
from ci_master.storage.build_changes import IS_OF_LINE
from ci_master.storage.schema import changes as t

_CHUNK = 500

# Built once: to build a statement costs more than to run it.
_LATEST = select(t.c.id).where(IS_OF_LINE).order_by(t.c.id.desc()).limit(1)
_MANY = select(t).where(t.c.id.in_(bindparam("ids", expanding=True))).order_by(t.c.id)


def latest_of(tx: Connection, change: Mapping[str, Any]) -> int | None:
    """Id of the newest change of the line of development that this one belongs to."""
    names = ("codebase", "branch", "repository", "project")
    return tx.execute(_LATEST, {name: change[name] for name in names}).scalar()


def get_many(tx: Connection, ids: list[int]) -> list[dict[str, Any]]:
    """The changes with these ids as REST dicts, ordered by id."""
    found: list[dict[str, Any]] = []
    for at in range(0, len(ids), _CHUNK):
        some = tx.execute(_MANY, {"ids": ids[at : at + _CHUNK]}).all()
        stamps = sourcestamps.get_many(tx, {row.sourcestampid for row in some})
        found += [as_json(row._mapping, stamps.get(row.sourcestampid)) for row in some]
    return found


def as_json(row: Mapping[Any, Any], stamp: dict[str, Any] | None) -> dict[str, Any]:
    """A row of the table and its source stamp as REST change."""
    parent = row["parent_changeid"]
    return {
        "changeid": row["id"],
        "parent_changeids": [] if parent is None else [parent],
        "author": row["author"],
        "committer": row["committer"],
        "files": json.loads(row["files_json"]),
        "comments": row["comments"],
        "revision": row["revision"],
        "when_timestamp": row["when_timestamp"],
        "branch": row["branch"],
        "category": row["category"],
        "revlink": row["revlink"],
        "properties": json.loads(row["properties_json"]),
        "repository": row["repository"],
        "project": row["project"],
        "codebase": row["codebase"],
        "sourcestamp": stamp,
    }
