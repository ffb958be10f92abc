"""Bring waiting requests and free workers together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from random import randrange
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_master.builds.builder import Builder
from ci_master.builds.locks import LockTable
from ci_master.data.model import Request
from ci_master.queue.board import Board, Place
from ci_master.queue.choosing import Choice, PendingBuilder, rendered_locks
from ci_master.queue.line import key_of
from ci_master.queue.match import MatchContext, Promises, plain_locks, why_not
from ci_master.queue.usercode import CodeFailed, Mistakes, Outcome, first_answer, nonsense
from ci_master.workers.seats import Seat
from ci_master.workers.slot import WorkerSlot

#: requests of one builder that are tried before others get their turn in the reactor
_BREATH = 50

#: seconds for which other builders wait for the author's functions of one
GRACE_S = 2.0

#: requests of one builder over which its functions may fail before it is left alone for a while
MOST_FAILURES = 10

_SLOW = "has not answered for"


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
        mistakes: Mistakes,
    ) -> None:
        self.choice = Choice(clock)
        self.mistakes = mistakes
        #: called with a start (None: there is none) that was found after the pass had gone on,
        #: and the builder or request that it is for
        self.late: Callable[[Start | None, str | int], None] = lambda start, key: None
        #: builder or request -> what is being found out for it, and since when
        self._asked: dict[str | int, tuple[Deferred[Start | None], float]] = {}
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
        if len(names) < 2 or self.mistakes.rests(None, "prioritizeBuilders"):
            return sorted(names, key=self._board.place)
        board = self._board
        builders = [PendingBuilder(board.builders[name], board.lines[name]) for name in names]
        answer = to_deferred(self.choice.builders(self.prioritize, self.master, builders))
        outcome: Outcome[list[str]] = Outcome(answer)
        try:
            if not answer.called and not await first_answer(answer, self._clock, GRACE_S):
                answer.addErrback(lambda _: None).cancel()
                raise nonsense("prioritizeBuilders", self.prioritize, f"{_SLOW} {GRACE_S:.0f} s")
            ordered = outcome.take()
        except CodeFailed as failed:
            self.mistakes.note(None, failed)
            return sorted(names, key=self._board.place)
        self.mistakes.passed(None, "prioritizeBuilders")
        return ordered

    # -- the author's functions may take their time: others do not wait for them

    async def _next(self, name: str) -> Start | None:
        """The next build of a builder, with its seat taken; None if none can start yet."""
        if not self._board.ready(name) or self.mistakes.rests(name):
            return None
        return await self._ask(name, lambda: self._choose(name))

    async def lent(self, request: Request, kin: Collection[Seat]) -> Start | None:
        """A build for a request at a place that those who wait for it lend; None if there is none.

        :param kin: their seats, that of its parent first.
        """
        builder = self._board.builder_of(request)
        if builder is None or not kin or self.mistakes.rests(builder.name):
            return None
        if not self._board.in_line(request):
            return None
        return await self._ask(request.id, lambda: self._choose_lent(builder, request, kin))

    async def _ask(
        self, key: str | int, choose: Callable[[], Awaitable[Start | None]]
    ) -> Start | None:
        """Wait a moment for a choice; one that takes longer is told to :attr:`late` some day."""
        if key in self._asked:
            return None
        answer: Deferred[Start | None] = to_deferred(choose())
        outcome = Outcome(answer)
        if not answer.called:
            self._asked[key] = (answer, self._clock.seconds())
            if not await first_answer(answer, self._clock, GRACE_S):
                answer.addErrback(self._is_closed)
                answer.addCallback(self._answered_late, key)
                return None
            del self._asked[key]
        try:
            return outcome.take()
        except CancelledError:  # nobody wants to know any more
            return None

    def _answered_late(self, start: Start | None, key: str | int) -> None:
        del self._asked[key]
        self.late(start, key)

    def _is_closed(self, failure: Failure) -> None:
        failure.trap(CancelledError)

    def asked_since(self, key: str | int) -> float | None:
        """Since when the author's functions have been asked about a builder or a request."""
        asked = self._asked.get(key)
        return asked[1] if asked is not None else None

    def forget(self) -> None:
        """Wait for no answer any more, and forget what has failed: the functions are others now."""
        for answer, _ in list(self._asked.values()):
            answer.cancel()
        self.mistakes.clear()

    async def _choose(self, name: str) -> Start | None:
        """The next build of a builder; None if none can start."""
        builder = self._board.builders[name]
        context, failures = self.context(builder), 0
        try:
            async for request in self._candidates(builder):
                try:
                    slot = await self._slot_for(context, request)
                except CodeFailed as failed:
                    failures += 1
                    self.mistakes.note(name, failed, request.id)
                    if failures < MOST_FAILURES:
                        continue
                    self.mistakes.rest(name)
                    return None
                self.mistakes.passed(name, None, request.id)
                if slot is not None and self._still_so(name, request, slot):
                    return self._take(context, request, slot)
                if not self._differ(builder):
                    return None
        except CodeFailed as failed:
            self.mistakes.note(name, failed)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("choosing a build of {name} failed", name=name)
        return None

    async def _choose_lent(
        self, builder: Builder, request: Request, kin: Collection[Seat]
    ) -> Start | None:
        context = self.context(builder)
        context.kin = kin
        slots = list(dict.fromkeys(seat.slot for seat in kin))
        try:
            if self.mistakes.request_rests(builder.name, request.id):
                return None
            await self._render(context, request)
            slot = await self._best(context, request, slots)
        except CodeFailed as failed:
            self.mistakes.note(builder.name, failed, request.id)
            return None
        except CancelledError:
            raise
        except Exception:
            self.log.failure("choosing a build of {name} failed", name=builder.name)
            return None
        self.mistakes.passed(builder.name, None, request.id)
        if slot is None or not self._board.in_line(request):
            return None
        if why_not(request, slot, self._clock.seconds(), context) is not None:
            return None  # it has changed while it was asked about
        return self._take(context, request, slot)

    async def _candidates(self, builder: Builder) -> AsyncIterator[Request]:
        """Its requests, in the order in which they are to be tried."""
        line, rests = self._board.lines[builder.name], self.mistakes.request_rests
        if builder.config.nextBuild is None:
            number, key = 0, None
            while (request := line.after(key)) is not None:
                number, key = number + 1, key_of(request)
                self._board.looks += 1
                if not rests(builder.name, request.id):
                    yield request
                if number % _BREATH == 0:
                    await deferLater(self._clock, 0)
            return
        requests = [request for request in line if not rests(builder.name, request.id)]
        self._board.looks += len(requests)
        while requests:
            chosen = await self.choice.request(builder, requests)
            self.mistakes.passed(builder.name, "nextBuild")
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

    async def _render(self, context: MatchContext, request: Request) -> None:
        """Give the context the builder's locks for a request, where they are placeholders."""
        if plain_locks(context.builder) is None:
            rendered = await rendered_locks(self._clock, context.builder, request)
            context.builder_locks = rendered

    async def _slot_for(self, context: MatchContext, request: Request) -> WorkerSlot | None:
        """A worker for a request, chosen by the author's function or else at random."""
        await self._render(context, request)
        now, builder, board = self._clock.seconds(), context.builder, self._board
        if self.choice.has_a_say(builder):
            return await self._best(context, request, board.free(builder.name))
        first = board.draw(builder.name)
        if first is None or await self._fits(context, request, first, now):
            return first  # nearly always it does
        slots = [slot for slot in board.free(builder.name) if slot is not first]
        return await self._best(context, request, slots)

    async def _best(
        self, context: MatchContext, request: Request, slots: list[WorkerSlot]
    ) -> WorkerSlot | None:
        """One of these workers that may take a request."""
        now, builder = self._clock.seconds(), context.builder
        if not self.choice.has_a_say(builder):
            while slots:
                slot = _pick(slots)
                if await self._fits(context, request, slot, now):
                    return slot
            return None
        fitting = [slot for slot in slots if why_not(request, slot, now, context) is None]
        while fitting:
            chosen = await self.choice.worker(builder, fitting, request)
            if chosen is None or await self.choice.may_start(builder, chosen, request):
                return chosen
            fitting.remove(chosen)
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
        lender = slot.places.lender_among(context.kin) if context.kin and slot.full else None
        seat = slot.take(builder.name, [request], lender)
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
