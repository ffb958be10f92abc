"""What people did to builds and build requests, and why: kept for their pages."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from ci_master.data.actions import named_owner
from ci_master.data.context import Context
from ci_master.storage import schema


class Acts:
    """Notes who asked for what. Workers have a history of their own."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def note(
        self, kind: str, thing_id: int, method: str, args: Mapping[str, Any]
    ) -> "Deferred[None]":
        """Note that something was asked for; asked to be stored at once, before what follows.

        :param kind: ``builds`` or ``buildrequests``.
        :param args: ``owner`` and ``reason`` of the action.
        :returns: fires when it is stored.
        """
        context, table = self._context, schema.acts
        act = context.transaction(f"who asked for '{method}'")
        row = {
            "id": context.store.next_id(table),
            "at": context.now(),
            "kind": kind,
            "thing": thing_id,
            "method": method,
            "owner": named_owner(args) or "",
            "reason": args.get("reason") or "",
        }
        act.insert(table, row)
        return act.commit()
