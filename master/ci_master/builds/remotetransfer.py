"""The master's ends of file transfers: real files, and such as are held in memory."""

from __future__ import annotations

import io
from typing import IO

from twisted.internet.defer import execute

from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter, TransferError

__all__ = [
    "DirectoryWriter",
    "FileReader",
    "FileWriter",
    "StringFileReader",
    "StringFileWriter",
]


#: What is uploaded into memory is at most so long.
MOST_BYTES = 64 * 1024 * 1024


class StringFileWriter(FileWriter):
    """Takes what a worker uploads; ``buffer`` is what has come, up to ``MOST_BYTES``."""

    def __init__(self) -> None:
        super().__init__("", MOST_BYTES, in_thread=execute)
        self._parts: list[bytes] = []

    @property
    def buffer(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._parts)

    def _write(self, data: bytes) -> None:
        assert self._left is not None
        if len(data) > self._left:
            self.problem = f"The file is longer than {MOST_BYTES} bytes, too long for the memory"
            self._parts.clear()
            raise TransferError(self.problem)
        self._left -= len(data)
        self._parts.append(data)

    def _put_in_place(self) -> None:
        """Nothing to be done: what has come is there."""


class StringFileReader(FileReader):
    """Gives a worker what it downloads from memory.

    :param s: the content: a text, bytes, or a file object that reads bytes.
    """

    def __init__(self, s: str | bytes | IO[bytes]) -> None:
        content = s.encode() if isinstance(s, str) else s
        super().__init__(
            io.BytesIO(content) if isinstance(content, bytes) else content, in_thread=execute
        )
