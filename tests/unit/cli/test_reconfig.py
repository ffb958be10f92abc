"""Following a log until the configuration is in force, or refused."""

from pathlib import Path

import pytest

from ci_master.cli.problem import Problem
from ci_master.cli.reconfig import LogTail, follow

STAMP = "2026-11-21 09:00:00+0000 [-] "


class Clock:
    """Time that passes only by sleeping; each sleep lets the next text be logged."""

    def __init__(self, path: Path, texts: list[str]) -> None:
        self.at = 0.0
        self._path = path
        self._texts = texts

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        if self._texts:
            with self._path.open("a") as file:
                file.write(self._texts.pop(0))


def followed(directory: Path, texts: list[str], timeout_s: float = 10) -> list[str]:
    path = directory / "twistd.log"
    path.write_text(STAMP + "old line with configuration update complete\n")
    clock = Clock(path, texts)
    return follow(LogTail(path), timeout_s, clock.now, clock.sleep)


def test_it_ends_with_the_update(tmp_path: Path) -> None:
    lines = followed(
        tmp_path,
        [STAMP + "1 builder added: b\n", STAMP + "configuration update complete\n"],
    )
    assert lines == ["1 builder added: b", "configuration update complete"]


def test_the_faults_are_shown_without_time_stamps(tmp_path: Path) -> None:
    text = (
        f"{STAMP}master.cfg has 1 fault; the running configuration stays as it is.\n"
        f"\tmaster.cfg:3: there is no x\n{STAMP}configuration update aborted\n"
    )
    assert followed(tmp_path, [text]) == [
        "master.cfg has 1 fault; the running configuration stays as it is.",
        "master.cfg:3: there is no x",
        "configuration update aborted",
    ]


def test_a_line_that_comes_in_two_parts_is_one(tmp_path: Path) -> None:
    assert followed(tmp_path, [STAMP + "configuration upd", "ate complete\n"]) == [
        "configuration update complete"
    ]


def test_silence_is_an_error_in_the_end(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="logged nothing for 10 s"):
        followed(tmp_path, [])


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "twistd.log"
    path.write_text("x" * 100)
    tail = LogTail(path)
    path.write_text("new\n")
    assert tail.news() == ["new"]
