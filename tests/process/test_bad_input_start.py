"""Masters that cannot start: each says why, at once, and leaves things as they were."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.process.farm import BIN, Farm, Master, free_port, run
from tests.process.slowness import Slowness

pytestmark = pytest.mark.process

CONFIG = "builder('quick', sh('echo quick'))\nforce_all()\n"
QUICKLY_S = 15  # starting an interpreter on a busy machine is most of it


def refused(master: Master, *options: str) -> str:
    """What a start that must fail says; it leaves nothing behind."""
    began = time.monotonic()
    with Slowness() as watched:
        done = subprocess.run(
            [str(BIN / "ci-master"), "start", *options, str(master.home)],
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 1, done.stdout + done.stderr
    assert time.monotonic() - began < QUICKLY_S * watched.factor
    assert not (master.home / "twistd.pid").exists()
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return said


@pytest.fixture
def master(farm: Farm) -> Master:
    """A master that could start."""
    made = farm.master()
    made.configure(CONFIG)
    return made


@pytest.fixture
def in_use() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize("options", [(), ("--nodaemon",)], ids=["daemon", "nodaemon"])
@pytest.mark.parametrize("which", ["pb", "www"])
def test_a_port_in_use_is_named(
    master: Master, in_use: int, which: str, options: tuple[str, ...]
) -> None:
    if which == "pb":
        master.pb_port = in_use
    else:
        master.www_port = in_use
    master.configure(CONFIG)
    said = refused(master, *options)
    assert f"cannot listen on port {in_use} of 127.0.0.1: Address already in use" in said
    assert "choose another port" in said


def test_a_reload_to_a_port_in_use_says_so_and_the_master_goes_on(
    farm: Farm, master: Master, in_use: int
) -> None:
    master.start()
    farm.worker(master)
    text = (master.home / "master.cfg").read_text()
    new = text.replace(f"{{'port': 'tcp:{master.pb_port}", f"{{'port': 'tcp:{in_use}")
    assert new != text
    (master.home / "master.cfg").write_text(new)
    said = master.reload()
    assert f"cannot listen on port {in_use} of 127.0.0.1: Address already in use" in said
    assert "configuration update aborted without making any changes" in said
    master.wait_for_worker()
    (master.home / "master.cfg").write_text(text)
    assert "configuration update complete" in master.reload()
    master.wait_for_worker()
    assert master.log_text(master.forced("quick"), "shell") == "quick\n"


def test_a_second_master_in_a_directory_is_refused(farm: Farm, master: Master) -> None:
    master.start()
    assert master.daemon is not None
    for options in ((), ("--nodaemon",)):
        done = subprocess.run(
            [str(BIN / "ci-master"), "start", *options, str(master.home)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert f"already running as pid {master.daemon.pid}" in done.stdout + done.stderr
    assert int((master.home / "twistd.pid").read_text()) == master.daemon.pid
    assert master.rest.all("masters")[0]["active"]
    assert master.stop() == 0


def test_a_stale_pid_file_does_not_hinder(master: Master) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for text in (str(ended.pid), "not a number", ""):
        (master.home / "twistd.pid").write_text(text)
        master.start()
        assert master.daemon is not None
        assert int((master.home / "twistd.pid").read_text()) == master.daemon.pid
        assert master.stop() == 0
        assert not (master.home / "twistd.pid").exists()


def test_the_pid_of_another_program_is_no_running_master(master: Master) -> None:
    # After a reboot, the number of a master that crashed is given to anything.
    path = master.home / "twistd.pid"
    path.write_text(str(os.getpid()))
    os.utime(path, (1e9, 1e9))  # long before this process began
    for command in ("stop", "reconfig"):
        run(BIN / "ci-master", command, master.home, check=False)
        path.write_text(str(os.getpid()))
        os.utime(path, (1e9, 1e9))
    master.start()
    assert master.stop() == 0


# -- databases


def configured_for(master: Master, db_url: str) -> Master:
    master.db_url = db_url
    master.configure(CONFIG)
    return master


def test_a_postgresql_that_is_down_is_told(master: Master) -> None:
    port = free_port()
    said = refused(configured_for(master, f"postgresql://ci:hush@127.0.0.1:{port}/ci"))
    assert "cannot be reached" in said
    assert str(port) in said
    assert "refused" in said
    assert "hush" not in said + master.log()


def test_an_sqlite_file_that_is_not_there_is_told(master: Master, tmp_path: Path) -> None:
    missing = tmp_path / "not here" / "state.sqlite"
    said = refused(configured_for(master, f"sqlite:///{missing}"))
    assert f"{missing} does not exist" in said
    assert "upgrade-master" in said
    assert not missing.parent.exists()


def test_a_file_that_is_no_database_is_told_and_left_alone(master: Master) -> None:
    path = master.home / "state.sqlite"
    path.write_bytes(b"Dear diary, " * 1000)
    said = refused(master)
    assert "state.sqlite" in said
    assert "not a database" in said
    assert path.read_bytes() == b"Dear diary, " * 1000


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_to_is_told(master: Master) -> None:
    path = master.home / "closed"
    path.mkdir()
    shutil.move(master.home / "state.sqlite", path / "state.sqlite")
    path.chmod(0o500)
    (path / "state.sqlite").chmod(0o400)
    try:
        said = refused(configured_for(master, f"sqlite:///{path}/state.sqlite"))
    finally:
        path.chmod(0o700)
    assert "closed/state.sqlite" in said
    assert "readonly" in said or "unable to open" in said


def test_an_empty_database_is_told(master: Master) -> None:
    (master.home / "state.sqlite").write_bytes(b"")
    said = refused(master)
    assert "is empty; make its tables with" in said
    assert f"ci-master upgrade-master {master.home}" in said


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("9999", "newer than this ci-master knows"),
        ("067", "looks like Buildbot's; give ci-master a database of its own"),
    ],
)
def test_a_database_of_another_version_is_left_alone(
    master: Master, version: str, said: str
) -> None:
    path = master.home / "state.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
        database.commit()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    before = path.read_bytes()
    assert said in refused(master)
    assert path.read_bytes() == before


def test_tables_of_something_else_are_left_alone(master: Master) -> None:
    path = master.home / "state.sqlite"
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
        database.commit()
    before = path.read_bytes()
    said = refused(master)
    assert "holds tables of something else (recipes" in said
    assert path.read_bytes() == before


def test_a_database_whose_kind_is_unknown_is_told(master: Master) -> None:
    said = refused(configured_for(master, "oracle://x/y"))
    assert "'oracle' are not supported; use sqlite or postgresql" in said
