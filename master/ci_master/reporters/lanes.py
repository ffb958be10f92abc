"""A bounded queue whose jobs are done in order within a lane, and side by side otherwise."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ci_common.aio import spawn

Work = Callable[[], Awaitable[Any]]


class Lanes:
    """Does jobs; those of the same lane one after the other, in the order they came.

    When it is full it drops new jobs, and says so: once when that begins, and how many they
    were when there is room again.

    :param name: whose it is, for the log.
    :param most: how many jobs may wait.
    :param at_once: how many are done side by side.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, name: str, *, most: int = 1000, at_once: int = 8
    ) -> None:
        self._clock = clock
        self._name = name
        self._most = most
        self._at_once = at_once
        self._jobs: dict[Hashable, deque[Work]] = {}
        self._ready: deque[Hashable] = deque()
        self._running: dict[Hashable, Deferred[Any]] = {}
        self._pumping = False
        self._idle: list[Deferred[None]] = []
        self.waiting = 0
        self.dropped = 0

    def put(self, lane: Hashable, work: Work) -> bool:
        """Have a job done; gives whether there was room for it."""
        if self.waiting >= self._most:
            if not self.dropped:
                self.log.warn(
                    "{name} has {waiting} events waiting already: new ones are dropped",
                    name=self._name,
                    waiting=self.waiting,
                )
            self.dropped += 1
            return False
        self._jobs.setdefault(lane, deque()).append(work)
        self.waiting += 1
        if len(self._jobs[lane]) == 1 and lane not in self._running:
            self._ready.append(lane)
        self._pump()
        return True

    def close(self, grace_s: float) -> Deferred[None]:
        """Forget what waits; fires when what is under way has ended, cut off after a time."""
        if self.waiting:
            self.log.warn(
                "{name} stops with {waiting} events not reported",
                name=self._name,
                waiting=self.waiting,
            )
        self._jobs.clear()
        self._ready.clear()
        self.waiting = 0
        if not self._running:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._idle.append(ended)
        timer = self._clock.callLater(grace_s, self._cut_off)

        def done(result: None) -> None:
            if timer.active():
                timer.cancel()

        return ended.addCallback(done)

    def _cut_off(self) -> None:
        for job in list(self._running.values()):
            job.cancel()

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._ready and len(self._running) < self._at_once:
                self._start(self._ready.popleft())
        finally:
            self._pumping = False

    def _start(self, lane: Hashable) -> None:
        jobs = self._jobs[lane]
        work = jobs.popleft()
        if not jobs:
            del self._jobs[lane]
        self.waiting -= 1
        if self.dropped and self.waiting <= self._most // 2:
            self.log.warn("{name} dropped {count} events", name=self._name, count=self.dropped)
            self.dropped = 0
        job = spawn(_begin(work), self.log, f"doing the work of {self._name}")
        self._running[lane] = job
        job.addBoth(lambda _: self._ended(lane))

    def _ended(self, lane: Hashable) -> None:
        del self._running[lane]
        if lane in self._jobs:
            self._ready.append(lane)
        self._pump()
        if not self._running:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)


async def _begin(work: Work) -> Any:
    return await work()
