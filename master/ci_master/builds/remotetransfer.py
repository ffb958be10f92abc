"""The master's ends of file transfers: real files, and such as are held in memory."""

from __future__ import annotations

import io
from typing import IO

from twisted.internet.defer import Deferred, execute, succeed

from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter

__all__ = [
    "DirectoryWriter",
    "FileReader",
    "FileWriter",
    "StringFileReader",
    "StringFileWriter",
]


class StringFileWriter(FileWriter):
    """Takes what a worker uploads; ``buffer`` is what has come."""

    def __init__(self) -> None:
        super().__init__("", in_thread=execute)
        self._parts: list[bytes] = []

    @property
    def buffer(self) -> bytes:
        """All bytes so far."""
        return b"".join(self._parts)

    def _write(self, data: bytes) -> None:
        self._parts.append(data)

    def _close(self) -> None:
        self._done = True

    def utime(self, times: tuple[float, float]) -> Deferred[None]:
        """Times of the file: of no use here."""
        return succeed(None)


class StringFileReader(FileReader):
    """Gives a worker what it downloads from memory.

    :param s: the content: a text, bytes, or a file object that reads bytes.
    """

    def __init__(self, s: str | bytes | IO[bytes]) -> None:
        content = s.encode() if isinstance(s, str) else s
        super().__init__(
            io.BytesIO(content) if isinstance(content, bytes) else content, in_thread=execute
        )
