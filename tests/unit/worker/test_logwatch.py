"""Files that are followed while a program writes them."""

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from ci_worker.commands.logwatch import POLL_S, LogWatch


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
    assert followed.watch.stop() == [("log", "three\n")]
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
