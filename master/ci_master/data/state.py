"""What services remember between runs: JSON values by name, class and key."""

import json
from collections.abc import Iterable
from typing import Any

from twisted.python.failure import Failure

from ci_master.data.context import Context
from ci_master.storage import schema
from ci_master.storage.transaction import Transaction

Owner = tuple[str, str]


class _Value:
    """A value as it is, and as it is stored."""

    __slots__ = ("pending", "row_id", "stored", "text")

    def __init__(self, row_id: int, text: str | None, stored: str | None) -> None:
        self.row_id = row_id
        self.text = text
        self.stored = stored
        #: How many writes of it are not answered yet.
        self.pending = 0


class State:
    """All remembered values; they are few and small, so they are held in memory.

    A value that is set holds at once. If it then cannot be stored, the one that is stored
    holds again.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._values: dict[Owner, dict[str, _Value]] = {}

    def load(self, rows: Iterable[tuple[int, str, str, str, str]]) -> None:
        """Take what storage holds: row id, name, class, key, JSON."""
        for row_id, name, class_name, key, text in rows:
            self._values.setdefault((name, class_name), {})[key] = _Value(row_id, text, text)

    async def get(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        """A value.

        :raises KeyError: if there is none and no default was given.
        """
        return self.get_now(name, class_name, key, *default)

    def get_now(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        """The same, at once."""
        known = self._values.get((name, class_name), {}).get(key)
        if known is not None and known.text is not None:
            return json.loads(known.text)
        if default:
            return default[0]
        raise KeyError(f"{name!r} ({class_name}) has no state {key!r}")

    async def set(self, name: str, class_name: str, key: str, value: Any) -> None:
        """Remember a value; returns when it is stored.

        :raises TypeError: if the value is not JSON.
        """
        act = self._setting(name, class_name, key, value)
        if act is not None:
            await act.commit()

    def set_now(self, name: str, class_name: str, key: str, value: Any) -> None:
        """The same, without waiting; it is stored after all that was asked before.

        :raises TypeError: if the value is not JSON.
        """
        act = self._setting(name, class_name, key, value)
        if act is not None:
            act.submit()

    def _setting(self, name: str, class_name: str, key: str, value: Any) -> Transaction | None:
        text = json.dumps(value)
        owned = self._values.setdefault((name, class_name), {})
        known, table = owned.get(key), schema.object_state
        if known is not None and known.text == text and not known.pending:
            return None
        act = self._context.transaction(f"the state '{key}' of '{name}'")
        if known is None or (known.stored is None and not known.pending):
            known = owned[key] = _Value(self._context.store.next_id(table), None, None)
            identity = {"object_name": name, "class_name": class_name, "key": key}
            act.insert(table, {"id": known.row_id, **identity, "value_json": text})
        else:
            act.update(table, known.row_id, {"value_json": text})
        entry = known
        entry.text = text
        entry.pending += 1

        def stored() -> None:
            entry.pending -= 1
            entry.stored = text

        def failed(failure: Failure) -> None:
            entry.pending -= 1
            if not entry.pending:
                entry.text = entry.stored

        act.after_commit(stored)
        act.on_failure(failed)
        return act
