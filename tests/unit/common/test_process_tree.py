"""Find a program's processes in the table of all processes."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from ci_common.processes import identity, tree
from ci_common.processes.identity import MARK_VARIABLE, ProcessId, identify
from ci_common.processes.tree import Row, SessionTree

ME = os.getpid()


@dataclass
class Entry:
    """One process of a table that a test makes."""

    pid: int
    parent: int
    group: int
    session: int
    mark: str | None = ""
    ended: bool = False
    started: str = "1"
    uid: int = 0

    def environ(self) -> dict[str, str]:
        if self.mark is None:
            raise psutil.AccessDenied(self.pid)
        return {MARK_VARIABLE: self.mark} if self.mark else {}

    def uids(self) -> Any:
        return SimpleNamespace(real=self.uid)


class Table(dict[int, Entry]):
    """pid to entry; what the tree functions see."""

    def add(self, *entries: Entry) -> None:
        self.update({entry.pid: entry for entry in entries})

    def identify(self, pid: int) -> ProcessId | None:
        return ProcessId(pid, self[pid].started) if pid in self else None

    def is_running(self, process: ProcessId) -> bool:
        return self.identify(process.pid) == process and not self[process.pid].ended

    def rows(self) -> list[Row]:
        return [
            Row(entry, e.pid, e.parent, e.group, e.session, e.ended, 0.0)  # type: ignore[arg-type]
            for e in self.values()
            for entry in [e]
        ]

    def kill(self, process: ProcessId) -> None:
        self.pop(process.pid, None)

    def kill_group(self, group: int, number: int) -> None:
        members = [pid for pid, entry in self.items() if entry.group == group]
        if not members:
            raise ProcessLookupError
        if number == signal.SIGKILL:
            for pid in members:
                del self[pid]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()
    monkeypatch.setattr(tree, "process_table", made.rows)
    monkeypatch.setattr(tree, "identify", made.identify)
    monkeypatch.setattr(tree, "is_running", made.is_running)
    monkeypatch.setattr(tree, "_kill", made.kill)
    monkeypatch.setattr(
        tree, "_group_of", lambda process: made[process.pid].group if process.pid in made else -1
    )
    monkeypatch.setattr(os, "killpg", made.kill_group)
    return made


def pids(found: SessionTree) -> set[int]:
    return {process.pid for process in found.members()}


def test_children_of_children_and_members_of_the_session_are_found(table: Table) -> None:
    table.add(
        Entry(1, 0, 1, 1),
        Entry(10, 1, 10, 10),  # the root
        Entry(11, 10, 10, 10),
        Entry(12, 11, 12, 12),  # called setsid
        Entry(13, 1, 10, 10),  # lost its parent, kept the session
        Entry(14, 12, 12, 12, ended=True),
        Entry(20, 1, 20, 20),
    )
    found = SessionTree(10)
    assert pids(found) == {10, 11, 12, 13}
    found.kill()
    assert set(table) == {1, 14, 20}


def test_the_root_dies_before_those_it_waits_for(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.add(Entry(10, 1, 9, 9), Entry(12, 10, 12, 12), Entry(13, 10, 13, 13))
    order: list[int] = []

    def kill(process: ProcessId) -> None:
        order.append(process.pid)
        table.kill(process)

    monkeypatch.setattr(tree, "_kill", kill)
    SessionTree(10).kill()
    assert order[0] == 10
    assert set(table) == set()


def test_what_lost_its_tie_meanwhile_is_remembered(table: Table) -> None:
    table.add(Entry(10, 1, 10, 10), Entry(12, 10, 12, 12))
    found = SessionTree(10)
    found.snapshot()
    del table[10]
    found.root_has_ended = True
    table.add(Entry(12, 1, 12, 12), Entry(99, 1, 99, 99))
    found.kill()
    assert set(table) == {99}


def test_what_cut_every_tie_is_known_by_its_mark_and_so_are_its_children(table: Table) -> None:
    table.add(
        Entry(10, 1, 10, 10, "ours"),
        Entry(12, 1, 12, 12, "ours"),
        Entry(13, 12, 13, 13, ""),
        Entry(14, 1, 14, 14, "another"),
        Entry(15, 1, 15, 15, None),
    )
    assert pids(SessionTree(10, mark="ours")) == {10, 12, 13}


def test_without_a_mark_nothing_is_known_by_one(table: Table) -> None:
    table.add(Entry(10, 1, 10, 10), Entry(12, 1, 12, 12, ""))
    assert pids(SessionTree(10)) == {10}


def test_a_new_process_with_the_roots_id_is_spared_and_its_group_too(table: Table) -> None:
    found = SessionTree(10)
    found.root_has_ended = True
    table.add(Entry(10, 1, 10, 10), Entry(11, 1, 10, 10))
    found.kill()
    assert not found.signal(signal.SIGTERM)
    assert set(table) == {10, 11}


def test_the_group_of_a_root_that_has_ended_is_still_reached(table: Table) -> None:
    table.add(Entry(11, 1, 10, 10))
    found = SessionTree(10)
    found.root_has_ended = True
    assert found.signal(signal.SIGTERM)
    found.kill()
    assert set(table) == set()


def test_this_process_is_never_one_of_them(table: Table) -> None:
    table.add(Entry(10, 1, 10, 10, "ours"), Entry(ME, 10, ME, ME, "ours"))
    assert pids(SessionTree(10, mark="ours")) == {10}


def test_a_recorded_root_is_only_itself_if_it_began_when_it_was_recorded(table: Table) -> None:
    table.add(Entry(10, 1, 10, 10, started="2"), Entry(11, 10, 10, 10))
    assert pids(SessionTree(10, mark="m", root=ProcessId(10, "1"))) == set()
    assert pids(SessionTree(10, mark="m", root=ProcessId(10, "2"))) == {10, 11}


def test_the_group_of_a_recorded_root_that_has_ended_must_have_its_mark(table: Table) -> None:
    uid = os.getuid()
    table.add(
        Entry(11, 1, 10, 10, "m"),
        Entry(12, 1, 10, 10, ""),  # the number had another owner since then
        Entry(13, 1, 10, 10, None, uid=uid),  # hides its environment
        Entry(14, 1, 10, 10, None, uid=uid + 1),
    )
    assert pids(SessionTree(10, mark="m", root=ProcessId(10, "1"))) == {11, 13}


def test_a_program_whose_process_was_never_recorded_has_no_group(table: Table) -> None:
    table.add(Entry(2, 0, 0, 0, None), Entry(11, 1, 11, 11, "m"))
    assert pids(SessionTree(0, mark="m", root=ProcessId(0, ""))) == {11}


def test_the_real_table_has_this_process() -> None:
    rows = {row.pid: row for row in tree.process_table()}
    assert (rows[ME].parent, rows[ME].group) == (os.getppid(), os.getpgid(0))
    me = identify(ME)
    assert me is not None
    assert tree.is_running(me)
    assert not tree.is_running(ProcessId(ME, "0"))


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such file")
def test_both_ways_to_read_the_table_tell_the_same() -> None:
    ours = psutil.Process(ME)
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        for process in (ours, psutil.Process(child.pid)):
            quick, slow = tree._row_of_stat(process), tree._row(process)
            assert replace(quick, began_at=0.0) == replace(slow, began_at=0.0)
        began = tree._row_of_stat(psutil.Process(child.pid)).began_at
        assert began >= tree._row_of_stat(ours).began_at
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert tree._row_of_stat(psutil.Process(child.pid)).ended
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know the time of the day")
def test_a_process_of_another_start_of_the_system_is_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = identify(ME)
    monkeypatch.setattr(identity, "_boot", lambda: "another")
    assert before is not None
    assert identify(ME) != before
    assert not tree.is_running(before)
