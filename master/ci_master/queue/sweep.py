"""Find again what an event should have told."""

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ci_common.aio import spawn


class Sweep(Service):
    """Find work that nobody owns, one pass at a time.

    A pass starts from what is stored (:mod:`ci_master.queue.recovery`). So it may run at any
    moment, or twice, with the same outcome, and an event that got lost costs ``interval_s`` at
    most.
    """

    log = Logger()

    def __init__(
        self, clock: IReactorTime, run_pass: Callable[[], Awaitable[None]], *, interval_s: float
    ) -> None:
        self._run_pass = run_pass
        self._interval_s = interval_s
        self._wanted = False
        self._one_pass = DeferredLock()
        self._ticker = LoopingCall(self.wake)
        self._ticker.clock = clock

    def startService(self) -> None:
        """Begin with a pass."""
        super().startService()
        self._ticker.start(self._interval_s)  # its first tick is now

    def stopService(self) -> Deferred[None]:
        """Fires when the pass under way is done."""
        super().stopService()
        if self._ticker.running:
            self._ticker.stop()
        return self._one_pass.run(lambda: None)

    def wake(self) -> None:
        """Ask for a pass. Calls made during a pass are merged into one more."""
        self._wanted = True
        if self.running and not self._one_pass.locked:
            spawn(self._drain(), self.log, "looking for work nobody owns")

    async def _drain(self) -> None:
        async with self._one_pass:
            while self._wanted and self.running:
                self._wanted = False
                await self._run_pass()
