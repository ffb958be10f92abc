"""What all checks of one load share: the values given, the faults found, the result."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci_common.faults import Fault, nearest, unknown_name
from ci_master.config.model import Config
from ci_master.config.places import KeyPlaces, place_of, shown

_FEW = 8


@dataclass
class Check:
    """One load being checked. Every check reports here and goes on with the next."""

    given: dict[str, Any]
    config: Config
    places: KeyPlaces
    faults: list[Fault] = field(default_factory=list)
    #: The master's directory: file names that are not whole start there.
    directory: Path = Path()

    def fault(self, key: str, what: str, hint: str = "") -> None:
        """Something is wrong with the value of a key."""
        self.faults.append(Fault(self.places.of(key), what, hint))

    def fault_at(self, thing: Any, kind: str, what: str, hint: str = "") -> None:
        """Something is wrong with an object that the configuration made."""
        where = place_of(thing, kind) or self.config.filename
        self.faults.append(Fault(where, what, hint))

    def no_such(self, thing: Any, of: str, kind: str, name: str, known: Iterable[str]) -> None:
        """An object names something that does not exist. ``of`` is the object's own kind."""
        where = place_of(thing, of) or self.config.filename
        self.faults.append(unknown_name(where, kind, name, known))

    def wrong_type(self, key: str, must: str, value: Any, hint: str = "") -> None:
        """The value of a key is of the wrong kind."""
        self.fault(key, f"c['{key}'] {must}, not {shown(value)}", hint)

    def unknown_parts(
        self, key: str, names: Iterable[str], known: Iterable[str], what: str
    ) -> None:
        """Entries of a dictionary-valued key that nothing reads."""
        for name in names:
            self.fault(key, f"{what}: {name}", did_you_mean(name, known))

    def keep(self, key: str, accepts: Callable[[Any], bool], must: str) -> Any:
        """Check one key by a predicate; a good value goes into the configuration.

        :returns: the value, or None if it is absent or was refused.
        """
        if key not in self.given:
            return None
        value = self.given[key]
        if not accepts(value):
            self.wrong_type(key, must, value)
            return None
        setattr(self.config, key, value)
        return value

    def dictionary(self, key: str) -> dict[str, Any] | None:
        """A dictionary-valued key; None if it is absent or is no dictionary."""
        value = self.given.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.wrong_type(key, "must be a dictionary", value)
            return None
        return dict(value)


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or with all that are known if they are few."""
    names = sorted(known)
    near = nearest(str(name), names)
    if near:
        return f"did you mean '{near}'?"
    return f"known: {', '.join(names)}" if len(names) <= _FEW else ""
