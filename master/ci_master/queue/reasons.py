"""Why requests wait, as sentences for people: made when somebody asks, refreshed at leisure."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_master.builds.builder import Builder
from ci_master.data.model import Request, WaitReason
from ci_master.queue.board import Board
from ci_master.queue.children import Children
from ci_master.queue.choosing import rendered_locks
from ci_master.queue.match import MatchContext, plain_locks, why_not
from ci_master.queue.matcher import Matcher
from ci_master.workers.registry import WorkerRegistry
from ci_master.workers.slot import WorkerSlot

#: seconds between something happening and the reasons being made anew
REFRESH_S = 1.0

#: requests whose reasons are made in one go
_BATCH = 200

#: workers named in a sentence
_NAMED = 3

#: kind -> what is said of several workers that are all kept from working in that way
_ALL = {
    "paused": "All workers of this builder are paused",
    "stopping": "All workers of this builder are shutting down",
    "quarantined": "All workers of this builder are quarantined",
    "capability": "No worker of this builder that is online has what it requires",
}


class Reasons:
    """Explains waiting requests."""

    log = Logger()

    def __init__(
        self,
        data: Any,
        board: Board,
        matcher: Matcher,
        registry: WorkerRegistry,
        clock: Any,
    ) -> None:
        self._data = data
        self._board = board
        self._matcher = matcher
        self._registry = registry
        self._clock = clock
        self._wanted: dict[int, Request] = {}
        self._timer: IDelayedCall | None = None
        self.children: Children | None = None  # set by the queue
        #: whether no builds are started; told as the reason then
        self.is_held: Callable[[], bool] = lambda: False

    def close(self) -> None:
        """Refresh no more."""
        self._wanted.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def refresh_soon(self, request: Request) -> None:
        """Make the reason of a request in a moment, should it still wait then."""
        self._wanted[request.id] = request
        if self._timer is None:
            self._timer = self._clock.callLater(REFRESH_S, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        batch = [self._wanted.pop(id) for id in list(islice(self._wanted, _BATCH))]
        spawn(self._explain_all(batch), self.log, "finding out why requests wait")
        if self._wanted:
            self._timer = self._clock.callLater(REFRESH_S, self._refresh)

    async def _explain_all(self, batch: Sequence[Request]) -> None:
        shared: dict[str, WaitReason | None] = {}
        for request in batch:
            if request.id not in self._data.requests.waiting:
                continue
            builders = len(shared)
            await self.explain(request, shared)
            if len(shared) > builders and request is not batch[-1]:
                await deferLater(self._clock, 0)  # a builder may have a thousand workers

    async def explain(
        self, request: Request, shared: dict[str, WaitReason | None] | None = None
    ) -> WaitReason | None:
        """Why a request waits; None if nothing keeps it. The reason is stored with it.

        :param shared: reasons found for the builders so far; added to.
        """
        reason = await self._reason(request, shared if shared is not None else {})
        if request.id in self._data.requests.waiting:
            self._data.requests.set_waits(request, reason)
        return reason

    async def _reason(
        self, request: Request, shared: dict[str, WaitReason | None]
    ) -> WaitReason | None:
        builder = self._board.builder_of(request)
        if builder is None:
            return self._not_configured(request)
        if self.children is not None and self.children.is_left(request):
            parent = request.buildset.parent_requestid
            link = (f"request {parent}", f"/buildrequests/{parent}")
            text = "The build that waits for it was cut off; that is built again first"
            return WaitReason("held", text, (link,))
        if self.is_held():
            return WaitReason("held", "The master is shutting down, and starts no more builds")
        context = self._matcher.context(builder)
        rest = context.resting.get(request.id)
        if rest is not None or plain_locks(builder) is None:
            if plain_locks(builder) is None:
                context.builder_locks = await rendered_locks(builder, request)
            reason = self._of_workers(request, builder, context)
        elif builder.name in shared:
            reason = shared[builder.name]
        else:
            reason = shared[builder.name] = self._of_workers(request, builder, context)
        return reason or self._of_order(request, builder)

    def _not_configured(self, request: Request) -> WaitReason:
        row = self._data.builders.by_id.get(request.builderid)
        name = row.name if row is not None else str(request.builderid)
        link = (name, f"/builders/{request.builderid}")
        return WaitReason("builder", f'Builder "{name}" is not configured any more', (link,))

    def _of_order(self, request: Request, builder: Builder) -> WaitReason | None:
        """A worker would be free: others go first, or the author's functions said no."""
        ahead = self._board.lines[builder.name].ahead_of(request.id)
        if ahead == 1:
            return WaitReason("order", "1 request goes first")
        if ahead:
            return WaitReason("order", f"{ahead} requests go first")
        config = builder.config
        for name in ("canStartBuild", "nextWorker", "nextBuild"):
            if getattr(config, name) is not None:
                return WaitReason("held", f"{name} of {builder.name} does not let it start yet")
        return None

    # -- what the workers say

    def _of_workers(
        self, request: Request, builder: Builder, context: MatchContext
    ) -> WaitReason | None:
        """The reasons of all workers of a builder in one; None if one of them is free."""
        known = self._registry.slots
        slots = [known[name] for name in builder.config.workernames if name in known]
        if not slots:
            return WaitReason("offline", "No worker of this builder is configured")
        now = self._clock.seconds()
        reasons: dict[WorkerSlot, WaitReason] = {}
        for slot in slots:
            reason = why_not(request, slot, now, context)
            if reason is None:
                return None
            if reason.kind == "retry":
                return reason
            reasons[slot] = reason
        kinds = Counter(reason.kind for reason in reasons.values())
        for kind in ("lock", "busy", "quarantined", "paused", "stopping", "capability"):
            if kinds[kind]:
                return self._summed_up(kind, reasons)
        return self._offline(reasons)

    def _summed_up(self, kind: str, reasons: dict[WorkerSlot, WaitReason]) -> WaitReason:
        """One sentence for the workers that come nearest to starting it."""
        those = {slot: one for slot, one in reasons.items() if one.kind == kind}
        first = next(iter(those.values()))
        if kind == "lock":
            return first
        links = tuple(link for one in list(those.values())[:_NAMED] for link in one.links)
        if kind == "busy":
            return WaitReason("busy", self._busy(list(those), len(reasons)), links)
        if len(those) == 1:
            return first
        return WaitReason(kind, f"{_ALL[kind]} ({_named(list(those))})", links)

    def _busy(self, slots: list[WorkerSlot], total: int) -> str:
        text = f"{len(slots)} of {total} workers {'is' if len(slots) == 1 else 'are'} busy"
        soonest = min(
            (expected for slot in slots for expected in self._expected(slot)), default=None
        )
        if soonest is None:
            return text
        wait_s, where, what = soonest
        return f"{text}; first is expected free in {_about(wait_s)} ({where}, {what})"

    def _expected(self, slot: WorkerSlot) -> list[tuple[float, str, str]]:
        """(seconds until its end, worker, build) of the builds of a worker that can be foretold."""
        now, found = self._clock.seconds(), []
        for build in slot.running:
            row = getattr(build, "row", None)
            median_s = build.builder.row.summary.median_s
            if row is not None and median_s is not None:
                left_s = max(row.started_at + median_s - now, 0.0)
                found.append((left_s, slot.name, f"{build.builder.name} #{row.number}"))
        return found

    def _offline(self, reasons: dict[WorkerSlot, WaitReason]) -> WaitReason:
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


def _about(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(int(seconds), 1)} s"
    return f"about {round(seconds / 60)} min"
