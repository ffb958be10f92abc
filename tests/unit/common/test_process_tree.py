"""Find a process's descendants in the table of all processes."""

import os
import signal
from pathlib import Path

import pytest

from ci_common.processes import tree


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int, int, str]]:
    """pid to (parent, group, session, state); what the tree functions see."""
    rows: dict[int, tuple[int, int, int, str]] = {}

    def read(pid: int) -> tree._Row | None:
        if pid not in rows:
            return None
        parent, group, session, state = rows[pid]
        id = tree.ProcessId(pid, b"1")
        return tree._Row(id, parent, group, session, state == "Z")

    def listed(path: object) -> list[str]:
        return [*map(str, rows), "self", "uptime"]

    def kill(pid: int, number: int) -> None:
        assert number == signal.SIGKILL
        if pid not in rows:
            raise ProcessLookupError
        del rows[pid]

    monkeypatch.setattr(tree, "_read_row", read)
    monkeypatch.setattr(os, "listdir", listed)
    monkeypatch.setattr(os, "kill", kill)

    def kill_group(group: int, number: int) -> None:
        for pid in [pid for pid, row in rows.items() if row[1] == group]:
            kill(pid, number)

    monkeypatch.setattr(os, "killpg", kill_group)
    return rows


def test_children_of_children_and_members_of_the_session_are_found(
    table: dict[int, tuple[int, int, int, str]],
) -> None:
    table.update(
        {
            1: (0, 1, 1, "S"),
            10: (1, 10, 10, "S"),  # the root
            11: (10, 10, 10, "R"),
            12: (11, 12, 12, "S"),  # called setsid
            13: (1, 10, 10, "S"),  # lost its parent, kept the session
            14: (12, 12, 12, "Z"),
            20: (1, 20, 20, "S"),
        }
    )
    assert {found.pid for found in tree.descendants(10)} == {10, 11, 12, 13}
    tree.kill_tree(10)
    assert set(table) == {1, 14, 20}


def test_the_root_dies_before_those_it_waits_for(
    table: dict[int, tuple[int, int, int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    table.update({10: (1, 10, 10, "S"), 12: (10, 12, 12, "S"), 13: (10, 13, 13, "S")})
    order: list[int] = []
    kill = os.kill

    def record(pid: int, number: int) -> None:
        order.append(pid)
        kill(pid, number)

    def record_group(group: int, number: int) -> None:
        if group in table:
            order.append(group)
            del table[group]

    monkeypatch.setattr(os, "kill", record)
    monkeypatch.setattr(os, "killpg", record_group)
    tree.kill_tree(10)
    assert order[0] == 10
    assert table == {}


def test_what_lost_its_tie_meanwhile_is_remembered(
    table: dict[int, tuple[int, int, int, str]],
) -> None:
    table.update({10: (1, 10, 10, "S"), 12: (10, 12, 12, "S")})
    known = tree.descendants(10)
    del table[10]
    table[12] = (1, 12, 12, "S")
    table[99] = (1, 99, 99, "S")
    tree.kill_tree(10, known, root_has_ended=True)
    assert set(table) == {99}


def test_a_new_process_with_the_roots_id_is_spared(
    table: dict[int, tuple[int, int, int, str]],
) -> None:
    table[10] = (1, 10, 10, "S")
    tree.kill_tree(10, root_has_ended=True)
    assert set(table) == {10}


def test_the_real_table_has_this_process() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system has no /proc")
    assert os.getpid() in {found.pid for found in tree.descendants(os.getpid())}
