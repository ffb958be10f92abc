"""Files that are followed while a program writes them."""

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from ci_worker.commands.logwatch import LAST_BYTES, POLL_S, FollowedFile, LogWatch


class Followed:
    def __init__(self, path: Path, *, follow: bool = False) -> None:
        self.clock = Clock()
        self.text = ""
        self.room = True
        self.active = 0
        self.watch = LogWatch(
            self.clock, self.put, may_read=lambda: self.room, on_activity=self.touch
        )
        self.watch.add("log", str(path), follow=follow)
        self.watch.start()

    def put(self, name: str, text: str, size: int) -> None:
        self.text += text

    def touch(self) -> None:
        self.active += 1

    def poll(self) -> str:
        self.clock.advance(POLL_S)
        return self.text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.log"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_a_file_that_is_made_later_is_read_from_its_start(path: Path) -> None:
    followed = Followed(path)
    assert (followed.poll(), followed.active) == ("", 0)
    append(path, "one\ntw")
    assert (followed.poll(), followed.active) == ("one\n", 1)
    append(path, "o\nthree")
    assert followed.poll() == "one\ntwo\n"
    assert followed.watch.stop() == ([("log", "three\n")], "")
    assert followed.clock.getDelayedCalls() == []


@pytest.mark.parametrize(("follow", "text"), [(False, "old\nnew\n"), (True, "new\n")])
def test_what_was_there_before_counts_unless_it_is_only_followed(
    path: Path, follow: bool, text: str
) -> None:
    append(path, "old\n")
    followed = Followed(path, follow=follow)
    append(path, "new\n")
    assert followed.poll() == text


def test_a_replaced_and_a_truncated_file_are_read_anew(path: Path) -> None:
    followed = Followed(path)
    append(path, "first\n")
    followed.poll()
    append(path.with_name("other"), "second\n")
    os.replace(path.with_name("other"), path)
    assert followed.poll() == "first\nsecond\n"
    path.write_text("3\n")
    assert followed.poll() == "first\nsecond\n3\n"


def test_nothing_is_read_while_there_is_no_room(path: Path) -> None:
    followed = Followed(path)
    append(path, "x\n")
    followed.room = False
    assert followed.poll() == ""
    followed.watch.stop()
    assert followed.text == "x\n"


def test_what_is_no_regular_file_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    followed = Followed(path)
    assert followed.poll() == ""
    assert followed.watch.stop() == ([], "")


def test_a_long_file_is_read_to_its_end_in_pieces_and_where_there_is_room(path: Path) -> None:
    followed = Followed(path)
    text = "x" * 79 + "\n"
    path.write_text(text * 10_000)
    followed.watch.note_end()
    followed.room = False
    assert followed.watch.read_some()
    assert followed.text == ""
    followed.room = True
    rounds = 0
    while followed.watch.read_some():
        rounds += 1
    assert rounds > 2
    assert followed.text == text * 10_000


def test_of_a_stopped_program_the_end_of_a_flood_is_left_out_and_that_is_said(path: Path) -> None:
    followed = Followed(path)
    path.write_bytes(b"y" * 99 + b"\n")
    with path.open("r+b") as file:
        file.truncate(LAST_BYTES + 1234)
    tails, problems = followed.watch.stop()
    assert problems == "log file 'log': 1234 bytes are left out\n"
    assert len(tails) == 1


def test_a_file_that_cannot_be_read_any_more_hinders_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = Followed(path)
    append(path, "x\n")

    def fail(self: FollowedFile, most: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(FollowedFile, "poll", fail)
    assert followed.poll() == ""
    assert followed.watch.stop() == ([], "cannot read log file 'log': Input/output error\n")
