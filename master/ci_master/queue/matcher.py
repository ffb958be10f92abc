"""Bring waiting requests and free workers together."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import randrange
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ci_common.aio import call_override
from ci_master.builds.builder import Builder
from ci_master.builds.locks import LockTable
from ci_master.data.model import Request
from ci_master.queue.board import Board, Place
from ci_master.queue.choosing import Choice, PendingBuilder, rendered_locks
from ci_master.queue.line import key_of
from ci_master.queue.match import MatchContext, Promises, plain_locks, why_not
from ci_master.workers.slot import Seat, WorkerSlot

#: requests of one builder that are tried before others get their turn in the reactor
_BREATH = 50


@dataclass(eq=False, slots=True)
class Start:
    """A build that is to begin: its request, and the seat taken for it."""

    builder: Builder
    request: Request
    seat: Seat


class Matcher:
    """Finds what can start, for the builders it is asked about.

    :ivar choice: the functions of the configuration that choose.
    :ivar prioritize: ``prioritizeBuilders`` of the configuration.
    :ivar stuck: the builders looked at last for which a worker is free, though nothing of
        theirs could start.
    """

    log = Logger()

    def __init__(
        self,
        board: Board,
        locks: LockTable,
        clock: IReactorTime,
        resting: dict[int, float],
    ) -> None:
        self.choice = Choice()
        self.prioritize: Callable[..., Any] | None = None
        self.master: Any = None
        self.promises = Promises()
        self.stuck: set[str] = set()
        self._board = board
        self._locks = locks
        self._clock: Any = clock
        self._resting = resting

    def context(self, builder: Builder) -> MatchContext:
        """What a match for a builder depends on."""
        return MatchContext(builder, self._locks, self.promises, None, self._resting)

    async def starts(self, names: Iterable[str], slots: Iterable[WorkerSlot] = ()) -> list[Start]:
        """Take seats for all that can start now at these builders, and on these workers."""
        looked_at = dict.fromkeys(names)
        if self.prioritize is None:
            found = await self._by_first_request(looked_at, slots)
        else:
            looked_at.update((place[1], None) for slot in slots for place in self._walk(slot))
            found = []
            ready = [name for name in looked_at if self._board.ready(name)]
            for name in await self._prioritized(ready):
                while (start := await self._next(name)) is not None:
                    found.append(start)
        for name in looked_at:
            if self._board.ready(name):
                self.stuck.add(name)
            else:
                self.stuck.discard(name)
        return found

    def _walk(self, slot: WorkerSlot) -> Iterator[Place]:
        """The builders that have requests for a worker, for as long as it takes builds."""
        if slot in self._board.open:
            for place in self._board.waiting_for(slot):
                yield place
                if slot not in self._board.open:
                    return

    async def _by_first_request(
        self, looked_at: dict[str, None], slots: Iterable[WorkerSlot]
    ) -> list[Start]:
        """Highest priority first, then the oldest request, then the name of the builder.

        Of the builders of a worker only as many are looked at as it takes builds.

        :param looked_at: builders to look at; those of the workers are added.
        """
        board, found, failed = self._board, list[Start](), set[str]()
        heap: list[tuple[Place, int]] = [
            (board.place(name), 0) for name in looked_at if self._board.ready(name)
        ]
        heapify(heap)
        walks: dict[int, Iterator[Place]] = {}
        for number, slot in enumerate(slots, 1):
            walks[number] = self._walk(slot)
            _push_next(heap, number, walks[number])
        while heap:
            (_, name), number = heappop(heap)
            looked_at[name] = None
            start = await self._next(name) if name not in failed else None
            if start is None:
                failed.add(name)
            else:
                found.append(start)
                if self._board.ready(name):
                    heappush(heap, (board.place(name), 0))
            if number:
                _push_next(heap, number, walks[number])
        return found

    async def _prioritized(self, names: list[str]) -> list[str]:
        if len(names) < 2:
            return names
        board = self._board
        builders = [PendingBuilder(board.builders[name], board.lines[name]) for name in names]
        try:
            ordered = await call_override(self.prioritize, self.master, builders)  # type: ignore[arg-type]  # not None
            return [builder.name for builder in ordered]
        except Exception:
            self.log.failure("prioritizeBuilders failed; builders go by name")
            return sorted(names)

    async def _next(self, name: str) -> Start | None:
        """The next build of a builder, with its seat taken; None if none can start."""
        if not self._board.ready(name):
            return None
        builder = self._board.builders[name]
        context = self.context(builder)
        try:
            async for request in self._candidates(builder):
                if plain_locks(builder) is None:
                    context.builder_locks = await rendered_locks(builder, request)
                slot = await self._slot_for(context, request)
                if slot is not None and self._still_so(name, request, slot):
                    return self._take(context, request, slot)
                if not self._differ(builder):
                    return None
        except Exception:
            self.log.failure("choosing a build of {name} failed", name=name)
        return None

    async def _candidates(self, builder: Builder) -> AsyncIterator[Request]:
        """Its requests, in the order in which they are to be tried."""
        line = self._board.lines[builder.name]
        if builder.config.nextBuild is None:
            number, key = 0, None
            while (request := line.after(key)) is not None:
                number, key = number + 1, key_of(request)
                self._board.looks += 1
                yield request
                if number % _BREATH == 0:
                    await deferLater(self._clock, 0)
            return
        requests = list(line)
        self._board.looks += len(requests)
        while requests:
            chosen = await self.choice.request(builder, requests)
            if chosen is None:
                return
            requests.remove(chosen)
            yield chosen

    def _differ(self, builder: Builder) -> bool:
        """Whether another request of a builder may start where the first one may not."""
        config = builder.config
        return bool(
            config.canStartBuild or self.choice.has_a_say(builder) or plain_locks(builder) is None
        )

    async def _slot_for(self, context: MatchContext, request: Request) -> WorkerSlot | None:
        """A worker for a request, chosen by the author's function or else at random."""
        now, builder, board = self._clock.seconds(), context.builder, self._board
        if self.choice.has_a_say(builder):
            fitting = [
                slot
                for slot in board.free(builder.name)
                if why_not(request, slot, now, context) is None
            ]
            while fitting:
                slot = await self.choice.worker(builder, fitting, request)
                if slot is None or await self.choice.may_start(builder, slot, request):
                    return slot
                fitting.remove(slot)
            return None
        first = board.draw(builder.name)
        if first is None or await self._fits(context, request, first, now):
            return first  # nearly always it does
        slots = [slot for slot in board.free(builder.name) if slot is not first]
        while slots:
            slot = _pick(slots)
            if await self._fits(context, request, slot, now):
                return slot
        return None

    async def _fits(
        self, context: MatchContext, request: Request, slot: WorkerSlot, now: float
    ) -> bool:
        self._board.looks += 1
        if why_not(request, slot, now, context) is not None:
            return False
        return await self.choice.may_start(context.builder, slot, request)

    def _still_so(self, name: str, request: Request, slot: WorkerSlot) -> bool:
        """Whether a choice still holds, after users' code has taken its time over it."""
        line = self._board.lines.get(name)
        return (
            line is not None
            and request.id in line
            and not request.claimed
            and self._board.is_free(slot, name)
        )

    def _take(self, context: MatchContext, request: Request, slot: WorkerSlot) -> Start:
        builder = context.builder
        claims = context.claims(slot)
        self._board.remove(request)
        seat = slot.take(builder.name, [request])
        self._board.slot_changed(slot, builder.name)
        self.promises.add(seat, claims)
        return Start(builder, request, seat)


def _push_next(heap: list[tuple[Place, int]], number: int, walk: Iterator[Place]) -> None:
    place = next(walk, None)
    if place is not None:
        heappush(heap, (place, number))


def _pick(slots: list[WorkerSlot]) -> WorkerSlot:
    """Take one out at random."""
    at = randrange(len(slots))
    slots[at], slots[-1] = slots[-1], slots[at]
    return slots.pop()
