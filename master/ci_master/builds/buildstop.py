"""Ending a build early: because somebody wants it, or because its worker is gone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import call_override, spawn
from ci_common.results import CANCELLED
from ci_master.builds.course import Course

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep

T = TypeVar("T")


class BuildStop:
    """The part of a build that others use to end it. See :class:`ci_master.builds.build.Build`.

    :ivar stopped: somebody stopped it. ``lost``: its worker is gone.
    :ivar terminate: only steps that always run may follow.
    :ivar abandoned: the worker may still run a command of it, so that no step may follow.
    """

    logger = Logger()

    currentStep: BuildStep | None = None
    session: Any
    slot: Any
    builder: Any
    request_rows: list[Any]
    services: Any
    text: list[str]
    _courses: dict[Course[Any], None]
    finished = False
    stopped = False
    lost = False
    terminate = False
    abandoned = False
    _stop_reason: str = ""
    _stop_results = CANCELLED

    if TYPE_CHECKING:

        def stop_waiting(self) -> None:
            """See BuildLocks."""

    def stop(self, reason: str, results: int = CANCELLED) -> None:
        """End it early: what runs is interrupted, only ``alwaysRun`` steps follow."""
        if self.finished:
            return
        if self.stopped:  # what runs now runs always, and is to end as well
            self._interrupt(str(reason))
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
        else:
            self._cut_soon()

    def note_lost(self, text: str = "lost connection") -> bool:
        """A command found its worker gone: nothing more is begun. False if that is known."""
        if self.finished or self.lost:
            return False
        self.lost = True
        self.terminate = True
        self.text.append(text)
        self._cut_soon()
        return True

    def leave_behind(self, over: Deferred[None]) -> None:
        """A command was given up that the worker may still run: nothing more is begun there.

        :param over: fires when it has ended, or the worker is lost; until then the place on the
            worker is not free.
        """
        self.abandoned = True
        self.slot.leave_behind(self.builder.name, over, self.request_rows)

    def _interrupt(self, why: str | Failure) -> None:
        self.stop_waiting()
        step = self.currentStep
        if step is None:
            for course in list(self._courses):
                course.cut()  # nothing of it runs on the worker yet
            return
        spawn(call_override(step.interrupt, why), self.logger, f"interrupting step {step.name}")
        self._cut_soon()

    # -- what cannot be interrupted

    async def cuttable(self, work: Awaitable[T], *, soon: bool = False) -> T:
        """Wait for a part of the build, which a stop or the loss of the worker cuts short.

        :param soon: a stop has come already.
        :raises CancelledError: if it was cut short and did not end by that.
        """
        course = Course(work, self.services.clock)
        if course.outcome.called:
            return await course.outcome
        self._courses[course] = None
        if soon:
            course.cut_soon()
        try:
            return await course.outcome
        finally:
            del self._courses[course]

    def _cut_soon(self) -> None:
        for course in self._courses:
            course.cut_soon()

    def live_session(self) -> Any:
        """The connection to the worker.

        :raises ConnectionLost: if it was lost since the build began.
        """
        if self.lost or self.session is None:
            raise ConnectionLost()
        return self.session
