"""Several remote commands in one step, all writing to one log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from ci_common.aio import to_deferred
from ci_master.builds.commandmixin import did_not_fail, found_files
from ci_master.builds.errors import BuildStepCancelled, BuildStepFailed
from ci_master.builds.log import Log
from ci_master.builds.remotecommand import RemoteCommand
from ci_master.builds.remotetransfer import StringFileReader, StringFileWriter

#: bytes that go over the wire at once
BLOCK_BYTES = 32 * 1024


def did_fail(command: RemoteCommand) -> bool:
    """Whether a command failed: True for a failure, which is what these methods give."""
    return command.didFail()


class CompositeStepMixin:
    """Methods for steps made of several commands. Mix it into a BuildStep.

    The step has the attributes ``workdir`` and ``logEnviron``, and calls
    ``addLogForRemoteCommands`` before all else.

    ``runRemoteCommand``, ``runRmdir``, ``runRmFile`` and ``runMkdir`` give **False for success
    and True for failure**, as they do in Buildbot. (The methods of the same names of
    CommandMixin give the opposite, there and here.)
    """

    if TYPE_CHECKING:  # what it is mixed into has these

        def runCommand(self, command: RemoteCommand) -> Deferred[Any]:
            """See BuildStep."""

        def open_log(self, name: str) -> Log:
            """See BuildStep."""

    workdir: Any
    logEnviron: Any = False
    rc_log: Log | None = None

    def addLogForRemoteCommands(self, logname: str) -> Deferred[Any]:
        """Choose the log that all the commands write to; made if none of that name is open."""
        self.rc_log = self.open_log(logname)
        return succeed(self.rc_log)

    def runRemoteCommand(
        self,
        cmd: str,
        args: dict[str, Any],
        abandonOnFailure: bool = True,
        evaluateCommand: Callable[[RemoteCommand], Any] = did_fail,
    ) -> Deferred[Any]:
        """Run a command; gives what ``evaluateCommand(command)`` makes of it: True if it failed.

        :param abandonOnFailure: raise BuildStepFailed if it failed.
        """
        return to_deferred(self._run_remote_command(cmd, args, abandonOnFailure, evaluateCommand))

    async def _run_remote_command(
        self, name: str, args: dict[str, Any], abandon: bool, evaluate: Callable[[Any], Any]
    ) -> Any:
        command = RemoteCommand(name, args)
        await self._ran(command)
        if abandon and command.didFail():
            raise BuildStepFailed
        return evaluate(command)

    async def _ran(self, command: RemoteCommand) -> None:
        if self.rc_log is not None:
            command.useLog(self.rc_log, False, "stdio")
        ran = await self.runCommand(command)
        if ran is not command or command.interrupted:  # what it found is not to be trusted
            raise BuildStepCancelled

    def runRmdir(self, dir: str, timeout: float | None = None, **kwargs: Any) -> Deferred[Any]:
        """Remove a directory with all that is in it; True if that failed."""
        args = {"dir": dir, "logEnviron": self.logEnviron}
        if timeout:
            args["timeout"] = timeout
        return self.runRemoteCommand("rmdir", args, **kwargs)

    def runRmFile(self, path: str, timeout: float | None = None, **kwargs: Any) -> Deferred[Any]:
        """Remove a file; True if that failed."""
        args = {"path": path, "logEnviron": self.logEnviron}
        if timeout:
            args["timeout"] = timeout
        return self.runRemoteCommand("rmfile", args, **kwargs)

    def pathExists(self, path: str) -> Deferred[bool]:
        """Whether there is a file or directory."""
        return self.runRemoteCommand(
            "stat",
            {"file": path, "logEnviron": self.logEnviron},
            abandonOnFailure=False,
            evaluateCommand=did_not_fail,
        )

    def runMkdir(self, _dir: str, **kwargs: Any) -> Deferred[Any]:
        """Make a directory, and those above it; True if that failed."""
        args = {"dir": _dir, "logEnviron": self.logEnviron}
        return self.runRemoteCommand("mkdir", args, **kwargs)

    def runGlob(self, path: str, **kwargs: Any) -> Deferred[list[str]]:
        """The files that match a pattern; ``**`` stands for any directories."""
        return self.runRemoteCommand(
            "glob",
            {"path": path, "logEnviron": self.logEnviron},
            evaluateCommand=found_files,
            **kwargs,
        )

    def getFileContentFromWorker(
        self, filename: str, abandonOnFailure: bool = False
    ) -> Deferred[str | None]:
        """The text of a file on the worker; None if it could not be read."""
        return to_deferred(self._file_content(filename, abandonOnFailure))

    async def _file_content(self, filename: str, abandon: bool) -> str | None:
        writer = StringFileWriter()
        args = {
            "workdir": self.workdir,
            "writer": writer,
            "maxsize": None,
            "blocksize": BLOCK_BYTES,
            "workersrc": filename,
        }
        command = RemoteCommand("uploadFile", args)
        await self._ran(command)
        if command.didFail():
            if abandon:
                raise BuildStepFailed
            return None
        return writer.buffer.decode("utf-8", "replace")

    def downloadFileContentToWorker(
        self,
        workerdest: str,
        strfile: str | bytes,
        abandonOnFailure: bool = False,
        mode: int | None = None,
        workdir: str | None = None,
    ) -> Deferred[Any]:
        """Write a text to a file on the worker; gives what was read from, or None for a failure.

        :param mode: of the file, as for ``chmod``.
        """
        reader = StringFileReader(strfile)
        args = {
            "workdir": self.workdir if workdir is None else workdir,
            "reader": reader,
            "mode": mode,
            "maxsize": None,
            "blocksize": BLOCK_BYTES,
            "workerdest": workerdest,
        }

        def reader_if_done(command: RemoteCommand) -> StringFileReader | None:
            return None if command.didFail() else reader

        return self.runRemoteCommand("downloadFile", args, abandonOnFailure, reader_if_done)
