"""Results as people see them: a kind (shape and colour) and a word."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "success",
    "warnings",
    "failure",
    "skipped",
    "exception",
    "retry",
    "cancelled",
    "running",
    "waiting",
    "offline",
    "paused",
    "quarantined",
    "none",
]

_BY_RESULT: tuple[Kind, ...] = (
    "success",
    "warnings",
    "failure",
    "skipped",
    "exception",
    "retry",
    "cancelled",
)

WORDS: dict[str, str] = {
    "success": "success",
    "warnings": "warnings",
    "failure": "failed",
    "skipped": "skipped",
    "exception": "exception",
    "retry": "retried",
    "cancelled": "cancelled",
    "running": "running",
    "waiting": "waiting",
    "offline": "offline",
    "paused": "paused",
    "quarantined": "quarantined",
    "none": "never built",
}

#: What stands for the kind where only text can be, as in the title of a window.
GLYPHS: dict[str, str] = {
    "success": "\u2713",
    "warnings": "!",
    "failure": "\u2717",
    "skipped": "\u2205",
    "exception": "\u25c6",
    "retry": "\u21bb",
    "cancelled": "\u2298",
    "running": "\u25d0",
    "waiting": "\u25cc",
    "offline": "\u25cb",
    "paused": "\u2016",
    "quarantined": "\u2716",
    "none": "\u00b7",
}

#: Kinds from the one that wants attention first to the one that wants none.
URGENCY: tuple[Kind, ...] = (
    "failure",
    "exception",
    "warnings",
    "cancelled",
    "retry",
    "running",
    "success",
    "skipped",
    "waiting",
    "none",
)

BROKEN: frozenset[str] = frozenset({"failure", "exception"})


@dataclass(frozen=True, slots=True)
class Mark:
    """How a result is shown."""

    kind: Kind
    word: str


def kind_of(results: int | None, *, complete: bool = True) -> Kind:
    """The kind of a result code; running or waiting while there is none."""
    if not complete:
        return "running"
    if results is None or not 0 <= results < len(_BY_RESULT):
        return "waiting"
    return _BY_RESULT[results]


def mark_of(results: int | None, *, complete: bool = True) -> Mark:
    """Kind and word of a result code."""
    kind = kind_of(results, complete=complete)
    return Mark(kind, WORDS[kind])


def plural(count: int, one: str, many: str | None = None) -> str:
    """``3 builds``, ``1 build``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}".replace(",", "\u202f")
