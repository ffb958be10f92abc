"""JSON for others: programs that stop at ``NaN``, of which Python alone makes and takes some.

Values of users (properties, what a step computed) may hold numbers that are none, or have keys of
several kinds. One such value must not make a whole answer, with all that is beside it, unreadable.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["comparable_json", "strict_json"]


def strict_json(
    value: Any,
    *,
    sort_keys: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
) -> str:
    """The value as JSON that every reader takes.

    ``NaN`` and the infinities, for which JSON has no words, become ``null``. The arguments are
    those of :func:`json.dumps`.
    """

    def write(plain: Any) -> str:
        return json.dumps(
            plain,
            allow_nan=False,
            sort_keys=sort_keys,
            indent=indent,
            separators=separators,
            default=default,
        )

    try:
        return write(value)
    except (TypeError, ValueError):  # an odd value, or keys that cannot be sorted
        return write(_plain(value))


def comparable_json(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """The same text for values that are the same once they were stored, and only for those."""
    try:
        return json.dumps(value, sort_keys=True, default=default)
    except TypeError:  # keys that cannot be sorted; stored, they are texts
        return json.dumps(json.loads(json.dumps(value, default=default)), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _key(key: Any) -> Any:
    """A key as :func:`json.dumps` writes it."""
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    return key
