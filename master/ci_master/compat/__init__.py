"""Buildbot's import paths, mapped to ours, for configurations and plugins written for it.

``install()`` adds a finder at the end of ``sys.meta_path``: where a real Buildbot is
installed it is found first, and this one is never asked.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader as AbstractLoader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ci_common.faults import nearest
from ci_master.compat.paths import PACKAGES, TARGETS


class Finder:
    """Finds ``buildbot`` and the modules below it that :data:`TARGETS` maps."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for a mapped name, None for all others (the protocol of ``sys.meta_path``)."""
        if name not in TARGETS and name not in PACKAGES:
            return None
        if name != "buildbot" and not isinstance(sys.modules.get("buildbot"), Mapped):
            return None  # a real Buildbot is installed, and lacks this module: never mix
        return ModuleSpec(name, Loader(), is_package=name in PACKAGES)


class Loader(AbstractLoader):
    """Makes a module whose attributes are looked up in ours when they are touched."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module that forwards."""
        return Mapped(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Say what ``from module import *`` takes; each name is looked up when it is touched."""
        listed = TARGETS.get(module.__name__, {}).values()
        module.__dict__["__all__"] = sorted(name for names in listed for name in names.split())


class Mapped(ModuleType):
    """One module of Buildbot's, made of names that live in ours."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._find(name)
        self.__dict__[name] = found
        return found

    def _find(self, name: str) -> Any:
        for target, names in TARGETS.get(self.__name__, {}).items():
            if name in names.split():
                return getattr(import_module(target), name)
        inner = f"{self.__name__}.{name}"
        if inner in TARGETS or inner in PACKAGES:
            return import_module(inner)
        near = nearest(name, self.__dict__["__all__"])
        hint = f"; did you mean {near}?" if near else ""
        text = f"{self.__name__} has no {name} in this version{hint}"
        raise AttributeError(text, name=name, obj=self)


def install() -> None:
    """Make ``import buildbot...`` work, unless a real Buildbot does. May be called again."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
