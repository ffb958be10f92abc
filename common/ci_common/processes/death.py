"""On Linux: a program ends when the daemon that runs it dies, even by ``kill -9``.

``PR_SET_PDEATHSIG`` is the usual way, but only a process itself can ask for it. So each start of a
program would run Python between ``fork`` and ``exec``: 2 ms instead of 0.7 (measured with a worker
of 32 MiB), a copy of the page tables of a large master, and a fork of a process with threads.
It is used where Python forks anyway, for programs with a terminal (``die_with_parent``). It also
reaches the direct child alone.

For all others the kernel is asked to signal the whole process group when a pipe closes whose
writing end this process alone has: ``F_SETOWN``, ``F_SETSIG`` and ``O_ASYNC``, see fcntl(2). The
program inherits the reading end, as descriptor ``LEAST_DESCRIPTOR`` or above, and must hold it
open for that. That costs some microseconds.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, ClassVar

if sys.platform == "linux":
    import fcntl

#: Programs use small numbers for files of their own (``exec 9>lock``).
LEAST_DESCRIPTOR = 200

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


#: So many pairs of descriptor and pipe are kept for the next programs.
_MOST_SPARE = 32


class DeathSignal:
    """Kills one process group when this process dies.

    :ivar descriptor: to be inherited by the program.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        if sys.platform == "linux":
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]  # not in typeshed

    def arm(self, group: int) -> None:
        """From now on, if this process dies, the group is killed."""
        if sys.platform == "linux":
            fcntl.fcntl(self.descriptor, fcntl.F_SETOWN, -group)
            self._set_flags(os.O_NONBLOCK | os.O_ASYNC)

    def disarm(self) -> None:
        """What is left of the group may outlive us: its program has ended.

        The open file serves the next program then: its owner is the group that was set last,
        whoever else still holds it open.
        """
        try:
            self._set_flags(os.O_NONBLOCK)
        except OSError:
            return  # a program that was handed it has done something to it: never again this one
        if len(_Pipe.spare) < _MOST_SPARE:
            _Pipe.spare.append(self)
        else:
            os.close(self.descriptor)

    def _set_flags(self, flags: int) -> None:
        if sys.platform == "linux":
            fcntl.fcntl(self.descriptor, fcntl.F_SETFL, flags)


class _Pipe:
    """The pipe that closes with this process; made when it is first needed."""

    ends: tuple[int, int] | None = None
    spare: ClassVar[list[DeathSignal]] = []


def death_signal() -> DeathSignal | None:
    """One for a program that is about to be started; None where the system has no such thing."""
    if sys.platform != "linux" or not hasattr(fcntl, "F_SETSIG"):
        return None
    if _Pipe.spare:
        return _Pipe.spare.pop()
    try:
        if _Pipe.ends is None:
            _Pipe.ends = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # An open file of its own: owner and signal belong to that, not to the descriptor.
        path = f"/proc/self/fd/{_Pipe.ends[0]}"
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            high = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, LEAST_DESCRIPTOR)
        finally:
            os.close(opened)
    except OSError:
        return None  # no /proc, or no more descriptors: the file of records is left
    return DeathSignal(high)


def die_with_parent() -> Callable[[], None]:
    """A function for a child to call between ``fork`` and ``exec``; made before the fork.

    The signal comes when the *thread* that forked ends: fork in the thread that lives longest.
    """
    if sys.platform != "linux":
        return lambda: None
    import ctypes  # costs an idle worker memory

    prctl: Any = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask
