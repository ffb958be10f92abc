"""Checks of the arguments that schedulers have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from ci_common.faults import nearest
from ci_master.builds.properties import needs_rendering
from ci_master.data.faults import configFault

__all__ = [
    "check_builder_names",
    "check_callable",
    "check_change_filter",
    "check_codebases",
    "check_priority",
    "check_properties",
    "check_seconds",
    "take_common",
]

_COMMON = ("builderNames", "properties", "codebases", "priority")
_CODEBASE_KEYS = ("repository", "branch", "revision", "project")


def take_common(label: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that all schedulers have, by name; others are reported as unknown."""
    given = dict(zip(_COMMON, args, strict=False)) | dict(kwargs)
    for name in given.keys() - set(_COMMON):
        near = nearest(name, _COMMON)
        configFault(
            f"{label} does not know the argument '{name}'",
            f"did you mean '{near}'?" if near else "",
        )
    return {name: given.get(name) for name in _COMMON}


def check_builder_names(label: str, names: Any) -> None:
    """Report builder names that are neither a list of names nor a renderable."""
    if isinstance(names, list | tuple):
        for name in names:
            if not isinstance(name, str) and not needs_rendering(name):
                configFault(
                    f"{label}: 'builderNames' holds {name!r}, but builders are named by strings",
                    "write the name of the builder, as in builderNames=['linux']",
                )
                return
    elif not needs_rendering(names):
        hint = f"write builderNames=[{names!r}]" if isinstance(names, str) else ""
        configFault(
            f"{label}: 'builderNames' is {names!r}, but must be a list of builder names or a "
            f"renderable that gives one",
            hint,
        )


def check_properties(label: str, properties: Any) -> None:
    """Report properties that are no dict of names."""
    if properties is None:
        return
    if not isinstance(properties, Mapping):
        configFault(
            f"{label}: 'properties' is {properties!r}, but must be a dict of values by name"
        )
    elif not all(isinstance(name, str) for name in properties):
        configFault(f"{label}: 'properties' has names that are no strings")


def check_codebases(label: str, codebases: Any) -> None:
    """Report codebases of the wrong form."""
    if codebases is None:
        return
    if not isinstance(codebases, list | tuple | Mapping) or not codebases:
        configFault(
            f"{label}: 'codebases' is {codebases!r}, but must be a list of names, or a dict of "
            f"names with their defaults; and not empty",
            "for example codebases={'lib': {'branch': 'main'}}",
        )
        return
    for name in codebases:
        if not isinstance(name, str):
            configFault(f"{label}: 'codebases' holds {name!r}, but codebases are named by strings")
    for name, defaults in codebases.items() if isinstance(codebases, Mapping) else ():
        if not isinstance(defaults, Mapping):
            configFault(f"{label}: the defaults of codebase {name!r} must be a dict: {defaults!r}")
            continue
        for key in defaults:
            if key not in _CODEBASE_KEYS:
                near = nearest(str(key), _CODEBASE_KEYS)
                configFault(
                    f"{label}: codebase {name!r} has an unknown key {key!r}",
                    f"did you mean {near!r}?" if near else f"known: {', '.join(_CODEBASE_KEYS)}",
                )


def check_priority(label: str, priority: Any) -> None:
    """Report a priority that is neither an int nor a function."""
    number = isinstance(priority, int) and not isinstance(priority, bool)
    if priority is not None and not number and not callable(priority):
        configFault(
            f"{label}: 'priority' is {priority!r}, but must be an int, or a function of the "
            f"builder names and the changes by codebase"
        )


def check_callable(label: str, argument: str, value: Any) -> None:
    """Report what should be a function or None, and is not."""
    if value is not None and not callable(value):
        configFault(f"{label}: '{argument}' is {value!r}, but must be a function of the change")


def check_change_filter(label: str, change_filter: Any) -> None:
    """Report a change filter that has no method ``filter_change``."""
    if change_filter is not None and not hasattr(change_filter, "filter_change"):
        configFault(
            f"{label}: 'change_filter' is {change_filter!r}, but must be a ChangeFilter",
            "for example change_filter=util.ChangeFilter(branch='main')",
        )


def check_seconds(label: str, argument: str, value: Any, above: Callable[[float], bool]) -> bool:
    """Report what should be a number of seconds, and is not; gives whether it is one."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not above(value):
        configFault(f"{label}: '{argument}' is {value!r}, but must be a number of seconds above 0")
        return False
    return True
