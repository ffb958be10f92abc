"""What a reporter gets to tell: all of the outbox, as much as it can hold at a time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_master.reporters.delivery import Delivery, Item

#: How far a reporter has come is stored so many seconds after a change: after a ``kill -9`` what
#: it told in that time is told again.
SAVE_S = 1.0
#: After so many seconds an outbox that could not be read is tried again.
READ_AGAIN_S = 10.0

#: So many events are read at a time.
_PAGE = 200

#: So many are remembered, for those that are both read and heard of.
_RECENT = 5000


class Feed:
    """Hands the events of the outbox to a delivery, and keeps the reporter's cursor.

    While the reporter keeps up, events come straight from memory. Where it does not (its receiver
    is away, it was stopped, it has just been started), they are read from storage as soon as
    there is room for them.

    :param outbox: see :class:`ci_master.data.outbox.Outbox`.
    :param row: how far the reporter has come.
    :param make: makes an item of an event; None if the reporter does not want it.
    """

    log = Logger()

    def __init__(
        self,
        outbox: Any,
        row: Any,
        delivery: Delivery,
        clock: IReactorTime,
        make: Callable[[Any], Item | None],
    ) -> None:
        self._outbox = outbox
        self._row = row
        self._delivery = delivery
        self._clock = clock
        self._make = make
        #: Ids of events that are not told yet, and of some that were looked at of late.
        self._pending: set[int] = set(row.pending)
        self._left_over: list[int] = sorted(row.pending)
        self._recent: OrderedDict[int, None] = OrderedDict()
        #: The newest event that was looked at; everything newer has still to be read.
        self._seen: int = row.cursor
        self._newest: int = outbox.last_id
        self._behind = False
        self._reading = False
        self._stopped = False
        self._saving: IDelayedCall | None = None
        self._waiting: IDelayedCall | None = None
        self._subscription = outbox.subscribe(self._heard)
        if self._newest > self._seen or self._left_over:
            self._fall_behind()

    def stop(self) -> None:
        """Take nothing more. What has been told meanwhile may still be :meth:`finished`."""
        self._stopped = True
        self._subscription.stop()
        timer, self._waiting = self._waiting, None
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Store how far the reporter has come, and note nothing any more."""
        self.stop()
        timer, self._saving = self._saving, None
        if timer is not None:
            timer.cancel()
        self._save_now()

    def finished(self, event_id: int) -> None:
        """An event need not be told any more."""
        self._pending.discard(event_id)
        self._moved()
        if self._behind and self._delivery.room >= min(_PAGE, self._delivery.most // 2 + 1):
            self._fall_behind()

    # -- events

    def _heard(self, event: Any) -> None:
        self._newest = max(self._newest, event.id)
        if self._behind or event.id in self._recent:
            return
        if not self._take(event):
            self._fall_behind()

    def _take(self, event: Any) -> bool:
        """Look at an event; False if there is no room for it."""
        item = self._make(event) if self._row.owes(event) else None
        if item is not None:
            if not self._delivery.room:
                return False
            self._pending.add(event.id)
        self._recent[event.id] = None
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._seen = max(self._seen, event.id)
        if item is not None:
            self._delivery.put(item)
        else:
            self._pending.discard(event.id)
            self._moved()
        return True

    def _fall_behind(self) -> None:
        self._behind = True
        if not self._reading and not self._stopped and self._waiting is None:
            self._reading = True
            spawn(self._catch_up(), self.log, "reading the outbox")

    async def _catch_up(self) -> None:
        """Read what is next, until all is seen or there is no room."""
        try:
            while not self._stopped and self._delivery.room:
                if self._left_over:
                    await self._read_left_over()
                    continue
                limit, newest = min(_PAGE, self._delivery.room), self._newest
                events = await self._outbox.read(self._seen, limit)
                if self._stopped:
                    return
                for event in events:
                    self._take(event)
                if len(events) < limit:
                    self._seen = max(self._seen, newest)
                    if self._newest == newest:
                        self._behind = False
                        self._moved()
                        return
        except Exception as error:
            self.log.error("the outbox cannot be read: {error}", error=error)
            self._waiting = self._clock.callLater(READ_AGAIN_S, self._read_again)
        finally:
            self._reading = False

    async def _read_left_over(self) -> None:
        """Take what was not told before the reporter stopped."""
        ids = self._left_over[: min(_PAGE, self._delivery.room)]
        events = await self._outbox.read_again(ids)
        if self._stopped:
            return
        del self._left_over[: len(ids)]
        self._pending.difference_update(set(ids) - {event.id for event in events})
        for event in events:
            self._take(event)

    def _read_again(self) -> None:
        self._waiting = None
        self._fall_behind()

    # -- the cursor

    def _moved(self) -> None:
        if self._saving is None:
            self._saving = self._clock.callLater(SAVE_S, self._save)

    def _save(self) -> None:
        self._saving = None
        self._save_now()

    def _save_now(self) -> None:
        cursor, pending = max(self._seen, self._row.cursor), sorted(self._pending)
        if (cursor, pending) != (self._row.cursor, self._row.pending):
            self._row.cursor, self._row.pending = cursor, pending
            self._outbox.save(self._row)
