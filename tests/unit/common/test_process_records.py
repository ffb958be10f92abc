"""What runs, written down for the next run."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ci_common.processes import records as module
from ci_common.processes.identity import ProcessId
from ci_common.processes.records import SETTLE_S, ProcessRecords, Record, read_records
from ci_common.processes.tree import ProcessTree


def a_tree(pid: int, *, ended: bool = False) -> ProcessTree:
    tree = ProcessTree(pid)
    tree.root_has_ended = ended
    return tree


@pytest.fixture(autouse=True)
def _identities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "identify", lambda pid: ProcessId(pid, str(pid - 1)))


def test_what_had_not_ended_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "f"
    clock = Clock()
    records = ProcessRecords(path, clock)
    for mark in ("a", "b", "c", "d"):
        records.starts(mark)
    records.runs("a", a_tree(10))
    records.runs("b", a_tree(11))
    records.runs("d", a_tree(12, ended=True))
    assert read_records(path) == [Record(mark, None) for mark in "abcd"]
    records.ended("b")
    clock.advance(SETTLE_S)
    expected = [Record("a", ProcessId(10, "9")), Record("c", None), Record("d", None)]
    assert read_records(path) == expected
    assert not clock.getDelayedCalls()


def test_each_program_is_looked_up_when_it_has_run_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "f"
    clock = Clock()
    records = ProcessRecords(path, clock)
    records.starts("a")
    records.runs("a", a_tree(10))
    clock.advance(SETTLE_S / 2)
    records.starts("b")
    records.runs("b", a_tree(20))
    clock.advance(SETTLE_S / 2)
    assert [record.process is None for record in read_records(path)] == [False, True]
    clock.advance(SETTLE_S)
    assert [record.process is None for record in read_records(path)] == [False, False]


def test_when_nothing_runs_the_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "f"
    clock = Clock()
    records = ProcessRecords(path, clock)
    records.starts("a")
    records.ended("a")
    records.ended("a")
    assert read_records(path) == []
    clock.advance(SETTLE_S)
    assert path.read_text() == ""
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_waits_is_written_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    clock = Clock()
    records = ProcessRecords(path, clock)
    records.starts("a")
    records.starts("b")
    records.runs("b", a_tree(5))
    records.ended("a")
    records.close()
    assert read_records(path) == [Record("b", ProcessId(5, "4"))]
    assert not clock.getDelayedCalls()


def test_a_file_that_has_grown_is_written_anew_with_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REWRITE_BYTES", 100)
    path = tmp_path / "f"
    clock = Clock()
    records = ProcessRecords(path, clock)
    records.starts("long")
    records.runs("long", a_tree(9))
    clock.advance(SETTLE_S)
    for number in range(50):
        records.starts(str(number))
        records.ended(str(number))
    assert path.stat().st_size < 200
    records.close()
    assert read_records(path) == [Record("long", ProcessId(9, "8"))]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(0, 400))
def test_a_file_that_was_cut_anywhere_loses_at_most_its_last_line(marks: str, cut: int) -> None:
    lines: list[str] = []
    running: dict[str, Record] = {}
    states = [dict(running)]
    for mark in marks:
        if mark in running:
            lines.append(f"- {mark}\n")
            del running[mark]
        else:
            lines.append(f"@ {mark} 77 1234\n")
            running[mark] = Record(mark, ProcessId(77, "1234"))
        states.append(dict(running))
    text = "".join(lines)[:cut]

    class Text:
        def read_text(self, **_: object) -> str:
            return text

    expected = list(states[text.count("\n")].values())
    assert read_records(Text()) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line", ["@ a -5 1", "@ a 1 1", "@ a 0 1", "@ a \u00b2 1", "@ a 9", "? a", "", "\0\0\0"]
)
def test_a_line_that_is_strange_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "f"
    path.write_text(f"{line}\n+ b\n", encoding="utf-8")
    assert read_records(path) == [Record("b", None)]


def test_a_disk_that_takes_no_more_is_logged_once_and_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module.log, "error", lambda text, **_: said.append(text))
    clock = Clock()
    records = ProcessRecords(tmp_path / "no" / "such" / "f", clock)
    for mark in "ab":
        records.starts(mark)
        records.runs(mark, a_tree(9))
        clock.advance(SETTLE_S)
        records.ended(mark)
    assert len(said) == 1


def test_a_directory_without_a_file_has_no_leftovers_and_gets_none(tmp_path: Path) -> None:
    assert ProcessRecords(tmp_path / "f", Clock()).end_leftovers() == 0
    assert list(tmp_path.iterdir()) == []


def test_the_file_says_whose_it_is(tmp_path: Path) -> None:
    records = ProcessRecords(tmp_path / "f", Clock())
    for _ in range(2):
        records.starts("a")
    records.close()
    whose = f"= {os.getpid()} {os.getpid() - 1}\n"
    assert (tmp_path / "f").read_text() == f"{whose}+ a\n+ a\n"


@pytest.mark.parametrize(
    ("pid", "runs", "ended"),
    [(4242, True, []), (4242, False, ["a"]), (None, True, ["a"])],
)
def test_what_a_daemon_runs_is_not_ended_by_that_of_a_copied_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int | None, runs: bool, ended: list[str]
) -> None:
    killed: list[str] = []
    pid = pid or os.getpid()

    def kill(records: list[Record], say: object) -> int:
        killed.extend(record.mark for record in records)
        return len(records)

    monkeypatch.setattr(module, "_kill_leftovers", kill)
    monkeypatch.setattr(module, "is_running", lambda who: runs and who == ProcessId(pid, "9@boot"))
    path = tmp_path / "f"
    path.write_text(f"= {pid} 9@boot\n+ a\n")
    said: list[str] = []
    assert ProcessRecords(path, Clock()).end_leftovers(said.append) == len(ended)
    assert killed == ended
    assert said == ([] if ended else [f"{path} is a copy of the file of process 4242, which runs"])
    assert path.read_text() == ""
