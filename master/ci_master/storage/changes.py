"""Rows of changes."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from ci_master.storage import sourcestamps
from ci_master.storage.build_changes import Line
from ci_master.storage.schema import changes as t

_CHUNK = 500


def latest_of(tx: Connection, change: Mapping[str, Any]) -> int | None:
    """Id of the newest change of the line of development that this one belongs to."""
    names = ("codebase", "branch", "repository", "project")
    line = Line(*(change[name] for name in names))
    query = select(t.c.id).where(line.condition())
    return tx.execute(query.order_by(t.c.id.desc()).limit(1)).scalar()


def get_many(tx: Connection, ids: list[int]) -> list[dict[str, Any]]:
    """The changes with these ids as REST dicts, ordered by id."""
    found: list[Row[Any]] = []
    for at in range(0, len(ids), _CHUNK):
        query = select(t).where(t.c.id.in_(ids[at : at + _CHUNK])).order_by(t.c.id)
        found += tx.execute(query)
    stamps: dict[int, dict[str, Any] | None] = {}
    for row in found:
        if row.sourcestampid not in stamps:
            stamps[row.sourcestampid] = sourcestamps.get(tx, row.sourcestampid)
    return [as_json(row._mapping, stamps[row.sourcestampid]) for row in found]


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
