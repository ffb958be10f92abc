"""The file that says which process serves a directory."""

import contextlib
import os
import sys
from pathlib import Path


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
    """A pid file: taken when a daemon starts, dropped at its end, read by who wants to stop it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> int | None:
        """The process id in the file; None if there is no file or no number in it."""
        try:
            return int(self.path.read_text(encoding="ascii", errors="replace").strip())
        except (FileNotFoundError, ValueError):
            return None

    def take(self) -> None:
        """Write our own id; what a dead process left behind is overwritten.

        :raises AlreadyRunning: if the file names a living process other than this one.
        """
        pid = self.read()
        if pid is not None and pid != os.getpid() and is_alive(pid):
            raise AlreadyRunning(pid, self.path)
        self.path.write_text(f"{os.getpid()}\n", encoding="ascii")

    def drop(self) -> None:
        """Remove the file, if it is still ours."""
        if self.read() == os.getpid():
            self.path.unlink(missing_ok=True)
