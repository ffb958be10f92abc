"""Files from and to workers: whole or not at all, and never outside of their place."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from ci_common.processes.identity import identify
from ci_master.workers.transfer import (
    PREFIX,
    DirectoryWriter,
    FileReader,
    FileWriter,
    TransferError,
)
from ci_master.workers.transferjournal import JOURNAL, TransferJournal

now: Any = maybeDeferred  # does at once what is done in threads otherwise


def done(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results[0]


def test_a_file_appears_when_its_command_has_succeeded(tmp_path: Path) -> None:
    target = tmp_path / "below" / "file"
    writer = FileWriter(str(target), None, 0o640, in_thread=now)
    done(writer.write(b"one "))
    assert not target.exists()
    assert [name.startswith(PREFIX) for name in os.listdir(target.parent)] == [True]
    done(writer.write(b"two"))
    done(writer.close())
    done(writer.utime((5.0, 6.0)))
    assert not target.exists()
    assert done(writer.finish(True)) == ""
    assert target.read_bytes() == b"one two"
    assert (target.stat().st_mode & 0o777, target.stat().st_mtime) == (0o640, 6.0)
    assert os.listdir(target.parent) == ["file"]


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("end", ["finish", "abandon"])
def test_whatever_fails_the_old_file_stays_and_nothing_else(
    tmp_path: Path, closed: bool, end: str
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.write(b"new"))
    if closed:
        done(writer.close())
    if end == "finish":
        assert done(writer.finish(False)) == ""
    else:
        writer.abandon()
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_bytes() == b"old"
    assert done(writer.write(b"late")).check(TransferError)
    assert done(writer.finish(True)) == "" and (tmp_path / "f").read_bytes() == b"old"


def test_directories_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "a" / "b" / "f"), in_thread=now)
    done(writer.write(b"new"))
    done(writer.finish(False))
    assert os.listdir(tmp_path) == []


def test_more_than_the_size_is_a_problem_and_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    writer = FileWriter(str(tmp_path / "f"), 5, in_thread=now)
    done(writer.write(b"abc"))
    done(writer.write(b"def"))
    assert done(writer.write(b"ghi")).check(TransferError)
    done(writer.close())
    assert "larger than 5 bytes (maxsize)" in done(writer.finish(True))
    assert (tmp_path / "f").read_bytes() == b"old"


def test_what_is_as_long_as_the_size_is_taken(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "f"), 5, in_thread=now)
    done(writer.write(b"abcde"))
    done(writer.close())
    assert done(writer.finish(True)) == "" and (tmp_path / "f").read_bytes() == b"abcde"


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.close())
    assert os.listdir(tmp_path) == []
    done(writer.finish(True))
    assert (tmp_path / "f").read_bytes() == b""


def test_a_file_that_did_not_come_to_its_end_is_dropped(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.write(b"half"))
    assert "did not come to its end" in done(writer.finish(True))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", [FileWriter, DirectoryWriter])
def test_why_it_cannot_be_written_is_told(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    writer = kind(str(tmp_path / "file" / "below"), in_thread=now)
    failure = done(writer.write(b"x"))
    assert failure.check(TransferError)
    problem = done(writer.finish(True))
    assert problem == f"Cannot write '{tmp_path}/file/below' on the master: Not a directory"
    assert os.listdir(tmp_path) == ["file"]


def test_a_directory_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    writer = FileWriter(str(tmp_path / "d"), in_thread=now)
    done(writer.close())
    assert "Is a directory" in done(writer.finish(True))
    assert os.listdir(tmp_path) == ["d"]


@pytest.mark.parametrize(
    "times", [(float("nan"), 1.0), (1.0, float("inf")), (1e300, 0), (0, -1e99)]
)
def test_times_that_are_none_are_refused(tmp_path: Path, times: Any) -> None:
    with pytest.raises(TransferError):
        FileWriter(str(tmp_path / "f"), in_thread=now).utime(times)


def test_a_link_set_up_on_the_master_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"keep")
    (tmp_path / "f").symlink_to("secret")
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.write(b"new"))
    done(writer.close())
    assert done(writer.finish(True)) == ""
    assert (tmp_path / "secret").read_bytes() == b"keep" and not (tmp_path / "f").is_symlink()


# -- after a kill


def test_what_a_killed_master_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    base, place = tmp_path / "base", tmp_path / "place"
    base.mkdir()
    place.mkdir()
    killed = TransferJournal(str(base))
    for name in ("one", "two"):
        writer = FileWriter(str(place / name), in_thread=now)
        writer.journal = killed
        done(writer.write(b"half"))
    (place / "keep").write_bytes(b"")
    with (base / JOURNAL).open("ab") as journal:  # a line that was being written
        journal.write(json.dumps(str(place / "keep")).encode() + b"\n" + b'"/half a li')
    assert len(os.listdir(place)) == 3
    told = TransferJournal(str(base)).recover()
    assert [line.startswith("removed ") for line in told] == [True, True]
    assert os.listdir(place) == ["keep"]
    assert (base / JOURNAL).read_bytes() == b""
    assert TransferJournal(str(base)).recover() == []


def test_in_a_copy_of_the_directory_the_files_of_a_running_master_stay(tmp_path: Path) -> None:
    parent = identify(os.getppid())
    assert parent is not None
    names = [tmp_path / f"{PREFIX}{number}" for number in range(3)]
    owners = [(parent.pid, parent.started), (parent.pid, "before"), (os.getpid(), "x")]
    for name, (pid, started) in zip(names, owners, strict=True):
        name.write_bytes(b"x")
        entry = {"path": str(name), "pid": pid, "started": started}
        with (tmp_path / JOURNAL).open("a") as journal:
            journal.write(json.dumps(entry) + "\n")
    assert len(TransferJournal(str(tmp_path)).recover()) == 2
    assert [name.exists() for name in names] == [True, False, False]


def test_the_journal_is_empty_when_nothing_is_under_way(tmp_path: Path) -> None:
    journal = TransferJournal(str(tmp_path))
    assert journal.recover() == []
    writers = [FileWriter(str(tmp_path / name), in_thread=now) for name in "ab"]
    for writer in writers:
        writer.journal = journal
        done(writer.write(b"x"))
        done(writer.close())
    done(writers[0].finish(True))
    assert len((tmp_path / JOURNAL).read_bytes().splitlines()) == 2
    done(writers[1].finish(False))
    assert (tmp_path / JOURNAL).read_bytes() == b""
    assert (tmp_path / JOURNAL).stat().st_mode & 0o777 == 0o600


# -- directories


def archive(name: str, compress: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compress}") as tar:  # type: ignore[call-overload]  # one of three
        member = tarfile.TarInfo(name)
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return data.getvalue()


def received(writer: DirectoryWriter, data: bytes) -> str:
    """Have an archive come in; what went wrong."""
    done(writer.write(data[:40]))
    done(writer.write(data[40:]))
    done(writer.unpack())
    return str(done(writer.finish(True)))


@pytest.mark.parametrize("compress", [None, "gz", "bz2"])
def test_a_directory_is_unpacked(tmp_path: Path, compress: str | None) -> None:
    writer = DirectoryWriter(str(tmp_path / "d"), None, compress, in_thread=now)
    assert received(writer, archive("sub/file", compress or "")) == ""
    assert (tmp_path / "d" / "sub" / "file").read_bytes() == b"hello"
    assert os.listdir(tmp_path) == ["d"]


def test_a_directory_joins_what_is_there(tmp_path: Path) -> None:
    place = tmp_path / "d"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "file").write_bytes(b"old")
    (place / "sub" / "other").write_bytes(b"other")
    assert received(DirectoryWriter(str(place), in_thread=now), archive("sub/file", "")) == ""
    assert (place / "sub" / "file").read_bytes() == b"hello"
    assert (place / "sub" / "other").read_bytes() == b"other"
    assert os.listdir(tmp_path) == ["d"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    problem = received(DirectoryWriter(str(tmp_path / "d"), in_thread=now), archive(name, ""))
    assert name in problem and os.listdir(tmp_path) == []


def test_garbage_is_no_directory(tmp_path: Path) -> None:
    writer = DirectoryWriter(str(tmp_path / "d"), None, "gz", in_thread=now)
    assert "cannot be read" in received(writer, b"not a tar")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("there", ["file", "link"])
def test_what_is_in_the_way_is_told_and_nothing_is_changed(tmp_path: Path, there: str) -> None:
    place, elsewhere = tmp_path / "d", tmp_path / "elsewhere"
    place.mkdir()
    elsewhere.mkdir()
    (place / "b").write_bytes(b"old")
    if there == "file":
        (place / "sub").write_bytes(b"old")
    else:
        (place / "sub").symlink_to(elsewhere)
    problem = received(DirectoryWriter(str(place), in_thread=now), archive("sub/file", ""))
    assert f"{place}/sub is a" in problem
    assert sorted(os.listdir(place)) == ["b", "sub"] and os.listdir(elsewhere) == []
    assert sorted(os.listdir(tmp_path)) == ["d", "elsewhere"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ci_master.workers.archive._write", full)
    problem = received(DirectoryWriter(str(tmp_path / "d"), in_thread=now), archive("file", ""))
    assert problem == f"Cannot write '{tmp_path}/d' on the master: No space left on device"
    assert os.listdir(tmp_path) == []


def test_a_compression_nobody_knows_is_refused() -> None:
    with pytest.raises(TransferError, match="compress is 'zip'"):
        DirectoryWriter("d", None, "zip")


def test_a_file_is_read_in_pieces_and_closed(tmp_path: Path) -> None:
    file = io.BytesIO(b"abcdef")
    reader = FileReader(file, in_thread=now)
    assert [done(reader.read(4)), done(reader.read(4)), done(reader.read(4))] == [
        b"abcd",
        b"ef",
        b"",
    ]
    reader.abandon()
    assert file.closed and done(reader.read(1)) == b""
