"""Filling in placeholders: the one walk over a value that all steps and services use.

A rendering is either there at once, as a plain value, or it is a Deferred. Nearly all are
there at once, so nothing asynchronous is made for them.
"""

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, inlineCallbacks
from twisted.python.failure import Failure

from ci_master.builds.interfaces import IRenderable

__all__ = ["is_renderable", "needs_rendering", "render", "render_now", "started", "then"]

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def is_renderable(value: Any) -> bool:
    """Whether a value is a placeholder itself. Its insides are not looked at."""
    if type(value) in _PLAIN or isinstance(value, type):
        return False
    return hasattr(type(value), "getRenderingFor") or bool(IRenderable.providedBy(value))


def needs_rendering(value: Any) -> bool:
    """Whether there is a placeholder anywhere in nested lists, tuples and dicts."""
    if type(value) in _PLAIN:
        return False
    if isinstance(value, list | tuple):
        return any(map(needs_rendering, value))
    if isinstance(value, dict):
        return any(map(needs_rendering, value)) or any(map(needs_rendering, value.values()))
    return is_renderable(value)


def render_now(value: Any, props: Any) -> Any:
    """The value with all placeholders filled in, or a Deferred with it.

    Lists, tuples and dicts come back as new ones, so that a step may change what it got; any
    other value that is no placeholder comes back as it is. What has to be waited for is
    waited for one after the other.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, list):
        return _render_items(value, props)
    if isinstance(value, dict):
        if not value:
            return {}
        if all(type(key) is str for key in value):
            return then(
                _render_items(value.values(), props),
                lambda values: dict(zip(value, values, strict=True)),
            )
        flat = [part for item in value.items() for part in item]
        return then(
            _render_items(flat, props),
            lambda parts: dict(zip(parts[::2], parts[1::2], strict=True)),
        )
    if isinstance(value, tuple):
        make = getattr(kind, "_make", tuple)  # named tuples stay what they are
        return then(_render_items(value, props), make)
    if is_renderable(value):
        return started(value.getRenderingFor(props))
    return value


async def render(value: Any, props: Any) -> Any:
    """The value with all placeholders filled in. See :func:`render_now`."""
    result = render_now(value, props)
    return await result if isinstance(result, Deferred) else result


def started(result: Any) -> Any:
    """What a user's code returned, as a plain value if it is there, else as a Deferred.

    :param result: a value, a Deferred, a coroutine, or a generator made for ``inlineCallbacks``.
    """
    if type(result) in _PLAIN:
        return result
    if isinstance(result, Generator):
        running = result
        result = inlineCallbacks(lambda: running)()
    if not isinstance(result, Deferred):
        if not inspect.isawaitable(result):
            return result
        result = ensureDeferred(result)  # type: ignore[arg-type]  # any awaitable will do
    if result.called and not result.paused:
        value = result.result
        if not isinstance(value, Failure | Deferred):
            return value
    return result


def then(value: Any, go_on: Callable[[Any], Any]) -> Any:
    """``go_on(value)`` now, or when a Deferred ``value`` has fired."""
    if isinstance(value, Deferred):
        return value.addCallback(go_on)
    return go_on(value)


def _render_items(values: Iterable[Any], props: Any) -> Any:
    done: list[Any] = []
    rest = iter(values)
    for value in rest:
        if type(value) in _PLAIN:
            done.append(value)
            continue
        result = render_now(value, props)
        if isinstance(result, Deferred):
            return ensureDeferred(_render_rest(done, result, rest, props))
        done.append(result)
    return done


async def _render_rest(
    done: list[Any], pending: Deferred[Any], rest: Iterator[Any], props: Any
) -> list[Any]:
    done.append(await pending)
    for value in rest:
        result = render_now(value, props)
        done.append(await result if isinstance(result, Deferred) else result)
    return done
