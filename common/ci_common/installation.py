"""Which modules belong to the installation, and which are somebody's own code."""

import os
import site
import sys
import sysconfig
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

#: Top-level names of this project.
OURS = frozenset({"ci_common", "ci_master", "ci_worker", "ci_www"})

#: Directories of this name hold what a package installer wrote, wherever they are.
_INSTALLED_PARTS = frozenset({"site-packages", "dist-packages"})

_NO_FILE = frozenset({"built-in", "frozen"})


def is_installed(module: ModuleType | None) -> bool:
    """Whether a module comes with Python, from an installed package or from this project.

    What is left is the code of whoever writes a configuration, wherever it lies. A module whose
    place is unknown counts as installed. So does a namespace package (a directory without
    ``__init__.py``) if one of its parts is installed.
    """
    if module is None or not isinstance(module, ModuleType):
        return True
    if module.__name__.partition(".")[0] in OURS or module.__name__ == "__main__":
        return True
    places = places_of(module)
    return not places or any(_is_installed_at(place) for place in places)


def places_of(module: ModuleType) -> list[str]:
    """The file of a module, or the directories of a namespace package; absolute."""
    spec = getattr(module, "__spec__", None)
    filename = getattr(module, "__file__", None)
    if filename is None and spec is not None and spec.origin not in _NO_FILE:
        filename = spec.origin
    if isinstance(filename, str) and filename not in _NO_FILE and filename != "namespace":
        return [os.path.abspath(filename)]
    path = getattr(module, "__path__", None)
    try:
        return [os.path.abspath(entry) for entry in path or ()]
    except Exception:  # a path object of somebody's own
        return []


def is_compiled(module: ModuleType | None) -> bool:
    """Whether a module is a shared library: it cannot be loaded twice in one process."""
    filename = getattr(module, "__file__", None)
    return isinstance(filename, str) and filename.endswith(tuple(EXTENSION_SUFFIXES))


def is_below(filename: str, directory: str) -> bool:
    """Whether a file, by its name, lies in a directory or below it."""
    return filename == directory or filename.startswith(directory.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)
def _is_installed_at(filename: str) -> bool:
    parts = Path(filename).parts
    if _INSTALLED_PARTS.intersection(parts):
        return True
    if any(is_below(filename, directory) for directory in _installation()):
        return True
    # ``pip install --target`` leaves the list of what it installed beside the packages.
    return any(
        Path(entry, filename[len(entry.rstrip(os.sep)) + 1 :]).parts[len(Path(entry).parts)]
        in _target_packages(entry)
        for entry in map(os.path.abspath, sys.path)
        if filename != entry and is_below(filename, entry)
    )


@lru_cache(maxsize=1)
def _installation() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [*site.getsitepackages(), site.getusersitepackages()]
    found += [os.path.realpath(path) for path in found]
    return tuple(dict.fromkeys(map(os.path.abspath, found)))


@lru_cache(maxsize=256)
def _target_packages(directory: str) -> frozenset[str]:
    """First parts of the files that package installers wrote into a directory."""
    found: set[str] = set()
    for record in Path(directory).glob("*.dist-info/RECORD"):
        try:
            lines = record.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found.update(line.partition(",")[0].partition("/")[0] for line in lines)
    return frozenset(found) - {"..", ""}
