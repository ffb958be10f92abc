"""Turn any value of a configuration into nested tuples that compare by what the value does."""

import builtins
import re
import sys
from collections.abc import Mapping
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})

#: Classes and functions of these packages are known by their names: they do not change by a reload.
_FIXED_PACKAGES = frozenset(
    {"ci_common", "ci_master", "ci_worker", "ci_www", "buildbot", "twisted", "zope"}
) | frozenset(sys.stdlib_module_names)

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
        self._done: dict[int, tuple[Any, Any]] = {}  # the object is kept: its id stays its own

    def of(self, value: Any) -> Any:
        """The fingerprint of a value."""
        kind = type(value)
        if kind in _SCALARS:
            return kind.__name__, value
        key = id(value)
        if key in self._done:
            return self._done[key][1]
        if key in self._begun:
            return "again", self._begun[key]
        self._begun[key] = len(self._begun)
        result = self._inside(value)
        del self._begun[key]
        self._done[key] = (value, result)
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
        return Unlike(value)

    def _class(self, cls: type) -> Any:
        name = ("class", cls.__module__, cls.__qualname__)
        if _is_fixed(cls.__module__, cls):
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
        print_ = self.of(member)
        return ("a", type(member).__qualname__) if isinstance(print_, Unlike) else print_

    def _function(self, function: FunctionType) -> Any:
        name = ("function", function.__module__, function.__qualname__)
        if function.__module__ is not None and _is_fixed(function.__module__, function):
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
                contents.append(self.of(cell.cell_contents))
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
        found = function.__globals__
        names = sorted(_global_names(function.__code__))
        return tuple((name, self._member(found[name])) for name in names if name in found)


def _global_names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names


def _is_fixed(module: str, thing: Any) -> bool:
    """Whether something is known by its name. A configuration file itself may be run under the
    name of a module that it is not (``builtins``, ``__main__``)."""
    root = module.partition(".")[0]
    if root in ("builtins", "__main__", "__builtin__"):
        return getattr(builtins, thing.__name__, None) is thing
    return root in _FIXED_PACKAGES
