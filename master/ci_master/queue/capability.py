"""Whether a worker has what a builder's ``requires`` asks for."""

import re
from collections.abc import Mapping
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from ci_common.numbers import is_digits

_COMPARISON = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(.+?)\s*")
_COMPARE = {">=": ge, "<=": le, "==": eq, "!=": ne, ">": gt, "<": lt}
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
#: Digits of a part of a version; more of them come from nobody who tells a version.
_MOST_DIGITS = 400


def facts_of(slot: Any) -> dict[str, Any]:
    """What a worker says of itself, and over it what its configuration declares."""
    told = slot.session.info if slot.session is not None else slot.row.info
    return {**told, **slot.config.properties}


def why_lacking(requires: Mapping[str, Any], facts: Mapping[str, Any]) -> str | None:
    """What is missing, as the end of a sentence about a worker; None if it has it all.

    :param requires: fact -> what it must be: a value; a list of which one must be met; a text
        of comparisons (``">=3.9, <4"``: numbers and versions are compared part by part); or a
        function of the value.
    """
    for name, wanted in requires.items():
        if name not in facts:
            return f"does not report {name}, {_shown(wanted)} is required"
        if not meets(facts[name], wanted):
            return f"has {name} {facts[name]}, {_shown(wanted)} is required"
    return None


def meets(value: Any, wanted: Any) -> bool:
    """Whether a fact is as wanted."""
    if callable(wanted):
        return bool(wanted(value))
    if isinstance(wanted, list | tuple | set | frozenset):
        return any(meets(value, one) for one in wanted)
    if isinstance(wanted, str):
        comparisons = [_COMPARISON.fullmatch(part) for part in wanted.split(",")]
        if all(comparisons):
            return all(
                _COMPARE[found[1]](_ordered(value), _ordered(found[2]))
                for found in comparisons
                if found is not None
            )
    return bool(value == wanted) or _plain(value) == _plain(wanted)


def _ordered(value: Any) -> list[tuple[int, int, str]]:
    """A number or version in a form that compares part by part; words come before numbers."""
    parts = _PARTS.findall(str(value))
    ordered = [(1, int(p[:_MOST_DIGITS]), "") if is_digits(p) else (0, 0, p.lower()) for p in parts]
    while ordered and ordered[-1] == (1, 0, ""):  # 3.0 is 3
        ordered.pop()
    return ordered


def _plain(value: Any) -> str:
    return str(value).strip().lower()


def _shown(wanted: Any) -> str:
    if callable(wanted):
        return str(getattr(wanted, "__name__", "something else"))
    if isinstance(wanted, list | tuple | set | frozenset):
        return " or ".join(map(_shown, wanted))
    return str(wanted)
