"""Files that travel between master and worker. All file work runs in threads.

What a worker sends goes to a temporary file beside its target. Whoever asked for it calls
:meth:`finish` once the worker's command is over: with True it replaces the target, with False it is
dropped. So nobody sees half a file, and whatever fails, the file of before stays.
"""

import contextlib
import math
import os
import secrets
from collections.abc import Callable
from typing import IO, Any

from twisted.internet import threads
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.logger import Logger

from ci_master.workers import archive
from ci_master.workers.transferjournal import PREFIX, TransferJournal

__all__ = ["PREFIX", "DirectoryWriter", "FileReader", "FileWriter", "InThread", "TransferError"]

#: in_thread(function, *args) -> Deferred of its result
InThread = Callable[..., Deferred[Any]]

_COMPRESS = (None, "gz", "bz2")

#: paths that were left out are told one by one up to this many
_MOST_TOLD = 20


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
    """Bytes on their way to a target, in a temporary file of the same directory.

    :ivar problem: what went wrong on this side, for people; empty if nothing did.
    :ivar left_out: what of the content was not taken, and why; for people.
    """

    #: where temporary files are written down; set by whoever sends the command
    journal: TransferJournal | None = None
    _mode_at_first = 0o600

    def __init__(self, path: str, maxsize: int | None, in_thread: InThread | None) -> None:
        super().__init__(in_thread)
        self.path = os.path.abspath(os.path.expanduser(path))
        self.problem = ""
        self.left_out: list[str] = []
        self._left = maxsize
        self._maxsize = maxsize
        self._file: IO[bytes] | None = None
        self._name = ""
        self._made: list[str] = []
        self._complete = False
        self._done = False

    def write(self, data: bytes) -> Deferred[None]:
        """Add bytes; what exceeds the maximal size is dropped.

        :raises TransferError: if it cannot be written; ``problem`` then says so, too.
        """
        return self._do(self._guarded, self._write, data)

    def finish(self, wanted: bool) -> Deferred[str]:
        """The command is over: put the content into its place, or drop it.

        :returns: fires when that is done, with what went wrong; never fails.
        """
        return self._do(self._finish, wanted)

    def _guarded(self, work: Callable[..., None], *args: Any) -> None:
        if self._done:
            raise TransferError(f"the transfer of {self.path} is over")
        if self.problem:
            raise TransferError(self.problem)
        try:
            work(*args)
        except OSError as error:
            self.problem = self._cannot_write(error)
            raise TransferError(self.problem) from error
        except archive.BadArchive as error:
            self.problem = f"'{self.path}' on the master stays as it is: {error}"
            raise TransferError(self.problem) from error

    def _cannot_write(self, error: OSError) -> str:
        return f"Cannot write '{self.path}' on the master: {error.strerror or error}"

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._make_directory()
            self._name = self._temporary()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self._file = os.fdopen(os.open(self._name, flags, self._mode_at_first), "wb")
        return self._file

    def _make_directory(self) -> None:
        """Make the directory of the target; those that were made are known."""
        missing = []
        directory = os.path.dirname(self.path)
        while not os.path.lexists(directory):
            missing.append(directory)
            directory = os.path.dirname(directory)
        for directory in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another transfer was quicker
                os.mkdir(directory)
                self._made.append(directory)

    def _temporary(self) -> str:
        """A new name beside the target."""
        name = os.path.join(os.path.dirname(self.path), PREFIX + secrets.token_hex(8))
        if self.journal is not None:
            self.journal.begin(name)
        return name

    def _write(self, data: bytes) -> None:
        if self._complete:
            raise TransferError(f"{self.path} is complete already")
        file = self._open()
        if self._left is not None:
            if len(data) > self._left:
                self.problem = (
                    f"'{self.path}' on the master stays as it is: what comes is larger than "
                    f"{self._maxsize} bytes (maxsize)"
                )
            data = data[: self._left]
            self._left -= len(data)
        file.write(data)

    def _finish(self, wanted: bool) -> str:
        if self._done:
            return self.problem
        if wanted and not self.problem:
            try:
                self._guarded(self._put_in_place)
            except TransferError as error:
                self.problem = self.problem or str(error)
        self._abandon()
        return self.problem

    def _note_complete(self) -> None:
        self._complete = True

    def _put_in_place(self) -> None:
        raise NotImplementedError

    def _abandon(self) -> None:
        if self._done:
            return
        self._done = True
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # a full disk, told at the write already
                file.close()
        if self._name:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(self._name)
            self._forget(self._name)
        for directory in reversed(self._made):
            with contextlib.suppress(OSError):  # it is not empty: somebody uses it
                os.rmdir(directory)

    def _forget(self, temporary: str) -> None:
        if self.journal is not None:
            self.journal.end(temporary)


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
        if mode is None:
            self._mode_at_first = 0o666  # less what the umask takes away
        self._times: tuple[float, float] | None = None

    def close(self) -> Deferred[None]:
        """All bytes have come. A worker says so of a file that it could not read, too."""
        return self._one.run(self._note_complete)

    def utime(self, times: tuple[float, float]) -> Deferred[None]:
        """Times of access and modification that the file gets.

        :raises TransferError: if these are no times.
        """
        if not all(math.isfinite(time) and abs(time) < 2**40 for time in times):
            raise TransferError(f"these are no times of a file: {times}")
        self._times = times
        return succeed(None)

    def _put_in_place(self) -> None:
        if not self._complete:
            raise TransferError(f"'{self.path}' did not come to its end")
        with self._open() as file:
            if self._mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), self._mode)
            file.flush()
            os.fsync(file.fileno())
        if self._times is not None:
            os.utime(self._name, self._times)
        os.replace(self._name, self.path)
        self._made.clear()


