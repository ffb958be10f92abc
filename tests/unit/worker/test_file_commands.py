"""The commands that look at, make, remove and move files."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from ci_worker.commands import COMMAND_NAMES, command_class, downloadfile
from ci_worker.commands.files import remove_tree
from ci_worker.commands.uploaddirectory import BlockStream
from tests.unit.worker.tellers import RecordingTeller, Remote, place


def run(name: str, basedir: Path, **args: Any) -> RecordingTeller:
    """Run a command that never has to wait."""
    tell = RecordingTeller()
    done = ensureDeferred(command_class(name)(place(basedir), args, tell).run())
    assert done.called
    done.addErrback(lambda failure: failure.raiseException())
    return tell


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_every_command_says_what_it_lacks(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the arguments"):
        command_class(name)(place(tmp_path), {}, RecordingTeller())


def test_a_directory_is_made_and_an_existing_one_is_fine(tmp_path: Path) -> None:
    for _ in range(2):
        assert run("mkdir", tmp_path, dir="a/b").told == [("rc", 0)]
    assert (tmp_path / "b1" / "a" / "b").is_dir()


@pytest.mark.parametrize(
    ("name", "args"),
    [("stat", {"file": "no"}), ("listdir", {"dir": "no"}), ("rmfile", {"path": "no"})],
)
def test_what_is_not_there_is_error_2(name: str, args: Any, tmp_path: Path) -> None:
    tell = run(name, tmp_path, **args)
    assert tell.told == [("rc", errno.ENOENT)]
    assert tell.last == [("header", f"{name}: No such file or directory: {tmp_path}/b1/no\n")]


def test_a_full_disk_is_told_by_mkdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "makedirs", full)
    tell = run("mkdir", tmp_path, dir="a")
    assert tell.told == [("rc", errno.ENOSPC)]
    assert "No space left on device" in tell.last[0][1]


def test_a_pattern_that_matches_nothing_gives_an_empty_list(tmp_path: Path) -> None:
    assert run("glob", tmp_path, path="*.x").told == [("files", []), ("rc", 0)]


class TestDownload:
    def get(self, basedir: Path, data: bytes = b"new content", **args: Any) -> RecordingTeller:
        self.reader = Remote()
        left = [data]

        def read(length: int) -> bytes:
            block, left[0] = left[0][:length], left[0][length:]
            return block

        self.reader.methods["read"] = read
        args = {"maxsize": None, "mode": None, "blocksize": 4, "workerdest": "f", **args}
        return run("downloadFile", basedir, workdir=".", reader=self.reader, **args)

    def test_a_file_replaces_the_old_one_and_keeps_its_mode(self, tmp_path: Path) -> None:
        target = tmp_path / "b1" / "f"
        target.parent.mkdir()
        target.write_text("old")
        target.chmod(0o750)
        assert self.get(tmp_path).told == [("rc", 0)]
        assert (target.read_text(), target.stat().st_mode & 0o777) == ("new content", 0o750)
        assert self.reader.calls[-1][0] == "close"

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "b1").mkdir()
        (tmp_path / "b1" / "f").symlink_to(tmp_path / "elsewhere")
        self.get(tmp_path)
        assert (tmp_path / "elsewhere").read_text() == "new content"

    def test_what_is_too_long_is_cut_and_fails(self, tmp_path: Path) -> None:
        tell = self.get(tmp_path, maxsize=6)
        assert (tmp_path / "b1" / "f").read_text() == "new co"
        assert tell.told == [("rc", 1)]
        assert tell.last[0][1].startswith("Maximum filesize reached, truncating file")

    def test_a_full_disk_leaves_the_old_file_and_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "b1").mkdir()
        (tmp_path / "b1" / "f").write_text("old")

        def full(self: Any, data: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(downloadfile.Target, "write", full)
        tell = self.get(tmp_path)
        assert tell.told == [("rc", 1)]
        assert "No space left on device" in tell.last[0][1]
        assert [path.name for path in (tmp_path / "b1").iterdir()] == ["f"]
        assert (tmp_path / "b1" / "f").read_text() == "old"
        assert self.reader.calls[-1][0] == "close"

    def test_a_directory_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "b1" / "f").mkdir(parents=True)
        tell = self.get(tmp_path)
        assert tell.last[0][1].startswith("Cannot open file")
        assert [method for method, _ in self.reader.calls] == ["close"]


class TestUpload:
    def put(self, basedir: Path, **args: Any) -> RecordingTeller:
        self.writer = Remote()
        args = {"maxsize": None, "blocksize": 4, "workersrc": "f", **args}
        return run("uploadFile", basedir, workdir=".", writer=self.writer, **args)

    def sent(self) -> bytes:
        return b"".join(data for method, data in self.writer.calls if method == "write")

    @pytest.mark.parametrize(("maxsize", "rc"), [(None, 0), (10, 0), (9, 1), (0, 1)])
    def test_the_limit_is_what_may_be_sent(
        self, maxsize: int | None, rc: int, tmp_path: Path
    ) -> None:
        (tmp_path / "b1").mkdir()
        (tmp_path / "b1" / "f").write_bytes(b"0123456789")
        tell = self.put(tmp_path, maxsize=maxsize)
        assert tell.values("rc") == [rc]
        assert self.sent() == b"0123456789"[:maxsize]

    def test_a_missing_file_closes_the_writer(self, tmp_path: Path) -> None:
        tell = self.put(tmp_path, keepstamp=True)
        assert tell.values("rc") == [1]
        assert tell.last[0][1] == f"Cannot open file '{tmp_path}/b1/f' for upload\n"
        assert [method for method, _ in self.writer.calls] == ["close"]


def test_a_stream_is_handed_on_in_blocks_and_cut_at_the_limit() -> None:
    blocks: list[bytes] = []
    stream = BlockStream(blocks.append, 4, 10)
    for data in (b"012", b"345678", b"9ab"):
        assert stream.write(data) == len(data)
    stream.finish()
    assert (blocks, stream.was_cut) == ([b"0123", b"4567", b"89"], True)


def test_a_directory_that_cannot_be_read_needs_no_writer(tmp_path: Path) -> None:
    writer = Remote()
    tell = run("uploadDirectory", tmp_path, workdir=".", workersrc="no", writer=writer, blocksize=1)
    assert tell.told == [("rc", 1)]
    assert tell.last[0][1].startswith(f"Cannot read directory '{tmp_path}/b1/no' for upload: ")
    assert writer.calls == []


def test_a_tree_that_is_marked_read_only_is_removed_and_what_links_point_at_stays(
    tmp_path: Path,
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o400)
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "f").write_text("x")
    (tree / "d" / "f").chmod(0o400)
    (tree / "link").symlink_to(outside)
    remove_tree(str(tree))
    assert not tree.exists()
    assert outside.stat().st_mode & 0o777 == 0o400
    remove_tree(str(outside))
    assert not outside.exists()
    with pytest.raises(FileNotFoundError):
        remove_tree(str(outside))


def test_what_refuses_to_go_is_made_writable_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tree" / "f"
    file.parent.mkdir()
    file.write_text("x")
    file.chmod(0o400)
    unlink = os.unlink

    def as_on_windows(path: str, **kwargs: Any) -> None:
        if not os.stat(path, **kwargs).st_mode & 0o200:
            raise PermissionError(13, "Permission denied", path)
        unlink(path, **kwargs)

    monkeypatch.setattr(os, "unlink", as_on_windows)
    monkeypatch.setattr(shutil, "_use_fd_functions", False)
    remove_tree(str(file.parent))
    assert not file.parent.exists()
