"""What restoring does to the files of a directory beside the database."""

import os
from pathlib import Path

import pytest

from ci_master.cli import restore
from ci_master.storage.backup import Backup


def test_files_that_differ_are_put_beside_and_belong_to_whom_the_directory_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, *who: given.append((Path(path).name, *who)))
    (tmp_path / "same").write_text("x")
    (tmp_path / "other").write_text("mine")
    files = {"same": b"x", "other": b"theirs", "gone": b"\xff", "../outside": b"y"}
    said: list[str] = []
    backup = Backup(tmp_path / "b", "0001", {}, files)
    restore._put_files_beside(tmp_path, backup, said.append)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {
        "same": b"x",
        "other": b"mine",
        "other.from-backup": b"theirs",
        "gone": b"\xff",
        "outside": b"y",
    }
    owner = tmp_path.stat()
    names = ["other.from-backup", "gone", "outside"]
    assert given == [(name, owner.st_uid, owner.st_gid) for name in names]
    assert len(said) == 3
    assert (tmp_path / "other.from-backup").stat().st_mode & 0o777 == 0o600
