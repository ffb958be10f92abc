"""The options of ``git describe`` that a Git step takes."""

from typing import Any

from ci_master.builds.faults import configFault

#: Those that are switches, and those that take a value.
_SWITCHES = ("all", "always", "contains", "debug", "long", "tags", "exact-match", "first-parent")
_VALUES = ("match", "exclude", "abbrev", "candidates", "dirty")


def check_description(given: Any) -> None:
    """Report what is wrong with the argument ``getDescription``."""
    if not isinstance(given, bool | dict):
        configFault(
            f"'getDescription' of a Git step is {given!r}", "write True, or a dict of options"
        )
    elif isinstance(given, dict):
        unknown = sorted(set(given) - {*_SWITCHES, *_VALUES})
        if unknown:
            known = ", ".join((*_SWITCHES, *_VALUES))
            configFault(f"git describe has no options {', '.join(unknown)}", f"known: {known}")


def describe_arguments(given: Any) -> list[str]:
    """The command line after ``git``."""
    args = ["describe"]
    dirty = False
    for name, value in given.items() if isinstance(given, dict) else ():
        if name in _SWITCHES:
            if value:
                args.append(f"--{name}")
        elif name == "dirty":
            if value:
                dirty = True
                args.append("--dirty" if value is True else f"--dirty={value}")
        elif value is not None:
            args.append(f"--{name}={value}")
    if not dirty:  # that is about the tree, and takes no commit
        args.append("HEAD")
    return args
