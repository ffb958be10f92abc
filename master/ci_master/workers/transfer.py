"""Files that travel between master and worker. All file work runs in threads.

What a worker sends goes to a temporary file beside its target and replaces it when it is
complete: nobody sees half a file, and a lost worker leaves nothing behind.
"""

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Callable
from typing import IO, Any

from twisted.internet import threads
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

#: in_thread(function, *args) -> Deferred of its result
InThread = Callable[..., Deferred[Any]]

PREFIX = "buildbot-transfer-"

_OPEN_MODE = {None: "r:", "gz": "r:gz", "bz2": "r:bz2"}


class TransferError(Exception):
    """A file cannot be taken or given as it was asked for."""


class _InTurn:
    """Runs the calls for one file in threads, one after another."""

    def __init__(self, in_thread: InThread | None) -> None:
        self._in_thread: InThread = in_thread or threads.deferToThread
        self._one = DeferredLock()

    def _do(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return self._one.run(self._in_thread, work, *args)

    def abandon(self) -> None:
        """The command is over: let go of what is still open. Harmless after the end."""
        self._do(self._abandon).addErrback(self._not_abandoned)

    def _not_abandoned(self, failure: Any) -> None:
        Logger(source=self).failure("a transfer could not be cleaned up", failure)

    def _abandon(self) -> None:
        raise NotImplementedError


class _Spool(_InTurn):
    """Bytes on their way to a target, in a temporary file of the same directory."""

    def __init__(self, path: str, maxsize: int | None, in_thread: InThread | None) -> None:
        super().__init__(in_thread)
        self.path = os.path.abspath(os.path.expanduser(path))
        self._left = maxsize
        self._file: IO[bytes] | None = None
        self._name = ""
        self._done = False

    def write(self, data: bytes) -> Deferred[None]:
        """Add bytes; what exceeds the maximal size is dropped."""
        return self._do(self._write, data)

    def _open(self) -> IO[bytes]:
        if self._done:
            raise TransferError(f"{self.path} is complete already")
        if self._file is None:
            directory = os.path.dirname(self.path)
            os.makedirs(directory, exist_ok=True)
            handle, self._name = tempfile.mkstemp(prefix=PREFIX, dir=directory)
            self._file = os.fdopen(handle, "wb")
        return self._file

    def _write(self, data: bytes) -> None:
        file = self._open()
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        file.write(data)

    def _abandon(self) -> None:
        self._done = True
        file, self._file = self._file, None
        if file is not None:
            file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name)


class FileWriter(_Spool):
    """A file that a worker sends.

    :param path: the target on the master.
    :param maxsize: bytes after which the rest is dropped; None = no limit.
    :param mode: permissions of the file; None = as new files have them.
    """

    def __init__(
        self,
        path: str,
        maxsize: int | None = None,
        mode: int | None = None,
        *,
        in_thread: InThread | None = None,
    ) -> None:
        super().__init__(path, maxsize, in_thread)
        self._mode = mode

    def close(self) -> Deferred[None]:
        """All bytes have come: put the file into its place."""
        return self._do(self._close)

    def utime(self, times: tuple[float, float]) -> Deferred[None]:
        """Set access and modification time of the file that is in its place."""
        return self._do(os.utime, self.path, times)

    def _close(self) -> None:
        with self._open() as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), self._mode if self._mode is not None else _usual_mode())
        self._file, self._done = None, True
        os.replace(self._name, self.path)


class DirectoryWriter(_Spool):
    """A directory that a worker sends, as a tar archive.

    :param path: the directory below which the archive is unpacked.
    :param compress: None, ``"gz"`` or ``"bz2"``.
    """

    def __init__(
        self,
        path: str,
        maxsize: int | None = None,
        compress: str | None = None,
        *,
        in_thread: InThread | None = None,
    ) -> None:
        if compress not in _OPEN_MODE:
            raise TransferError(f"compress is {compress!r}, but must be None, 'gz' or 'bz2'")
        super().__init__(path, maxsize, in_thread)
        self._compress = compress

    def unpack(self) -> Deferred[None]:
        """All bytes have come: unpack them. Names that lead out of the directory are refused."""
        return self._do(self._unpack)

    def _unpack(self) -> None:
        self._open().close()
        self._file, self._done = None, True
        try:
            os.makedirs(self.path, exist_ok=True)
            with tarfile.open(self._name, mode=_OPEN_MODE[self._compress]) as archive:  # type: ignore[call-overload]  # the mode is one of three
                archive.extractall(self.path, filter="data")
        except tarfile.TarError as error:
            raise TransferError(f"cannot unpack what the worker sent: {error}") from error
        finally:
            os.unlink(self._name)


class FileReader(_InTurn):
    """A file that a worker fetches.

    :param fileobj: opened for reading bytes; closed at the end.
    """

    def __init__(self, fileobj: IO[bytes], *, in_thread: InThread | None = None) -> None:
        super().__init__(in_thread)
        self._file: IO[bytes] | None = fileobj

    def read(self, length: int) -> Deferred[bytes]:
        """At most ``length`` bytes; none at the end."""
        return self._do(self._read, length)

    def close(self) -> Deferred[None]:
        """No more is wanted."""
        return self._do(self._abandon)

    def _read(self, length: int) -> bytes:
        return self._file.read(length) if self._file is not None else b""

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _usual_mode() -> int:
    """The permissions that this process gives to new files."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
