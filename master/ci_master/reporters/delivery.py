"""Events on their way: told in order where they belong together, and again where that failed."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_master.events.bus import Key


@dataclass(slots=True, eq=False)
class Item:
    """An event that is to be told.

    :ivar id: its id in the outbox; None if it is not stored.
    :ivar at: when it happened, in unix seconds.
    :ivar group: events of one group are told in the order in which they came.
    :ivar tries: how often telling it has failed.
    """

    id: int | None
    key: Key
    message: Mapping[str, Any]
    at: float
    group: Hashable
    tries: int = 0


#: Tells of an event. Gives None when it is done with it, be it without success; or the seconds
#: after which it is to be tried again. Raises CancelledError if it was cut off.
Attempt = Callable[[Item], Awaitable[float | None]]


class Delivery:
    """Has events told; those of a group one after the other, and some groups side by side.

    :param attempt: tells of one event.
    :param done: called with each event that need not be told any more.
    :param most: how many events it holds.
    :param at_once: how many are told side by side.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        attempt: Attempt,
        done: Callable[[Item], None],
        *,
        most: int = 1000,
        at_once: int = 8,
    ) -> None:
        self._clock = clock
        self._attempt = attempt
        self._done = done
        self.most = most
        self._at_once = at_once
        self._groups: dict[Hashable, deque[Item]] = {}
        self._ready: deque[Hashable] = deque()
        self._running: dict[Hashable, Deferred[Any]] = {}
        self._resting: dict[Hashable, IDelayedCall] = {}
        self._pumping = False
        self._closed = False
        self._idle: list[Deferred[None]] = []
        #: How many events it holds, those under way among them.
        self.held = 0

    @property
    def room(self) -> int:
        """How many more events it takes."""
        return max(0, self.most - self.held)

    def put(self, item: Item) -> bool:
        """Have an event told; gives whether there was room for it."""
        if self._closed or not self.room:
            return False
        group = self._groups.setdefault(item.group, deque())
        group.append(item)
        self.held += 1
        if len(group) == 1:
            self._ready.append(item.group)
            self._pump()
        return True

    def close(self, grace_s: float) -> Deferred[None]:
        """Begin nothing more; fires when what is under way has ended, cut off after a time."""
        self._closed = True
        self._ready.clear()
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()
        if not self._running:
            return succeed(None)
        ended: Deferred[None] = Deferred()
        self._idle.append(ended)
        timer = self._clock.callLater(grace_s, self._cut_off)

        def stop_timer(result: None) -> None:
            if timer.active():
                timer.cancel()

        return ended.addCallback(stop_timer)

    def _cut_off(self) -> None:
        for job in list(self._running.values()):
            job.cancel()

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._ready and len(self._running) < self._at_once:
                self._begin(self._ready.popleft())
        finally:
            self._pumping = False

    def _begin(self, group: Hashable) -> None:
        item = self._groups[group][0]
        job = spawn(self._tell(item), self.log, "telling of an event")
        self._running[group] = job
        job.addBoth(lambda _: self._ended(group))

    async def _tell(self, item: Item) -> None:
        try:
            wait_s = await self._attempt(item)
        except CancelledError:
            return  # it was cut off, and is still to be told
        if wait_s is None:
            waiting = self._groups[item.group]
            waiting.popleft()
            if not waiting:
                del self._groups[item.group]
            self.held -= 1
            self._done(item)
        elif not self._closed:
            self._resting[item.group] = self._clock.callLater(wait_s, self._rested, item.group)

    def _rested(self, group: Hashable) -> None:
        del self._resting[group]
        self._ready.append(group)
        self._pump()

    def _ended(self, group: Hashable) -> None:
        del self._running[group]
        if group in self._groups and group not in self._resting and not self._closed:
            self._ready.append(group)
        self._pump()
        if not self._running:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)
