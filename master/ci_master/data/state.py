"""What services remember between runs: JSON values by name, class and key."""

import json
from collections.abc import Iterable
from typing import Any

from ci_master.data.context import Context
from ci_master.storage import schema

Owner = tuple[str, str]


class State:
    """All remembered values; they are few and small, so they are held in memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._values: dict[Owner, dict[str, tuple[int, str]]] = {}  # -> (row id, JSON)

    def load(self, rows: Iterable[tuple[int, str, str, str, str]]) -> None:
        """Take what storage holds: row id, name, class, key, JSON."""
        for row_id, name, class_name, key, text in rows:
            self._values.setdefault((name, class_name), {})[key] = (row_id, text)

    async def get(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        """A value.

        :raises KeyError: if there is none and no default was given.
        """
        return self.get_now(name, class_name, key, *default)

    def get_now(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        """The same, at once."""
        known = self._values.get((name, class_name), {}).get(key)
        if known is not None:
            return json.loads(known[1])
        if default:
            return default[0]
        raise KeyError(f"{name!r} ({class_name}) has no state {key!r}")

    async def set(self, name: str, class_name: str, key: str, value: Any) -> None:
        """Remember a value; it is stored after all that was asked of the store before."""
        self.set_now(name, class_name, key, value)

    def set_now(self, name: str, class_name: str, key: str, value: Any) -> None:
        """The same, at once.

        :raises TypeError: if the value is not JSON.
        """
        text = json.dumps(value)
        owned = self._values.setdefault((name, class_name), {})
        known = owned.get(key)
        store, table = self._context.store, schema.object_state
        if known is None:
            row_id = store.next_id(table)
            identity = {"object_name": name, "class_name": class_name, "key": key}
            store.insert(table, {"id": row_id, **identity, "value_json": text})
        elif known[1] != text:
            row_id = known[0]
            store.update(table, row_id, {"value_json": text})
        else:
            return
        owned[key] = (row_id, text)
