"""Turn any value of a configuration into nested tuples that compare by what the value does."""

import builtins
import re
import sys
from collections.abc import Mapping
from enum import Enum
from functools import cached_property, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from ci_common.installation import is_installed, places_of

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})

#: Classes and functions of these packages are known by their names: they do not change by a reload.
#: So are those of all modules whose files are installed.
_FIXED_PACKAGES = frozenset(
    {"ci_common", "ci_master", "ci_worker", "ci_www", "buildbot", "twisted", "zope"}
) | frozenset(sys.stdlib_module_names)

#: Bases that hold nothing themselves.
_BARE = frozenset({"abc", "enum", "typing"})

_IGNORED_IN_CLASSES = frozenset(
    {"__module__", "__dict__", "__weakref__", "__doc__", "__qualname__", "__firstlineno__"}
)


class Unlike:
    """A value whose insides are unknown: equal if it says so itself."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unlike):
            return False
        return self.value is other.value or bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(type(self.value).__qualname__)

    def __repr__(self) -> str:
        return f"Unlike({self.value!r})"


class Fingerprinter:
    """One walk over a value. Knows what it has begun, so that cycles end."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        # What was found outside and inside of code; the object is kept: its id stays its own.
        self._done: tuple[dict[int, tuple[Any, Any]], ...] = ({}, {})
        self._in_code = False
        self._fixed: dict[str, bool] = {}
        self._modules: set[int] = set()  # those whose contents are being looked at

    def of(self, value: Any) -> Any:
        """The fingerprint of a value."""
        kind = type(value)
        if kind in _SCALARS:
            return kind.__name__, value
        key = id(value)
        known = self._done[self._in_code].get(key)
        if known is not None:
            return known[1]
        if key in self._begun:
            return "again", self._begun[key]
        self._begun[key] = len(self._begun)
        result = self._inside(value)
        del self._begun[key]
        self._done[self._in_code][key] = (value, result)
        return result

    def _inside(self, value: Any) -> Any:
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, FunctionType):
            return self._function(value)
        record = getattr(value, "config_record", None)
        if callable(record):
            return "made", self._class(type(value)), self.of(record())
        if isinstance(value, list | tuple):
            return type(value).__name__, tuple(self.of(item) for item in value)
        if isinstance(value, Mapping):
            return "dict", frozenset((self.of(k), self.of(v)) for k, v in value.items())
        if isinstance(value, set | frozenset):
            return "set", frozenset(self.of(item) for item in value)
        return self._special(value)

    def _special(self, value: Any) -> Any:
        if isinstance(value, MethodType):
            return "method", self.of(value.__func__), self.of(value.__self__)
        if isinstance(value, partial):
            return "partial", self.of(value.func), self.of(value.args), self.of(value.keywords)
        if isinstance(value, re.Pattern):
            return "regex", value.pattern, value.flags
        if isinstance(value, BuiltinFunctionType):
            return "builtin", value.__module__, value.__qualname__, self.of(value.__self__)
        if isinstance(value, ModuleType):
            return "module", value.__name__
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, staticmethod | classmethod):
            return type(value).__name__, self.of(value.__func__)
        if isinstance(value, property):
            return "property", *map(self.of, (value.fget, value.fset, value.fdel))
        if isinstance(value, cached_property):
            return "cached", self.of(value.func)
        if isinstance(getattr(value, "__wrapped__", None), FunctionType):
            return "wrapped", type(value).__qualname__, self.of(value.__wrapped__)
        return self._object(value)

    def _object(self, value: Any) -> Any:
        """An instance. Those of the author's own classes are known by what they hold."""
        cls = type(value)
        classes = [one for one in cls.__mro__ if one is not object and one.__module__ not in _BARE]
        if not classes or any(self._is_fixed(one.__module__, one) for one in classes):
            return ("a", cls.__qualname__) if self._in_code else Unlike(value)
        if isinstance(value, Enum):
            return "enum", self.of(cls), value.name
        slots = [
            name
            for one in classes
            for name in _names_of(vars(one).get("__slots__", ()))
            if hasattr(value, name)
        ]
        held = {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}
        return "object", self.of(cls), tuple((k, self._member(held[k])) for k in sorted(held))

    def _class(self, cls: type) -> Any:
        name = ("class", cls.__module__, cls.__qualname__)
        if self._is_fixed(cls.__module__, cls):
            return name
        bases = tuple(map(self.of, cls.__bases__))
        members = (
            (key, self._member(member))
            for key, member in sorted(vars(cls).items())
            if key not in _IGNORED_IN_CLASSES
        )
        return *name, bases, tuple(members)

    def _member(self, member: Any) -> Any:
        """Of what a class or a function's globals hold: unknown insides count by type only."""
        before, self._in_code = self._in_code, True
        try:
            return self.of(member)
        finally:
            self._in_code = before

    def _function(self, function: FunctionType) -> Any:
        name = ("function", function.__module__, function.__qualname__)
        if function.__module__ is not None and self._is_fixed(function.__module__, function):
            return *name, self._cells(function)
        return (
            *name,
            self._code(function.__code__),
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            self._cells(function),
            self._globals(function),
        )

    def _cells(self, function: FunctionType) -> Any:
        contents = []
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
                if isinstance(content, ModuleType):
                    names = sorted(_global_names(function.__code__))
                    contents.append(self._module(content, names))
                else:
                    contents.append(self.of(content))
            except ValueError:  # the name is not bound yet
                contents.append(("unbound",))
        return tuple(contents)

    def _code(self, code: CodeType) -> Any:
        """All that decides what the code does; not where it stands."""
        constants = tuple(map(self.of, code.co_consts))
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return code.co_code, constants, names, code.co_flags, code.co_argcount

    def _globals(self, function: FunctionType) -> Any:
        """What the function reads of its module: its helpers and constants."""
        return self._read(function.__globals__, sorted(_global_names(function.__code__)))

    def _read(self, found: Mapping[str, Any], names: list[str]) -> Any:
        return tuple(
            (name, self._module(found[name], names))
            if isinstance(found[name], ModuleType)
            else (name, self._member(found[name]))
            for name in names
            if name in found
        )

    def _module(self, module: ModuleType, names: list[str]) -> Any:
        """What code that mentions these names reads of a module."""
        name = ("module", module.__name__)
        if id(module) in self._modules or self._is_fixed(module.__name__, module):
            return name
        self._modules.add(id(module))
        try:
            return *name, self._read(vars(module), names)
        finally:
            self._modules.discard(id(module))

    def _is_fixed(self, module: str, thing: Any) -> bool:
        """Whether something is known by its name. A configuration file itself may be run under
        the name of a module that it is not (``builtins``, ``__main__``)."""
        if module in ("builtins", "__main__", "__builtin__"):
            return getattr(builtins, getattr(thing, "__name__", ""), None) is thing
        if module not in self._fixed:
            loaded = sys.modules.get(module)
            self._fixed[module] = (
                is_installed(loaded)
                if loaded is not None and places_of(loaded)
                else module.partition(".")[0] in _FIXED_PACKAGES
            )
        return self._fixed[module]


def _global_names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names


def _names_of(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)
