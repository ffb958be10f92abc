"""Which request, and which worker: the rules, and what users' code has to say about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from ci_common.aio import USERS_ERRORS
from ci_master.builds.builder import Builder
from ci_master.builds.buildrequest import BuildRequest
from ci_master.builds.lockids import access_of
from ci_master.builds.properties import Properties
from ci_master.builds.rendering import render
from ci_master.builds.workerview import WorkerView
from ci_master.data.model import Request
from ci_master.queue.usercode import ask, failed, nonsense, shown
from ci_master.workers.slot import WorkerSlot


class WorkerForBuilder:
    """A worker that could build for a builder, as users' functions see it."""

    def __init__(self, slot: WorkerSlot, builder: Builder) -> None:
        self.slot = slot
        self.builder = builder
        self.builder_name = builder.name
        self.worker = WorkerView(slot)

    def __repr__(self) -> str:
        return f"<WorkerForBuilder {self.builder_name!r} on {self.slot.name!r}>"


class PendingBuilder:
    """A builder for which requests wait, as ``prioritizeBuilders`` sees it.

    Everything else is as on the :class:`~ci_master.builds.builder.Builder` itself.
    """

    def __init__(self, builder: Builder, requests: Iterable[Request]) -> None:
        self.builder = builder
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self.builder, name)

    def __repr__(self) -> str:
        return repr(self.builder)

    def getOldestRequestTime(self) -> Deferred[datetime | None]:
        """When the oldest waiting request was submitted."""
        at = min((request.submitted_at for request in self._requests), default=None)
        return succeed(None if at is None else datetime.fromtimestamp(at, UTC))

    def getHighestPriority(self) -> Deferred[int | None]:
        """The highest priority among the waiting requests."""
        return succeed(max((request.priority for request in self._requests), default=None))

    def getNewestCompleteTime(self) -> Deferred[datetime | None]:
        """When the build that ended last did."""
        summary = self.builder.row.summary
        at = summary.ended_at or (summary.latest or {}).get("complete_at")
        return succeed(None if at is None else datetime.fromtimestamp(at, UTC))


@dataclass
class Choice:
    """The functions of one configuration that choose.

    All of them raise CodeFailed where a function raises, does not answer or answers nonsense.
    """

    clock: IReactorTime
    select_next_worker: Any = None

    async def request(self, builder: Builder, requests: Sequence[Request]) -> Request | None:
        """The request that is to go first; None if none may go now."""
        chooser = builder.config.nextBuild
        if chooser is None or not requests:
            return requests[0] if requests else None
        seen = [BuildRequest(request, builder.name) for request in requests]
        chosen = await ask(self.clock, "nextBuild", chooser, builder, seen)
        if chosen is None:
            return None
        row = getattr(chosen, "row", None)
        if row not in requests:
            problem = f"gave {shown(chosen)}, which is none of the requests it was given"
            raise nonsense("nextBuild", chooser, problem)
        return row

    def has_a_say(self, builder: Builder) -> bool:
        """Whether the author's code chooses among the workers of a builder."""
        return bool(builder.config.nextWorker or self.select_next_worker)

    async def worker(
        self, builder: Builder, slots: Sequence[WorkerSlot], request: Request
    ) -> WorkerSlot | None:
        """The worker that the author's code chooses; None if none is good enough now."""
        chooser = builder.config.nextWorker or self.select_next_worker
        name = "nextWorker" if builder.config.nextWorker else "select_next_worker"
        offered = [WorkerForBuilder(slot, builder) for slot in slots]
        wanted = BuildRequest(request, builder.name)
        chosen = await ask(self.clock, name, chooser, builder, offered, wanted)
        if chosen is None:
            return None
        slot = getattr(chosen, "slot", None)
        if slot not in slots:
            problem = f"gave {shown(chosen)}, which is none of the workers it was given"
            raise nonsense(name, chooser, problem)
        return slot

    async def may_start(self, builder: Builder, slot: WorkerSlot, request: Request) -> bool:
        """What ``canStartBuild`` says."""
        allowed = builder.config.canStartBuild
        if allowed is None:
            return True
        worker, wanted = WorkerForBuilder(slot, builder), BuildRequest(request, builder.name)
        answer = await ask(self.clock, "canStartBuild", allowed, builder, worker, wanted)
        try:
            return bool(answer)
        except USERS_ERRORS as error:
            raise failed("canStartBuild", allowed, error) from error

    async def builders(
        self, prioritize: Any, master: Any, builders: Sequence[PendingBuilder]
    ) -> list[str]:
        """The names of builders in the order that ``prioritizeBuilders`` gives."""
        name = "prioritizeBuilders"
        given = {id(builder): builder.name for builder in builders}
        ordered = await ask(self.clock, name, prioritize, master, list(builders))
        if not isinstance(ordered, Iterable):
            raise nonsense(name, prioritize, f"gave {shown(ordered)}, which is no list of builders")
        try:
            ordered = list(ordered)
        except USERS_ERRORS as error:
            raise failed(name, prioritize, error) from error
        for one in ordered:
            if id(one) not in given:
                problem = f"gave {shown(one)}, which is none of the builders it was given"
                raise nonsense(name, prioritize, problem)
        return [given[id(one)] for one in dict.fromkeys(ordered)]


async def rendered_locks(clock: IReactorTime, builder: Builder, request: Request) -> list[Any]:
    """The locks of a builder whose locks are placeholders, for one request.

    :raises CodeFailed: if they cannot be rendered, or are no locks.
    """
    locks = builder.config.locks
    rendered = await ask(clock, "locks", _render_locks, builder, request)
    if rendered is None:
        return []
    if not isinstance(rendered, list | tuple):
        raise nonsense("locks", locks, f"gave {shown(rendered)}, which is no list of locks")
    for lock in rendered:
        try:
            access_of(lock)
        except USERS_ERRORS as error:
            problem = f"gave {shown(lock)}, which is no lock"
            raise nonsense("locks", locks, problem) from error
    return list(rendered)


async def _render_locks(builder: Builder, request: Request) -> Any:
    properties = Properties.fromDict(request.buildset.properties)
    properties.sourcestamps = list(request.buildset.sourcestamps)
    properties.setProperty("buildername", builder.name, "Builder")
    properties.setProperty("builderid", builder.builderid, "Builder")
    if builder.config.properties:
        properties.update(builder.config.properties, "Builder")
    for name, value in (builder.config.defaultProperties or {}).items():
        if name not in properties:
            properties.setProperty(name, value, "Builder")
    return await render(builder.config.locks, properties)
