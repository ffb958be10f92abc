"""The queue: it hears what happens, and starts the builds that have become possible."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ci_common.aio import spawn, to_deferred
from ci_common.faults import Refused
from ci_master.builds.builder import Builder
from ci_master.builds.locks import LockTable
from ci_master.data.model import Request
from ci_master.queue import actions
from ci_master.queue.backoff import Backoff
from ci_master.queue.board import Board
from ci_master.queue.children import Children
from ci_master.queue.collapse import Collapser
from ci_master.queue.deadlock import Deadlock
from ci_master.queue.line import key_of
from ci_master.queue.matcher import Matcher, Start
from ci_master.queue.reasons import Reasons
from ci_master.queue.recovery import Recovery
from ci_master.queue.runs import Runs, StartBuild
from ci_master.queue.sweep import Sweep
from ci_master.queue.usercode import Mistakes
from ci_master.workers.registry import WorkerRegistry
from ci_master.workers.seats import Seat
from ci_master.workers.slot import WorkerSlot

#: seconds between two passes over everything
SWEEP_S = 30.0

#: seconds for which what others wait for waits in vain, before it is asked whether that has an end
DEADLOCK_S = 5.0


class Queue(Service):
    """Matches waiting requests with free workers, and has their builds run.

    Call :meth:`configure` before it starts and at every reload.

    :param registry: the workers.
    :param start_build: runs a build and gives its result code.
    :param config: the running configuration.
    """

    log = Logger()

    def __init__(
        self,
        data: Any,
        registry: WorkerRegistry,
        locks: LockTable,
        clock: Any,
        start_build: StartBuild,
        config: Any,
        *,
        master: Any = None,
    ) -> None:
        self.setName("queue")
        self._data = data
        self._registry = registry
        self._clock = clock
        self._locks = locks
        self._master = master
        self._backoff = Backoff(clock, self._rested)
        self.board = Board()
        self.mistakes = Mistakes(clock, self._ask_again)
        self._matcher = Matcher(self.board, locks, clock, self._backoff.resting, self.mistakes)
        self._matcher.late = self._found_late
        self.runs = Runs(
            data, start_build, retry=self._retry, refused=self._refused, ended=self._ended
        )
        self.collapser = Collapser(data, self.board, master, clock, self.mistakes)
        self.children = Children(data, self.cancel)
        self.reasons = Reasons(self, data, self._matcher, registry, clock)
        self.mistakes.changed = self.reasons.changed
        self._recovery = Recovery(
            data, active=lambda: self.runs.active.keys(), arrive=self._arrive_again
        )
        self.sweep = Sweep(clock, self._sweep, interval_s=SWEEP_S)
        self._dirty: dict[str, None] = {}
        self._dirty_slots: dict[WorkerSlot, None] = {}
        #: requests to look at for which those that wait for them may lend their places
        self._dirty_children: dict[int, Request] = {}
        #: those looked at last that did not get one
        self._stuck_children: dict[int, Request] = {}
        self._arrivals: dict[str, deque[Request]] = {}
        self._next_pass: IDelayedCall | None = None
        self._deadlock_check: IDelayedCall | None = None
        self._one_pass = DeferredLock()
        self._held = False
        self._draining = False
        self._undo: list[Any] = []
        self._take_config(config)
        actions.register(self, data)

    def _take_config(self, config: Any) -> None:
        self._matcher.prioritize = getattr(config, "prioritizeBuilders", None)
        self._matcher.choice.select_next_worker = getattr(config, "select_next_worker", None)
        self._matcher.master = self._master
        self.collapser.default = getattr(config, "collapseRequests", None)

    def configure(self, builders: Mapping[str, Builder], config: Any = None) -> None:
        """Take over the builders, and the settings if they are given.

        What the author's functions did wrong is forgotten: they are asked again.
        """
        self._matcher.forget()
        self._arrange(builders, config)

    def _arrange(self, builders: Mapping[str, Builder], config: Any = None) -> None:
        if config is not None:
            self._take_config(config)
        self.board.configure(builders, self._registry, self._may_start(), self.collapser.likeness)
        self._matcher.stuck &= builders.keys()
        self._look_at_children(self._waiting_children())
        self._look_at(builders)

    def _may_start(self) -> Iterable[Request]:
        """What waits and may be in line."""
        return [one for one in self._data.requests.waiting.values() if self._may_wait(one)]

    def _may_wait(self, request: Request) -> bool:
        """Whether a request may be in line: it has no seat and no rest, and nobody holds it."""
        if request.id in self.runs.active or request.id in self._backoff.resting:
            return False
        if self._draining:  # what builds under way wait for must be built
            return self.children.is_awaited(request)
        return not self.children.is_left(request)

    # -- the service

    def startService(self) -> None:
        """Begin to start builds."""
        super().startService()
        bus = self._data.bus
        subscriptions = [
            bus.subscribe(("buildrequests", None, "new"), self._new),
            bus.subscribe(("buildrequests", None, "unclaimed"), self._waits_again),
            bus.subscribe(("buildrequests", None, "priority"), self._waits_again),
            bus.subscribe(("buildrequests", None, "claimed"), self._gone),
            bus.subscribe(("buildrequests", None, "complete"), self._complete),
            bus.subscribe(("builds", None, "new"), self._build_began),
            bus.subscribe(("builds", None, "finished"), self._build_ended),
            bus.subscribe(("buildsets", None, "taken_over"), self._taken_over),
        ]
        self._undo = [one.stop for one in subscriptions]
        self._undo.append(self._registry.on_change(self._slot_changed))
        self._undo.append(self._locks.on_change(self._lock_changed))
        self._held = False
        self.children.begin()
        self.sweep.startService()

    def stopService(self) -> Deferred[None]:
        """Start no more builds; fires when those under way have ended.

        They end by themselves, or because their workers' connections are closed.
        """
        super().stopService()
        return to_deferred(self._stop())

    async def _stop(self) -> None:
        self._held = True
        await self.sweep.stopService()
        await self.runs.when_idle()
        await self._one_pass.run(lambda: None)
        for undo in self._undo:
            undo()
        self._undo = []
        if self._next_pass is not None:
            self._next_pass.cancel()
            self._next_pass = None
        if self._deadlock_check is not None:
            self._deadlock_check.cancel()
            self._deadlock_check = None
        self._backoff.close()
        self._matcher.forget()
        self.reasons.close()

    def hold(self) -> None:
        """Start no more builds but those that builds under way wait for, until :meth:`release`."""
        self._draining = True
        self._arrange(self.board.builders)

    def release(self) -> None:
        """Start builds again."""
        self._draining = False
        self._arrange(self.board.builders)

    def drain(self) -> Deferred[None]:
        """Start no more builds; fires when those under way have ended."""
        self.hold()
        return self.runs.when_idle()

    # -- what happens

    def _new(self, key: Any, message: Mapping[str, Any]) -> None:
        request = self._data.requests.waiting.get(message["buildrequestid"])
        if request is None:
            return
        self.children.take(request)
        builder = self.board.builder_of(request)
        if builder is None:
            self._arrive(request)
        elif builder.name in self._arrivals:
            self._arrivals[builder.name].append(request)
        elif self.collapser.concerns(request, builder):
            self._arrivals[builder.name] = deque([request])
            spawn(self._merge(builder.name), self.log, "merging requests")
        else:
            self._arrive(request)

    async def _merge(self, name: str) -> None:
        """Take in new requests of a builder one after the other: each may end those before it."""
        arrivals = self._arrivals[name]
        try:
            while arrivals:
                request = arrivals.popleft()
                builder = self.board.builders.get(name)
                try:
                    if builder is not None and self.collapser.concerns(request, builder):
                        await self.collapser.collapse(request, builder)
                except Exception:
                    self.log.failure("requests of {name} could not be merged", name=name)
                self._arrive(request)
        finally:
            del self._arrivals[name]

    def _arrive(self, request: Request) -> None:
        """Put a request that waits in line."""
        if self._data.requests.waiting.get(request.id) is not request:
            return
        if self._may_wait(request):
            name = self.board.add(request)
            if name is not None:
                if request.waited_for:
                    self._look_at_children([request])
                self._look_at([name])
        self.reasons.arrived(request)

    def _waits_again(self, key: Any, message: Mapping[str, Any]) -> None:
        request = self._data.requests.waiting.get(message["buildrequestid"])
        if request is not None:
            self._arrive(request)

    def _gone(self, key: Any, message: Mapping[str, Any]) -> None:
        request = self._data.requests.open.get(message["buildrequestid"])
        if request is not None and request.claimed:
            self.board.remove(request)
            self._leaves(request.id)

    def _complete(self, key: Any, message: Mapping[str, Any]) -> None:
        request_id = message["buildrequestid"]
        self._backoff.forget(request_id)
        self._leaves(request_id)
        self.board.remove_id(message["builderid"], request_id)
        self.children.parent_ended(request_id)

    def _leaves(self, request_id: int) -> None:
        """A request waits no more."""
        self.mistakes.gone(request_id)
        self._stuck_children.pop(request_id, None)
        self.reasons.leaves(request_id)

    def _build_ended(self, key: Any, message: Mapping[str, Any]) -> None:
        """Where it was cut off, what it waited for is not begun without it."""
        for child in self.children.of(message["buildrequestid"]):
            if not child.claimed:
                self.board.remove(child)
                self.reasons.arrived(child)
        self.reasons.changed()

    def _taken_over(self, key: Any, message: Mapping[str, Any]) -> None:
        """The next build of a request has asked for what an earlier one triggered."""
        buildset = self._data.buildsets.open.get(message["bsid"])
        for request_id in sorted(buildset.open_requests) if buildset is not None else ():
            request = self._data.requests.waiting.get(request_id)
            if request is not None:
                self._arrive(request)

    async def cancel(self, request: Request, reason: str) -> bool:
        """End an open request, by stopping its build if it has one.

        :returns: False if another master works on it. That a request without a build has ended
            is stored then.
        """
        if self.runs.stop(request.id, reason):
            return True
        if request.claimed:
            return False
        self.board.remove(request)
        await self._data.requests.cancel(request.id)
        return True

    def _build_began(self, key: Any, message: Mapping[str, Any]) -> None:
        self.runs.build_began(message["buildrequestid"])
        self.reasons.changed()

    def _slot_changed(self, slot: WorkerSlot, builder_name: str | None) -> None:
        names, opened = self.board.slot_changed(slot, builder_name)
        if opened:
            self._dirty_slots[slot] = None
        for seat in slot.places.waiting:
            for request in seat.requests:
                self._look_at_children(self.children.waiting_below(request.id))
        self._look_at(names)
        self.reasons.changed()

    def _lock_changed(self, lock: Any) -> None:
        self._look_at_children(list(self._stuck_children.values()))
        self._look_at(self._matcher.stuck)
        self.reasons.changed()

    def _ask_again(self, builder_name: str | None) -> None:
        """Functions that had failed may be asked again."""
        self._look_at_children(list(self._stuck_children.values()))
        self._look_at(self.board.builders if builder_name is None else [builder_name])

    def _rested(self, request_id: int) -> None:
        request = self._data.requests.waiting.get(request_id)
        if request is not None:
            self._arrive(request)

    def _retry(self, request: Request) -> None:
        self._backoff.rest(request.id)

    def _refused(self, request: Request) -> None:
        """Somebody else has it, or storage is away: wait before it is tried again."""
        if request.id in self._data.requests.waiting:
            self._backoff.rest(request.id)

    def _ended(self, start: Start) -> None:
        self._matcher.promises.withdraw(start.seat)
        self._look_at_children(list(self._stuck_children.values()))
        self._look_at(self._matcher.stuck)

    @property
    def resting(self) -> Mapping[int, float]:
        """Requests whose builds were cut off -> clock seconds of their next try."""
        return self._backoff.resting

    @property
    def starts_nothing(self) -> bool:
        """Whether no builds are started but those that others wait for, as the master stops."""
        return self._held or self._draining

    # -- the pass

    def _look_at(self, names: Iterable[str]) -> None:
        """Look at these builders in the next turn of the reactor."""
        self._dirty.update(dict.fromkeys(names))
        if self._is_dirty and self._next_pass is None and self.running:
            self._next_pass = self._clock.callLater(0, self._begin_pass)

    def _look_at_children(self, requests: Iterable[Request]) -> None:
        """Look in the next turn whether these requests get a place that is lent to them."""
        for request in requests:
            self._dirty_children[request.id] = request
        self._look_at(())

    def _waiting_children(self) -> list[Request]:
        return [one for one in self._data.requests.waiting.values() if one.waited_for]

    @property
    def _is_dirty(self) -> bool:
        return bool(self._dirty or self._dirty_slots or self._dirty_children)

    def _begin_pass(self) -> None:
        self._next_pass = None
        if not self._one_pass.locked:
            spawn(self._pass(), self.log, "matching requests and workers")

    async def _pass(self) -> None:
        async with self._one_pass:
            while self._is_dirty and self.running and not self._held:
                names, self._dirty = list(self._dirty), {}
                slots, self._dirty_slots = list(self._dirty_slots), {}
                self.runs.launch(await self._matcher.starts(names, slots))
                if self._dirty_children:
                    await self._start_children()

    async def _start_children(self) -> None:
        """Start what has no free worker at the places that those who wait for it lend."""
        children, self._dirty_children = self._dirty_children, {}
        for request in sorted(children.values(), key=key_of):
            if not self.board.in_line(request):
                self._stuck_children.pop(request.id, None)
                continue
            start = await self._matcher.lent(request, self.kin(request))
            if start is not None:
                self._stuck_children.pop(request.id, None)
                self.runs.launch([start])
            else:
                self._stuck_children[request.id] = request
        if self._stuck_children and self._deadlock_check is None:
            wait_s = DEADLOCK_S
            self._deadlock_check = self._clock.callLater(wait_s, self._begin_deadlock_check)

    def _begin_deadlock_check(self) -> None:
        self._deadlock_check = None
        spawn(self._end_deadlock(), self.log, "looking for builds that wait for each other")

    async def _end_deadlock(self) -> None:
        """Where builds wait for each other's workers for ever, let one go first."""
        async with self._one_pass:
            if not self.running or self._held:
                return
            seen = Deadlock(self._registry.slots, self.board, self.children, self.runs.active)
            for request in sorted(self._stuck_children.values(), key=key_of):
                if not self.board.in_line(request) or not seen.holds(request):
                    continue
                start = await self._matcher.lent(request, seen.lenders(request))
                if start is not None:
                    self.log.warn(
                        "request {id} goes to {worker} out of turn: the builds there wait for"
                        " workers that its parent keeps busy",
                        id=request.id,
                        worker=start.seat.slot.name,
                    )
                    self._stuck_children.pop(request.id, None)
                    self.runs.launch([start])
                    self._look_at_children(list(self._stuck_children.values()))
                    return

    def kin(self, request: Request) -> list[Seat]:
        """The seats of the builds that wait for a request: its parent's first."""
        starts = (self.runs.active.get(parent.id) for parent in self.children.parents(request))
        return [start.seat for start in starts if start is not None]

    def _found_late(self, start: Start | None, key: str | int) -> None:
        """The author's functions have answered at last."""
        if start is not None:
            if self.running and not self._held:
                self.runs.launch([start])
            else:
                start.seat.slot.give_back(start.seat)
                self._ended(start)
        if isinstance(key, str):
            self._look_at([key])
        elif key in self._stuck_children:
            self._look_at_children([self._stuck_children[key]])
        self.reasons.changed()

    async def _sweep(self) -> None:
        """Find what no event has told, or will."""
        try:
            await self._recovery.run()
        except Refused as refused:  # the database is away
            self.log.warn("what is stored was not looked at: {reason}", reason=refused)
        self.children.check()
        for slot in list(self._registry):
            self._look_again(slot)
            await deferLater(self._clock, 0)  # a worker may have a thousand builders
        self._look_at_children(self._waiting_children())
        self._look_at(self.board.builders)

    def _look_again(self, slot: WorkerSlot) -> None:
        """Look at a worker as if nothing were known of it."""
        self.board.forget(slot)
        self._slot_changed(slot, None)

    def _arrive_again(self, request: Request) -> None:
        """Put a request that waits in line, should it not be there."""
        if not self.board.waits(request) and self._may_wait(request):
            self._arrive(request)
