"""``uploadFile``: send one file to the master."""

import os
from typing import IO, Any

from ci_worker.commands.base import Command

#: The protocol takes strings of up to 640 KiB.
MOST_BLOCK_BYTES = 512 * 1024


class UploadFile(Command):
    """Send the file ``workersrc`` through ``writer``, block by block."""

    name = "uploadFile"
    required = ("workdir", "workersrc", "writer", "blocksize")
    is_brief = False

    async def run(self) -> None:
        """Send it; a file above ``maxsize`` bytes is cut there, and fails."""
        writer = self.args["writer"]
        path = self.place.path(self.args["workdir"], self.args["workersrc"])
        self.tell.put("header", f"sending {path}\n")
        times: tuple[float | None, float | None] = (None, None)
        try:
            file, *times_read = await self.place.in_thread(_open, path)
            times = (times_read[0], times_read[1])
        except OSError:
            problem = f"Cannot open file '{path}' for upload\n"
        else:
            try:
                problem = await self._send(file, path)
            finally:
                await self.place.in_thread(file.close)
        await writer.callRemote("close")
        if self.args.get("keepstamp") and times[0] is not None:
            await writer.callRemote("utime", times)
        self.tell.put("rc", 1 if problem else 0)
        if problem:
            self.tell.put_last("stderr", problem)

    async def _send(self, file: IO[bytes], path: str) -> str:
        """Send the content; what went wrong, or nothing."""
        left = self.args.get("maxsize")
        while not self.interrupted:
            block = min(self.args["blocksize"], MOST_BLOCK_BYTES)
            block = block if left is None else min(block, left)
            try:
                data = await self.place.in_thread(file.read, block or 1)
            except OSError as error:
                return f"Cannot read file '{path}': {error.strerror or error}\n"
            if not data:
                return ""
            if left == 0:
                return f"Maximum filesize reached, truncating file '{path}'\n"
            await self.args["writer"].callRemote("write", data)
            left = None if left is None else left - len(data)
        return f"Upload of '{path}' interrupted\n"


def _open(path: str) -> tuple[Any, float, float]:
    file = open(path, "rb")  # noqa: SIM115  # the caller closes it
    found = os.fstat(file.fileno())
    return file, found.st_atime, found.st_mtime
