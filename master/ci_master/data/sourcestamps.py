"""Source stamps: what exactly is built. Equal stamps share a row."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from ci_master.data.context import Context
from ci_master.storage import schema
from ci_master.storage import sourcestamps as rows
from ci_master.storage.texts import storable

_REMEMBERED = 2000

#: Characters that each text of a source stamp may have.
_MOST = {"branch": 256, "revision": 256, "repository": 512, "project": 512, "codebase": 256}

Stamp = Mapping[str, Any]


class SourceStamps:
    """Finds or adds source stamps; remembers those used lately."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_id: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._by_hash: OrderedDict[str, int] = OrderedDict()

    def known(self, stamp: Stamp | int) -> dict[str, Any] | None:
        """The REST source stamp, if it can be told without asking storage."""
        if isinstance(stamp, int):
            return self._by_id.get(stamp)
        if stamp.get("patch"):
            return None
        ssid = self._by_hash.get(stamp_hash(stamp, None))
        return None if ssid is None else self._by_id.get(ssid)

    def remember(self, stamp: dict[str, Any]) -> None:
        """Keep a REST source stamp at hand."""
        self._by_id[stamp["ssid"]] = stamp
        if stamp["patch"] is None:
            self._by_hash[stamp_hash(stamp, None)] = stamp["ssid"]
        for memory in (self._by_id, self._by_hash):
            while len(memory) > _REMEMBERED:
                memory.popitem(last=False)

    async def resolve(self, stamps: list[Stamp | int]) -> list[dict[str, Any]]:
        """The REST source stamps for these; new ones are stored.

        :raises KeyError: if there is no source stamp with an id given.
        :raises TypeError: if a branch, revision or the like is neither text nor a number.
        :raises ValueError: if it is longer than can be stored.
        """
        stamps = [stamp if isinstance(stamp, int) else _of_texts(stamp) for stamp in stamps]
        found = [self.known(stamp) for stamp in stamps]
        if None not in found:
            return [stamp for stamp in found if stamp is not None]
        finders = [self.finder(stamp) for stamp in stamps]
        resolved = await self._context.store.write(
            lambda tx: [find(tx) for find in finders], "source stamps"
        )
        for stamp in resolved:
            self.remember(stamp)
        return resolved

    async def patch_body(self, patchid: int) -> bytes | None:
        """The text of a patch."""
        return await self._context.store.read(lambda tx: rows.patch_body(tx, patchid))

    def finder(self, stamp: Stamp | int) -> "Finder":
        """A function of a connection that finds or adds the stamp."""
        store, now = self._context.store, self._context.now()
        if isinstance(stamp, int):
            return Finder(stamp, {}, None, 0)
        patch = stamp.get("patch")
        patch_row: dict[str, Any] | None = None
        if patch:
            patch_row = {
                "id": store.next_id(schema.patches),
                "level": int(patch.get("level", 1)),
                "body": _bytes(patch["body"]),
                "author": patch.get("author") or "",
                "comment": patch.get("comment") or "",
                "subdir": patch.get("subdir") or "",
            }
        row = {
            "id": store.next_id(schema.sourcestamps),
            "hash": stamp_hash(stamp, patch_row["id"] if patch_row else None),
            "branch": stamp.get("branch"),
            "revision": stamp.get("revision"),
            "repository": stamp.get("repository") or "",
            "project": stamp.get("project") or "",
            "codebase": stamp.get("codebase") or "",
            "patchid": patch_row["id"] if patch_row else None,
            "created_at": now,
        }
        return Finder(None, row, patch_row, now)


class Finder:
    """Finds or adds one source stamp, within a transaction; gives it as in REST."""

    def __init__(
        self,
        ssid: int | None,
        row: dict[str, Any],
        patch_row: dict[str, Any] | None,
        now: int,
    ) -> None:
        self._ssid = ssid
        self._row = row
        self._patch_row = patch_row

    def __call__(self, tx: Connection) -> dict[str, Any]:
        if self._ssid is None:
            return rows.find_or_add(tx, self._row, self._patch_row)
        found = rows.get(tx, self._ssid)
        if found is None:
            raise KeyError(f"there is no source stamp {self._ssid}")
        return found


def stamp_hash(stamp: Stamp, patchid: int | None) -> str:
    """What equal source stamps have in common."""
    parts = (
        stamp.get("branch"),
        stamp.get("revision"),
        stamp.get("repository") or "",
        stamp.get("project") or "",
        stamp.get("codebase") or "",
        None if patchid is None else str(patchid),
    )
    joined = b"\0".join(b"\xf5" if part is None else part.encode() for part in parts)
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def _of_texts(stamp: Stamp) -> Stamp:
    """With numbers as texts, for the revision of a property may be one; and as it is stored."""
    odd = {}
    for key, most in _MOST.items():
        value = stamp.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"the {key} of a source stamp must be text, not {value!r:.60}")
        text = storable(str(value))
        if text != value:
            odd[key] = text
        if len(text) > most:  # cut, it would be another one
            raise ValueError(
                f"the {key} of a source stamp has {len(text):,} characters; {most} is the most"
            )
    return {**stamp, **odd} if odd else stamp


def _bytes(body: bytes | str) -> bytes:
    return body.encode() if isinstance(body, str) else body
