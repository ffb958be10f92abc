"""The file that says which process serves a directory."""

import contextlib
import math
import os
import sys
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

#: Seconds by which a process may seem to have begun after it wrote its file: clocks are coarse.
_DOUBT_S = 10.0


class AlreadyRunning(Exception):
    """The pid file names a process that lives."""

    def __init__(self, pid: int, path: Path) -> None:
        self.pid = pid
        super().__init__(f"already running as pid {pid} (says {path})")


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs; one that has ended and was not waited for does not."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_alive_windows(pid)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # it may be a child of ours that nobody has collected
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] in (b"Z", b"X")


def _began_at(pid: int) -> float:
    """When a process began, in unix seconds; -inf where /proc does not say it."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
        lines = Path("/proc/stat").read_text().splitlines()
        booted_at = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, StopIteration):
        return -math.inf
    return booted_at + ticks / os.sysconf("SC_CLK_TCK")


def _is_alive_windows(pid: int) -> bool:
    import ctypes

    still_active, query_limited_information = 259, 0x1000
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]  # Windows only
    process = kernel32.OpenProcess(query_limited_information, False, pid)
    if not process:
        return False
    try:
        code = ctypes.c_ulong()
        return bool(
            kernel32.GetExitCodeProcess(process, ctypes.byref(code)) and code.value == still_active
        )
    finally:
        kernel32.CloseHandle(process)


class PidFile:
    """A pid file: taken when a daemon starts, dropped at its end, read by who wants to stop it.

    The daemon keeps it locked where the system has such locks, so that a number which was left
    behind, and after a reboot is that of some other program, can be told from a daemon's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: IO[bytes] | None = None

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
        # Nobody holds the lock: a program that takes none, or one that began after the file was
        # written and has nothing to do with it.
        return None if _began_at(pid) > self._written_at() + _DOUBT_S else pid

    def take(self) -> None:
        """Write our own id; what a dead process left behind is overwritten.

        :raises AlreadyRunning: if the file names a living process other than this one.
        """
        pid = self.serving()
        if pid is not None and pid != os.getpid():
            raise AlreadyRunning(pid, self.path)
        self.path.write_text(f"{os.getpid()}\n", encoding="ascii")
        self._held = self.path.open("rb")
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def drop(self) -> None:
        """Remove the file, if it is still ours."""
        held, self._held = self._held, None
        if held is not None:
            held.close()
        if self.read() == os.getpid():
            self.path.unlink(missing_ok=True)

    def _is_locked(self) -> bool:
        if fcntl is None:
            return False
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _written_at(self) -> float:
        try:
            return self.path.stat().st_mtime
        except OSError:
            return math.inf
