"""Find, signal and kill a program together with everything it started.

What belongs to a program is found in four ways, because each alone misses something: the children
of its children; the members of its process group and session; what was seen to belong to it before,
when a parent that connected them still lived; and what carries its mark, a variable in the
environment, which survives ``setsid`` and the death of every parent. A service that is meant to
outlive the program that starts it takes the mark out of its environment.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ci_common.processes.identity import MARK_VARIABLE, ProcessId, identify

if TYPE_CHECKING:
    import psutil  # imported where it is used: it costs an idle daemon memory

#: A tree that forks while it is being killed is walked again, at most this often.
_MOST_ROUNDS = 8

#: Seconds by which a process may seem to be older than what started it: clocks are coarse.
_DOUBT_S = 2.0


def is_running(process: ProcessId) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    import psutil

    if identify(process.pid) != process:
        return False
    try:
        return psutil.Process(process.pid).status() not in _ENDED
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # that of another user: all we know is that it is there


#: States of a process that does nothing any more, as psutil names them.
_ENDED = ("zombie", "dead")


@dataclass(frozen=True, slots=True)
class Row:
    """One process, as the table of all processes has it.

    :ivar began_at: seconds since a moment that is the same for all rows of a table.
    """

    process: "psutil.Process"
    pid: int
    parent: int
    group: int
    session: int
    ended: bool
    began_at: float


def process_table() -> list[Row]:
    """All processes that can be seen.

    It is read several times for each program that is ended, and a worker may have many to end at
    once. So on Linux one file is read for each process, which is five times as fast as psutil.
    """
    import psutil

    row = _row_of_stat if sys.platform == "linux" else _row
    rows = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            rows.append(row(process))
    return rows


def _row_of_stat(process: "psutil.Process") -> Row:
    """The same as :func:`_row`, from what the system tells in one line.

    :raises OSError: if there is no such process any more.
    """
    with open(f"/proc/{process.pid}/stat", "rb") as file:
        state, parent, group, session, *more = file.read().rpartition(b")")[2].split()
    began_at = int(more[15]) / _ticks_per_second()
    ended = state in _ENDED_LETTERS
    return Row(process, process.pid, int(parent), int(group), int(session), ended, began_at)


#: The same states as in ``_ENDED``, as the kernel writes them.
_ENDED_LETTERS = (b"Z", b"X", b"x")


@cache
def _ticks_per_second() -> int:
    return os.sysconf("SC_CLK_TCK")


def _row(process: "psutil.Process") -> Row:
    with process.oneshot():
        return _row_of_psutil(process)


def _row_of_psutil(process: "psutil.Process") -> Row:
    import psutil

    pid = process.pid
    ended = False
    with contextlib.suppress(psutil.AccessDenied):
        ended = process.status() in _ENDED
    group, session = _group_and_session(pid)
    return Row(process, pid, process.ppid(), group, session, ended, process.create_time())


def _group_and_session(pid: int) -> tuple[int, int]:
    """-1 for what there is not, or may not be known."""
    found = []
    for name in ("getpgid", "getsid"):
        look: Callable[[int], int] | None = getattr(os, name, None)
        number = -1
        if look is not None:
            with contextlib.suppress(OSError):
                number = look(pid)
        found.append(number)
    return found[0], found[1]


class ProcessTree:
    """A program and all that it started, on a system without process groups.

    :param pid: the program's process, the root of the tree.
    :param mark: the value of ``MARK_VARIABLE`` in its environment; empty for none.
    :param root: the root for certain, where ``pid`` may be that of another process meanwhile: of
        one that was written down by a daemon that is gone.
    """

    def __init__(self, pid: int, *, mark: str = "", root: ProcessId | None = None) -> None:
        self.pid = pid
        self.mark = mark
        self.root_has_ended = False
        #: called once by ``close``
        self.on_close: Callable[[], None] = _nothing
        self._is_of_before = root is not None
        self._known: set[ProcessId] = set()
        self._unmarked: set[ProcessId] = set()
        if root is not None and not is_running(root):
            self.root_has_ended = True

    def snapshot(self) -> None:
        """Note what belongs to it now: a process may lose its tie to the root afterwards."""
        self._known |= self.members()

    def members(self) -> set[ProcessId]:
        """The living processes of the tree; the root is among them while it lives."""
        rows = process_table()
        pending = [row for row in rows if self._is_first(row)]
        pending += self._of_group(rows)
        known = {process.pid for process in self._known if is_running(process)}
        pending += [row for row in rows if row.pid in known]
        found = _with_children(pending, rows)
        since = next((row.began_at - _DOUBT_S for row in rows if self._is_first(row)), 0.0)
        younger = [row for row in rows if row.pid not in found and row.began_at >= since]
        pending = [row for row in younger if self._has_mark(row)]
        found |= _with_children(pending, rows)
        ids = (identify(row.pid) for row in found.values() if not row.ended)
        return {process for process in ids if process is not None} - {identify(os.getpid())}

    def signal(self, number: int) -> bool:
        """Ask it to end. Where there are no such signals, that is to kill it."""
        self.kill()
        return True

    def kill(self) -> None:
        """Kill all of it, and wait for nothing."""
        killed: set[ProcessId] = set()
        for _ in range(_MOST_ROUNDS):
            targets = self.members() - killed
            self._kill_at_once(targets)
            if not targets:
                break
            # First the root: a shell whose child dies before it would end in its own way.
            for process in sorted(targets, key=lambda process: process.pid != self.pid):
                _kill(process)
            killed |= targets

    def close(self) -> None:
        """The program has ended, and nobody will ask for its end any more. May be called twice."""
        on_close, self.on_close = self.on_close, _nothing
        on_close()

    def _is_first(self, row: Row) -> bool:
        return row.pid == self.pid and not self.root_has_ended

    def _of_group(self, rows: list[Row]) -> list[Row]:
        return []

    def _kill_at_once(self, targets: Iterable[ProcessId]) -> None:
        """Kill by one call what the system lets us kill by one call."""

    def _has_mark(self, row: Row) -> bool:
        """Whether the process inherited the mark; False also if that may not be known."""
        if not self.mark or row.ended:
            return False
        process = identify(row.pid)
        if process is None or process in self._unmarked:
            return False
        if mark_of(row) == self.mark:
            return True
        self._unmarked.add(process)
        return False


def _nothing() -> None:
    return None


def mark_of(row: Row) -> str | None:
    """The mark that a process inherited, "" if it has none, None if that may not be known."""
    import psutil

    try:
        return str(row.process.environ().get(MARK_VARIABLE, ""))
    except (psutil.Error, OSError):
        return None


def _with_children(pending: list[Row], rows: list[Row]) -> dict[int, Row]:
    children: dict[int, list[Row]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    pending = list(pending)
    found: dict[int, Row] = {}
    while pending:
        row = pending.pop()
        if row.pid not in found:
            found[row.pid] = row
            pending.extend(children.get(row.pid, ()))
    return found


def _kill(process: ProcessId) -> None:
    """Kill one process, if it is still that one."""
    import psutil

    with contextlib.suppress(psutil.Error):
        target = psutil.Process(process.pid)
        if identify(process.pid) == process:
            target.kill()


class SessionTree(ProcessTree):
    """A program that leads a session and a process group of its own, as POSIX has them."""

    def signal(self, number: int) -> bool:
        """Send a signal to its process group; False if there is none any more.

        A stopped process (SIGSTOP) is continued, so that it can do what the signal asks.
        """
        if sys.platform == "win32" or not self._has_group():
            return False
        sent = self._signal_group(number)
        if sent and number not in (signal.SIGKILL, signal.SIGSTOP):
            self._signal_group(signal.SIGCONT)
        return sent

    def _signal_group(self, number: int) -> bool:
        if sys.platform == "win32":
            return False
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _has_group(self) -> bool:
        """Whether the group of this number is that of our program."""
        if not self.root_has_ended:
            return True
        return bool(self._of_group(process_table()))

    def _of_group(self, rows: list[Row]) -> list[Row]:
        """Those of the group or session.

        A number is not used again while it is that of a group or session. So if a process of our
        ended root's number lives, then the group is another one.
        """
        number_is_anothers = any(row.pid == self.pid and not row.ended for row in rows)
        if self.pid <= 0 or (self.root_has_ended and number_is_anothers):
            return []
        members = [row for row in rows if self.pid in (row.group, row.session)]
        if self._is_of_before and self.root_has_ended:
            # Since then the number may have had another owner, whose group this is.
            members = [row for row in members if self._may_be_ours(row)]
        return members

    def _may_be_ours(self, row: Row) -> bool:
        """Whether it has our mark, or is of our user and hides its environment (as on macOS)."""
        import psutil

        mark = mark_of(row)
        if mark is not None:
            return mark == self.mark
        with contextlib.suppress(psutil.Error):
            return bool(row.process.uids().real == psutil.Process().uids().real)
        return False

    def _kill_at_once(self, targets: Iterable[ProcessId]) -> None:
        if sys.platform != "win32" and (
            not self.root_has_ended or any(_group_of(process) == self.pid for process in targets)
        ):
            self._signal_group(signal.SIGKILL)


def _group_of(process: ProcessId) -> int:
    return _group_and_session(process.pid)[0]


def tree_of(pid: int, *, mark: str = "", root: ProcessId | None = None) -> ProcessTree:
    """The tree of a program that leads a session of its own, where the system has sessions."""
    kind = SessionTree if hasattr(os, "killpg") else ProcessTree
    return kind(pid, mark=mark, root=root)
