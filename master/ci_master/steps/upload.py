"""Steps that copy files from the worker to the master."""

import os
import stat
from typing import Any

from ci_common.aio import call_override
from ci_common.filenames import shown, why_unusable
from ci_common.results import CANCELLED, FAILURE, SKIPPED, SUCCESS, worst_status
from ci_master.builds.buildstep import BuildStepFailed
from ci_master.builds.commandmixin import found_files, mode_of
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.faults import configFault
from ci_master.builds.remotecommand import RemoteCommand
from ci_master.builds.remotetransfer import DirectoryWriter, FileWriter
from ci_master.steps.transferbase import TransferStep

__all__ = ["DirectoryUpload", "FileUpload", "MultipleFileUpload"]


class _UploadStep(TransferStep):
    """What uploads have in common."""

    name = "upload"
    url: Any
    urlText: Any
    #: as written in the configuration
    masterdest_given: Any

    async def destination_of(self, path: str) -> str:
        """Where it goes on the master.

        Properties, which may come from anybody who can push a branch, do not lead upwards: where
        ``masterdest`` has placeholders, ``..`` has to be written beside them.
        """
        text = getattr(self.masterdest_given, "fmtstring", path)
        upwards = ".." in path.replace("\\", "/").split("/")
        if "\0" in path or (upwards and ".." not in text.replace("\\", "/").split("/")):
            self.descriptionDone = [f"the properties make {path[:200]!r} of 'masterdest'"]
            raise BuildStepFailed
        return self.on_master(path)

    async def _show_url(self, destination: str) -> None:
        if self.url is not None:
            text = self.urlText if self.urlText is not None else os.path.basename(destination)
            await self.addURL(text, self.url)


class FileUpload(_UploadStep):
    """Copy a file from the worker to the master.

    The file appears when all of it has come. Whatever fails, the one of before stays.

    :param workersrc: path of the file on the worker, below the step's ``workdir``.
    :type workersrc: string or renderable
    :param masterdest: path of the file on the master, below the master's directory; directories
        are made.
    :type masterdest: string or renderable
    :param maxsize: largest size in bytes; a longer file fails the step. None: any size.
    :param blocksize: bytes that are sent at once.
    :param mode: permissions of the new file, such as ``0o644``; None: those that the umask
        gives.
    :param keepstamp: give the new file the times of access and modification of the old one.
    :param url: address of a link that is shown on the step.
    :type url: string, renderable or None
    :param urlText: text of that link; None: the name of the file.
    :type urlText: string, renderable or None
    """

    renderables = ("masterdest", "url", "urlText", "workersrc")

    def __init__(
        self,
        workersrc: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 256 * 1024,
        mode: int | None = None,
        keepstamp: bool = False,
        url: Any = None,
        urlText: Any = None,
        **kwargs: Any,
    ) -> None:
        if workersrc is None or masterdest is None:
            configFault("FileUpload needs 'workersrc' and 'masterdest'")
        self.check_mode(mode)
        super().__init__(workdir=workdir, **kwargs)
        self.workersrc = workersrc
        self.masterdest = self.masterdest_given = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode
        self.keepstamp = keepstamp
        self.url = url
        self.urlText = urlText

    async def run(self) -> int:
        """Copy it."""
        self.checkWorkerHasCommand("uploadFile")
        destination = await self.destination_of(self.masterdest)
        self.tell_what("uploading", "uploaded", os.path.basename(self.workersrc))
        await self._show_url(destination)
        writer = FileWriter(destination, self.maxsize, self.mode)
        args = {
            "workdir": self.workdir,
            "writer": writer,
            "maxsize": self.maxsize,
            "blocksize": self.blocksize,
            "keepstamp": self.keepstamp,
            "workersrc": self.workersrc,
        }
        return await self.transfer("uploadFile", args, writer)


class DirectoryUpload(_UploadStep):
    """Copy a directory with all that is in it from the worker to the master.

    Files that are there already are replaced, others stay; nothing changes if the upload fails.
    Devices, pipes, sockets, and symbolic links that are absolute or lead out of the directory
    are left out: the log names them, and the step ends with WARNINGS.

    :param workersrc: path of the directory on the worker, below the step's ``workdir``.
    :type workersrc: string or renderable
    :param masterdest: path of the directory on the master, below the master's directory; it is
        made.
    :type masterdest: string or renderable
    :param maxsize: largest size of the packed directory in bytes; a larger one fails the step.
        None: any size.
    :param blocksize: bytes that are sent at once.
    :param compress: how the directory is packed on its way: None, ``gz`` or ``bz2``.
    :param url: address of a link that is shown on the step.
    :type url: string, renderable or None
    :param urlText: text of that link; None: the name of the directory.
    :type urlText: string, renderable or None
    """

    renderables = ("masterdest", "url", "urlText", "workersrc")

    def __init__(
        self,
        workersrc: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        compress: str | None = None,
        url: Any = None,
        urlText: Any = None,
        **kwargs: Any,
    ) -> None:
        if workersrc is None or masterdest is None:
            configFault("DirectoryUpload needs 'workersrc' and 'masterdest'")
        if compress not in (None, "gz", "bz2"):
            configFault(f"'compress' is {compress!r}", "write None, 'gz' or 'bz2'")
        super().__init__(workdir=workdir, **kwargs)
        self.workersrc = workersrc
        self.masterdest = self.masterdest_given = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.compress = compress
        self.url = url
        self.urlText = urlText

    async def run(self) -> int:
        """Copy it."""
        self.checkWorkerHasCommand("uploadDirectory")
        destination = await self.destination_of(self.masterdest)
        self.tell_what("uploading", "uploaded", os.path.basename(self.workersrc))
        await self._show_url(destination)
        writer = DirectoryWriter(destination, self.maxsize, self.compress)
        args = {
            "workdir": self.workdir,
            "writer": writer,
            "maxsize": self.maxsize,
            "blocksize": self.blocksize,
            "compress": self.compress,
            "workersrc": self.workersrc,
        }
        return await self.transfer("uploadDirectory", args, writer)


