"""People's mistakes: a fault says where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Fault:
    """One mistake, as its author will read it."""

    where: str  # "master.cfg:42, builder 'linux'"
    what: str  # one sentence: the value found, and the rule it breaks
    hint: str = ""  # what to write instead

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what}" + (f"\n    {self.hint}" if self.hint else "")


class ConfigError(Exception):
    """All the faults of one load: nobody should have to fix them one at a time."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class Refused(Exception):
    """A request that cannot be granted, with the HTTP status that says so and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be, if there is one."""
    near = get_close_matches(name, sorted(known), n=1)
    return near[0] if near else None


def unknown_name(where: str, kind: str, name: str, known: Iterable[str]) -> Fault:
    """The fault of naming something that does not exist, with the nearest that does."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f"did you mean '{near}'?" if near else f"known {kind}s: {', '.join(names) or 'none'}"
    return Fault(where, f"there is no {kind} '{name}'", hint)
