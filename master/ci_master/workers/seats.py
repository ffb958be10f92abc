"""The places of a worker: which builds have them, and how many are taken."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ci_master.workers.slot import WorkerSlot


@dataclass(eq=False, slots=True)
class Place:
    """What ``max_builds`` counts: one build, and those that use its place while it only waits.

    :ivar seats: the builds of the place; each but the first was lent it by the one before.
    """

    seats: list["Seat"] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """How many of the worker's places it counts for.

        A place that is lent out counts once, however many builds wait in it. Where a lender goes
        on before the build in its place has ended (it was stopped), both count.
        """
        if not self.seats:
            return 0
        return max(1, sum(not seat.waits for seat in self.seats))

    @property
    def lender(self) -> "Seat | None":
        """Whose children may use the place now: the last build in it, if all of them wait."""
        return self.seats[-1] if self.seats and all(seat.waits for seat in self.seats) else None


@dataclass(eq=False, slots=True)
class Seat:
    """A place on a worker, taken for one build of one builder."""

    slot: "WorkerSlot"
    builder_name: str
    requests: list[Any]
    taken_at: float
    #: commands of it that were given up, and that the worker may still run
    left_behind: int = 0
    given_back: bool = False
    place: Place = field(default_factory=Place)
    #: what its build waits for just now, without doing anything itself
    waits: int = 0
    #: the seat of the same builder whose build waits for this one's
    over: "Seat | None" = None


class Seats:
    """All seats of a worker, counted.

    :ivar by_builder: builder name -> the seat of its build; where that waits for another build of
        the same builder on this worker, the seat of the latter.
    :ivar used: how many places are taken.
    """

    def __init__(self) -> None:
        self.by_builder: dict[str, Seat] = {}
        self.used = 0
        self._all: dict[Seat, None] = {}
        self._by_request: dict[int, Seat] = {}
        #: those whose builds wait for others
        self.waiting: dict[Seat, None] = {}

    def __contains__(self, seat: Seat) -> bool:
        return seat in self._all

    def __iter__(self) -> Iterator[Seat]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, requests: Iterable[Any]) -> Seat | None:
        """The seat of the build of these requests."""
        for request in requests:
            seat = self._by_request.get(request.id)
            if seat is not None:
                return seat
        return None

    def lender_among(self, kin: Collection[Seat]) -> Seat | None:
        """One of these seats whose place may be used now."""
        return next((seat for seat in kin if seat in self._all and seat.place.lender is seat), None)

    def add(self, seat: Seat, lender: Seat | None = None) -> None:
        """Take a place, or use that of a lender."""
        before = 0
        if lender is not None:
            seat.place = lender.place
            before = seat.place.taken
        seat.place.seats.append(seat)
        self.used += seat.place.taken - before
        seat.over = self.by_builder.get(seat.builder_name)
        self.by_builder[seat.builder_name] = seat
        self._all[seat] = None
        for request in seat.requests:
            self._by_request[request.id] = seat

    def remove(self, seat: Seat) -> None:
        """Give a place back; it stays taken as long as other builds are in it."""
        before = seat.place.taken
        seat.place.seats.remove(seat)
        self.used += seat.place.taken - before
        del self._all[seat]
        self.waiting.pop(seat, None)
        for request in seat.requests:
            if self._by_request.get(request.id) is seat:
                del self._by_request[request.id]
        top = self.by_builder[seat.builder_name]
        if top is not seat:
            while top.over is not None and top.over is not seat:
                top = top.over
            top.over = seat.over
        elif seat.over is not None:
            self.by_builder[seat.builder_name] = seat.over
        else:
            del self.by_builder[seat.builder_name]

    def wait(self, seat: Seat, change: int) -> None:
        """Count one thing more (1), or less (-1), that the build of a seat waits for."""
        before = seat.place.taken
        seat.waits += change
        self.used += seat.place.taken - before
        if seat.waits:
            self.waiting[seat] = None
        else:
            self.waiting.pop(seat, None)
