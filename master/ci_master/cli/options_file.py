"""Defaults that a person keeps in a file ``.buildbot/options``.

It is looked for from the current directory upwards, in directories that belong to the
person, then in the home directory. It is Python: its variables are the defaults.
"""

import os
from pathlib import Path
from typing import Any

from ci_master.cli.problem import Problem

_HIGHEST = 20  # directories to climb


def read_options(start: Path, home: Path) -> dict[str, Any]:
    """The variables of the nearest options file; empty if there is none.

    :raises Problem: if the file cannot be run.
    """
    path = _find(start, home)
    if path is None:
        return {}
    names: dict[str, Any] = {"__file__": str(path)}
    try:
        exec(compile(path.read_text(), str(path), "exec"), names)
    except Exception as error:
        raise Problem(f"the options file {path} fails: {type(error).__name__}: {error}") from error
    return {name: value for name, value in names.items() if not name.startswith("__")}


def _find(start: Path, home: Path) -> Path | None:
    places = [start, *start.parents][:_HIGHEST]
    for place in places:
        path = place / ".buildbot" / "options"
        if path.is_file() and _is_own(path.parent):
            return path
    path = home / ".buildbot" / "options"
    return path if path.is_file() else None


def _is_own(directory: Path) -> bool:
    """Whether the directory is this person's: another's file would run as this person."""
    if not hasattr(os, "getuid"):
        return True
    return directory.stat().st_uid == os.getuid()
