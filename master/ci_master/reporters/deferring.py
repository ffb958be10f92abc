"""Coroutines for authors who may write ``yield`` (inlineCallbacks) or ``await`` alike."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred

P = ParamSpec("P")
T = TypeVar("T")


def deferring(function: Callable[P, Awaitable[T]]) -> Callable[P, Deferred[T]]:
    """A coroutine function whose calls start at once and give a Deferred."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return to_deferred(function(*args, **kwargs))

    return call
