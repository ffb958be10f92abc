"""What happened: changes, as change sources and hooks tell of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert

from ci_master.data.context import Context
from ci_master.data.model import PropertyDict, properties_as_json
from ci_master.data.sourcestamps import SourceStamps
from ci_master.storage import changes as rows
from ci_master.storage import schema

_LONGEST_NAME = 255


class Changes:
    """Adds changes and reads them back."""

    def __init__(self, context: Context, sourcestamps: SourceStamps) -> None:
        self._context = context
        self._sourcestamps = sourcestamps
        #: ``codebaseGenerator`` of the configuration: names the codebase of a change without one.
        self.codebase_of: Any = None
        #: ``revlink`` of the configuration: (revision, repository) -> URL or None.
        self.revlink_of: Any = None

    async def add(
        self,
        *,
        author: str,
        comments: str,
        committer: str | None = None,
        files: Sequence[str] | None = None,
        revision: str | None = None,
        when_timestamp: float | None = None,
        branch: str | None = None,
        category: str | None = None,
        revlink: str | None = "",
        properties: Mapping[str, Any] | None = None,
        repository: str = "",
        codebase: str | None = None,
        project: str = "",
        src: str | None = None,
    ) -> int:
        """Store a change, and tell of it.

        :param properties: name -> value (its source is then ``Change``) or (value, source).
        :param src: kind of version control; kept for callers that give it.
        :returns: its id, once it is stored.
        """
        context = self._context
        change: dict[str, Any] = {
            "author": _text(author)[:_LONGEST_NAME],
            "committer": None if committer is None else _text(committer)[:_LONGEST_NAME],
            "comments": _text(comments),
            "files": sorted(_text(name) for name in files or ()),
            "revision": None if revision is None else _text(revision),
            "when_timestamp": context.now() if when_timestamp is None else int(when_timestamp),
            "branch": None if branch is None else _text(branch),
            "category": None if category is None else _text(category),
            "repository": _text(repository or ""),
            "project": _text(project or ""),
            "properties": properties_as_json(_with_source(properties or {})),
        }
        if codebase is None and self.codebase_of is not None:
            codebase = self.codebase_of({**change, "revlink": revlink, "codebase": None})
        change["codebase"] = _text(codebase or "")
        if not revlink and change["revision"] and self.revlink_of is not None:
            revlink = self.revlink_of(change["revision"], change["repository"])
        change["revlink"] = revlink or ""
        changeid = context.store.next_id(schema.changes)
        finder = self._sourcestamps.finder(change)

        def store(tx: Connection) -> dict[str, Any]:
            stamp = finder(tx)
            parent = rows.latest_of_branch(tx, change["branch"], change["codebase"])
            tx.execute(insert(schema.changes), _row(changeid, change, stamp["ssid"], parent))
            return {**stamp, "parent": parent}

        stamp = await context.store.write(store)
        parent = stamp.pop("parent")
        self._sourcestamps.remember(stamp)
        message = {
            "changeid": changeid,
            "parent_changeids": [] if parent is None else [parent],
            **change,
            "committer": change["committer"],
            "sourcestamp": stamp,
        }
        context.bus.publish(("changes", str(changeid), "new"), message)
        return changeid

    async def get(self, changeid: int) -> dict[str, Any] | None:
        """A change as REST dict."""
        found = await self.get_many([changeid])
        return found[0] if found else None

    async def get_many(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The changes with these ids, ordered by id; unknown ones are left out."""
        if not ids:
            return []
        return await self._context.store.read(lambda tx: rows.get_many(tx, list(ids)))

    async def of_sourcestamps(self, ssids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        """The changes that led to these source stamps, by source stamp, oldest first."""
        found = await self._context.store.read(lambda tx: rows.of_sourcestamps(tx, list(ssids)))
        by_stamp: dict[int, list[dict[str, Any]]] = {}
        for change in found:
            by_stamp.setdefault(change["sourcestamp"]["ssid"], []).append(change)
        return by_stamp


def _row(changeid: int, change: dict[str, Any], ssid: int, parent: int | None) -> dict[str, Any]:
    row = {key: value for key, value in change.items() if key not in ("files", "properties")}
    return {
        **row,
        "id": changeid,
        "files_json": json.dumps(change["files"]),
        "properties_json": json.dumps(change["properties"]),
        "sourcestampid": ssid,
        "parent_changeid": parent,
    }


def _with_source(properties: Mapping[str, Any]) -> PropertyDict:
    return {
        name: value if isinstance(value, tuple) and len(value) == 2 else (value, "Change")
        for name, value in properties.items()
    }


def _text(value: str | bytes) -> str:
    """Text that every database takes: UTF-8 without NUL bytes and lone surrogates."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
