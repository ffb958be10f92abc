"""What may be done to running things, by whoever asks: pages, REST, users' code.

The room that owns a thing registers how it is done; nobody reaches into that room.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ci_common.aio import settle
from ci_common.faults import Refused
from ci_master.data.arguments import Argument, Arguments, BadArguments, Json, Text

__all__ = ["OWNER", "REASON", "Actions", "ForceRefused", "named_owner", "reason_and_owner"]

#: Called with the id or name of the thing and the arguments, which have been checked.
Handler = Callable[[Any, dict[str, Any]], Awaitable[Any]]
#: Called with the id or name of the thing: raises Refused if there is none.
Find = Callable[[Any], Any]

#: Who asks; set by the web server.
OWNER = Argument("owner", Text(1000))
#: Why; shown with the thing that it was done to.
REASON = Argument("reason", Text(2000))

#: The owner of what somebody asks for who has not signed in.
ANONYMOUS = "anonymous"

_ANYTHING = Arguments(others=Json())


def named_owner(args: Mapping[str, Any]) -> str | None:
    """Who asks for an action; None if they have not signed in."""
    owner: str | None = args.get("owner")
    return owner if owner and owner != ANONYMOUS else None


def reason_and_owner(args: Mapping[str, Any]) -> str | None:
    """Why something is done and by whom, in one line; None if neither is known."""
    reason: str | None = args.get("reason") or None
    owner = named_owner(args)
    if owner is None:
        return reason
    return f"{reason} (by {owner})" if reason else f"by {owner}"


class ForceRefused(Exception):
    """The fields of a forced build are wrong: full name of the field -> what is wrong."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.errors.items()))


class Actions:
    """Actions by kind of resource and method name."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], tuple[Handler, Arguments, Find | None]] = {}

    def register(
        self,
        kind: str,
        method: str,
        handler: Handler,
        arguments: Arguments = _ANYTHING,
        *,
        find: Find | None = None,
    ) -> None:
        """Say how it is done; a later registration replaces an earlier one.

        :param handler: returns when what it did is stored, and raises if it cannot be.
        :param kind: plural name of the resource: builds, buildrequests, workers, ...
        :param arguments: what it takes; anything that JSON can write, if nothing is declared.
        :param find: lets a call that names a thing that does not exist be refused for that, and
            not for its arguments.
        """
        self._handlers[kind, method] = handler, arguments, find

    def methods(self, kind: str) -> list[str]:
        """Names of what can be done to such resources."""
        return sorted(method for of, method in self._handlers if of == kind)

    def arguments(self, kind: str, method: str) -> Arguments:
        """What an action takes; KeyError if there is no such action."""
        return self._handlers[kind, method][1]

    async def call(self, kind: str, key: Any, method: str, args: Mapping[str, Any]) -> Any:
        """Do it: when this returns, what was done is stored.

        :param key: id or name of the resource.
        :raises BadArguments: if arguments are wrong (a Refused with status 400); then nothing
            has happened.
        :raises Refused: if there is no such action or no such resource (404, 501), or it may
            not be done now (409).
        :raises ForceRefused: if the fields of a forced build are wrong.
        """
        known = self._handlers.get((kind, method))
        if known is None:
            raise Refused(501, f"action: {method} is not supported")
        handler, arguments, find = known
        try:
            checked = arguments.check(args)
        except BadArguments:
            if find is not None:
                await settle(find(key))
            raise
        return await handler(key, checked)
