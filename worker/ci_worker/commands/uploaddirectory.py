"""``uploadDirectory``: send a directory tree to the master as a tar stream."""

import os
import tarfile
from collections.abc import Callable, Mapping
from typing import Any

from ci_worker.commands.base import Command, Place, Teller
from ci_worker.commands.uploadfile import MOST_BLOCK_BYTES

#: names that were left out are told one by one up to this many
_MOST_TOLD = 20

MODES = {None: "w|", "gz": "w|gz", "bz2": "w|bz2"}


class UploadInterrupted(Exception):
    """The master does not want the rest."""


class UploadDirectory(Command):
    """Send the directory ``workersrc`` through ``writer``; nothing is kept on this disk."""

    name = "uploadDirectory"
    required = ("workdir", "workersrc", "writer", "blocksize")
    is_brief = False

    def __init__(self, place: Place, args: Mapping[str, Any], tell: Teller) -> None:
        super().__init__(place, args, tell)
        if args.get("compress") not in MODES:
            raise ValueError(f"'compress' is {args['compress']!r}; it can be None, 'gz' or 'bz2'")

    async def run(self) -> None:
        """Send it; a stream above ``maxsize`` bytes is cut there, and fails."""
        path = self.place.path(self.args["workdir"], self.args["workersrc"])
        try:
            await self.place.in_thread(os.listdir, path)
        except OSError as error:
            self._fail(f"Cannot read directory '{path}' for upload: {error}\n")
            return
        self.tell.put("header", f"sending {path}\n")
        block = min(self.args["blocksize"], MOST_BLOCK_BYTES)
        stream = BlockStream(self._write_from_thread, block, self.args.get("maxsize"))
        try:
            left_out = await self.place.in_thread(
                pack, path, stream, MODES[self.args.get("compress")]
            )
        except UploadInterrupted:
            self._fail(f"Upload of '{path}' interrupted\n")
            return
        except OSError as error:
            self._fail(f"Cannot read directory '{path}' for upload: {error}\n")
            return
        for name in left_out[:_MOST_TOLD]:
            self.tell.put("stderr", f"left out: '{name}': a socket\n")
        if left_out:
            self.tell.put("left_out", len(left_out))
        await self.args["writer"].callRemote("unpack")
        if stream.was_cut:
            self._fail(f"Maximum filesize reached, truncating file '{path}'\n")
        else:
            self.tell.put("rc", 0)

    def _fail(self, text: str) -> None:
        self.tell.put("rc", 1)
        self.tell.put_last("stderr", text)

    def _write_from_thread(self, data: bytes) -> None:
        """Called in the packing thread: it goes on when the master has the block."""
        from twisted.internet.threads import blockingCallFromThread

        if self.interrupted:
            raise UploadInterrupted
        writer = self.args["writer"]
        blockingCallFromThread(self.place.reactor, writer.callRemote, "write", data)


class BlockStream:
    """A file to write a tar stream to: hands it on in blocks, and cuts it at ``most`` bytes."""

    def __init__(self, write: Callable[[bytes], None], block: int, most: int | None) -> None:
        self._write = write
        self._block = block
        self._left = most
        self._buffer = bytearray()
        self.was_cut = False

    def write(self, data: bytes) -> int:
        """Take part of the stream."""
        taken = data
        if self._left is not None:
            taken = data[: self._left]
            self._left -= len(taken)
            self.was_cut |= len(taken) < len(data)
        self._buffer += taken
        while len(self._buffer) >= self._block:
            self._write(bytes(self._buffer[: self._block]))
            del self._buffer[: self._block]
        return len(data)

    def finish(self) -> None:
        """Hand on what is left."""
        if self._buffer:
            self._write(bytes(self._buffer))
            self._buffer.clear()


def pack(path: str, stream: BlockStream, mode: Any) -> list[str]:
    """Write a directory as a tar stream; gives the names of what tar has no place for."""
    left_out: list[str] = []
    with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
        _add(tar, path, "", left_out)
    stream.finish()
    return left_out


def _add(tar: tarfile.TarFile, path: str, name: str, left_out: list[str]) -> None:
    entry: tarfile.TarInfo | None = tar.gettarinfo(path, name)
    if entry is None:
        left_out.append(name)
    elif entry.isreg():
        with open(path, "rb") as file:
            tar.addfile(entry, file)
    else:
        tar.addfile(entry)
        if entry.isdir():
            for child in sorted(os.listdir(path)):
                below = f"{name}/{child}" if name else child
                _add(tar, os.path.join(path, child), below, left_out)
