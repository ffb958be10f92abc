"""What a configuration imports: ``from ci_master.plugins import *``.

Each name here is a namespace whose attributes are the classes of one kind. A class's module
is imported when its attribute is first touched, so a master pays for what it uses. Besides
our own classes, a namespace finds those that other packages publish as entry points of the
groups ``ci_master.<kind>`` and ``buildbot.<kind>``.
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from ci_common.faults import nearest
from ci_master.plugin_names import BUILT_IN, LATER

__all__ = [
    "changes",
    "reporters",
    "schedulers",
    "secrets",
    "statistics",
    "steps",
    "util",
    "webhooks",
    "worker",
    "www",
]


class Namespace:
    """The classes of one kind, as attributes that are imported when they are touched."""

    def __init__(
        self, kind: str, built_in: Mapping[str, str], later: Iterable[str] = (), inner: str = ""
    ) -> None:
        self._kind = kind
        self._built_in = built_in
        self._later = frozenset(later)
        self._inner = inner  # "svn." for util.svn
        self._published: dict[str, Any] | None = None

    @property
    def names(self) -> list[str]:
        """Every name that :meth:`get` knows, those of other packages included."""
        return sorted({*self._built_in, *self._entry_points()})

    def get(self, name: str) -> Any:
        """The class (or function, or value) of that name.

        :raises AttributeError: if there is none; the text names the nearest that there is.
        """
        target = self._built_in.get(name)
        if target is not None:
            module, _, attribute = target.partition(":")
            return getattr(import_module(module), attribute)
        if any(known.startswith(name + ".") for known in self._built_in):
            return self._nested(name)
        published = self._entry_points().get(name)
        if published is not None:
            return published.load()
        raise AttributeError(self._missing(name), name=name, obj=self)

    def info(self, name: str) -> dict[str, str]:
        """Where a name comes from: its ``target`` and the ``distribution`` that has it."""
        if name in self._built_in:
            return {"target": self._built_in[name], "distribution": "ci-framework"}
        published = self._entry_points().get(name)
        if published is None:
            raise AttributeError(self._missing(name), name=name, obj=self)
        return {"target": published.value, "distribution": published.dist.name}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.get(name)
        self.__dict__[name] = found
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._built_in or name in self._entry_points()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.names]

    def __repr__(self) -> str:
        return f"<plugins of kind {self._kind!r}>"

    def _nested(self, name: str) -> "Namespace":
        prefix = name + "."
        inner = {
            known.removeprefix(prefix): target
            for known, target in self._built_in.items()
            if known.startswith(prefix)
        }
        return Namespace(f"{self._kind}.{name}", inner, inner=prefix)

    def _entry_points(self) -> dict[str, Any]:
        """What other packages publish; looked up once, and only when it matters."""
        if self._published is None:
            from importlib.metadata import entry_points

            self._published = {}
            for group in (f"buildbot.{self._kind}", f"ci_master.{self._kind}"):
                for point in entry_points(group=group):
                    if point.dist is None or point.dist.name.lower() != "buildbot":
                        self._published[point.name] = point
        return self._published

    def _missing(self, name: str) -> str:
        called = f"{self._kind}.{name}"
        if self._inner + name in self._later:
            return f"{called} is not available yet in this version"
        near = nearest(name, self.names)
        if near is not None:
            return f"there is no {called}; did you mean {self._kind}.{near}?"
        return f"there is no {called}"


def _namespace(kind: str) -> Namespace:
    return Namespace(kind, BUILT_IN.get(kind, {}), LATER.get(kind, "").split())


changes = _namespace("changes")
reporters = _namespace("reporters")
schedulers = _namespace("schedulers")
secrets = _namespace("secrets")
statistics = _namespace("statistics")
steps = _namespace("steps")
util = _namespace("util")
webhooks = _namespace("webhooks")
worker = _namespace("worker")
www = _namespace("www")
