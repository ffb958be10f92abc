"""What a new configuration changes: the difference between two loads, by kind of thing.

Both sides are records of what was written; nothing here touches what runs.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ci_common.installation import is_below
from ci_master.builds.template import StepFactory
from ci_master.config.model import Config
from ci_master.data.recorded import same

#: Kinds of things with names, in the order in which they are told: kind -> how to list them.
KINDS: dict[str, Callable[[Config], Iterable[Any]]] = {
    "worker": lambda config: config.workers,
    "builder": lambda config: config.builders,
    "scheduler": lambda config: config.schedulers.values(),
    "change source": lambda config: config.change_sources,
    "service": lambda config: config.services.values(),
    "project": lambda config: config.projects,
    "codebase": lambda config: config.codebases,
    "machine": lambda config: config.machines,
    "user manager": lambda config: config.user_managers,
    "secret provider": lambda config: config.secretsProviders,
}

_LISTED = frozenset(
    {
        "builders",
        "change_sources",
        "codebases",
        "machines",
        "projects",
        "schedulers",
        "secretsProviders",
        "services",
        "user_managers",
        "workers",
    }
)
_ABOUT_THE_LOAD = frozenset({"filename", "modules", "notes", "places", "warnings"})

_SHOWN_NAMES = 10  # per line of a summary
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})


@dataclass
class Difference:
    """What happens to the things of one kind. Pairs are (old, new)."""

    added: list[Any] = field(default_factory=list)
    changed: list[tuple[Any, Any]] = field(default_factory=list)
    removed: list[Any] = field(default_factory=list)
    unchanged: list[tuple[Any, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass
class Plan:
    """What a reload has to do.

    :ivar settings: names of the plain settings that differ (attributes of ``Config``).
    :ivar edited: names of the files whose text differs: the configuration and its modules.
    """

    kinds: dict[str, Difference]
    settings: list[str]
    edited: list[str] = field(default_factory=list)

    def __getitem__(self, kind: str) -> Difference:
        return self.kinds[kind]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.settings) or any(self.kinds.values())

    def summary(self) -> list[str]:
        """Lines for the log: what is added, changed and removed; one line if nothing is."""
        lines = []
        for kind, difference in self.kinds.items():
            changed = [new for _, new in difference.changed]
            for verb, things in (
                ("added", difference.added),
                ("changed", changed),
                ("removed", difference.removed),
            ):
                if things:
                    lines.append(f"{_counted(kind, len(things))} {verb}: {_names(things)}")
        if self.settings:
            lines.append(f"settings changed: {', '.join(self.settings)}")
        if not lines and self.edited:
            shown = ", ".join(self.edited[:_SHOWN_NAMES])
            return [f"edited: {shown}; but nothing that the configuration makes differs by it"]
        return lines or ["nothing has changed"]


def plan(old: Config | None, new: Config) -> Plan:
    """Compare two configurations.

    :param old: the one that runs; None at the start of a master, when everything is added.
    """
    before = old if old is not None else _nothing(new)
    kinds = {
        kind: _difference(_by_name(listed(before)), _by_name(listed(new)), before, new)
        for kind, listed in KINDS.items()
    }
    return Plan(kinds, _changed_settings(before, new), _edited(before, new))


def alike(a: Any, b: Any) -> bool:
    """Whether two configured values would behave alike.

    The answer of ``ci_master.data.recorded.same``, which takes functions and classes apart;
    here plain values and records, which most things are made of, are compared directly first.
    """
    if a is b:
        return True
    kind = type(a)
    if kind is not type(b) or isinstance(a, type):
        return same(a, b)
    if kind is StepFactory:
        return _are_steps_alike(a, b)
    if kind in _SCALARS:
        return bool(a == b)
    if kind is list or kind is tuple:
        return len(a) == len(b) and all(map(alike, a, b))
    if kind is dict:
        return a.keys() == b.keys() and all(alike(value, b[key]) for key, value in a.items())
    record = getattr(a, "config_record", None)
    if record is not None:
        return alike(record(), b.config_record())
    return same(a, b)


def _are_steps_alike(a: StepFactory, b: StepFactory) -> bool:
    """Steps are what there is most of; their arguments are mostly plain values."""
    if a.step_class is b.step_class and a.kwargs == b.kwargs and a.args == b.args:
        return True
    return alike(a.config_record(), b.config_record())


def _difference(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Config, now: Config
) -> Difference:
    difference = Difference(
        added=[thing for name, thing in new.items() if name not in old],
        removed=[thing for name, thing in old.items() if name not in new],
    )
    for name, thing in new.items():
        if name in old:
            pair = (old[name], thing)
            is_alike = alike(*pair) and _ports(old[name], before) == _ports(thing, now)
            (difference.unchanged if is_alike else difference.changed).append(pair)
    return difference


def _ports(thing: Any, config: Config) -> Any:
    """Where a service listens: that may be left to other parts of the configuration."""
    ports_of = getattr(thing, "ports_of", None)
    return ports_of(config) if callable(ports_of) else None


def _by_name(things: Iterable[Any]) -> dict[str, Any]:
    """Things by their names; those without one by their class and turn."""
    found: dict[str, Any] = {}
    for thing in things:
        name = getattr(thing, "name", None)
        if not isinstance(name, str):
            kind = type(thing).__name__
            turn = sum(1 for known in found if known.startswith(f"{kind} #"))
            name = f"{kind} #{turn + 1}"
        found[name] = thing
    return found


def _changed_settings(old: Config, new: Config) -> list[str]:
    names = [f.name for f in fields(Config) if f.name not in _LISTED | _ABOUT_THE_LOAD]
    return [name for name in names if not alike(getattr(old, name), getattr(new, name))]


def _edited(old: Config, new: Config) -> list[str]:
    """Files of the configuration that were edited, came or went between the two loads."""
    if old.modules is None or new.modules is None:
        return []
    before, now = old.modules.sources, new.modules.sources
    home = os.path.dirname(next(iter(now), ""))
    edited = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [
        os.path.relpath(name, home) if is_below(name, home) else name for name in sorted(edited)
    ]


def _nothing(new: Config) -> Config:
    """A configuration of ``new``'s settings in which nothing is listed."""
    settings = {f.name: getattr(new, f.name) for f in fields(Config) if f.name not in _LISTED}
    return Config(**settings)


def _counted(kind: str, count: int) -> str:
    return f"1 {kind}" if count == 1 else f"{count} {kind}s"


def _names(things: list[Any]) -> str:
    names = list(_by_name(things))
    more = len(names) - _SHOWN_NAMES
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
