"""What waits and what is free, by builder: kept up to date by events, never searched."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from random import randrange

from ci_master.builds.builder import Builder
from ci_master.data.model import Request
from ci_master.queue.line import Likeness, Line
from ci_master.workers.slot import WorkerSlot

#: (-priority, submission) of a builder's first request, and the builder's name: who goes first.
Place = tuple[tuple[int, int], str]

#: How often a worker is drawn at random before all are looked at.
_DRAWS = 4

#: A worker that serves less than this part of the builders that have requests looks at its own.
_FEW = 4


class Slots:
    """A set of workers of which one can be drawn at random at once."""

    def __init__(self) -> None:
        self._list: list[WorkerSlot] = []
        self._at: dict[WorkerSlot, int] = {}

    def __len__(self) -> int:
        return len(self._list)

    def __contains__(self, slot: WorkerSlot) -> bool:
        return slot in self._at

    def __iter__(self) -> Iterator[WorkerSlot]:
        return iter(self._list)

    def add(self, slot: WorkerSlot) -> bool:
        """Put a worker in; whether it was not."""
        if slot in self._at:
            return False
        self._at[slot] = len(self._list)
        self._list.append(slot)
        return True

    def discard(self, slot: WorkerSlot) -> bool:
        """Take a worker out; whether it was in."""
        at = self._at.pop(slot, None)
        if at is None:
            return False
        last = self._list.pop()
        if last is not slot:
            self._list[at] = last
            self._at[last] = at
        return True

    def draw(self) -> WorkerSlot:
        """Any of them. There must be one."""
        return self._list[randrange(len(self._list))]


class Board:
    """For each configured builder: its waiting requests, and the workers free for it.

    What an event costs does not depend on how many requests wait, nor on how many builders a
    worker serves.

    :ivar looks: how many requests, builders and workers have been looked at so far.
    """

    def __init__(self) -> None:
        self.builders: dict[str, Builder] = {}
        self.lines: dict[str, Line] = {}
        #: workers that could take a build of some builder now
        self.open = Slots()
        #: builder -> workers that could take its next build, if they are open
        self._free: dict[str, Slots] = {}
        self._free_for: dict[WorkerSlot, set[str]] = {}
        #: worker -> its revision, and the builders that it had seats of, when looked at last
        self._seen: dict[WorkerSlot, tuple[int, frozenset[str]]] = {}
        self._by_id: dict[int, Builder] = {}
        self._order: list[Place] = []
        self._places: dict[str, Place] = {}
        self.looks = 0

    def configure(
        self,
        builders: Mapping[str, Builder],
        slots: Iterable[WorkerSlot],
        waiting: Iterable[Request],
        likeness_of: Callable[[Builder], Likeness] | None = None,
    ) -> None:
        """Go on with these builders; the lines of those that stay are brought up to date."""
        before = self.lines
        self.builders = dict(builders)
        self._by_id = {builder.builderid: builder for builder in builders.values()}
        self.lines = {}
        for name, builder in builders.items():
            line = Line() if likeness_of is None else Line(likeness_of(builder))
            known = before.get(name)
            self.lines[name] = known if known and known.likeness == line.likeness else line
        gone = {name: line.ids() for name, line in self.lines.items() if line}
        for request in waiting:
            owner = self._by_id.get(request.builderid)
            if owner is not None:
                self.lines[owner.name].add(request)
                if owner.name in gone:
                    gone[owner.name].discard(request.id)
        for name, ids in gone.items():
            for request_id in ids:
                self.lines[name].remove(request_id)
        self._order, self._places = [], {}
        for name in builders:
            self._replace(name)
        self.open = Slots()
        self._free = {name: Slots() for name in builders}
        self._free_for, self._seen = {}, {}
        for slot in slots:
            self.slot_changed(slot)

    def builder_of(self, request: Request) -> Builder | None:
        """The configured builder of a request."""
        return self._by_id.get(request.builderid)

    def by_id(self, builderid: int) -> Builder | None:
        """A configured builder."""
        return self._by_id.get(builderid)

    def ready(self, name: str) -> bool:
        """Whether both a request and a worker wait for each other at that builder."""
        return bool(self.lines.get(name)) and self.draw(name) is not None

    # -- requests

    def add(self, request: Request) -> str | None:
        """Put a request in line; the name of its builder if that is configured."""
        builder = self._by_id.get(request.builderid)
        if builder is None:
            return None
        self.lines[builder.name].add(request)
        self._replace(builder.name)
        return builder.name

    def remove(self, request: Request) -> None:
        """Take a request out of its line. Harmless if it is in none."""
        self.remove_id(request.builderid, request.id)

    def remove_id(self, builderid: int, request_id: int) -> None:
        """The same, by ids."""
        builder = self._by_id.get(builderid)
        if builder is not None and self.lines[builder.name].remove(request_id):
            self._replace(builder.name)

    def waits(self, request: Request) -> bool:
        """Whether a request is in the line of its builder, or has none to be in."""
        builder = self._by_id.get(request.builderid)
        return builder is None or request.id in self.lines[builder.name]

    def in_line(self, request: Request) -> bool:
        """Whether a request may be started: it is in the line of its builder."""
        builder = self._by_id.get(request.builderid)
        return builder is not None and request.id in self.lines[builder.name]

    def place(self, name: str) -> Place:
        """Where a builder comes among the others. It has a request."""
        return self._places[name]

    def _replace(self, name: str) -> None:
        """Put a builder where its first request belongs among those of others."""
        line, before = self.lines[name], self._places.get(name)
        after = (line.first_key[:2], name) if line else None
        if after == before:
            return
        if before is not None:
            del self._order[bisect_left(self._order, before)]
            del self._places[name]
        if after is not None:
            insort(self._order, after)
            self._places[name] = after

    # -- workers

    def slot_changed(self, slot: WorkerSlot, name: str | None = None) -> tuple[list[str], bool]:
        """Look at a worker again, for one builder or for all.

        :returns: the builders for which it is free now and was not before; and whether it takes
            builds now and took none before, so that it must be looked at for all its builders.
        """
        mine = self._free_for.setdefault(slot, set())
        revision, seats = self._seen.get(slot, (-1, frozenset()))
        names: Collection[str]
        if name is not None:
            names = {name, *seats.symmetric_difference(slot.seats)}
        elif revision == slot.revision:
            names = seats.symmetric_difference(slot.seats)
        else:
            names = mine.union(slot.builders)
        self._seen[slot] = slot.revision if name is None else revision, frozenset(slot.seats)
        newly = []
        self.looks += len(names)
        for builder in names:
            free = self._free.get(builder)
            if free is None:
                continue
            if builder in slot.builders and builder not in slot.seats and slot.knows(builder):
                if free.add(slot):
                    mine.add(builder)
                    newly.append(builder)
            elif free.discard(slot):
                mine.discard(builder)
        if not mine and slot.session is None:
            del self._free_for[slot], self._seen[slot]
        if not slot.open:
            self.open.discard(slot)
            return [], False
        opened = self.open.add(slot)
        return ([], True) if opened else (newly, False)

    def forget(self, slot: WorkerSlot) -> None:
        """Let a worker be looked at for all of its builders the next time."""
        self._seen.pop(slot, None)
        self.open.discard(slot)

    def is_free(self, slot: WorkerSlot, name: str) -> bool:
        """Whether a worker can take a build of that builder now."""
        free = self._free.get(name)
        return free is not None and slot in self.open and slot in free

    def draw(self, name: str) -> WorkerSlot | None:
        """Any worker that can take a build of that builder now; None if there is none."""
        free = self._free.get(name)
        if not free or not self.open:
            return None
        few, other = (free, self.open) if len(free) <= len(self.open) else (self.open, free)
        for _ in range(_DRAWS):
            self.looks += 1
            slot = few.draw()
            if slot in other:
                return slot
        found = self.free(name)
        return found[randrange(len(found))] if found else None

    def free(self, name: str) -> list[WorkerSlot]:
        """All workers that can take a build of that builder now."""
        free = self._free.get(name)
        if free is None:
            return []
        few, other = (free, self.open) if len(free) <= len(self.open) else (self.open, free)
        self.looks += len(few)
        return [slot for slot in few if slot in other]

    def waiting_for(self, slot: WorkerSlot) -> Iterator[Place]:
        """The builders that have requests for a worker, first ones first.

        It may take their builds meanwhile.
        """
        mine = self._free_for.get(slot, set())
        if _FEW * len(mine) < len(self._order):
            self.looks += len(mine)
            for place in sorted(self._places[name] for name in mine if name in self._places):
                if place[1] in mine:
                    yield place
            return
        at = 0
        while at < len(self._order):
            self.looks += 1
            place = self._order[at]
            if place[1] in mine:
                yield place
                at = bisect_right(self._order, place)
            else:
                at += 1
