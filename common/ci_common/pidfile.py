"""The file that says which process serves a directory."""

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ci_common.privacy import FILE_MODE, write_private_text

if TYPE_CHECKING:
    from filelock import FileLock

#: Seconds by which a process may seem to have begun after it wrote its file: clocks are coarse.
_DOUBT_S = 10.0

#: Seconds that somebody who only looks may hold the lock.
_LOOK_S = 1.0


class AlreadyRunning(Exception):
    """The pid file names a process that lives."""

    def __init__(self, pid: int | None, path: Path) -> None:
        self.pid = pid
        who = "being started by another process" if pid is None else f"running as pid {pid}"
        super().__init__(f"already {who} (says {path})")


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs; one that has ended and was not waited for does not."""
    import psutil  # costs an idle daemon memory

    if pid <= 0:
        return False
    if hasattr(os, "WNOHANG"):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # it may be a child of ours that nobody has collected
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _began_at(pid: int) -> float:
    """When a process began, in unix seconds; -inf where that is not known."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return -math.inf


def _directory_of(pid: int) -> str | None:
    """Where a process works; None where that is not told."""
    import psutil

    try:
        return psutil.Process(pid).cwd() or None
    except (psutil.Error, OSError):
        return None


class PidFile:
    """A pid file: taken when a daemon starts, dropped at its end, read by who wants to stop it.

    The daemon keeps a file beside it locked, where the system has such locks. So a number which
    was left behind, and after a reboot is that of some other program, can be told from a daemon's,
    and of two that start at once one is refused. A daemon works in the directory that it serves: so
    the number in a copy of its directory is not taken for a daemon of that copy.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: FileLock | None = None

    def read(self) -> int | None:
        """The process id in the file; None if there is no file or no number in it."""
        try:
            return int(self.path.read_text(encoding="ascii", errors="replace").strip())
        except (FileNotFoundError, ValueError):
            return None

    def serving(self) -> int | None:
        """The process that the file names, if it lives and can have written the file."""
        pid = self.read()
        if pid is None or not is_alive(pid):
            return None
        if self._is_locked():
            return pid
        # Nobody holds the lock: a program that takes none; or one that began after the file was
        # written and has nothing to do with it; or a daemon whose directory was copied.
        if _began_at(pid) > self._written_at() + _DOUBT_S or self._is_of_elsewhere(pid):
            return None
        return pid

    def take(self) -> None:
        """Write our own id; what a dead process left behind is overwritten.

        :raises AlreadyRunning: if the file names a living process other than this one, or if
            another process is about to take it.
        """
        from filelock import Timeout

        pid = self.serving()
        if pid is not None and pid != os.getpid():
            raise AlreadyRunning(pid, self.path)
        lock = self._lock()
        try:
            lock.acquire(timeout=_LOOK_S)
        except Timeout:
            raise AlreadyRunning(self.serving(), self.path) from None
        except (OSError, NotImplementedError):  # a file system without locks
            write_private_text(self.path, f"{os.getpid()}\n")
            return
        self._held = lock
        write_private_text(self.path, f"{os.getpid()}\n")

    def drop(self) -> None:
        """Remove the file, if it is still ours."""
        if self.read() == os.getpid():
            self.path.unlink(missing_ok=True)
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def _lock(self) -> "FileLock":
        from filelock import FileLock

        # Another file than the pid file: where locks are binding, nobody can read a locked one.
        path = self.path.with_name(self.path.name + ".lock")
        return FileLock(path, mode=FILE_MODE, thread_local=False)

    def _is_locked(self) -> bool:
        from filelock import Timeout

        if self._held is not None:
            return True
        lock = self._lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except (OSError, NotImplementedError):
            return False
        lock.release()
        return False

    def _is_of_elsewhere(self, pid: int) -> bool:
        """Whether a process is known to work in another directory than that of the file."""
        directory = _directory_of(pid)
        if directory is None:
            return False
        try:
            return not os.path.samefile(directory, self.path.parent)
        except OSError:
            return False  # one of the two cannot be looked at

    def _written_at(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return math.inf
