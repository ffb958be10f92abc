"""Workers: which are configured, which are here, and what people said of them."""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ci_master.data.context import Context
from ci_master.data.model import WorkerRow
from ci_master.storage import schema
from ci_master.storage.transaction import Transaction


class Workers:
    """Workers by id and name."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.by_id: dict[int, WorkerRow] = {}
        self.by_name: dict[str, WorkerRow] = {}
        self._configured: dict[tuple[int, int], int] = {}  # (worker, builder) -> row id
        self._connected: dict[int, int] = {}  # worker id -> row id

    def load(self, rows: Iterable[WorkerRow], configured: dict[tuple[int, int], int]) -> None:
        """Take what storage holds."""
        for row in rows:
            self.by_id[row.id] = self.by_name[row.name] = row
        self._configured = configured

    async def sync(self, configured: Mapping[str, Iterable[int]]) -> None:
        """Make them as configured: worker name -> ids of its builders, in one transaction."""
        store, me = self._context.store, self._context.master_id
        table = schema.configured_workers
        act = self._context.transaction("the configured workers")
        wanted: dict[tuple[int, int], int] = {}  # (worker, builder) -> row id
        for name, builderids in configured.items():
            row = self.by_name.get(name) or self._add(act, name)
            for pair in dict.fromkeys((row.id, builderid) for builderid in builderids):
                known = self._configured.get(pair)
                if known is None:
                    known = store.next_id(table)
                    link = {"workerid": pair[0], "builderid": pair[1], "masterid": me}
                    act.insert(table, {"id": known, **link})
                wanted[pair] = known
        gone = [row_id for pair, row_id in self._configured.items() if pair not in wanted]
        if gone:
            act.run(lambda tx: tx.execute(table.delete().where(table.c.id.in_(gone))))
        act.after_commit(partial(self._configure, wanted))
        await act.commit()

    def _configure(self, configured: dict[tuple[int, int], int]) -> None:
        me = self._context.master_id
        self._configured = configured
        builders_of: dict[int, list[tuple[int, int]]] = {}
        for workerid, builderid in configured:
            builders_of.setdefault(workerid, []).append((builderid, me))
        for row in self.by_id.values():
            others = [pair for pair in row.configured_on if pair[1] != me]
            row.configured_on = others + sorted(builders_of.get(row.id, []))

    def _add(self, act: Transaction, name: str) -> WorkerRow:
        row = WorkerRow(self._context.store.next_id(schema.workers), name)
        act.insert(schema.workers, {"id": row.id, "name": name})

        def add() -> None:
            self.by_id[row.id] = self.by_name[name] = row

        act.after_commit(add)
        return row

    def connected(self, row: WorkerRow, info: Mapping[str, Any]) -> None:
        """A worker is here, and says this of itself.

        :param info: JSON values; ``admin``, ``host``, ``access_uri`` and ``version`` are shown.
        """
        context, table = self._context, schema.connected_workers
        act = context.transaction(f"that worker '{row.name}' is connected")
        row.info = dict(info)
        row.last_seen_at = context.now()
        values = {"info_json": json.dumps(row.info), "last_seen_at": row.last_seen_at}
        act.update(schema.workers, row.id, values)
        if context.master_id not in row.connected_to:
            row.connected_to = [*row.connected_to, context.master_id]
            self._connected[row.id] = row_id = context.store.next_id(table)
            link = {"workerid": row.id, "masterid": context.master_id}
            act.insert(table, {"id": row_id, **link})
        self._note(act, row, "connected")
        self._tell(act, row, "connected")
        act.submit()

    def disconnected(self, row: WorkerRow) -> None:
        """A worker is gone. May be told twice."""
        context, table = self._context, schema.connected_workers
        if context.master_id not in row.connected_to:
            return
        act = context.transaction(f"that worker '{row.name}' is gone")
        row.connected_to = [id for id in row.connected_to if id != context.master_id]
        row.last_seen_at = context.now()
        act.update(schema.workers, row.id, {"last_seen_at": row.last_seen_at})
        row_id = self._connected.pop(row.id)
        act.run(lambda tx: tx.execute(table.delete().where(table.c.id == row_id)))
        self._note(act, row, "disconnected")
        self._tell(act, row, "disconnected")
        act.submit()

    def missing(self, row: WorkerRow, notify: list[str]) -> None:
        """A worker has been away for longer than it may."""
        last = row.last_seen_at
        self._context.tell(
            lambda: {**row.as_json(), "last_connection": last, "notify": notify},
            ("workers", str(row.id), "missing"),
        )

    def set_paused(
        self, row: WorkerRow, paused: bool, reason: str | None = None
    ) -> "Deferred[None]":
        """Give it no new builds, or give it some again, once that is stored; fires then."""
        why = reason if paused else None

        def apply() -> None:
            row.paused, row.pause_reason = paused, why

        act = self._context.transaction(f"that worker '{row.name}' is paused or not")
        act.update(schema.workers, row.id, {"paused": paused, "pause_reason": why})
        self._note(act, row, "paused" if paused else "unpaused", reason)
        act.after_commit(apply)
        act.tell_then(row.as_json, ("workers", str(row.id), "state_updated"))
        return act.commit()

    def set_graceful(
        self, row: WorkerRow, graceful: bool, reason: str | None = None
    ) -> "Deferred[None]":
        """Let it shut down when its builds have ended, or not after all.

        That holds at once; if it cannot be stored it holds no more.

        :returns: fires when it is stored.
        """
        before, row.graceful = row.graceful, graceful

        def undo(failure: Failure) -> None:
            if row.graceful == graceful:
                row.graceful = before

        act = self._context.transaction(f"that worker '{row.name}' is to leave or not")
        act.update(schema.workers, row.id, {"graceful": graceful})
        self._note(act, row, "graceful" if graceful else "ungraceful", reason)
        self._tell(act, row, "state_updated")
        act.on_failure(undo)
        return act.commit()

    def note_quarantine(self, row: WorkerRow, begins: bool, reason: str) -> None:
        """Record for the history that it was put into quarantine, or let out."""
        act = self._context.transaction(f"the quarantine of worker '{row.name}'")
        self._note(act, row, "quarantined" if begins else "released", reason)
        self._tell(act, row, "state_updated")
        act.submit()

    def note_kill(self, row: WorkerRow, reason: str | None) -> None:
        """Record for the history that somebody had it end itself at once."""
        act = self._context.transaction(f"that worker '{row.name}' was told to end")
        self._note(act, row, "killed", reason)
        act.submit()

    def _note(self, act: Transaction, row: WorkerRow, kind: str, reason: str | None = None) -> None:
        table = schema.worker_events
        note = {"workerid": row.id, "at": self._context.now(), "kind": kind, "reason": reason}
        act.insert(table, {"id": self._context.store.next_id(table), **note})

    def _tell(self, act: Transaction, row: WorkerRow, event: str) -> None:
        act.tell(row.as_json, ("workers", str(row.id), event))
