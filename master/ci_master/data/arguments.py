"""The arguments of an action, declared once: their types, lengths and ranges.

Whoever offers an action declares what it takes::

    REASON = Argument("reason", Text(most=2000))
    PAUSE = Arguments(REASON)

:meth:`Arguments.check` then refuses what is wrong before anything happens, with the name of each
argument that is wrong and the rule that it breaks. What is not declared is left out, as Buildbot
ignores it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ci_common.faults import Refused
from ci_common.numbers import MOST, MOST_32, finite_number, whole_number

__all__ = [
    "MOST",
    "MOST_32",
    "Argument",
    "Arguments",
    "BadArguments",
    "Flag",
    "Json",
    "Kind",
    "ListOf",
    "Number",
    "OneOf",
    "Text",
    "Whole",
    "shown",
]

_SHOWN = 60
_MOST_ARGUMENTS = 1000


class BadArguments(Refused):
    """Arguments that are wrong: name -> what is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__(400, "; ".join(f"'{name}' {text}" for name, text in self.errors.items()))


class Kind(Protocol):
    """What a value must be."""

    def check(self, value: Any) -> Any:
        """The value as the action gets it.

        :raises ValueError: with what it must be, to be read after the argument's name.
        """


def shown(value: Any) -> str:
    """A value as an error shows it: short, and without what a terminal would obey."""
    if isinstance(value, str | bytes) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}... (length {len(value):,})"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MOST:
        return "a number of more than 64 bits"  # Python itself may refuse to write it
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return repr(value)
    names: dict[type, str] = {dict: "an object", list: "a list", tuple: "a list"}
    return names.get(type(value), f"a {type(value).__name__}")


def check_characters(text: str) -> None:
    """Refuse what no database and no file name holds.

    :raises ValueError: if there is a NUL character or half of a surrogate pair.
    """
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("must be Unicode text; it contains half of a surrogate pair")


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a limited length.

    :param most: characters.
    :param least: characters.
    :param any_characters: whoever gets it replaces what cannot be stored.
    """

    most: int
    least: int = 0
    any_characters: bool = False

    def check(self, value: Any) -> str:
        """The text."""
        if not isinstance(value, str):
            raise ValueError(f"must be text, not {shown(value)}")
        if len(value) > self.most:
            raise ValueError(f"has {len(value):,} characters; {self.most:,} is the most")
        if len(value) < self.least:
            raise ValueError("must not be empty")
        if not self.any_characters:
            check_characters(value)
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits; ``true`` is none.

    :param as_text: text of decimal digits is taken, too.
    """

    least: int = 0
    most: int = MOST
    as_text: bool = False

    def check(self, value: Any) -> int:
        """The number."""
        if self.as_text and isinstance(value, str):
            number = whole_number(value, least=-MOST)
            value = value if number is None else number
        if type(value) is not int:
            raise ValueError(f"must be a whole number, not {shown(value)}")
        if not self.least <= value <= self.most:
            raise ValueError(f"must be from {self.least} to {self.most}, not {shown(value)}")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number within limits."""

    least: float = -float(MOST)
    most: float = float(MOST)

    def check(self, value: Any) -> float:
        """The number; a whole one stays whole."""
        number = None if isinstance(value, str) else finite_number(value)
        if number is None:
            raise ValueError(f"must be a number, not {shown(value)}")
        if not self.least <= number <= self.most:
            raise ValueError(f"must be from {self.least:g} to {self.most:g}, not {shown(value)}")
        return value if isinstance(value, int) else number


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def check(self, value: Any) -> bool:
        """The value."""
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {shown(value)}")
        return value


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind
    most: int = 1000

    def check(self, value: Any) -> list[Any]:
        """The values."""
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list, not {shown(value)}")
        if len(value) > self.most:
            raise ValueError(f"has {len(value):,} values; {self.most:,} is the most")
        return [self.kind.check(one) for one in value]


class OneOf:
    """A value of one of several kinds."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = kinds

    def check(self, value: Any) -> Any:
        """What the first kind that takes it makes of it."""
        wrong = []
        for kind in self._kinds:
            try:
                return kind.check(value)
            except ValueError as error:
                wrong.append(str(error))
        raise ValueError(", or ".join(dict.fromkeys(wrong)))


@dataclass(frozen=True, slots=True)
class Json:
    """Any value that JSON can write, of a limited size.

    :param depth: how many lists and objects may be inside of each other.
    :param values: how many values there may be in all.
    :param characters: how many characters all texts may have together.
    """

    depth: int = 20
    values: int = 20_000
    characters: int = 12 * 1024 * 1024

    def check(self, value: Any) -> Any:
        """The value."""
        waiting: list[tuple[Any, int]] = [(value, 0)]
        values = characters = 0
        while waiting:
            one, depth = waiting.pop()
            values += 1
            if values > self.values:
                raise ValueError(f"has more than {self.values:,} values")
            if isinstance(one, str):
                characters += len(one)
                if characters > self.characters:
                    raise ValueError(f"has more than {self.characters:,} characters")
                check_characters(one)
            elif isinstance(one, dict | list | tuple):
                if depth >= self.depth:
                    raise ValueError(f"is nested more than {self.depth} deep")
                inside = [*one, *one.values()] if isinstance(one, dict) else one
                if values + len(inside) > self.values:
                    raise ValueError(f"has more than {self.values:,} values")
                waiting += [(item, depth + 1) for item in inside]
            else:
                _check_scalar(one)
        return value


def _check_scalar(value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"must not contain {value}, which is no JSON")
    elif isinstance(value, int):
        if not -MOST <= value <= MOST:
            raise ValueError("must not contain a number of more than 64 bits")
    else:
        raise ValueError(f"must not contain {shown(value)}, which is no JSON")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action.

    :param required: refuse a call without it. What is not required may also be null, which
        counts as not given.
    """

    name: str
    kind: Kind
    required: bool = False


class Arguments:
    """All arguments of an action.

    :param others: the kind of what is not declared; None: it is left out.
    """

    def __init__(self, *arguments: Argument, others: Kind | None = None) -> None:
        self.declared = {argument.name: argument for argument in arguments}
        self._others = others

    def check(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as the action gets them.

        :raises BadArguments: with all that are wrong.
        """
        if len(given) > _MOST_ARGUMENTS:
            count = f"has {len(given):,} members; {_MOST_ARGUMENTS:,} is the most"
            raise BadArguments({"params": count})
        taken: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for name, argument in self.declared.items():
            if argument.required or given.get(name) is not None:
                _take(taken, errors, name, argument.kind, given.get(name))
                if name in errors and name not in given:
                    errors[name] = f"is missing: it {errors[name].partition(',')[0]}"
        if self._others is not None:
            for name in given.keys() - self.declared.keys():
                _take(taken, errors, name, self._others, given[name])
        if errors:
            raise BadArguments(errors)
        return taken


def _take(taken: dict[str, Any], errors: dict[str, str], name: str, kind: Kind, value: Any) -> None:
    try:
        taken[name] = kind.check(value)
    except ValueError as error:
        errors[name] = str(error)
