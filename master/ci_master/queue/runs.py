"""The builds that the queue has started, from the claim of the request to its result."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from ci_common.aio import USERS_ERRORS, spawn
from ci_common.results import CANCELLED, EXCEPTION, RETRY
from ci_master.builds.builder import Builder
from ci_master.data.model import Request
from ci_master.queue.matcher import Start
from ci_master.workers.slot import WorkerSlot

#: Runs a build; gives its result code, and does not raise.
StartBuild = Callable[[Builder, list[Request], WorkerSlot], Awaitable[int]]


class Runs:
    """Claims requests, runs their builds, and does what their results ask for.

    :param retry: called with a request whose build must be run again, before it is unclaimed.
    :param refused: called with a request that could not be claimed.
    :param ended: called when a build has ended and its seat is free.
    """

    log = Logger()

    def __init__(
        self,
        data: Any,
        start_build: StartBuild,
        *,
        retry: Callable[[Request], None],
        refused: Callable[[Request], None],
        ended: Callable[[Start], None],
    ) -> None:
        self._data = data
        self._start_build = start_build
        self._retry = retry
        self._refused = refused
        self._ended = ended
        #: request id -> its start
        self.active: dict[int, Start] = {}
        self._to_stop: dict[int, str] = {}
        self._when_idle: list[Deferred[None]] = []

    def launch(self, starts: Sequence[Start]) -> None:
        """Claim the requests together, and run their builds."""
        if starts:
            for start in starts:
                self.active[start.request.id] = start
            spawn(self._claim(list(starts)), self.log, "claiming requests")

    async def _claim(self, starts: list[Start]) -> None:
        try:
            claimed = await self._data.requests.claim([start.request.id for start in starts])
        except Exception:
            self.log.failure("requests could not be claimed")
            for start in starts:
                self._let_go(start)
            return
        if claimed:
            for start in starts:
                spawn(self._run(start), self.log, f"running a build of {start.builder.name}")
        elif len(starts) > 1:  # one of them is gone: find out which
            for start in starts:
                await self._claim([start])
        else:
            self._let_go(starts[0])

    def _let_go(self, start: Start) -> None:
        self.active.pop(start.request.id, None)
        self._to_stop.pop(start.request.id, None)
        self._refused(start.request)
        self._close(start)

    async def _run(self, start: Start) -> None:
        request, slot = start.request, start.seat.slot
        try:
            results = await self._start_build(start.builder, [request], slot)
        except USERS_ERRORS:
            self.log.failure("a build of {name} failed to run", name=start.builder.name)
            results = EXCEPTION
        wanted_stop = self._to_stop.pop(request.id, None)
        del self.active[request.id]
        if results == RETRY and wanted_stop is None:
            self._retry(request)
            self._data.requests.unclaim([request.id])
        else:
            results = CANCELLED if results == RETRY else results
            self._data.requests.complete([request.id], results)
        self._close(start)

    def _close(self, start: Start) -> None:
        start.seat.slot.give_back(start.seat)
        self._ended(start)
        if not self.active:
            waiting, self._when_idle = self._when_idle, []
            for idle in waiting:
                idle.callback(None)

    def when_idle(self) -> Deferred[None]:
        """Fires when no build is under way."""
        if not self.active:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._when_idle.append(idle)
        return idle

    # -- stopping builds

    def build_of(self, request_id: int) -> Any:
        """The build that runs for a request, None while it is being prepared."""
        start = self.active.get(request_id)
        if start is None:
            return None
        for build in start.seat.slot.running:
            if any(request.id == request_id for request in build.request_rows):
                return build
        return None

    def stop(self, request_id: int, reason: str) -> bool:
        """Stop the build of a claimed request, as soon as there is one.

        :returns: whether the request is being worked on at all.
        """
        if request_id not in self.active:
            return False
        build = self.build_of(request_id)
        if build is not None and getattr(build, "row", None) is not None:
            build.stop(reason)
        else:
            self._to_stop[request_id] = reason
        return True

    def build_began(self, request_id: int) -> None:
        """A build has its row now: stop it if somebody asked for that meanwhile."""
        reason = self._to_stop.get(request_id)
        build = self.build_of(request_id) if reason is not None else None
        if build is not None:
            build.stop(reason)
