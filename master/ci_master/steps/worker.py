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

    :param file: path of the file, absolute or below the builder's directory on the worker.
    :type file: string or renderable
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

    :param src: the directory to copy, below the builder's directory on the worker.
    :type src: string or renderable
    :param dest: where the copy goes, below the builder's directory; it is made if needed.
    :type dest: string or renderable
    :param timeout: seconds without progress after which the copy is given up.
    :type timeout: number or None
    :param maxTime: seconds after which the copy is given up; None: never.
    :type maxTime: number or None
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

    :param dir: the directory, or directories, to remove; below the builder's directory on the
        worker.
    :type dir: string, list or renderable
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

    :param dir: the directory to make, below the builder's directory on the worker.
    :type dir: string or renderable
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
