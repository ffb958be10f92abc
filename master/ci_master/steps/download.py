"""Steps that copy files, and write texts, from the master to the worker."""

import io
import json
import os
from typing import Any

from ci_common.results import FAILURE
from ci_master.builds.faults import configFault
from ci_master.builds.remotetransfer import FileReader, StringFileReader
from ci_master.steps.transferbase import TransferStep

__all__ = ["FileDownload", "JSONPropertiesDownload", "JSONStringDownload", "StringDownload"]


class FileDownload(TransferStep):
    """Copy a file from the master to the worker.

    :param mastersrc: path of the file on the master, below the master's directory.
    :type mastersrc: string or renderable
    :param workerdest: path of the file on the worker, below the step's ``workdir``; directories
        are made.
    :type workerdest: string or renderable
    :param maxsize: largest size in bytes; a longer file fails the step. None: any size.
    :param blocksize: bytes that are sent at once.
    :param mode: permissions of the new file, such as ``0o755``; None: those that the umask
        gives.
    """

    name = "download"
    renderables = ("mastersrc", "workerdest")

    def __init__(
        self,
        mastersrc: Any,
        workerdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        mode: int | None = None,
        **kwargs: Any,
    ) -> None:
        if workerdest is None:
            configFault("FileDownload needs 'workerdest'")
        self.check_mode(mode)
        super().__init__(workdir=workdir, **kwargs)
        self.mastersrc = mastersrc
        self.workerdest = workerdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode

    async def run(self) -> int:
        """Copy it."""
        self.checkWorkerHasCommand("downloadFile")
        source = self.on_master(self.mastersrc)
        self.tell_what("downloading", "downloaded", os.path.basename(self.workerdest))
        try:
            file = open(source, "rb")  # noqa: SIM115 - the reader closes it
        except OSError as error:
            text = f"File '{source}' cannot be read on the master: {error.strerror}\n"
            await self.addCompleteLog("stderr", text)
            return FAILURE
        reader = FileReader(file)
        args = {
            "maxsize": self.maxsize,
            "reader": reader,
            "blocksize": self.blocksize,
            "workdir": self.workdir,
            "mode": self.mode,
            "workerdest": self.workerdest,
        }
        return await self.transfer("downloadFile", args, reader)


class StringDownload(TransferStep):
    """Write a text to a file on the worker.

    :param s: the text of the file.
    :type s: string or renderable
    :param workerdest: path of the file on the worker, below the step's ``workdir``; directories
        are made.
    :type workerdest: string or renderable
    :param maxsize: largest size in bytes; a longer text fails the step. None: any size.
    :param blocksize: bytes that are sent at once.
    :param mode: permissions of the new file, such as ``0o755``; None: those that the umask
        gives.
    """

    name = "string_download"
    renderables: Any = ("s", "workerdest")

    def __init__(
        self,
        s: Any,
        workerdest: Any = None,
        workdir: Any = None,
        maxsize: int | None = None,
        blocksize: int = 16 * 1024,
        mode: int | None = None,
        **kwargs: Any,
    ) -> None:
        if workerdest is None:
            configFault(f"{type(self).__name__} needs 'workerdest'")
        self.check_mode(mode)
        super().__init__(workdir=workdir, **kwargs)
        self.s = s
        self.workerdest = workerdest
        self.maxsize = maxsize
        self.blocksize = blocksize
        self.mode = mode

    def _content(self) -> str | bytes:
        return self.s if isinstance(self.s, bytes) else str(self.s)

    async def run(self) -> int:
        """Write it."""
        self.checkWorkerHasCommand("downloadFile")
        self.tell_what("downloading", "downloaded", os.path.basename(self.workerdest))
        content = self._content()
        body = content.encode() if isinstance(content, str) else content
        reader = StringFileReader(io.BytesIO(body))
        args = {
            "maxsize": self.maxsize,
            "reader": reader,
            "blocksize": self.blocksize,
            "workdir": self.workdir,
            "mode": self.mode,
            "workerdest": self.workerdest,
        }
        return await self.transfer("downloadFile", args, None)


class JSONStringDownload(StringDownload):
    """Write a value as JSON to a file on the worker.

    :param o: the value that is written as JSON; renderables in it are filled in.
    :type o: any
    """

    name = "json_download"
    renderables = ("o",)

    def __init__(self, o: Any, workerdest: Any = None, **kwargs: Any) -> None:
        super().__init__(s="", workerdest=workerdest, **kwargs)
        self.o = o

    def _content(self) -> str:
        return json.dumps(self.o)


class JSONPropertiesDownload(StringDownload):
    """Write the build's properties and source stamps as JSON to a file on the worker."""

    name = "json_properties_download"

    def __init__(self, workerdest: Any = None, **kwargs: Any) -> None:
        super().__init__(s="", workerdest=workerdest, **kwargs)

    def _content(self) -> str:
        properties = {name: value for name, value, _source in self.build.getProperties().asList()}
        stamps = [stamp.asDict() for stamp in self.build.getAllSourceStamps()]
        return json.dumps({"properties": properties, "sourcestamps": stamps})
