"""Builds that wait for each other's workers, so that none of them would ever go on."""

from collections.abc import Iterable, Mapping
from typing import Any

from ci_master.builds.builder import Builder
from ci_master.data.model import Request
from ci_master.queue.board import Board
from ci_master.queue.children import Children
from ci_master.workers.seats import Seat
from ci_master.workers.slot import WorkerSlot


class Deadlock:
    """Which builds go on some day, as the places are taken at one moment.

    A build that does something ends some day. One that only waits ends once all that it waits for
    has; what waits for a place gets one once somebody who has it ends. Whatever does not follow
    from that waits for ever. Workers that are away or held back by people are left out: it is for
    people to change that. So are locks, and what the author's functions say.

    :param slots: the workers by name.
    :param active: request -> its start, for those that have a place.
    """

    def __init__(
        self, slots: Mapping[str, WorkerSlot], board: Board, children: Children, active: Any
    ) -> None:
        self._slots = slots
        self._board = board
        self._children = children
        self._active = active
        waiting = [seat for slot in slots.values() for seat in slot.places.waiting]
        self._stuck = set(waiting)
        changed = True
        while changed:
            self._known: dict[tuple[int, int | None], bool] = {}
            ended = {seat for seat in self._stuck if self._ends(seat)}
            self._stuck -= ended
            changed = bool(ended)

    def holds(self, request: Request) -> bool:
        """Whether a request that waits never gets a place."""
        return not self._goes_on(request)

    def lenders(self, request: Request) -> list[Seat]:
        """The seats whose places it could use to end that: of builds that wait for ever, too."""
        builder = self._board.builder_of(request)
        slots = self._workers(builder) if builder is not None else ()
        places = (seat.place for slot in slots for seat in slot.places.waiting)
        found = (place.lender for place in places)
        return [seat for seat in dict.fromkeys(found) if seat in self._stuck]

    def _ends(self, seat: Seat) -> bool:
        below = (child for one in seat.requests for child in self._children.of(one.id))
        return all(map(self._goes_on, below))

    def _goes_on(self, request: Request) -> bool:
        if request.claimed:
            start = self._active.get(request.id)
            return start is None or start.seat not in self._stuck
        key = (request.builderid, request.buildset.parent_buildid)
        if key not in self._known:
            self._known[key] = self._gets_a_place(request)
        return self._known[key]

    def _gets_a_place(self, request: Request) -> bool:
        builder = self._board.builder_of(request)
        if builder is None or not builder.config.workernames:
            return True
        starts = (self._active.get(parent.id) for parent in self._children.parents(request))
        kin = {start.seat for start in starts if start is not None}
        return any(self._opens(slot, builder, kin) for slot in self._workers(builder))

    def _workers(self, builder: Builder) -> Iterable[WorkerSlot]:
        names = builder.config.workernames
        return [self._slots[name] for name in names if name in self._slots]

    def _opens(self, slot: WorkerSlot, builder: Builder, kin: set[Seat]) -> bool:
        """Whether a worker gets a place for a build that these wait for."""
        if slot.why_not() is not None and not slot.full:
            return True  # it is away, or held back
        same = slot.seats.get(builder.name)
        if same is not None and same in self._stuck and same not in kin:
            return False
        if not slot.full:
            return True
        return any(self._gets_free(seat.place.seats, kin) for seat in slot.places)

    def _gets_free(self, seats: list[Seat], kin: set[Seat]) -> bool:
        """Whether a place is some day that of nobody, or of one who lends it to these."""
        for seat in reversed(seats):
            if seat in kin:
                return True
            if seat in self._stuck:
                return False
        return True
