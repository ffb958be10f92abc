"""Find and signal a process together with everything it started.

A program's children normally share its process group; those that left it (``setsid``) are found by
walking the parents in ``/proc``. A daemon that cut every tie before the walk (new session and its
parent gone) is beyond reach, and is meant to be: it is a service, not a part of the step.
"""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")

#: A tree that forks while it is being killed is walked again, at most this often.
_MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process for certain: an id alone is used again after its process has ended."""

    pid: int
    started: bytes  # field 22 of /proc/PID/stat


@dataclass(frozen=True, slots=True)
class _Row:
    id: ProcessId
    parent: int
    group: int
    session: int
    ended: bool


def descendants(root: int) -> set[ProcessId]:
    """The living processes of the tree below ``root``, and those of its group or session.

    ``root`` itself is among them while it lives. Empty where there is no ``/proc``.
    """
    rows = _process_table()
    children: dict[int, list[_Row]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    pending = [row for row in rows if root in (row.id.pid, row.group, row.session)]
    found: dict[int, _Row] = {}
    while pending:
        row = pending.pop()
        if row.id.pid not in found:
            found[row.id.pid] = row
            pending.extend(children.get(row.id.pid, ()))
    return {row.id for row in found.values() if not row.ended}


def _process_table() -> list[_Row]:
    try:
        names = os.listdir(_PROC)
    except OSError:
        return []
    return [row for name in names if name.isdigit() and (row := _read_row(int(name)))]


def _read_row(pid: int) -> _Row | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None  # it has ended meanwhile
    state, parent, group, session = fields[0], *map(int, fields[1:4])
    return _Row(ProcessId(pid, fields[19]), parent, group, session, state in (b"Z", b"X"))


def signal_group(root: int, number: int) -> bool:
    """Send a signal to the process group that ``root`` leads; False if there is none any more."""
    if sys.platform == "win32":
        return _taskkill(root)
    try:
        os.killpg(root, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_tree(
    root: int, known: set[ProcessId] | None = None, *, root_has_ended: bool = False
) -> None:
    """Kill ``root`` and all that it started, and wait for nothing.

    :param known: what an earlier walk found: processes may have lost their tie to ``root`` since
        then, by the end of the parent that connected them.
    :param root_has_ended: a process that has the id of ``root`` now is another one; it is spared.
    """
    if sys.platform == "win32":
        _taskkill(root)
        return
    killed: set[ProcessId] = set()
    for _ in range(_MOST_ROUNDS):
        targets = descendants(root) | still_alive(known or set())
        if root_has_ended:
            targets = {target for target in targets if target.pid != root}
        if targets <= killed:
            break
        if not root_has_ended:
            # First those above: a shell whose child dies before it would end in its own way.
            signal_group(root, signal.SIGKILL)
        for target in targets - killed:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(target.pid, signal.SIGKILL)
        killed |= targets
    if not killed and not root_has_ended:
        signal_group(root, signal.SIGKILL)  # where there is no /proc, this is all


def still_alive(known: set[ProcessId]) -> set[ProcessId]:
    """Those of ``known`` that still run, not counting a new process with an old id."""
    alive = set()
    for process in known:
        row = _read_row(process.pid)
        if row is not None and row.id == process and not row.ended:
            alive.add(process)
    return alive


def _taskkill(root: int) -> bool:
    done = subprocess.run(["taskkill", "/PID", str(root), "/T", "/F"], capture_output=True)
    return done.returncode == 0
