"""Schedulers and change sources: their rows, and the changes that schedulers keep."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Table
from twisted.internet.defer import Deferred

from ci_master.data.context import Context
from ci_master.data.model import ChangeSourceRow, MasterRow, SchedulerRow
from ci_master.storage import schema
from ci_master.storage.transaction import Transaction

R = TypeVar("R", SchedulerRow, ChangeSourceRow)


class Owned(Generic[R]):
    """Named things that one master at a time has, by id and name.

    :ivar by_id: all that are or were configured.
    """

    def __init__(
        self,
        context: Context,
        masters: dict[int, MasterRow],
        table: Table,
        make: Callable[[int, str, int], R],
    ) -> None:
        self._context = context
        self._masters = masters
        self._table = table
        self._make: Callable[[int, str, int], R] = make
        self.by_id: dict[int, R] = {}
        self.by_name: dict[str, R] = {}

    def load(self, rows: Iterable[R]) -> None:
        """Take what storage holds."""
        for row in rows:
            self.by_id[row.id] = self.by_name[row.name] = row

    async def sync(self, names: Sequence[str]) -> None:
        """Make them this master's, in one transaction; those not named are nobody's."""
        me = self._context.master_id
        act = self._context.transaction(f"the configured {self._table.name}")
        wanted = dict.fromkeys(names)
        for name in wanted:
            row = self.by_name.get(name)
            if row is None:
                row = self._make(self._context.store.next_id(self._table), name, me)
                act.insert(self._table, {"id": row.id, "name": name, "masterid": me})
                act.after_commit(partial(self._add, row))
            elif row.masterid != me:
                self._give(act, row, me)
        for row in self.by_name.values():
            if row.name not in wanted and row.masterid == me:
                self._give(act, row, None)
        await act.commit()

    def _add(self, row: R) -> None:
        self.by_id[row.id] = self.by_name[row.name] = row

    def _give(self, act: Transaction, row: R, masterid: int | None) -> None:
        act.update(self._table, row.id, {"masterid": masterid})
        act.after_commit(lambda: setattr(row, "masterid", masterid))

    def _master_as_json(self, row: R) -> dict[str, object] | None:
        master = self._masters.get(row.masterid) if row.masterid is not None else None
        return master.as_json() if master else None


class Schedulers(Owned[SchedulerRow]):
    """Schedulers."""

    def __init__(self, context: Context, masters: dict[int, MasterRow]) -> None:
        super().__init__(
            context,
            masters,
            schema.schedulers,
            lambda id, name, masterid: SchedulerRow(id, name, masterid=masterid),
        )

    def set_enabled(self, row: SchedulerRow, enabled: bool) -> "Deferred[None]":
        """Let it act, or ignore everything, once that is stored; fires then."""
        act = self._context.transaction(f"that scheduler '{row.name}' is enabled or not")
        act.update(schema.schedulers, row.id, {"enabled": enabled})
        act.after_commit(lambda: setattr(row, "enabled", enabled))
        act.tell_then(lambda: self.as_json(row), ("schedulers", str(row.id), "updated"))
        return act.commit()

    def as_json(self, row: SchedulerRow) -> dict[str, object]:
        """The REST resource."""
        return {
            "schedulerid": row.id,
            "name": row.name,
            "enabled": row.enabled,
            "master": self._master_as_json(row),
        }


class ChangeSources(Owned[ChangeSourceRow]):
    """Change sources."""

    def __init__(self, context: Context, masters: dict[int, MasterRow]) -> None:
        super().__init__(context, masters, schema.changesources, ChangeSourceRow)

    def as_json(self, row: ChangeSourceRow) -> dict[str, object]:
        """The REST resource."""
        return {
            "changesourceid": row.id,
            "name": row.name,
            "master": self._master_as_json(row),
        }


class SchedulerChanges:
    """Changes that schedulers have seen and not yet built."""

    def __init__(self, context: Context) -> None:
        self._context = context
        #: scheduler id -> change id -> (whether it is important, row id)
        self._pending: dict[int, dict[int, tuple[bool, int]]] = {}

    def load(self, rows: Iterable[tuple[int, int, int, bool]]) -> None:
        """Take what storage holds: row id, scheduler, change, important."""
        for row_id, schedulerid, changeid, important in rows:
            self._pending.setdefault(schedulerid, {})[changeid] = (important, row_id)

    def add(self, schedulerid: int, changeid: int, important: bool) -> None:
        """Keep a change for a scheduler; it may be kept already.

        If that cannot be stored, which is logged, it is kept until this master stops.
        """
        pending = self._pending.setdefault(schedulerid, {})
        table = schema.scheduler_changes
        act = self._context.transaction(f"change {changeid} for scheduler {schedulerid}")
        known = pending.get(changeid)
        if known is not None:
            pending[changeid] = (important, known[1])
            act.update(table, known[1], {"important": important})
        else:
            row_id = self._context.store.next_id(table)
            pending[changeid] = (important, row_id)
            values = {"schedulerid": schedulerid, "changeid": changeid, "important": important}
            act.insert(table, {"id": row_id, **values})
        act.submit()

    async def pending(self, schedulerid: int) -> list[tuple[int, bool]]:
        """The changes kept for a scheduler: (id, important), oldest first."""
        kept = self._pending.get(schedulerid, {})
        return sorted((changeid, important) for changeid, (important, _) in kept.items())

    def pending_all(self) -> dict[int, list[tuple[int, bool]]]:
        """The same for all schedulers that have any."""
        return {
            schedulerid: sorted((changeid, important) for changeid, (important, _) in kept.items())
            for schedulerid, kept in self._pending.items()
            if kept
        }

    def remove(self, schedulerid: int, changeids: Iterable[int] | None = None) -> None:
        """Forget changes of a scheduler; all of them if none are named."""
        kept = self._pending.get(schedulerid, {})
        wanted = list(kept) if changeids is None else [id for id in changeids if id in kept]
        gone = [kept.pop(changeid)[1] for changeid in wanted]
        if gone:
            table = schema.scheduler_changes
            act = self._context.transaction(f"what scheduler {schedulerid} has done with changes")
            act.run(lambda tx: tx.execute(table.delete().where(table.c.id.in_(gone))))
            act.submit()
