"""What is built, as users' code sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ci_master.data.change import Change


class SourceStamp:
    """One codebase of a build.

    :ivar patch: None, or the tuple (level, body, subdir); ``patch_info``: (author, comment).
        The body is None if it has still to be read from storage, by ``patchid``.
    :ivar changes: the changes that led to it, oldest first.
    """

    def __init__(self, stamp: Mapping[str, Any], changes: Iterable[Change] = ()) -> None:
        self.ssid: int | None = stamp.get("ssid")
        self.branch: str | None = stamp.get("branch")
        self.revision: str | None = stamp.get("revision")
        self.repository: str = stamp.get("repository") or ""
        self.codebase: str = stamp.get("codebase") or ""
        self.project: str = stamp.get("project") or ""
        self.created_at: int | None = stamp.get("created_at")
        self.changes = list(changes)
        self.patch: tuple[int, Any, str] | None = None
        self.patch_info: tuple[str, str] | None = None
        self.patchid: int | None = None
        patch = stamp.get("patch")
        if patch:
            self.patchid = patch.get("patchid")
            self.patch = (patch["level"], patch["body"], patch.get("subdir") or "")
            self.patch_info = (patch.get("author") or "", patch.get("comment") or "")

    def asDict(self) -> dict[str, Any]:
        """The source stamp as plain data."""
        return {
            "branch": self.branch,
            "codebase": self.codebase,
            "project": self.project,
            "repository": self.repository,
            "revision": self.revision,
        }

    def __repr__(self) -> str:
        return f"<SourceStamp {self.codebase!r} {self.branch!r} {self.revision!r}>"


def blamelist(stamps: Iterable[SourceStamp]) -> list[str]:
    """Who may have to do with the result: authors of changes and patches, sorted."""
    people: set[str] = set()
    for stamp in stamps:
        people.update(change.who for change in stamp.changes)
        if stamp.patch_info is not None and stamp.patch_info[0]:
            people.add(stamp.patch_info[0])
    return sorted(people)
