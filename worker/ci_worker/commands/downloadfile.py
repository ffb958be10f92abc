"""``downloadFile``: take one file from the master."""

import contextlib
import os
import secrets
import stat
from typing import IO, Any

from ci_worker.commands.base import Command

#: Blocks are collected up to this much before a thread writes them.
_WRITE_BYTES = 1024 * 1024


class DownloadFile(Command):
    """Write what ``reader`` gives to ``workerdest``, which is replaced when all of it is there."""

    name = "downloadFile"
    required = ("workdir", "workerdest", "reader", "blocksize")
    is_brief = False

    async def run(self) -> None:
        """Take it; what is above ``maxsize`` bytes is left out, and fails."""
        path = self.place.path(self.args["workdir"], self.args["workerdest"])
        reader = self.args["reader"]
        try:
            target = await self.place.in_thread(Target, path, self.args.get("mode"))
        except OSError as error:
            await reader.callRemote("close")
            self._fail(f"Cannot open file '{path}' for download: {error.strerror or error}\n")
            return
        try:
            problem = await self._receive(target, path)
            if not self.interrupted:
                await self.place.in_thread(target.finish)
        except OSError as error:
            problem = f"Cannot write file '{path}': {error.strerror or error}\n"
        finally:
            await self.place.in_thread(target.discard)
        await reader.callRemote("close")
        if problem:
            self._fail(problem)
        else:
            self.tell.put("rc", 0)

    def _fail(self, text: str) -> None:
        self.tell.put("rc", 1)
        self.tell.put_last("stderr", text)

    async def _receive(self, target: "Target", path: str) -> str:
        left = self.args.get("maxsize")
        waiting = bytearray()
        problem = f"Download of '{path}' interrupted\n"
        while not self.interrupted:
            if left is not None and left <= 0:
                problem = f"Maximum filesize reached, truncating file '{path}'\n"
                break
            block = self.args["blocksize"] if left is None else min(self.args["blocksize"], left)
            data = await self.args["reader"].callRemote("read", block)
            if not data:
                problem = ""
                break
            left = None if left is None else left - len(data)
            waiting += data
            if len(waiting) >= _WRITE_BYTES:
                await self.place.in_thread(target.write, bytes(waiting))
                waiting.clear()
        if waiting:
            await self.place.in_thread(target.write, bytes(waiting))
        return problem


class Target:
    """The file being written: a temporary one beside its destination. All methods block."""

    def __init__(self, path: str, mode: int | None) -> None:
        self._path = os.path.realpath(path)
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        if os.path.isdir(self._path):
            raise IsADirectoryError(21, "Is a directory", path)
        self._mode = mode if mode is not None else _mode_of(self._path)
        self._partial: str | None = None
        self._file: IO[bytes] = self._open()

    def _open(self) -> Any:
        if os.path.exists(self._path) and not os.path.isfile(self._path):
            return open(self._path, "wb", buffering=0)  # a device or a pipe: not to be replaced
        folder, name = os.path.split(self._path)
        partial = os.path.join(folder, f".{name[:60]}.{secrets.token_hex(6)}.part")
        file = open(partial, "xb", buffering=0)  # noqa: SIM115  # lives as long as this object
        self._partial = partial
        return file

    def write(self, data: bytes) -> None:
        """Append to it."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def finish(self) -> None:
        """Put it in its place."""
        self._file.close()
        if self._partial is not None:
            if self._mode is not None:
                os.chmod(self._partial, self._mode)
            os.replace(self._partial, self._path)
            self._partial = None

    def discard(self) -> None:
        """Remove what is not finished; does nothing after ``finish``."""
        self._file.close()
        if self._partial is not None:
            with contextlib.suppress(OSError):
                os.remove(self._partial)
            self._partial = None


def _mode_of(path: str) -> int | None:
    """The permissions of a file that is there."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None
