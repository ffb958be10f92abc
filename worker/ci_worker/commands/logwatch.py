"""Files that a program writes beside its output, followed while it runs."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from twisted.internet.interfaces import IReactorTime

from ci_worker.commands.output import LineOutput

POLL_S = 0.5

#: As much of one file is read at one poll: others have to have their turn.
_MOST_PER_POLL_BYTES = 256 * 1024


class FollowedFile:
    """One file: waits for it to be made, starts anew when it is replaced or truncated.

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
        try:
            self._file = open(self._path, "rb", buffering=0)  # noqa: SIM115  # kept open
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


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0


@dataclass
class _Watch:
    file: FollowedFile
    output: LineOutput
    name: str


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

    def stop(self) -> list[tuple[str, str]]:
        """Read the rest; returns (name, text) of last lines that have no end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tails = []
        for watch in self._watches:
            while watch.file.poll():
                pass
            watch.file.close()
            if tail := watch.output.finish():
                tails.append((watch.name, tail))
        return tails

    def _poll(self) -> None:
        self._timer = self._clock.callLater(POLL_S, self._poll)
        for watch in self._watches:
            if self._may_read() and watch.file.poll():
                self._on_activity()
