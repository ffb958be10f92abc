"""A step's remote commands: running them, and stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_common.results import CANCELLED
from ci_master.builds.endings import note_ending
from ci_master.builds.errors import LOST
from ci_master.builds.remotecommand import RemoteCommand

if TYPE_CHECKING:
    from ci_master.builds.build import Build


class StepCommandsMixin:
    """The methods of a step that run and interrupt commands."""

    build: Build
    worker: Any
    #: the remote command that runs just now
    cmd: RemoteCommand | None = None
    stopped = False
    timed_out = False
    max_lines_reached = False
    _running = False
    #: how the last program ended that failed, or else the last one
    exit_code: int | None = None
    ending = ""
    _failed_command = False
    _lock_wait: Deferred[Any] | None = None

    if TYPE_CHECKING:

        def _complete_log(self, name: str, text: str | bytes, type: str) -> Deferred[None]:
            """See StepLogsMixin."""

    def interrupt(self, reason: str | Failure) -> Any:
        """Stop it: the remote command that runs is interrupted, later ones do not start.

        :param reason: for people; or a Failure, if the worker was lost.
        """
        if self.stopped:
            if self.cmd is not None and isinstance(reason, Failure):
                self.cmd.interrupt(reason)
            return succeed(None)
        self.stopped = True
        if not self._running:
            return succeed(None)
        text = reason.getErrorMessage() if isinstance(reason, Failure) else str(reason)
        if self._lock_wait is not None:
            self._complete_log("cancelled while waiting for locks", text, "t")
            self._lock_wait.cancel()
        else:
            self._complete_log("cancelled", text, "t")
        if self.cmd is not None:
            asked = self.cmd.interrupt(reason)
            if asked is not None:
                return asked
        return succeed(None)

    def runCommand(self, command: RemoteCommand) -> Deferred[Any]:
        """Run a command on the worker.

        :returns: fires with the command when it has ended; with CANCELLED, at once, if the step
            has been stopped; fails with ConnectionLost if the worker is gone.
        """
        if self.build.lost:
            return fail(ConnectionLost())
        if self.stopped:
            command.interrupted = True  # so that its result is CANCELLED, too
            return succeed(CANCELLED)
        return to_deferred(self._run_command(command))

    async def _run_command(self, command: RemoteCommand) -> RemoteCommand:
        self.cmd = command
        command.worker = self.worker
        try:
            await command.run(self, self.build.live_session(), self.build.builder.name)
        except LOST:
            self.build.note_lost()
            raise
        finally:
            self.cmd = None
        if command.remote_command == "shell":
            note_ending(self, command)
        reason = command.remote_failure_reason
        if reason is not None:
            if reason in ("timeout", "timeout_without_output"):
                self.timed_out = True
            elif reason == "max_lines_failure":
                self.max_lines_reached = True
        return command
