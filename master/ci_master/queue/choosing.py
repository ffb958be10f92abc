"""Which request, and which worker: the rules, and what users' code has to say about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, succeed

from ci_common.aio import call_override
from ci_master.builds.builder import Builder
from ci_master.builds.buildrequest import BuildRequest
from ci_master.builds.properties import Properties
from ci_master.builds.rendering import render
from ci_master.builds.workerview import WorkerView
from ci_master.data.model import Request
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
        latest = self.builder.row.summary.latest
        at = latest["complete_at"] if latest else None
        return succeed(None if at is None else datetime.fromtimestamp(at, UTC))


@dataclass
class Choice:
    """The functions of one configuration that choose."""

    select_next_worker: Any = None

    async def request(self, builder: Builder, requests: Sequence[Request]) -> Request | None:
        """The request that is to go first; None if none may go now."""
        chooser = builder.config.nextBuild
        if chooser is None or not requests:
            return requests[0] if requests else None
        seen = [BuildRequest(request, builder.name) for request in requests]
        chosen = await call_override(chooser, builder, seen)
        if chosen is None:
            return None
        row = getattr(chosen, "row", None)
        if row not in requests:
            raise ValueError(f"nextBuild of '{builder.name}' gave {chosen!r}, which does not wait")
        return row

    def has_a_say(self, builder: Builder) -> bool:
        """Whether the author's code chooses among the workers of a builder."""
        return bool(builder.config.nextWorker or self.select_next_worker)

    async def worker(
        self, builder: Builder, slots: Sequence[WorkerSlot], request: Request
    ) -> WorkerSlot | None:
        """The worker that the author's code chooses; None if none is good enough now."""
        chooser = builder.config.nextWorker or self.select_next_worker
        offered = [WorkerForBuilder(slot, builder) for slot in slots]
        chosen = await call_override(chooser, builder, offered, BuildRequest(request, builder.name))
        if chosen is None:
            return None
        slot = getattr(chosen, "slot", None)
        if slot not in slots:
            raise ValueError(f"nextWorker of '{builder.name}' gave {chosen!r}, which is not free")
        return slot

    async def may_start(self, builder: Builder, slot: WorkerSlot, request: Request) -> bool:
        """What ``canStartBuild`` says."""
        allowed = builder.config.canStartBuild
        if allowed is None:
            return True
        worker = WorkerForBuilder(slot, builder)
        return bool(
            await call_override(allowed, builder, worker, BuildRequest(request, builder.name))
        )


async def rendered_locks(builder: Builder, request: Request) -> list[Any]:
    """The locks of a builder whose locks are placeholders, for one request."""
    properties = Properties.fromDict(request.buildset.properties)
    properties.sourcestamps = list(request.buildset.sourcestamps)
    properties.setProperty("buildername", builder.name, "Builder")
    properties.setProperty("builderid", builder.builderid, "Builder")
    if builder.config.properties:
        properties.update(builder.config.properties, "Builder")
    for name, value in (builder.config.defaultProperties or {}).items():
        if name not in properties:
            properties.setProperty(name, value, "Builder")
    return list(await render(builder.config.locks, properties) or ())