class MultipleFileUpload(_UploadStep, CompositeStepMixin):
    r"""Copy files and directories from the worker to a directory of the master.

    Each gets the last part of its name there. A name that would lead elsewhere, or that some
    system takes for something else (``..``, ``a\b``, ``nul``), fails the step; the others are
    uploaded.

    :param workersrcs: paths of files and directories on the worker, below the step's
        ``workdir``.
    :type workersrcs: string, list or renderable
    :param masterdest: the directory on the master that gets them, below the master's directory;
        it is made.
    :type masterdest: string or renderable
    :param maxsize: largest size of each in bytes; a larger one fails the step. None: any size.
    :param blocksize: bytes that are sent at once.
    :param glob: take the paths for patterns, such as ``*.log``.
    :param mode: permissions of the new files, such as ``0o644``; None: those that the umask
        gives.
    :param compress: how directories are packed on their way: None, ``gz`` or ``bz2``.
    :param keepstamp: give the new files the times of access and modification of the old ones.
    :param url: address of a link that is shown on the step.
    :type url: string, renderable or None
    :param urlText: text of that link; None: the name of the directory.
    :type urlText: string, renderable or None
    """

    logEnviron = False
    renderables = ("masterdest", "url", "urlText", "workersrcs")

    def __init__(
        self,
        workersrcs: Any = None,
        masterdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        glob: bool = False,
        mode: int | None = None,
        compress: str | None = None,
        keepstamp: bool = False,
        url: Any = None,
        urlText: Any = None,
        **kwargs: Any,
    ) -> None:
        if workersrcs is None or masterdest is None:
            configFault("MultipleFileUpload needs 'workersrcs' and 'masterdest'")
        self.check_mode(mode)
        if compress not in (None, "gz", "bz2"):
            configFault(f"'compress' is {compress!r}", "write None, 'gz' or 'bz2'")
        super().__init__(workdir=workdir, **kwargs)
        self.workersrcs = workersrcs
        self.masterdest = self.masterdest_given = masterdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.glob = glob
        self.mode = mode
        self.compress = compress
        self.keepstamp = keepstamp
        self.url = url
        self.urlText = urlText

    def uploadDone(self, result: int, source: str, masterdest: str) -> Any:
        """Called after each file or directory."""

    def allUploadsDone(self, result: int, sources: list[str], masterdest: str) -> Any:
        """Called after all of them."""

    async def run(self) -> int:
        """Copy them."""
        self.checkWorkerHasCommand("uploadDirectory")
        self.checkWorkerHasCommand("uploadFile")
        self.checkWorkerHasCommand("stat")
        destination = await self.destination_of(self.masterdest)
        log = await self.addLog("stdio")
        names = self.workersrcs if isinstance(self.workersrcs, list) else [self.workersrcs]
        sources = await self._expanded(names) if self.glob else names
        count = f"{len(sources)} file{'' if len(sources) == 1 else 's'}"
        self.tell_what("uploading", "uploaded", count)
        if not sources:
            await log.finish()
            return SKIPPED
        result = SUCCESS
        for source in sources:
            one = await self._upload(source, destination, log)
            await call_override(self.uploadDone, one, source, destination)
            result = worst_status(result, one)
            if self.stopped:
                result = CANCELLED
                break
        await call_override(self.allUploadsDone, result, sources, destination)
        await log.finish()
        if self.url is not None:
            await self.addURL(self.urlText or os.path.basename(destination), self.url)
        return result

    async def _expanded(self, patterns: list[str]) -> list[str]:
        self.checkWorkerHasCommand("glob")
        found: list[str] = []
        for pattern in patterns:
            path = self.build.path_module.join(self.workdir, pattern)
            command = RemoteCommand("glob", {"path": path, "logEnviron": False})
            await self.runCommand(command)
            found += found_files(command)
        return sorted(dict.fromkeys(found))

    async def _upload(self, source: str, destination: str, log: Any) -> int:
        paths = self.build.path_module
        command = RemoteCommand("stat", {"file": source, "workdir": self.workdir})
        await self.runCommand(command)
        if self.stopped:
            return CANCELLED
        if command.rc != 0:
            await log.addStderr(f"File {self.workdir}/{source} not available at worker\n")
            return FAILURE
        mode = mode_of(command)
        name = paths.basename(source.rstrip("/\\"))
        if reason := why_unusable(name):
            await log.addStderr(f"{shown(source)} cannot be uploaded under its name: {reason}\n")
            return FAILURE
        target = os.path.join(destination, name)
        common = {
            "workdir": self.workdir,
            "maxsize": self.maxsize,
            "blocksize": self.blocksize,
            "workersrc": source,
        }
        writer: Any
        if stat.S_ISREG(mode):
            writer = FileWriter(target, self.maxsize, self.mode)
            kind = "uploadFile"
            more: dict[str, Any] = {"keepstamp": self.keepstamp}
        elif stat.S_ISDIR(mode):
            writer = DirectoryWriter(target, self.maxsize, self.compress)
            kind, more = "uploadDirectory", {"compress": self.compress}
        else:
            await log.addStderr(f"{shown(source)} is neither a regular file nor a directory\n")
            return FAILURE
        upload = RemoteCommand(kind, {**common, "writer": writer, **more})
        upload.useLog(log, False, "stdio")
        try:
            await self.runCommand(upload)
        finally:
            writer.abandon()
        return self.result_of(upload, writer)
