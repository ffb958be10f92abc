"""Tell one process from another that has its id."""

import os
import sys
from dataclasses import dataclass
from functools import cache

#: The environment variable that everything a program starts inherits.
MARK_VARIABLE = "CI_PROCESS_MARK"


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for certain: an id alone is used again after its process has ended."""

    pid: int
    #: when it began: clock ticks since the start of the system, and which start that was, on
    #: Linux; else unix seconds
    started: str


def identify(pid: int) -> ProcessId | None:
    """The process of this id, or None if there is none."""
    started = _started(pid)
    return None if started is None else ProcessId(pid, started)


def _started(pid: int) -> str | None:
    if sys.platform == "linux":
        # Read here and not by psutil, which adds the time of the system's start: setting the
        # clock would make another process of it.
        try:
            handle = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
            try:  # without a file object: this is done for each program that is started
                line = os.read(handle, 4096)
            finally:
                os.close(handle)
        except OSError:
            return None
        ticks = line.rpartition(b")")[2].split(None, 20)[19].decode("ascii")
        return f"{ticks}@{_boot()}"
    import psutil  # costs an idle daemon memory

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


@cache
def _boot() -> str:
    """What tells this start of the system from another one, after which numbers come again."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
