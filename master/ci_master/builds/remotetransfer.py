"""The master's ends of file transfers: real files, and such as are held in memory."""

from __future__ import annotations

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
    """Gives a worker what it downloads from a buffer."""

    def __init__(self, fileobj: IO[bytes]) -> None:
        super().__init__(fileobj, in_thread=execute)
