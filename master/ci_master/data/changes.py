"""What happened: changes, as change sources and hooks tell of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert

from ci_common.links import harmless
from ci_master.data.arguments import Argument, Arguments, Json, ListOf, Number, Text
from ci_master.data.context import Context
from ci_master.data.model import PropertyDict, properties_as_json
from ci_master.data.sourcestamps import SourceStamps
from ci_master.storage import build_changes, schema
from ci_master.storage import changes as rows

_LONGEST_NAME = 255
#: The first and the last moment that a calendar holds in every time zone.
_EARLIEST, _LATEST = -62_135_510_400, 253_402_214_400


def _stored(most: int) -> Text:
    """Text of a change: what a database cannot hold is marked when it is added."""
    return Text(most, any_characters=True)


class _Properties:
    """name -> value, or (value, source)."""

    _value = Json()
    _name = Text(256, least=1)

    def check(self, value: Any) -> dict[str, Any]:
        """The properties."""
        if not isinstance(value, Mapping):
            raise ValueError(f"must be an object, not {value!r:.60}")
        if len(value) > _MOST_PROPERTIES:
            raise ValueError(f"has {len(value):,} members; {_MOST_PROPERTIES:,} is the most")
        for name, one in value.items():
            try:
                self._name.check(name)
                self._value.check(one)
            except ValueError as error:
                raise ValueError(f"has a member {str(name)[:60]!r}, which {error}") from None
        return dict(value)


_MOST_PROPERTIES = 1000

#: What somebody outside may say of a change: a hook, ``sendchange``, a user's change source.
CHANGE = Arguments(
    Argument("author", _stored(10_000)),
    Argument("committer", _stored(10_000)),
    Argument("comments", _stored(4 * 1024 * 1024)),
    Argument("files", ListOf(_stored(10_000), most=200_000)),
    Argument("revision", _stored(_LONGEST_NAME)),
    Argument("when_timestamp", Number(_EARLIEST, _LATEST)),
    Argument("branch", _stored(_LONGEST_NAME)),
    Argument("category", _stored(_LONGEST_NAME)),
    Argument("revlink", _stored(10_000)),
    Argument("properties", _Properties()),
    Argument("repository", _stored(512)),
    Argument("codebase", _stored(256)),
    Argument("project", _stored(512)),
    Argument("src", _stored(_LONGEST_NAME)),
)


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
            "when_timestamp": context.now() if when_timestamp is None else _moment(when_timestamp),
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
        change["revlink"] = harmless(revlink or "")
        changeid = context.store.next_id(schema.changes)
        finder = self._sourcestamps.finder(change)

        def store(tx: Connection) -> tuple[dict[str, Any], int | None]:
            stamp = finder(tx)
            parent = rows.latest_of(tx, change)
            tx.execute(insert(schema.changes), _row(changeid, change, stamp["ssid"], parent))
            return stamp, parent

        def message() -> dict[str, Any]:
            stamp, parent = stored.value
            return {
                "changeid": changeid,
                "parent_changeids": [] if parent is None else [parent],
                **change,
                "sourcestamp": stamp,
            }

        act = context.transaction("a change")
        stored = act.run(store)
        act.after_commit(lambda: self._sourcestamps.remember(stored.value[0]))
        act.tell_then(message, ("changes", str(changeid), "new"))
        await act.commit()
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

    async def of_build(
        self, builderid: int, number: int, request_ids: Sequence[int]
    ) -> tuple[Sequence[int], list[dict[str, Any]]]:
        """The ids of the changes that a build was asked for, and all that it has, oldest first.

        :param number: the number of the build, which need not be stored yet.
        :param request_ids: the requests that it answers.
        """

        def read(tx: Connection) -> tuple[Sequence[int], list[dict[str, Any]]]:
            found = build_changes.of_requests(tx, builderid, number, request_ids)
            return found.asked, rows.get_many(tx, list(found.all))

        return await self._context.store.read(read)

    async def of_buildset(self, buildsetid: int) -> list[int]:
        """The ids of the changes that a buildset was asked for."""
        return await self._context.store.read(lambda tx: build_changes.of_buildset(tx, buildsetid))


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


def _moment(seconds: float) -> int:
    """A time that every calendar can show, whatever clock it was taken from."""
    return int(min(max(seconds, _EARLIEST), _LATEST))


def _text(value: str | bytes) -> str:
    """Text that every database takes: UTF-8 without NUL bytes and lone surrogates."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
