"""Why requests wait, as sentences for people: made at the moment at which somebody asks."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain, islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ci_common.aio import spawn, to_deferred
from ci_master.builds.builder import Builder
from ci_master.data.model import Request
from ci_master.data.waits import CodeFault, Expected, WaitReason, WaitReasons
from ci_master.queue.choosing import rendered_locks
from ci_master.queue.match import MatchContext, plain_locks, why_not, why_not_there
from ci_master.queue.usercode import CodeFailed
from ci_master.workers.seats import Seat
from ci_master.workers.slot import WorkerSlot, clock_time

if TYPE_CHECKING:
    from ci_master.queue.queue import Queue

#: seconds between something happening and its being told to those who listen, at least
TELL_S = 1.0

#: of the master's time, finding out what to tell takes no larger part than this
_SHARE = 1 / 30

#: seconds of finding out before others get their turn in the reactor
_SLICE_S = 0.005

#: new requests of which the reason is told one by one, at most: that of their builder is told, too
_MOST_NEW = 20

#: requests of a builder for which locks that are placeholders are rendered
_RENDERED = 100

#: workers named in a sentence
_NAMED = 3

#: kind -> what is said of several workers that are all kept from working in that way
_ALL = {
    "paused": "All workers of this builder are paused",
    "stopping": "All workers of this builder are shutting down",
    "quarantined": "All workers of this builder are quarantined",
    "capability": "No worker of this builder that is online has what it requires",
}

_HELD = WaitReason("held", "The master is shutting down, and starts no more builds")


class Reasons:
    """Explains waiting requests.

    Nothing is kept that could be old: each answer is made of the state at its moment. What all
    requests of a builder have in common is found out once for an answer; so it costs what there
    are builders and workers, however many requests wait.

    Once a second at most, and only if something has happened, it is found out for which builders
    the reason has changed, and those who listen are told.
    """

    log = Logger()

    def __init__(self, queue: "Queue", data: Any, matcher: Any, registry: Any, clock: Any) -> None:
        self._queue = queue
        self._data = data
        self._matcher = matcher
        self._registry = registry
        self._clock = clock
        #: what tells how long this takes; a test with a clock of its own sets that one
        self.stopwatch: Callable[[], float] = perf_counter
        self._timer: IDelayedCall | None = None
        self._not_before = 0.0
        self._closed = False
        #: requests that have come, and of which nothing has been told yet
        self._new: dict[int, Request] = {}
        #: requests of which something was told
        self._told: dict[int, WaitReason | None] = {}
        self._told_of_builders: dict[int, WaitReason | None] = {}
        self._told_faults: list[CodeFault] = []
        data.requests.explainer = self

    def close(self) -> None:
        """Tell no more."""
        self._closed = True
        self._new.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- asked

    def explain(self, request_id: int) -> WaitReason | None:
        """Why a request waits; None if it does not, or nothing keeps it."""
        request = self._data.requests.waiting.get(request_id)
        if request is None:
            return None
        moment = _Moment(self._queue, self._data, self._matcher, self._registry, self._clock)
        moment.explain_builder(request.builderid)
        if request.id in moment.special(request.builderid):
            moment.explain_own(request)
        return moment.answer().of(request)

    async def reasons(self, builderids: Collection[int] | None = None) -> WaitReasons:
        """See :class:`ci_master.data.waits.Explainer`."""
        moment = _Moment(self._queue, self._data, self._matcher, self._registry, self._clock)
        waiting = self._data.requests.waiting.by_builder
        wanted = list(waiting) if builderids is None else [id for id in builderids if id in waiting]
        began = self.stopwatch()
        for builderid in wanted:
            if builderid not in waiting:
                continue
            moment.explain_builder(builderid)
            for request_id in moment.special(builderid):
                request = self._data.requests.waiting.get(request_id)
                if request is not None and request.builderid == builderid:
                    moment.explain_own(request)
            if self.stopwatch() - began > _SLICE_S:
                await deferLater(self._clock, 0)
                began = self.stopwatch()
        return moment.answer()

    # -- telling

    def arrived(self, request: Request) -> None:
        """A request waits now, or for something else than before."""
        if len(self._new) < _MOST_NEW:
            self._new[request.id] = request
        self.changed()

    def leaves(self, request_id: int) -> None:
        """A request waits no more."""
        self._new.pop(request_id, None)
        self._told.pop(request_id, None)

    def changed(self) -> None:
        """Something has happened that may be a reason, or may have ended one."""
        if self._timer is None and not self._closed:
            wait_s = max(TELL_S, self._not_before - self._clock.seconds())
            self._timer = self._clock.callLater(wait_s, self._tell_soon)

    def _tell_soon(self) -> None:
        self._timer = None
        spawn(self._tell(), self.log, "finding out why requests wait")

    async def _tell(self) -> None:
        """Tell what is different from what was told last."""
        waiting = self._data.requests.waiting
        began = self.stopwatch()
        found = await self.reasons()
        took_s = self.stopwatch() - began
        self._not_before = self._clock.seconds() + took_s / _SHARE
        new, self._new = list(self._new.values()), {}
        for builderid, reason in found.of_builders.items():
            reason = reason or found.first.get(builderid)
            if self._told_of_builders.get(builderid) != reason:
                self._told_of_builders[builderid] = reason
                self._data.requests.tell_waits(builderid, reason)
        if list(found.faults) != self._told_faults:
            self._told_faults = list(found.faults)
            self._data.requests.tell_faults(self._told_faults)
        for builderid in self._told_of_builders.keys() - found.of_builders.keys():
            del self._told_of_builders[builderid]
        others = {id: waiting[id] for id in found.own if id in waiting}
        for id in self._told.keys() - others.keys():
            if id in waiting:
                others[id] = waiting[id]
        for request in chain(new, others.values()):
            if request.id in waiting:
                reason = found.of(request)
                self._data.requests.set_waits(request, reason)
                if request.id in found.own:
                    self._told[request.id] = reason
                else:
                    self._told.pop(request.id, None)


class _Moment:
    """Finds out, at one moment, why requests wait."""

    def __init__(self, queue: "Queue", data: Any, matcher: Any, registry: Any, clock: Any) -> None:
        self._queue, self._data, self._matcher = queue, data, matcher
        self._slots: Mapping[str, WorkerSlot] = registry.slots
        self._clock = clock
        self._now = clock.seconds()
        self._general: dict[WorkerSlot, WaitReason | None] = {}
        self._ends: dict[WorkerSlot, Expected | None] = {}
        self._of_parent: dict[tuple[int, int], WaitReason | None] = {}
        self._own: dict[int, WaitReason | None] = {}
        self._of_builders: dict[int, WaitReason | None] = {}
        self._ahead: dict[int, Mapping[int, int]] = {}
        self._first: dict[int, WaitReason | None] = {}
        self._specials = self._by_builder()

    def answer(self) -> WaitReasons:
        """What was found out."""
        names = self._data.builders.by_name
        faults = [
            CodeFault(
                names[one.builder].id if one.builder in names else None,
                one.what,
                one.text,
                one.since,
            )
            for one in self._queue.mistakes.functions()
        ]
        return WaitReasons(self._own, self._of_builders, self._ahead, self._first, faults)

    # -- builders

    def explain_builder(self, builderid: int) -> None:
        """What all requests of a builder wait for, but for those that are special."""
        builder = self._queue.board.by_id(builderid)
        reason = self._of_builder(builderid, builder)
        self._of_builders[builderid] = reason
        if reason is None and builder is not None:
            line = self._queue.board.lines[builder.name]
            self._ahead[builderid] = line.places()
            self._first[builderid] = self._not_yet(builder)

    def _of_builder(self, builderid: int, builder: Builder | None) -> WaitReason | None:
        if builder is None:
            row = self._data.builders.by_id.get(builderid)
            name = row.name if row is not None else str(builderid)
            link = (name, f"/builders/{builderid}")
            return WaitReason("builder", f'Builder "{name}" is not configured any more', (link,))
        if self._queue.starts_nothing:
            return _HELD
        mistake = self._queue.mistakes.of_builder(builder.name)
        if mistake is not None:
            return _error(mistake.text)
        context = self._matcher.context(builder)
        if plain_locks(builder) is None:
            context.builder_locks = ()
        return self._of_workers(builder, context)

    def _not_yet(self, builder: Builder) -> WaitReason | None:
        """A worker would be free for the first request: the author's functions have not agreed."""
        since = self._matcher.asked_since(builder.name)
        if since is not None and self._now - since >= 1:
            return _asked(builder, since)
        for name in ("canStartBuild", "nextWorker", "nextBuild"):
            if getattr(builder.config, name) is not None:
                return WaitReason("held", f"{name} of {builder.name} does not let it start yet")
        return None

    # -- requests

    def special(self, builderid: int) -> Sequence[int]:
        """Those of a builder that may wait for something else than the others."""
        found = self._specials.get(builderid, [])
        builder = self._queue.board.by_id(builderid)
        if builder is not None and plain_locks(builder) is None:
            line = self._queue.board.lines[builder.name]
            found = [*found, *(one.id for one in islice(line, _RENDERED))]
        return found

    def _by_builder(self) -> dict[int, list[int]]:
        queue, waiting = self._queue, self._data.requests.waiting
        found: dict[int, list[int]] = {}
        ids = {*queue.resting, *queue.mistakes.requests(), *queue.children.waiting()}
        for id in ids:
            request = waiting.get(id)
            if request is not None:
                found.setdefault(request.builderid, []).append(id)
        return found

    def explain_own(self, request: Request) -> None:
        """What a request waits for that differs from others of its builder."""
        builder = self._queue.board.by_id(request.builderid)
        if builder is None:
            return
        known = self._of_builders[request.builderid]
        reason = self._of_request(request, builder)
        if reason is None and known is None:
            return  # others go first, or it is the next
        self._own[request.id] = reason

    def _of_request(self, request: Request, builder: Builder) -> WaitReason | None:
        queue = self._queue
        if queue.children.is_left(request):
            parent = request.buildset.parent_requestid
            link = (f"request {parent}", f"/buildrequests/{parent}")
            text = "The build that waits for it was cut off; that is built again first"
            return WaitReason("held", text, (link,))
        if queue.starts_nothing and not queue.children.is_awaited(request):
            return _HELD
        until = queue.resting.get(request.id)
        if until is not None and until > self._now:
            text = f"Its last build was cut off; it is tried again at {clock_time(until)}"
            return WaitReason("retry", text)
        mistake = queue.mistakes.of_request(request.id, builder.name)
        if mistake is not None:
            return _error(mistake.text)
        since = self._matcher.asked_since(request.id)
        if since is not None and self._now - since >= 1:
            return _asked(builder, since)
        context = self._matcher.context(builder)
        if plain_locks(builder) is None:
            try:
                context.builder_locks = self._rendered(builder, request)
            except CodeFailed as failed:
                return _error(f'{failed.what} of "{builder.name}" {failed.problem}')
            return self._of_kin(request, builder, context)
        if not request.waited_for:
            return self._of_workers(builder, context)
        key = (builder.builderid, request.buildset.parent_buildid or 0)
        if key not in self._of_parent:
            self._of_parent[key] = self._of_kin(request, builder, context)
        return self._of_parent[key]

    def _rendered(self, builder: Builder, request: Request) -> Sequence[Any]:
        """The builder's locks for a request, if that needs no waiting; else none."""
        answer = to_deferred(rendered_locks(self._clock, builder, request))
        found: list[Any] = []
        answer.addBoth(found.append)
        if not found:
            answer.cancel()
            return ()
        if isinstance(found[0], list):
            return found[0]
        found[0].raiseException()
        raise AssertionError("not reached")

    # -- what those say that wait for it

    def _of_kin(
        self, request: Request, builder: Builder, context: MatchContext
    ) -> WaitReason | None:
        """Its workers' reasons, where it may use the places of those that wait for it."""
        kin = self._queue.kin(request)
        reason = self._of_workers(builder, context)
        if reason is None or not kin:
            return reason
        context.kin = kin
        names = set(builder.config.workernames)
        near = [seat for seat in kin if seat.slot.name in names]
        if not near:
            return reason
        found: dict[Seat, WaitReason] = {}
        for seat in near:
            try:
                why = why_not(request, seat.slot, self._now, context)
            except CodeFailed as failed:
                return _error(f'{failed.what} of "{builder.name}" {failed.problem}')
            if why is None:
                return None
            found[seat] = why
        if reason.kind not in ("busy", "lock"):
            return reason
        for seat, why in found.items():
            if why.kind == "busy":
                return self._lent(seat)
            if why.kind == "lock":
                return self._locked_by_kin(kin, seat, context) or why
        return reason

    def _lent(self, seat: Seat) -> WaitReason:
        """It waits for the place of one of those that wait for it."""
        parent, slot = self._label(seat), seat.slot
        links = ((slot.name, f"/workers/{slot.row.id}"),)
        if not seat.waits:
            text = f"Waits for a free worker, or for {parent} to lend its place on {slot.name}"
            return WaitReason("busy", text, links)
        text = f"Waits for a place that its parent {parent} lends on {slot.name}"
        inside = seat.place.seats[seat.place.seats.index(seat) + 1 :]
        users = [one for one in inside if not one.waits] or inside
        if not users:  # its builder's place is taken
            return WaitReason("busy", text, links)
        text += f"; {self._label(users[0])} has it now"
        return WaitReason("busy", text, links, _unnamed(self._end_of(users[0])))

    def _locked_by_kin(
        self, kin: Sequence[Seat], seat: Seat, context: MatchContext
    ) -> WaitReason | None:
        """A lock that is held by one that waits for it: neither can ever go on."""
        for lock, _ in context.claims(seat.slot):
            for one in kin:
                build = self._build_of(one)
                if build is not None and lock.is_owner(build):
                    text = f'Needs lock "{lock.name}", which {self._label(one)} holds while it'
                    return WaitReason("lock", f"{text} waits for this: neither can go on")
        return None

    # -- what the workers say

    def _of_workers(self, builder: Builder, context: MatchContext) -> WaitReason | None:
        """The reasons of all workers of a builder in one; None if one of them is free."""
        known = self._slots
        slots = [known[name] for name in builder.config.workernames if name in known]
        if not slots:
            return WaitReason("offline", "No worker of this builder is configured")
        reasons: dict[WorkerSlot, WaitReason] = {}
        try:
            for slot in slots:
                reason = self._of_slot(slot) or why_not_there(slot, context)
                if reason is None:
                    return None
                reasons[slot] = reason
        except CodeFailed as failed:
            return _error(f'{failed.what} of "{builder.name}" {failed.problem}')
        kinds = Counter(reason.kind for reason in reasons.values())
        for kind in ("lock", "busy", "quarantined", "paused", "stopping", "capability"):
            if kinds[kind]:
                return self._summed_up(kind, reasons, builder)
        return _offline(reasons)

    def _of_slot(self, slot: WorkerSlot) -> WaitReason | None:
        """Why a worker takes no build at all."""
        if slot not in self._general:
            self._general[slot] = slot.why_not()
        return self._general[slot]

    def _summed_up(
        self, kind: str, reasons: Mapping[WorkerSlot, WaitReason], builder: Builder
    ) -> WaitReason:
        """One sentence for the workers that come nearest to starting it."""
        those = {slot: one for slot, one in reasons.items() if one.kind == kind}
        first = next(iter(those.values()))
        if kind == "busy":
            return self._busy(those, len(reasons), builder)
        if kind == "lock" or len(those) == 1:
            return first
        links = tuple(link for one in list(those.values())[:_NAMED] for link in one.links)
        return WaitReason(kind, f"{_ALL[kind]} ({_named(list(those))})", links)

    def _busy(
        self, those: Mapping[WorkerSlot, WaitReason], total: int, builder: Builder
    ) -> WaitReason:
        links = tuple(link for one in islice(those.values(), _NAMED) for link in one.links)
        slots = list(those)
        ends = [self._free_at(slot, builder) for slot in slots]
        soonest = min((one for one in ends if one is not None), key=_at, default=None)
        if total == 1:
            named = slots[0].full and slots[0].max_builds != 1
            expected = soonest if named else _unnamed(soonest)
            return WaitReason("busy", self._busy_with(slots[0], builder), links, expected)
        are = "is" if len(slots) == 1 else "are"
        text = f"{len(slots)} of {total} workers {are} busy"
        if all(slot.full for slot in slots) and any(slot.max_builds != 1 for slot in slots):
            used = sum(slot.places.used for slot in slots)
            text += f" ({used} builds, as many as they may run at once)"
        return WaitReason("busy", text, links, soonest)

    def _busy_with(self, slot: WorkerSlot, builder: Builder) -> str:
        """What the only worker of a builder does."""
        if slot.full and slot.max_builds != 1:
            used = slot.places.used
            return f"{slot.name} is busy with {used} builds, as many as it may run at once"
        if slot.full:
            first = next(iter(slot.places)).place.seats[0]
            text = f"{slot.name} is busy with {self._label(first)}"
            return f"{text}, which waits for builds of its own" if first.waits else text
        seat = slot.seats.get(builder.name)
        if seat is None:
            return f"{slot.name} is busy"
        once = "; it runs one build of a builder at a time"
        return f"{slot.name} is busy with {self._label(seat)}{once}"

    def _free_at(self, slot: WorkerSlot, builder: Builder) -> Expected | None:
        """When a worker is expected to be free for a builder; None if nobody can tell."""
        if not slot.full:
            seat = slot.seats.get(builder.name)
            return self._end_of(seat) if seat is not None else None
        if slot not in self._ends:
            ends = (self._end_of(seat) for seat in slot.places if len(seat.place.seats) == 1)
            self._ends[slot] = min((one for one in ends if one), key=_at, default=None)
        return self._ends[slot]

    def _end_of(self, seat: Seat) -> Expected | None:
        """When a build is expected to end; None for one that waits for others."""
        build = self._build_of(seat)
        row = getattr(build, "row", None)
        if row is None or seat.waits:
            return None
        median_s = build.builder.row.summary.median_s
        if median_s is None:
            return None
        who = f"{seat.slot.name}, {self._label(seat)}"
        return Expected(row.started_at + median_s, who)

    def _build_of(self, seat: Seat) -> Any:
        return self._queue.runs.build_of(seat.requests[0].id) if seat.requests else None

    def _label(self, seat: Seat) -> str:
        """``linux #12``; only the builder, as long as the build has no number."""
        row = getattr(self._build_of(seat), "row", None)
        return seat.builder_name if row is None else f"{seat.builder_name} #{row.number}"


def _at(expected: Expected) -> float:
    return expected.at


def _unnamed(expected: Expected | None) -> Expected | None:
    """The same, after a sentence that names worker and build."""
    return None if expected is None else Expected(expected.at)


def _error(text: str) -> WaitReason:
    return WaitReason("error", f"{text}; it is tried again within a minute")


def _asked(builder: Builder, since: float) -> WaitReason:
    what = f"The configuration's functions of {builder.name} have been asked since"
    return WaitReason("held", f"{what} {clock_time(since)}, and have not answered yet")


def _offline(reasons: Mapping[WorkerSlot, WaitReason]) -> WaitReason:
    slots = list(reasons)
    links = tuple(link for one in list(reasons.values())[:_NAMED] for link in one.links)
    who = _named(slots)
    if len(slots) == 1:
        who += f", {slots[0].last_seen}"
    return WaitReason("offline", f"No worker of this builder is online ({who})", links)


def _named(slots: Sequence[WorkerSlot]) -> str:
    names = sorted(slot.name for slot in slots)
    more = len(names) - _NAMED
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
