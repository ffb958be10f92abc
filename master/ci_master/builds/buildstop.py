"""Ending a build early: because somebody wants it, or because its worker is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import call_override, spawn
from ci_common.results import CANCELLED

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep


class BuildStop:
    """The part of a build that others use to end it. See :class:`ci_master.builds.build.Build`.

    :ivar stopped: somebody stopped it. ``lost``: its worker is gone.
    :ivar terminate: only steps that always run may follow.
    """

    logger = Logger()

    currentStep: BuildStep | None = None
    session: Any
    text: list[str]
    finished = False
    stopped = False
    lost = False
    terminate = False
    _stop_reason: str = ""
    _stop_results = CANCELLED

    if TYPE_CHECKING:

        def stop_waiting(self) -> None:
            """See BuildLocks."""

    def stop(self, reason: str, results: int = CANCELLED) -> None:
        """End it early: what runs is interrupted, only ``alwaysRun`` steps follow."""
        if self.finished or self.stopped:
            return
        self.stopped = True
        self._stop_reason = str(reason)
        self._stop_results = results
        self._interrupt(self._stop_reason)

    def stopBuild(
        self, reason: str = "<no reason given>", results: int = CANCELLED
    ) -> Deferred[None]:
        """The same as ``stop``, for users' code."""
        self.stop(reason, results)
        return succeed(None)

    def lose_worker(self, text: str = "lost connection") -> None:
        """The worker is gone: the build ends now, and its result is RETRY."""
        if self.note_lost(text):
            self._interrupt(Failure(ConnectionLost()))

    def note_lost(self, text: str = "lost connection") -> bool:
        """A command found its worker gone: nothing more is begun. False if that is known."""
        if self.finished or self.lost:
            return False
        self.lost = True
        self.terminate = True
        self.text.append(text)
        return True

    def _interrupt(self, why: str | Failure) -> None:
        self.stop_waiting()
        step = self.currentStep
        if step is not None:
            spawn(call_override(step.interrupt, why), self.logger, f"interrupting step {step.name}")

    def live_session(self) -> Any:
        """The connection to the worker.

        :raises ConnectionLost: if it was lost since the build began.
        """
        if self.lost or self.session is None:
            raise ConnectionLost()
        return self.session
