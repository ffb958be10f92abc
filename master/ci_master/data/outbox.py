"""The outbox: events wait here until every reporter has told of them.

An event of the kinds that reporters tell of is a row in the same transaction as what it tells
of, so it cannot be lost. Each reporter has a cursor: everything up to it is told, but for a few
that it knows by their ids. What all of them have told is deleted. See also
:mod:`ci_master.storage.outbox`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Row

from ci_master.data.context import Context
from ci_master.events.bus import Key, Subscription
from ci_master.storage import outbox as rows
from ci_master.storage import schema
from ci_master.storage.outbox import KINDS, Kind, OutboxEvent, kind_of

__all__ = ["KEPT_S", "KINDS", "Absence", "Kind", "Outbox", "OutboxEvent", "ReporterRow", "kind_of"]

#: A reporter that is gone from the configuration is known for so long: if it comes back, it goes
#: on where it was. An event that cannot be told for so long is given up.
KEPT_S = 3 * 24 * 3600

#: So many events are done before they are deleted together.
_TRIMMED_TOGETHER = 500

#: Events that end something; the others begin it.
_ENDS = ("finished", "complete", "cancel")

Listener = Callable[[OutboxEvent], object]


@dataclass(slots=True)
class Absence:
    """A time in which a reporter was not configured.

    :ivar first: id of the first event in it, and ``last`` of the last one.
    :ivar since: unix seconds.
    """

    first: int
    last: int
    since: int

    def excuses(self, event: OutboxEvent) -> bool:
        """Whether the reporter need not tell of an event: it happened in that time, and is not
        the end of something that had begun before.
        """
        return self.first <= event.id <= self.last and not _ends_what_began(event, self.since)


@dataclass(slots=True)
class ReporterRow:
    """How far a reporter has come.

    :ivar destination: what tells its kind and its receiver from others, whatever its name is.
    :ivar wanted: the kinds of events that it tells of.
    :ivar cursor: it has looked at all events up to this id,
    :ivar pending: and has still to tell these of them.
    :ivar left_at: since when it is not configured, in unix seconds; None: it is.
    """

    id: int
    name: str
    destination: str
    wanted: set[Kind]
    cursor: int
    pending: list[int] = field(default_factory=list)
    left_at: int | None = None
    absences: list[Absence] = field(default_factory=list)

    @property
    def done(self) -> int:
        """All events up to this id are told."""
        return min(self.pending) - 1 if self.pending else self.cursor

    def owes(self, event: OutboxEvent) -> bool:
        """Whether it has to tell of an event, as far as its absences are concerned."""
        return not any(absence.excuses(event) for absence in self.absences)

    def values(self) -> dict[str, Any]:
        """As stored."""
        absences = [[one.first, one.last, one.since] for one in self.absences]
        return {
            "name": self.name,
            "destination": self.destination,
            "wanted_json": json.dumps(sorted(self.wanted)),
            "cursor": self.cursor,
            "pending_json": json.dumps(self.pending, separators=(",", ":")),
            "left_at": self.left_at,
            "absences_json": json.dumps(absences),
        }

    @classmethod
    def from_row(cls, row: Row[Any]) -> "ReporterRow":
        """From what :meth:`values` gave."""
        return cls(
            id=row.id,
            name=row.name,
            destination=row.destination,
            wanted={(first, last) for first, last in json.loads(row.wanted_json)},
            cursor=row.cursor,
            pending=json.loads(row.pending_json),
            left_at=row.left_at,
            absences=[Absence(*one) for one in json.loads(row.absences_json)],
        )


class Outbox:
    """Records events, hands them out to reporters, and knows how far each reporter has come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows: dict[str, ReporterRow] = {}
        self._listeners: dict[object, Listener] = {}
        self._present: set[Kind] = set()
        self._left: list[ReporterRow] = []
        self._trimmed = 0
        #: Id of the event that was recorded last.
        self.last_id = 0

    # -- recording: see ci_master.events.bus.Recorder

    def wants(self, key: Key) -> bool:
        """Whether a reporter may have to tell of an event."""
        kind = kind_of(key)
        return kind is not None and (
            kind in self._present or any(kind in row.wanted for row in self._left)
        )

    def record(self, act: Any, key: Key, message: Mapping[str, Any]) -> None:
        """Have an event stored with an act, and handed out when that is stored.

        :param act: the transaction.
        """
        kind, now = kind_of(key), self._context.now()
        event = OutboxEvent(self._context.store.next_id(schema.outbox), key, now, message)
        if kind not in self._present and not any(
            row.left_at is not None and _ends_what_began(event, row.left_at) for row in self._left
        ):
            return
        self.last_id = event.id
        act.insert(schema.outbox, event.as_row())
        act.after_commit(lambda: self._hand_out(event))

    def _hand_out(self, event: OutboxEvent) -> None:
        for listener in list(self._listeners.values()):
            listener(event)

    # -- reporters

    def load(self, known: Iterable[Row[Any]], last_id: int) -> None:
        """Take what storage holds."""
        self.last_id = last_id
        for row in known:
            reporter = ReporterRow.from_row(row)
            # Ids that are gone will be used again; that takes somebody who deleted rows by hand.
            reporter.cursor = min(reporter.cursor, last_id)
            self._rows[reporter.name] = reporter
        self._count()

    def join(self, name: str, destination: str, wanted: Iterable[Kind]) -> ReporterRow:
        """A reporter begins its work, or tells of other kinds of events from now on.

        One that is new begins with what happens from now on. One that was there before goes on
        where it was, also if it has another name now.
        """
        row = self._rows.get(name) or self._renamed(name, destination)
        kinds = set(wanted)
        if row is None:
            row_id = self._context.store.next_id(schema.reporters)
            row = ReporterRow(row_id, name, destination, kinds, self.last_id)
            act = self._context.transaction(f"reporter {name}")
            act.insert(schema.reporters, {"id": row_id, **row.values()})
            act.submit()
        else:
            if row.left_at is not None:
                left_at, row.left_at = row.left_at, None
                row.absences[-1].last = self.last_id
                if self._context.now() - left_at > KEPT_S:
                    row.cursor, row.pending, row.absences = self.last_id, [], []
            row.destination, row.wanted = destination, kinds
            self._store(row)
        self._rows[name] = row
        self._count()
        return row

    def _renamed(self, name: str, destination: str) -> ReporterRow | None:
        """What was known of a reporter under another name, if that can be told for sure."""
        left = [row for row in self._left if row.destination == destination]
        if len(left) != 1:
            return None
        row = left[0]
        del self._rows[row.name]
        row.name = name
        return row

    def keep_only(self, names: Iterable[str]) -> None:
        """Note which reporters are configured; forget those that were gone for long."""
        configured, now = set(names), self._context.now()
        for name, row in list(self._rows.items()):
            if row.left_at is None:
                if name not in configured:
                    row.left_at = now
                    row.absences.append(Absence(self.last_id + 1, self.last_id, now))
                    self._store(row)
            elif name not in configured and now - row.left_at > KEPT_S:
                del self._rows[name]
                act = self._context.transaction(f"that reporter {name} is gone")
                act.run(partial(rows.forget, reporter_id=row.id))
                act.submit()
        self._count()

    def save(self, row: ReporterRow) -> None:
        """Store how far a reporter has come."""
        row.absences = [one for one in row.absences if one.last > row.done or row.left_at]
        self._store(row)
        done = min((one.done for one in self._rows.values()), default=self.last_id)
        if done - self._trimmed >= _TRIMMED_TOGETHER:
            self._trimmed = done
            act = self._context.transaction("the outbox without what is told")
            act.run(partial(rows.trim, done=done))
            act.submit()

    def _store(self, row: ReporterRow) -> None:
        act = self._context.transaction(f"how far reporter {row.name} has come")
        act.update(schema.reporters, row.id, row.values())
        act.submit()

    def _count(self) -> None:
        present = [row for row in self._rows.values() if row.left_at is None]
        self._present = {kind for row in present for kind in row.wanted}
        self._left = [row for row in self._rows.values() if row.left_at is not None]
        self._context.bus.recorder = self if self._rows else None

    # -- reading

    def subscribe(self, listener: Listener) -> Subscription:
        """Call ``listener(event)`` for each event, as soon as it is stored."""
        token = object()
        self._listeners[token] = listener

        def remove() -> None:
            self._listeners.pop(token, None)

        return Subscription(remove)

    async def read_again(self, ids: Sequence[int]) -> Sequence[OutboxEvent]:
        """The stored events with these ids."""
        return await self._context.store.read(lambda tx: rows.get(tx, ids))

    async def read(self, event_id: int, limit: int) -> Sequence[OutboxEvent]:
        """The stored events that follow one, in their order."""
        return await self._context.store.read(lambda tx: rows.after(tx, event_id, limit))


def _ends_what_began(event: OutboxEvent, before: int) -> bool:
    if event.key[-1] not in _ENDS:
        return False
    began = event.message.get("started_at") or event.message.get("submitted_at")
    return began is not None and began <= before
