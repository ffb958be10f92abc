"""Calls that come in by PB: which methods there are, and how many arguments they take.

A peer that calls something else, or sends what cannot be, is told so by a :class:`Misuse`. That
costs one line of the log, of which the port writes only so many, and never a traceback of ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from twisted.spread import pb

#: an empty dictionary, as it is sent
_NO_KEYWORDS = [b"dictionary"]


class Misuse(pb.Error):
    """A call that the protocol does not have; the text says what is wrong with it."""


class Callee(pb.Referenceable):
    """An object whose ``remote_`` methods a peer may call, with the right number of arguments."""

    def remoteMessageReceived(self, broker: Any, message: Any, args: Any, kw: Any) -> Any:
        """Called by the broker."""
        return answer(self, "remote_", broker, message, args, kw)


class PerspectiveCallee(pb.Referenceable):
    """What somebody who has logged in may call: the ``perspective_`` methods of an object."""

    def __init__(self, perspective: Any) -> None:
        self._perspective = perspective

    def processUniqueID(self) -> Any:
        """The same perspective is the same object for the peer."""
        return id(self._perspective), "perspective"

    def remoteMessageReceived(self, broker: Any, message: Any, args: Any, kw: Any) -> Any:
        """Called by the broker."""
        return answer(self._perspective, "perspective_", broker, message, args, kw)


def answer(target: Any, prefix: str, broker: Any, message: Any, args: Any, kw: Any) -> Any:
    """Call a method of ``target`` as a peer asked, and give its answer as it is sent.

    :raises pb.NoSuchMethod: if there is none of this name.
    :raises Misuse: if it does not take these arguments.
    """
    name = prefix + text_of(message)
    method = getattr(target, name, None)
    if method is None:
        raise pb.NoSuchMethod(f"No such method: {name[:80]}")
    given = readable(broker, args)
    named = {} if kw == _NO_KEYWORDS else readable(broker, kw)
    if not isinstance(given, tuple | list) or not isinstance(named, dict):
        raise Misuse(f"{name}: the arguments are no list and dictionary")
    if named:
        named = {text_of(key): value for key, value in named.items()}
    check_arguments(method, name, len(given), named)
    return broker.serialize(method(*given, **named))


def readable(broker: Any, sent: Any) -> Any:
    """What a peer sent, as objects; a Misuse if it is nothing that may be sent."""
    try:
        return broker.unserialize(sent)
    except Exception as error:  # whatever the unjellying of nonsense comes to
        raise Misuse(f"cannot be read ({type(error).__name__}: {str(error)[:80]})") from error


def text_of(value: Any) -> str:
    """A name from the wire: a text, or the bytes of one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    raise Misuse(f"a name is a {type(value).__name__}")


def check_arguments(method: Any, name: str, count: int, named: dict[str, Any]) -> None:
    """Raise Misuse if a method does not take so many arguments, or none of these names."""
    if named:
        try:
            inspect.signature(method).bind(*[None] * count, **named)
        except TypeError as error:
            raise Misuse(f"{name}: {str(error)[:80]}") from error
        return
    function = getattr(method, "__func__", method)
    least, most = _counts(function, function is not method)
    if not least <= count <= most:
        raise Misuse(f"{name} was given {count} arguments")


@lru_cache(maxsize=1000)
def _counts(function: Callable[..., Any], bound: bool) -> tuple[int, float]:
    """The least and the most arguments by position."""
    least, most = 0, 0.0
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters[1:] if bound else parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = float("inf")
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += parameter.default is parameter.empty
    return least, most
