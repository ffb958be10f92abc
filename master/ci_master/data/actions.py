"""What may be done to running things, by whoever asks: pages, REST, users' code.

The room that owns a thing registers how it is done; nobody reaches into that room.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ci_common.faults import Refused

#: Called with the id or name of the thing and the arguments.
Handler = Callable[[Any, dict[str, Any]], Awaitable[Any]]


class ForceRefused(Exception):
    """The fields of a forced build are wrong: full name of the field -> what is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.errors.items()))


class Actions:
    """Actions by kind of resource and method name."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], Handler] = {}

    def register(self, kind: str, method: str, handler: Handler) -> None:
        """Say how it is done; a later registration replaces an earlier one.

        :param kind: plural name of the resource: builds, buildrequests, workers, ...
        """
        self._handlers[kind, method] = handler

    def methods(self, kind: str) -> list[str]:
        """Names of what can be done to such resources."""
        return sorted(method for of, method in self._handlers if of == kind)

    async def call(self, kind: str, key: Any, method: str, args: Mapping[str, Any]) -> Any:
        """Do it.

        :param key: id or name of the resource.
        :raises Refused: if there is no such action or no such resource (404, 501), or it may
            not be done now (409).
        :raises ForceRefused: if the fields of a forced build are wrong.
        """
        handler = self._handlers.get((kind, method))
        if handler is None:
            raise Refused(501, f"action: {method} is not supported")
        return await handler(key, dict(args))