class DirectoryWriter(_Spool):
    """A directory that a worker sends, as a tar archive.

    Entries that are not made (links that lead out of the directory, devices, pipes) are in
    ``left_out``. An archive that tries to write elsewhere is refused as a whole.

    :param path: the directory below which the archive is unpacked.
    :param maxsize: bytes of the archive after which the rest is dropped; None = no limit.
    :param compress: None, ``"gz"`` or ``"bz2"``.
    :param mode: taken for those who give it; the files have the permissions of the archive.
    """

    def __init__(
        self,
        path: str,
        maxsize: int | None = None,
        compress: str | None = None,
        mode: int | None = None,
        *,
        in_thread: InThread | None = None,
    ) -> None:
        if compress not in _COMPRESS:
            raise TransferError(f"compress is {compress!r}, but must be None, 'gz' or 'bz2'")
        super().__init__(path, maxsize, in_thread)
        self._compress = compress

    def unpack(self) -> Deferred[None]:
        """All bytes have come. They are unpacked by :meth:`finish`."""
        return self._one.run(self._note_complete)

    def _put_in_place(self) -> None:
        if not self._complete:
            raise TransferError(f"'{self.path}' did not come to its end")
        self._open().close()
        staging = self._temporary()
        try:
            os.mkdir(staging)
            with archive.opened(self._name, self._compress) as tar:
                contents = archive.examined(tar)
                archive.unpack(tar, contents, staging)
            self._note_left_out(contents.left_out)
            self._move(staging, contents)
        finally:
            archive.remove_tree(staging)
            self._forget(staging)

    def _move(self, staging: str, contents: archive.Contents) -> None:
        destination = os.path.realpath(self.path)  # a link that somebody set up on the master
        if not os.path.lexists(destination):
            os.rename(staging, destination)
        else:
            if reason := archive.why_in_the_way(contents, destination):
                raise archive.BadArchive(reason)
            archive.move_into(staging, contents, destination)
        self._made.clear()

    def _note_left_out(self, left_out: list[str]) -> None:
        self.left_out = left_out[:_MOST_TOLD]
        if more := len(left_out) - _MOST_TOLD:
            self.left_out += [f"{more} more"] if more > 0 else []


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
