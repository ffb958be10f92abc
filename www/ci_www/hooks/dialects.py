"""Dialects of change hooks: how to read a request as changes.

A dialect is a class that is made with the web parts and its options, and has
``getChanges(request)``, which gives a list of changes (dicts of the arguments of
``data.changes.add``) and the kind of version control, or something to wait for that does. It is
asked by POST; ``methods = ("POST", "GET")`` says that a GET does no harm.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ci_common.numbers import finite_number
from ci_www.bodies import LONG, MOST_HOOK_VALUES, MOST_VALUES, parse_json
from ci_www.parts import WebParts

Changes = list[dict[str, Any]]

#: More seconds than any calendar needs: the end of the year 9999.
_LATEST = 253_402_300_800


class Dialect:
    """Base of dialects; ValueError says to the sender what is wrong."""

    def __init__(self, parts: WebParts, options: Any) -> None:
        self.parts = parts
        self.options = options if isinstance(options, dict) else {}

    def getChanges(self, request: Any) -> Any:
        """(changes, kind of version control or None), at once or later."""
        raise NotImplementedError


class BaseDialect(Dialect):
    """The form fields of a change, one change a request."""

    def getChanges(self, request: Any) -> Any:
        """Read the form; a long one in a thread."""
        if sum(len(value) for values in request.args.values() for value in values) > LONG:
            return self.parts.in_thread(_read, request.args)
        return _read(request.args)


def _read(args: Mapping[bytes, Sequence[bytes]]) -> tuple[Changes, str | None]:
    """The change that a form tells of."""

    def first(name: str) -> str | None:
        values = args.get(name.encode())
        return None if not values else str(values[0].decode("utf-8"))

    files = parse_json((first("files") or "[]").encode(), MOST_HOOK_VALUES)
    properties = parse_json((first("properties") or "{}").encode(), MOST_VALUES)
    when = _seconds(first("when_timestamp") or first("when"))
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        raise ValueError("files is not a list of names")
    if not isinstance(properties, dict):
        raise ValueError("properties is not an object")
    change = {
        "author": first("author") or first("who") or "",
        "committer": first("committer"),
        "comments": first("comments") or "",
        "files": files,
        "revision": first("revision"),
        "branch": first("branch"),
        "category": first("category"),
        "revlink": first("revlink") or "",
        "repository": first("repository") or "",
        "project": first("project") or "",
        "codebase": first("codebase"),
        "when_timestamp": when,
        "properties": properties,
    }
    return [change], None


def _seconds(given: str | None) -> float | None:
    """A time as unix seconds."""
    if not given:
        return None
    when = finite_number(given)
    if when is None or not abs(when) < _LATEST:
        raise ValueError(f"when is not a time in unix seconds: {given[:60]!r}")
    return when


#: Those that need no plugin.
DIALECTS: dict[str, type[Dialect]] = {"base": BaseDialect}
