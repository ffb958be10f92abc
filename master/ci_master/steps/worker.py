"""Steps for files and directories on the worker."""

import stat
from typing import Any

from ci_common.results import FAILURE
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.commandmixin import mode_of
from ci_master.builds.remotecommand import RemoteCommand

__all__ = ["CopyDirectory", "FileExists", "MakeDirectory", "RemoveDirectory", "WorkerBuildStep"]


class WorkerBuildStep(BuildStep):
    """Base of steps that consist of one command of the worker."""

    async def _run_remote(self, name: str, args: dict[str, Any]) -> RemoteCommand:
        """Run a command of the worker; what it says goes to the log ``stdio``."""
        command = RemoteCommand(name, args)
        command.useLog(await self.addLog("stdio"), True)
        await self.runCommand(command)
        return command


class FileExists(WorkerBuildStep):
    """Fail unless a path is a regular file.

    :param file: relative to the builder's directory on the worker, or absolute.
    """

    name = "FileExists"
    renderables = ("file",)
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, file: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = file

    async def run(self) -> int:
        """Look for it."""
        self.checkWorkerHasCommand("stat")
        command = RemoteCommand("stat", {"file": self.file})
        await self.runCommand(command)
        if command.didFail():
            self.descriptionDone = ["File not found."]
            return FAILURE
        if stat.S_ISREG(mode_of(command)):
            self.descriptionDone = ["File found."]
            return int(command.results())
        self.descriptionDone = ["Not a file."]
        return FAILURE


class CopyDirectory(WorkerBuildStep):
    """Copy a directory with all that is in it.

    :param src: relative to the builder's directory on the worker.
    :param dest: likewise; made if it is not there.
    :param timeout: seconds without progress until it is given up.
    :param maxTime: seconds that it may take altogether.
    """

    name = "CopyDirectory"
    description = ["Copying"]
    descriptionDone = ["Copied"]
    renderables = ("dest", "src")
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(
        self, src: Any, dest: Any, timeout: float | None = 120, maxTime: float | None = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.src = src
        self.dest = dest
        self.timeout = timeout
        self.maxTime = maxTime

    async def run(self) -> int:
        """Copy it."""
        self.checkWorkerHasCommand("cpdir")
        args = {"fromdir": self.src, "todir": self.dest, "timeout": self.timeout}
        if self.maxTime:
            args["maxTime"] = self.maxTime
        command = await self._run_remote("cpdir", args)
        if command.didFail():
            self.descriptionDone = ["Copying", self.src, "to", self.dest, "failed."]
            return FAILURE
        self.descriptionDone = ["Copied", self.src, "to", self.dest]
        return int(command.results())


class RemoveDirectory(WorkerBuildStep):
    """Remove a directory, or several.

    :param dir: relative to the builder's directory on the worker; a list names several.
    """

    name = "RemoveDirectory"
    description = ["Deleting"]
    descriptionDone = ["Deleted"]
    renderables = ("dir",)
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, dir: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dir = dir

    async def run(self) -> int:
        """Remove it."""
        self.checkWorkerHasCommand("rmdir")
        command = await self._run_remote("rmdir", {"dir": self.dir})
        if command.didFail():
            self.descriptionDone = ["Delete failed."]
            return FAILURE
        return int(command.results())


class MakeDirectory(WorkerBuildStep):
    """Make a directory, and those above it.

    :param dir: relative to the builder's directory on the worker.
    """

    name = "MakeDirectory"
    description = ["Creating"]
    descriptionDone = ["Created"]
    renderables = ("dir",)
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, dir: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dir = dir

    async def run(self) -> int:
        """Make it."""
        self.checkWorkerHasCommand("mkdir")
        command = await self._run_remote("mkdir", {"dir": self.dir})
        if command.didFail():
            self.descriptionDone = ["Create failed."]
            return FAILURE
        return int(command.results())
