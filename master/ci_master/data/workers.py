"""Workers: which are configured, which are here, and what people said of them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ci_master.data.context import Context
from ci_master.data.model import WorkerRow
from ci_master.storage import schema


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
        wanted: dict[tuple[int, int], None] = {}
        for name, builderids in configured.items():
            row = self.by_name.get(name) or self._add(name)
            wanted.update(dict.fromkeys((row.id, builderid) for builderid in builderids))
        gone = [self._configured.pop(pair) for pair in list(self._configured) if pair not in wanted]
        if gone:
            store.execute(lambda tx: tx.execute(table.delete().where(table.c.id.in_(gone))))
        for pair in wanted:
            if pair not in self._configured:
                self._configured[pair] = row_id = store.next_id(table)
                link = {"workerid": pair[0], "builderid": pair[1], "masterid": me}
                store.insert(table, {"id": row_id, **link})
        builders_of: dict[int, list[tuple[int, int]]] = {}
        for workerid, builderid in self._configured:
            builders_of.setdefault(workerid, []).append((builderid, me))
        for row in self.by_id.values():
            others = [pair for pair in row.configured_on if pair[1] != me]
            row.configured_on = others + sorted(builders_of.get(row.id, []))
        await store.durable()

    def _add(self, name: str) -> WorkerRow:
        row = WorkerRow(self._context.store.next_id(schema.workers), name)
        self.by_id[row.id] = self.by_name[name] = row
        self._context.store.insert(schema.workers, {"id": row.id, "name": name})
        return row

    def connected(self, row: WorkerRow, info: Mapping[str, Any]) -> None:
        """A worker is here, and says this of itself.

        :param info: JSON values; ``admin``, ``host``, ``access_uri`` and ``version`` are shown.
        """
        context, table = self._context, schema.connected_workers
        row.info = dict(info)
        row.last_seen_at = context.now()
        values = {"info_json": json.dumps(row.info), "last_seen_at": row.last_seen_at}
        context.store.update(schema.workers, row.id, values)
        if context.master_id not in row.connected_to:
            row.connected_to = [*row.connected_to, context.master_id]
            self._connected[row.id] = row_id = context.store.next_id(table)
            link = {"workerid": row.id, "masterid": context.master_id}
            context.store.insert(table, {"id": row_id, **link})
        self._note(row, "connected")
        self._tell(row, "connected")

    def disconnected(self, row: WorkerRow) -> None:
        """A worker is gone. May be told twice."""
        context, table = self._context, schema.connected_workers
        if context.master_id not in row.connected_to:
            return
        row.connected_to = [id for id in row.connected_to if id != context.master_id]
        row.last_seen_at = context.now()
        context.store.update(schema.workers, row.id, {"last_seen_at": row.last_seen_at})
        row_id = self._connected.pop(row.id)
        context.store.execute(lambda tx: tx.execute(table.delete().where(table.c.id == row_id)))
        self._note(row, "disconnected")
        self._tell(row, "disconnected")

    def missing(self, row: WorkerRow, notify: list[str]) -> None:
        """A worker has been away for longer than it may."""
        last = row.last_seen_at
        self._context.tell(
            lambda: {**row.as_json(), "last_connection": last, "notify": notify},
            ("workers", str(row.id), "missing"),
        )

    def set_paused(self, row: WorkerRow, paused: bool, reason: str | None = None) -> None:
        """Give it no new builds, or give it some again."""
        row.paused, row.pause_reason = paused, reason if paused else None
        values = {"paused": paused, "pause_reason": row.pause_reason}
        self._change(row, values, "paused" if paused else "unpaused", reason)

    def set_graceful(self, row: WorkerRow, graceful: bool, reason: str | None = None) -> None:
        """Let it shut down when its builds have ended, or not after all."""
        row.graceful = graceful
        self._change(row, {"graceful": graceful}, "graceful" if graceful else "ungraceful", reason)

    def note_quarantine(self, row: WorkerRow, begins: bool, reason: str) -> None:
        """Record for the history that it was put into quarantine, or let out."""
        self._note(row, "quarantined" if begins else "released", reason)
        self._tell(row, "state_updated")

    def _change(
        self, row: WorkerRow, values: dict[str, Any], kind: str, reason: str | None
    ) -> None:
        self._context.store.update(schema.workers, row.id, values)
        self._note(row, kind, reason)
        self._tell(row, "state_updated")

    def _note(self, row: WorkerRow, kind: str, reason: str | None = None) -> None:
        store, table = self._context.store, schema.worker_events
        note = {"workerid": row.id, "at": self._context.now(), "kind": kind, "reason": reason}
        store.insert(table, {"id": store.next_id(table), **note})

    def _tell(self, row: WorkerRow, event: str) -> None:
        self._context.tell(row.as_json, ("workers", str(row.id), event))
