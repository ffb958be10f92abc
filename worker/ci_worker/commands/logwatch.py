"""Files that a program writes beside its output, followed while it runs."""

import contextlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from twisted.internet.interfaces import IReactorTime

from ci_worker.commands.output import LineOutput

POLL_S = 0.5

#: As much of one file is read at one poll: others have to have their turn.
_MOST_PER_POLL_BYTES = 256 * 1024

#: Of a program that was stopped, so much of each file is read once more.
LAST_BYTES = 1024 * 1024


class FollowedFile:
    """One file: waits for it to be made, starts anew when it is replaced or truncated.

    What is no regular file is not opened: reading a pipe or a terminal could wait for ever.

    :param from_end: what was in it before the program started is not of interest.
    """

    def __init__(self, path: str, output: LineOutput, *, from_end: bool) -> None:
        self._path = path
        self._output = output
        self._before = _identity(path)
        self._skip_bytes = _size(path) if from_end else 0
        self._file: IO[bytes] | None = None
        self._last_identity: tuple[int, int] | None = None

    def poll(self, most_bytes: int = _MOST_PER_POLL_BYTES) -> int:
        """Read what is new, up to ``most_bytes``; returns how much that was."""
        if self._file is None and not self._open():
            return 0
        assert self._file is not None
        data = self._file.read(most_bytes)
        if not data and self._was_replaced():
            self.close()
            if not self._open():
                return 0
            data = self._file.read(most_bytes)
        if data:
            self._output.feed(data)
        return len(data)

    def unread_bytes(self) -> int:
        """How much is left to read at the moment."""
        if self._file is None and not self._open():
            return 0
        assert self._file is not None
        left = os.fstat(self._file.fileno()).st_size - self._file.tell()
        return left if left > 0 or not self._was_replaced() else _size(self._path)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> bool:
        identity = _identity(self._path)
        if identity is None:
            return False
        stale = identity == self._before and self._last_identity is None
        if not _is_regular(self._path):
            return False
        try:
            self._file = open(self._path, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115  # kept open
        except OSError:
            return False
        if stale and self._skip_bytes <= _size(self._path):
            self._file.seek(self._skip_bytes)
        self._last_identity = identity
        return True

    def _was_replaced(self) -> bool:
        assert self._file is not None
        identity = _identity(self._path)
        if identity is None:
            return False
        return identity != self._last_identity or _size(self._path) < self._file.tell()


def _identity(path: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(path)
        return (found.st_dev, found.st_ino)
    return None


def _is_regular(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.stat(path).st_mode)
    return False


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting, should the file have become a pipe meanwhile."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0


@dataclass
class _Watch:
    file: FollowedFile
    output: LineOutput
    name: str
    left_bytes: int = 0
    broken: str = ""

    def poll(self, most_bytes: int = _MOST_PER_POLL_BYTES) -> int:
        """Read what is new; a file that cannot be read any more is given up."""
        if self.broken:
            return 0
        try:
            return self.file.poll(most_bytes)
        except OSError as error:
            self.broken = f"cannot read log file '{self.name}': {error.strerror or error}\n"
            self.file.close()
            return 0


class LogWatch:
    """All the log files of one program.

    :param put: gets the log's name, text of whole lines, and its size in bytes.
    :param may_read: says whether there is room for more; asked before each read.
    :param on_activity: called whenever something new was read.
    """

    def __init__(
        self,
        clock: IReactorTime,
        put: Callable[[str, str, int], None],
        *,
        may_read: Callable[[], bool],
        on_activity: Callable[[], None],
        encoding: str = "utf-8",
    ) -> None:
        self._clock = clock
        self._put = put
        self._may_read = may_read
        self._on_activity = on_activity
        self._encoding = encoding
        self._watches: list[_Watch] = []
        self._timer: Any = None

    def add(self, name: str, path: str, *, follow: bool) -> None:
        """Watch one file; with ``follow`` only what is added to it from now on counts."""

        def put(text: str, size: int) -> None:
            self._put(name, text, size)

        output = LineOutput(put, self._encoding)
        self._watches.append(_Watch(FollowedFile(path, output, from_end=follow), output, name))

    def start(self) -> None:
        """Begin to poll."""
        if self._watches:
            self._timer = self._clock.callLater(POLL_S, self._poll)

    def note_end(self) -> None:
        """The program has ended: what is in the files now is still wanted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watch in self._watches:
            with contextlib.suppress(OSError):
                watch.left_bytes = watch.file.unread_bytes()

    def read_some(self) -> bool:
        """After ``note_end``: read on where there is room; whether something is left."""
        for watch in self._watches:
            if watch.left_bytes > 0 and self._may_read():
                read = watch.poll(min(watch.left_bytes, _MOST_PER_POLL_BYTES))
                watch.left_bytes = watch.left_bytes - read if read else 0
        return any(watch.left_bytes > 0 for watch in self._watches)

    def stop(self) -> tuple[list[tuple[str, str]], str]:
        """Read the rest, up to ``LAST_BYTES``, and close the files.

        :returns: (name, text) of last lines that have no end; and what could not be read.
        """
        self.note_end()
        tails, problems = [], ""
        for watch in self._watches:
            budget = min(watch.left_bytes, LAST_BYTES)
            while budget > 0 and (read := watch.poll(min(budget, _MOST_PER_POLL_BYTES))):
                watch.left_bytes -= read
                budget -= read
            if watch.left_bytes > 0 and not watch.broken:
                problems += f"log file '{watch.name}': {watch.left_bytes} bytes are left out\n"
            problems += watch.broken
            watch.file.close()
            if tail := watch.output.finish():
                tails.append((watch.name, tail))
        return tails, problems

    def _poll(self) -> None:
        self._timer = self._clock.callLater(POLL_S, self._poll)
        for watch in self._watches:
            if self._may_read() and watch.poll():
                self._on_activity()
