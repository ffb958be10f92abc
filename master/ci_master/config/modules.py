"""The modules that a configuration brings: loaded anew with each load, wherever they lie.

They are somebody's own code, not the installation: beside ``master.cfg`` or beside the file that
it is a link to, in directories that the file puts on ``sys.path``, and in those of ``PYTHONPATH``.
"""

import hashlib
import linecache
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from ci_common.installation import OURS, is_below, is_compiled, is_installed, places_of

_MISSING = object()


@dataclass
class _Process:
    """What earlier loads of this process have left."""

    #: Names of the modules that were there before the first load.
    before: frozenset[str] | None = None
    #: Names of the modules that the last load brought.
    brought: frozenset[str] = frozenset()
    #: What the last load added to ``sys.path``.
    added: list[str] = field(default_factory=list)


_process = _Process()


@dataclass(frozen=True)
class _Roots:
    """Directories below which modules are the configuration's own, unless they are installed.

    :ivar beside: those of the configuration file.
    :ivar others: those that it put on the path, and those of ``PYTHONPATH``.
    """

    beside: tuple[str, ...]
    others: tuple[str, ...]


@dataclass
class LoadedModules:
    """What one load brought, and how to have it as it was before.

    :ivar sources: file -> digest of its text, of the configuration and of its modules.
    :ivar kept: names of packages that were not loaded anew, since they have compiled modules.
    """

    sources: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    _former: "_Former | None" = None

    def put_back(self) -> None:
        """Go back to the modules and the path of before: this load is not used after all."""
        former, self._former = self._former, None
        if former is not None:
            former.restore()

    def keep(self) -> None:
        """This load is used: what was before may go."""
        self._former = None


@dataclass
class _Former:
    """``sys.modules`` and ``sys.path`` as they were, as far as a load changes them."""

    path: list[str]
    modules: dict[str, ModuleType]
    attributes: list[tuple[ModuleType, str, Any]]
    process: _Process
    roots: "_Roots"

    def restore(self) -> None:
        for name in _own_modules(self.roots):
            _forget(name, [])
        sys.modules.update(self.modules)
        for package, name, value in self.attributes:
            setattr(package, name, value)
        sys.path[:] = self.path
        _process.brought, _process.added = self.process.brought, self.process.added
        invalidate_caches()


@contextmanager
def fresh_modules(config: Path) -> Generator[LoadedModules, None, None]:
    """While a configuration runs: its directory is on ``sys.path``, and its modules load anew.

    If the block raises, modules and path are put back: what runs goes on with the code that it
    has. The caller may do that later, too, by :meth:`LoadedModules.put_back`.

    :param config: the configuration file.
    """
    beside = _directories_of(config)
    if _process.before is None:
        _process.before = frozenset(sys.modules)
    former = _Former(list(sys.path), {}, [], replace(_process), _roots(beside, _process.added))
    loaded = LoadedModules(_former=former)
    names, loaded.kept = _that_can_be_forgotten(_own_modules(former.roots))
    former.modules.update({name: sys.modules[name] for name in names})
    for name in names:
        _forget(name, former.attributes)
    base = [entry for entry in sys.path if entry not in _process.added]
    appended = [entry for entry in beside if entry not in base]
    sys.path[:] = [*base, *appended]
    invalidate_caches()
    linecache.checkcache()
    known = frozenset(sys.modules)
    # What is written within one second in the same size would pass for what was compiled before.
    writes_none, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield loaded
    except BaseException:
        _note_brought(known)
        former.roots = _roots(beside, [*former.process.added, *sys.path])
        loaded.put_back()
        raise
    finally:
        sys.dont_write_bytecode = writes_none
    own = _note_brought(known)
    _keep_path(base, appended)
    former.roots = _roots(beside, [*former.process.added, *_process.added])
    loaded.sources = _digests([config, *_files_of(own)])


def _note_brought(known: frozenset[str]) -> list[ModuleType]:
    """Note which of the modules that are there now, and were not before, are somebody's own."""
    found = {
        name: module
        for name in sys.modules.keys() - known
        if (module := sys.modules.get(name)) is not None and not is_installed(module)
    }
    _process.brought = frozenset(found) | (_process.brought & sys.modules.keys())
    return list(found.values())


def _keep_path(base: list[str], appended: list[str]) -> None:
    """Leave on ``sys.path`` what the configuration put there, each once; not what we did."""
    path = list(sys.path)
    for entry in appended:
        if entry in path:
            path.reverse()
            path.remove(entry)  # the last one
            path.reverse()
    _process.added = list(dict.fromkeys(entry for entry in path if entry not in base))
    left = list(_process.added)
    kept = []
    for entry in path:
        if entry in base:
            kept.append(entry)
        elif entry in left:
            left.remove(entry)
            kept.append(entry)
    sys.path[:] = kept


def _directories_of(config: Path) -> list[str]:
    """The directory of the file, and the one of the file that it is a link to."""
    return list(dict.fromkeys([str(config.parent), os.path.dirname(os.path.realpath(config))]))


def _roots(beside: Iterable[str], added: Iterable[str]) -> _Roots:
    from_environment = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return _Roots(_whole(beside), _whole([*filter(None, added), *from_environment]))


def _whole(directories: Iterable[str]) -> tuple[str, ...]:
    """Absolute names of directories, as written and with links followed."""
    found: dict[str, None] = {}
    for directory in directories:
        found[os.path.abspath(directory)] = found[os.path.realpath(directory)] = None
    return tuple(found)


def _own_modules(roots: _Roots) -> list[str]:
    """Names of the loaded modules that are the configuration's own.

    Those that the last load brought, and those that its code has imported since: they lie below
    the same directories. What was there before the first load is its own only beside the file.
    """
    before = _process.before or frozenset()
    found = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in OURS or not isinstance(module, ModuleType):
            continue
        places = places_of(module)
        mine = (
            name in _process.brought
            or _any_below(places, roots.beside)
            or (name not in before and _any_below(places, roots.others))
        )
        if mine and not is_installed(module):
            found.append(name)
    return found


def _any_below(places: list[str], directories: tuple[str, ...]) -> bool:
    return any(is_below(place, directory) for place in places for directory in directories)


def _that_can_be_forgotten(names: list[str]) -> tuple[list[str], list[str]]:
    """All of them but packages with compiled modules; and the names of those packages."""
    compiled = {name.partition(".")[0] for name in names if is_compiled(sys.modules.get(name))}
    rest = [name for name in names if name.partition(".")[0] not in compiled]
    return rest, sorted(compiled)


def _forget(name: str, attributes: list[tuple[ModuleType, str, Any]]) -> None:
    """Take a module out of ``sys.modules``, and out of the package that it belongs to.

    :param attributes: what was taken out of packages is noted here.
    """
    module = sys.modules.pop(name, None)
    parent, _, last = name.rpartition(".")
    package = sys.modules.get(parent) if parent else None
    if package is not None and vars(package).get(last, _MISSING) is module:
        attributes.append((package, last, module))
        delattr(package, last)


def _files_of(modules: Iterable[ModuleType]) -> list[Path]:
    found = [Path(place) for module in modules for place in places_of(module)]
    return [path for path in found if path.suffix == ".py"]


def _digests(files: Iterable[Path]) -> dict[str, str]:
    found = {}
    for path in files:
        try:
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            found[str(path)] = ""
    return found
