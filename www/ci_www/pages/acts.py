"""What people did to a build or a build request, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_WORDS = {
    "stop": "Stopped",
    "cancel": "Cancelled",
    "rebuild": "Rebuilt",
    "set_priority": "Priority changed",
}


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody did."""

    at: int
    word: str
    who: str  # "by ana: \u201cthe disk is full\u201d"

    @property
    def told(self) -> str:
        """All of it in one line."""
        return f"{self.word.lower()} {self.who}"


def acts_of(lines: Iterable[Any]) -> list[Act]:
    """Make them of :class:`ci_master.data.views.ActLine`."""
    found = []
    for line in lines:
        who = f"by {line.owner}" if line.owner else "by somebody who has not signed in"
        why = f": \u201c{line.reason}\u201d" if line.reason else ""
        found.append(Act(line.at, _WORDS.get(line.method, line.method), who + why))
    return found
