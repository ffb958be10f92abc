"""What a worker tells is checked here, before it goes on into the master."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from twisted.spread import pb

from ci_master.wire.calls import Misuse, text_of

#: Updates that are not text (results, lists of files): so many values, and parts of values, for
#: one command. They are kept in memory until it is over.
MOST_VALUES = 500_000
#: Bytes of the same.
MOST_VALUE_BYTES = 64 * 1024 * 1024

#: What a worker tells about itself: bytes altogether, and containers in each other.
MOST_INFO_BYTES = 512 * 1024
_DEEPEST = 20

_TEXTS = frozenset(["stdout", "stderr", "header"])
#: exit codes fit into this; Windows has some of 32 bits without sign
_MOST_RC = 2**63


class UpdateCheck:
    """Checks the updates of one command, and how much of them is kept."""

    def __init__(self) -> None:
        self._values = 0
        self._bytes = 0

    def take(self, sent: Any) -> tuple[list[dict[str, Any]], int]:
        """The updates of one call, and the highest of their numbers.

        :raises Misuse: if they are nothing that a worker may send.
        """
        if not isinstance(sent, list | tuple):
            raise Misuse(f"updates are a {type(sent).__name__}, not a list")
        highest = 0
        updates = []
        for pair in sent:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise Misuse("an update is no pair of a dictionary and a number")
            update, number = pair
            if not isinstance(update, dict) or not isinstance(number, int):
                raise Misuse("an update is no pair of a dictionary and a number")
            for key, value in update.items():
                if key not in _TEXTS or type(value) is not str:  # nearly all are: no work for them
                    update = {
                        (name := text_of(key)): self._value(name, update[key]) for key in update
                    }
                    break
            updates.append(update)
            if number > highest:
                highest = number
        return updates, highest

    def _value(self, key: str, value: Any) -> Any:
        if key in _TEXTS:
            if not isinstance(value, str | bytes):
                raise Misuse(f"'{key}' is a {type(value).__name__}, not a text")
            return value
        if key == "log":
            if (
                not isinstance(value, list | tuple)
                or len(value) != 2
                or not all(isinstance(part, str | bytes) for part in value)
            ):
                raise Misuse("'log' is no pair of a name and a text")
            return text_of(value[0]), value[1]
        if key == "rc":
            if value is not None and (not isinstance(value, int) or abs(value) >= _MOST_RC):
                raise Misuse(f"'rc' is {_short(value)}, which is no exit code")
            return value
        if key == "failure_reason":
            return text_of(value)[:200]
        self._keep(value)
        return value

    def _keep(self, value: Any) -> None:
        values, size = weight(value)
        self._values += values
        self._bytes += size
        if self._values > MOST_VALUES or self._bytes > MOST_VALUE_BYTES:
            raise Misuse("its updates are too many to be kept")


def weight(value: Any) -> tuple[int, int]:
    """How many values there are in a value, and how many bytes of text."""
    count = size = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        count += 1
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        if count + len(waiting) > MOST_VALUES:
            break  # too many already; it may even contain itself
    return count + len(waiting), size


def told_info(sent: Any) -> dict[str, Any]:
    """What a worker tells about itself, as JSON can express it.

    :raises Misuse: if it is no dictionary, or too much.
    """
    if not isinstance(sent, Mapping):
        raise Misuse(f"what it tells about itself is a {type(sent).__name__}, not a dictionary")
    if weight(dict(sent))[1] > MOST_INFO_BYTES:
        raise Misuse(f"it tells more than {MOST_INFO_BYTES} bytes about itself")
    return {text_of(key)[:200]: plain(value, _DEEPEST) for key, value in sent.items()}


def plain(value: Any, deepest: int) -> Any:
    """A value made of texts, numbers, lists and dictionaries; others as their text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _MOST_RC else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if deepest <= 0:
        raise Misuse("it tells about itself in too many layers")
    if isinstance(value, dict):
        return {str(plain(key, 0)): plain(one, deepest - 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one, deepest - 1) for one in value]
    return type(value).__name__


def told_texts(sent: Any, what: str) -> dict[str, str]:
    """A dictionary of texts, such as commands and their versions."""
    if sent is None:
        return {}
    if not isinstance(sent, Mapping):
        raise Misuse(f"its {what} are a {type(sent).__name__}, not a dictionary")
    return {text_of(name): str(plain(value, 0)) for name, value in sent.items()}


def told_references(sent: Any) -> dict[str, pb.RemoteReference]:
    """The worker's objects for its builders, by their names."""
    if sent is None:
        return {}
    if not isinstance(sent, Mapping):
        raise Misuse(f"its builders are a {type(sent).__name__}, not a dictionary")
    for name, reference in sent.items():
        if not isinstance(reference, pb.RemoteReference):
            raise Misuse(f"its builder {_short(name)} is a {type(reference).__name__}")
    return {text_of(name): reference for name, reference in sent.items()}


def _short(value: Any) -> str:
    if isinstance(value, int):
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, str | bytes):
        return ascii(value[:40])
    return f"a {type(value).__name__}"
