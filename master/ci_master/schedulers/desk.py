"""Where new changes are handed to the schedulers that may want them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from twisted.logger import Logger

from ci_master.data.service import Site
from ci_master.events.bus import Bus, Subscription
from ci_master.schedulers.consumer import ChangeConsumer

__all__ = ["ChangeDesk", "catch_up"]

#: Under which the number of the last change that all schedulers have dealt with is remembered.
_MARK = ("schedulers", "ChangeDesk", "last_change")

#: How many changes can have been stored, but not been dealt with, when a master dies.
_MOST_MISSED = 1000


class ChangeDesk:
    """Hands each new change to the consumers that may want it: those of its branch, and those
    of any branch. So a change costs nothing for the schedulers of other branches.

    It remembers up to which change all is done, so that a change which was stored just before
    the master died is handed out after the restart: see :func:`catch_up`. Such a change may be
    built twice, but never not at all.
    """

    log = Logger()

    _desks: WeakKeyDictionary[Bus, "ChangeDesk"] = WeakKeyDictionary()

    def __init__(self, data: Any, bus: Bus) -> None:
        self._data = data
        self._of_all: dict[ChangeConsumer, None] = {}
        self._by_branch: dict[str | None, dict[ChangeConsumer, None]] = {}
        self._marked: int | None = data.state.get_now(*_MARK, None)
        self._missed_from: int | None = self._marked
        self._first_heard: int | None = None
        self._highest = self._marked or 0
        self._under_way: dict[int, int] = {}  # change id -> how many schedulers work on it
        self._held: list[Mapping[str, Any]] | None = None
        bus.subscribe(("changes", None, "new"), self._new)

    @classmethod
    def of(cls, site: Site) -> "ChangeDesk":
        """The one desk of a master."""
        desk = cls._desks.get(site.bus)
        if desk is None:
            desk = cls._desks[site.bus] = cls(site.data, site.bus)
        return desk

    def subscribe(self, consumer: ChangeConsumer) -> Subscription:
        """Let the consumer hear of new changes from now on."""
        branches = consumer.only_branches
        places = (
            [self._of_all]
            if branches is None
            else [self._by_branch.setdefault(branch, {}) for branch in branches]
        )
        for place in places:
            place[consumer] = None

        def remove() -> None:
            for place in places:
                place.pop(consumer, None)

        return Subscription(remove)

    async def catch_up(self) -> None:
        """Hand out the changes that were stored but not dealt with before; once."""
        begin, self._missed_from = self._missed_from, None
        if begin is None:
            return
        ids = range(begin + 1, (self._first_heard or begin + 1 + _MOST_MISSED))
        for message in await self._data.changes.get_many(ids):
            self.log.info(
                "change {number} came just before the last stop of this master",
                number=message["changeid"],
            )
            self._hand_out(message)

    def _new(self, key: tuple[str, ...], message: Mapping[str, Any]) -> None:
        if self._first_heard is None:
            self._first_heard = message["changeid"]
        if self._held is not None:
            self._held.append(message)
        else:
            self._hand_out(message)

    @contextmanager
    def hold(self) -> Generator[None, None, None]:
        """Within the block changes wait: schedulers come and go there, and none may be missed."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for message in held:
                self._hand_out(message)

    def _hand_out(self, message: Mapping[str, Any]) -> None:
        changeid = message["changeid"]
        self._highest = max(self._highest, changeid)
        for place in (self._by_branch.get(message.get("branch")), self._of_all):
            for consumer in list(place or ()):
                try:
                    work = consumer.hear(message)
                except Exception:
                    self.log.failure("a scheduler failed to take change {id}", id=changeid)
                    continue
                if work is not None and not work.called:
                    self._under_way[changeid] = self._under_way.get(changeid, 0) + 1
                    work.addBoth(lambda _: self._done(changeid))
        self._mark()

    def _done(self, changeid: int) -> None:
        left = self._under_way[changeid] - 1
        if left:
            self._under_way[changeid] = left
        else:
            del self._under_way[changeid]
            self._mark()

    def _mark(self) -> None:
        """Note up to which change all is done; stored after what came of those changes."""
        if self._missed_from is not None:
            return  # older ones are still to be handed out
        done = min(self._under_way) - 1 if self._under_way else self._highest
        if self._marked is None or done > self._marked:
            self._marked = done
            self._data.state.set_now(*_MARK, done)


async def catch_up(site: Site) -> None:
    """Call it when all schedulers are active after a start: see :class:`ChangeDesk`."""
    await ChangeDesk.of(site).catch_up()
