"""Single file operations on the worker, for steps that are not about a program."""

from __future__ import annotations

from collections.abc import Callable
from stat import ST_MODE
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred
from ci_common.numbers import MOST_32
from ci_master.builds.errors import BuildStepCancelled, BuildStepFailed
from ci_master.builds.log import Log
from ci_master.builds.remotecommand import RemoteCommand


def did_not_fail(command: RemoteCommand) -> bool:
    """Whether a command succeeded."""
    return not command.didFail()


def found_files(command: RemoteCommand) -> list[str]:
    """What a ``glob`` found; nothing if it failed, or told something else than names."""
    listed = (command.updates.get("files") or [None])[-1]
    if command.rc != 0 or not isinstance(listed, list | tuple):
        return []
    return [name for name in listed if isinstance(name, str)]


def mode_of(command: RemoteCommand) -> int:
    """Kind and permissions of the file that a ``stat`` was about; 0 if none was told."""
    told = (command.updates.get("stat") or [None])[-1]
    mode = told[ST_MODE] if isinstance(told, list | tuple) and told else None
    return mode if isinstance(mode, int) and 0 <= mode <= MOST_32 else 0


class CommandMixin:
    """Methods for steps that touch files. Mix it into a BuildStep.

    ``abandonOnFailure``: raise BuildStepFailed if the worker could not do it. What the commands
    say goes to the step's log ``stdio``.
    """

    if TYPE_CHECKING:  # what it is mixed into has these

        def runCommand(self, command: RemoteCommand) -> Deferred[Any]:
            """See BuildStep."""

        def open_log(self, name: str) -> Log:
            """See BuildStep."""

    async def _run_remote(
        self,
        name: str,
        args: dict[str, Any],
        abandon: bool,
        evaluate: Callable[[RemoteCommand], Any] = did_not_fail,
    ) -> Any:
        command = RemoteCommand(name, {**args, "logEnviron": False})
        command.useLog(self.open_log("stdio"), False, "stdio")
        ran = await self.runCommand(command)
        if ran is not command or command.interrupted:  # what it found is not to be trusted
            raise BuildStepCancelled
        if abandon and command.didFail():
            raise BuildStepFailed
        return evaluate(command)

    def runRmdir(self, dir: str, log: Any = None, abandonOnFailure: bool = True) -> Deferred[bool]:
        """Remove a directory with all that is in it; True if it is gone."""
        return to_deferred(self._run_remote("rmdir", {"dir": dir}, abandonOnFailure))

    def runMkdir(self, dir: str, log: Any = None, abandonOnFailure: bool = True) -> Deferred[bool]:
        """Make a directory, and those above it; True if it is there."""
        return to_deferred(self._run_remote("mkdir", {"dir": dir}, abandonOnFailure))

    def pathExists(self, path: str, log: Any = None) -> Deferred[bool]:
        """Whether there is a file or directory."""
        return to_deferred(self._run_remote("stat", {"file": path}, False))

    def runGlob(self, path: str) -> Deferred[list[str]]:
        """The files that match a pattern; ``**`` stands for any directories."""
        return to_deferred(self._run_remote("glob", {"path": path}, False, found_files))
