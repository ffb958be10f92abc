"""Files from and to workers: whole or not at all, and never outside of their place."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter, TransferError

now: Any = maybeDeferred  # does at once what is done in threads otherwise


def done(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results[0]


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "below" / "file"
    writer = FileWriter(str(target), None, 0o640, in_thread=now)
    done(writer.write(b"one "))
    assert not target.exists()
    assert [name.startswith("buildbot-transfer-") for name in os.listdir(target.parent)] == [True]
    done(writer.write(b"two"))
    done(writer.close())
    done(writer.utime((5.0, 6.0)))
    assert target.read_bytes() == b"one two"
    assert (target.stat().st_mode & 0o777, target.stat().st_mtime) == (0o640, 6.0)
    assert os.listdir(target.parent) == ["file"]


def test_what_exceeds_the_size_is_dropped(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "f"), 5, in_thread=now)
    for data in (b"abc", b"def", b"ghi"):
        done(writer.write(data))
    done(writer.close())
    assert (tmp_path / "f").read_bytes() == b"abcde"


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    done(FileWriter(str(tmp_path / "f"), in_thread=now).close())
    assert (tmp_path / "f").read_bytes() == b""


def test_an_abandoned_file_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.write(b"new"))
    writer.abandon()
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_bytes() == b"old"
    assert done(writer.write(b"late")).check(TransferError)


def test_abandoning_a_complete_file_keeps_it(tmp_path: Path) -> None:
    writer = FileWriter(str(tmp_path / "f"), in_thread=now)
    done(writer.write(b"new"))
    done(writer.close())
    writer.abandon()
    assert (tmp_path / "f").read_bytes() == b"new"


def archive(name: str, compress: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{compress}") as tar:  # type: ignore[call-overload]  # one of three
        member = tarfile.TarInfo(name)
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    return data.getvalue()


@pytest.mark.parametrize("compress", [None, "gz", "bz2"])
def test_a_directory_is_unpacked(tmp_path: Path, compress: str | None) -> None:
    writer = DirectoryWriter(str(tmp_path / "d"), None, compress, in_thread=now)
    data = archive("sub/file", compress or "")
    done(writer.write(data[:40]))
    done(writer.write(data[40:]))
    done(writer.unpack())
    assert (tmp_path / "d" / "sub" / "file").read_bytes() == b"hello"
    assert os.listdir(tmp_path) == ["d"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    writer = DirectoryWriter(str(tmp_path / "d"), in_thread=now)
    done(writer.write(archive(name, "")))
    assert done(writer.unpack()).check(TransferError)
    assert os.listdir(tmp_path) == ["d"] and os.listdir(tmp_path / "d") == []


def test_garbage_is_no_directory(tmp_path: Path) -> None:
    writer = DirectoryWriter(str(tmp_path / "d"), None, "gz", in_thread=now)
    done(writer.write(b"not a tar"))
    assert done(writer.unpack()).check(TransferError)
    assert os.listdir(tmp_path) == ["d"]


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
