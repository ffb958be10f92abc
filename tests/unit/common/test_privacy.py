"""New directories, logs and databases are for their owner only, whatever the umask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.daemonlog import RotatedLog
from ci_common.pidfile import PidFile
from ci_common.privacy import (
    make_private_directory,
    make_private_file,
    open_to_others,
    write_private_text,
)
from ci_master.cli.create_master import upgrade_database


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_directory_is_private_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    os.umask(os.umask(0) & 0o077)  # else there is no way to what is below
    assert make_private_directory(tmp_path / "above" / "new")
    assert mode(tmp_path / "above" / "new") == 0o700
    (tmp_path / "above" / "new").chmod(0o755)
    assert not make_private_directory(tmp_path / "above" / "new")
    assert mode(tmp_path / "above" / "new") == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private_directory(tmp_path / "file")


def test_files_are_private_and_a_text_becomes_so(tmp_path: Path) -> None:
    assert make_private_file(tmp_path / "f") and not make_private_file(tmp_path / "f")
    assert mode(tmp_path / "f") == 0o600
    (tmp_path / "f").chmod(0o666)
    write_private_text(tmp_path / "f", "text")
    assert (mode(tmp_path / "f"), (tmp_path / "f").read_text()) == (0o600, "text")


def test_logs_are_private_after_a_rotation_too(tmp_path: Path) -> None:
    log = RotatedLog.fromFullPath(str(tmp_path / "twistd.log"), rotateLength=10)
    for _ in range(4):
        log.write("a line of the log\n")
    log.close()
    made = list(tmp_path.iterdir())
    assert len(made) > 2 and {mode(path) for path in made} == {0o600}


def test_a_new_database_is_private(tmp_path: Path) -> None:
    upgrade_database("sqlite:///state.sqlite", tmp_path, lambda *words: None)
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}


def test_a_pid_file_is_private(tmp_path: Path) -> None:
    pidfile = PidFile(tmp_path / "twistd.pid")
    pidfile.take()
    assert mode(tmp_path / "twistd.pid") == 0o600
    pidfile.drop()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (0o700, ""),
        (0o500, ""),
        (0o755, "open to all users of this machine (mode 0755)"),
        (0o701, "open to all users"),
        (0o750, "open to a group of users"),
    ],
)
def test_a_directory_that_others_may_look_into_is_told_of(
    tmp_path: Path, mode: int, words: str
) -> None:
    tmp_path.chmod(mode)
    told = open_to_others(tmp_path, "master")
    tmp_path.chmod(0o700)
    assert words in told and bool(told) is bool(words)
    if told:
        assert f"chmod 700 {tmp_path}" in told
