"""The bases of change sources."""

import random
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ci_common.aio import call_override, spawn
from ci_master.changes.intake import add_change
from ci_master.data.faults import configFault
from ci_master.data.service import ClusteredBuildbotService

__all__ = ["ChangeSource", "PollingChangeSource", "ReconfigurablePollingChangeSource"]


class ChangeSource(ClusteredBuildbotService):
    """Something that notices changes. It is active on one master at a time."""

    log = Logger()

    def describe(self) -> str:
        """One line for people."""
        return f"{type(self).__name__} {self.name}"

    async def add_change(self, **fields: Any) -> int:
        """Store a change and announce it; see :func:`ci_master.changes.intake.add_change`."""
        return await add_change(self.site.data, **fields)


class ReconfigurablePollingChangeSource(ChangeSource):
    """Looks for changes at intervals: subclasses override :meth:`poll`.

    Two polls never overlap. A poll that fails is logged, and the next one comes at its time.

    :param pollInterval: seconds from the start of one poll to the start of the next; 0 polls
        only when somebody forces it.
    :type pollInterval: number
    :param pollAtLaunch: poll as soon as the master starts, too.
    :param pollRandomDelayMin: least number of seconds by which each poll is delayed at random.
    :type pollRandomDelayMin: number
    :param pollRandomDelayMax: largest number of seconds by which each poll is delayed at
        random, so that many pollers do not poll together.
    :type pollRandomDelayMax: number
    """

    pollInterval: float = 600
    pollAtLaunch = False
    pollRandomDelayMin: float = 0
    pollRandomDelayMax: float = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._timer: IDelayedCall | None = None
        self._one_poll = DeferredLock()
        self._poll_started_at: float | None = None
        super().__init__(*args, **kwargs)

    def checkConfig(
        self,
        name: str | None = None,
        pollInterval: float = 600,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> Any:
        """Check the intervals."""
        for label, value in (
            ("pollInterval", pollInterval),
            ("pollRandomDelayMin", pollRandomDelayMin),
            ("pollRandomDelayMax", pollRandomDelayMax),
        ):
            wrong = isinstance(value, bool) or not isinstance(value, int | float) or value < 0
            if wrong:
                configFault(
                    f"{type(self).__name__}: {label} is {value!r}, but must be a number of "
                    f"seconds, at least 0"
                )
                return
        if pollRandomDelayMin > pollRandomDelayMax:
            configFault(
                f"{type(self).__name__}: pollRandomDelayMin ({pollRandomDelayMin}) is above "
                f"pollRandomDelayMax ({pollRandomDelayMax})"
            )
        if pollInterval and pollRandomDelayMax >= pollInterval:
            configFault(
                f"{type(self).__name__}: pollRandomDelayMax ({pollRandomDelayMax}) must be below "
                f"pollInterval ({pollInterval})"
            )

    async def reconfigService(
        self,
        name: str | None = None,
        pollInterval: float = 600,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> None:
        """Take over the intervals; a running source keeps counting from its last poll."""
        self.pollInterval = pollInterval
        self.pollAtLaunch = pollAtLaunch
        self.pollRandomDelayMin = pollRandomDelayMin
        self.pollRandomDelayMax = pollRandomDelayMax
        if self.isActive():
            self._schedule_next()

    def activate(self) -> Any:
        """Begin to poll."""
        self._poll_started_at = None
        if self.pollAtLaunch:
            self._schedule(0)
        else:
            self._schedule_next()

    def deactivate(self) -> Any:
        """Poll no more; wait for the poll under way."""
        self._cancel_timer()
        return self._one_poll.run(lambda: None)

    def poll(self) -> Any:
        """Look for changes and add them. May be a coroutine, a generator or give a Deferred."""

    def force(self) -> Deferred[None]:
        """Poll now, or directly after the poll under way.

        :returns: fires when the poll is over; a failure is logged and does not come through.
        """
        self._cancel_timer()
        return spawn(self._poll(), self.log, f"polling for changes: {self.name}")

    doPoll = force

    async def _poll(self) -> None:
        async with self._one_poll:
            self._poll_started_at = self.site.clock.seconds()
            try:
                await call_override(self.poll)
            except Exception:
                self.log.failure("{source} failed to poll for changes", source=self.describe())
            finally:
                if self.isActive():
                    self._schedule_next()

    def _schedule_next(self) -> None:
        self._cancel_timer()
        if not self.pollInterval or (self._one_poll.locked and self._one_poll.waiting):
            return
        now = self.site.clock.seconds()
        since = now if self._poll_started_at is None else self._poll_started_at
        self._schedule(max(0.0, since + self.pollInterval - now))

    def _schedule(self, wait_s: float) -> None:
        self._cancel_timer()
        spread = random.uniform(self.pollRandomDelayMin, self.pollRandomDelayMax)
        self._timer = self.site.clock.callLater(wait_s + spread, self._due)

    def _due(self) -> None:
        self._timer = None
        self.force()

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class PollingChangeSource(ReconfigurablePollingChangeSource):
    """The older form: arguments are stored by the subclass's own ``__init__``."""

    def __init__(
        self,
        name: str | None = None,
        pollInterval: float = 600,
        pollAtLaunch: bool = False,
        pollRandomDelayMin: float = 0,
        pollRandomDelayMax: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            pollInterval=pollInterval,
            pollAtLaunch=pollAtLaunch,
            pollRandomDelayMin=pollRandomDelayMin,
            pollRandomDelayMax=pollRandomDelayMax,
            **kwargs,
        )
