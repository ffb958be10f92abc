"""Backup and restore of real masters, which are busy meanwhile; and what copying does instead."""

import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from ci_common.results import RETRY, SUCCESS
from tests.process.farm import BIN, Farm, Master, wait_until

pytestmark = pytest.mark.process

CONFIG = """
import helper
builder('short', sh('seq 2000; echo end-of-%s' % helper.NAME))
builder('long', sh('echo begun; test -e {gate} || sleep 600'))
force_all()
"""


def command(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``ci-master`` to its end."""
    argv = [str(BIN / "ci-master"), *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=180)


def said(done: subprocess.CompletedProcess[str], status: int = 0) -> str:
    """What a command said; it has to end with this status."""
    text = done.stdout + done.stderr
    assert done.returncode == status, text
    assert "Traceback" not in text
    return text


class Busy:
    """Has one short build after the other made, in a thread."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.finished: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            self.finished.append(self.master.forced("short"))

    def wait_for(self, count: int) -> None:
        """Wait for so many more finished builds."""
        wanted = len(self.finished) + count
        wait_until(lambda: len(self.finished) >= wanted, f"{wanted} builds")

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def master(farm: Farm, db_url: str | None, tmp_path: Path) -> Master:
    """A running master with a worker, on each kind of database; a long build is under way."""
    made = farm.master(db_url)
    made.configure(CONFIG.format(gate=tmp_path / "gate"))
    (made.home / "helper.py").write_text("NAME = 'it'\n")
    made.start()
    farm.worker(made)
    made.wait_for_worker()
    return made


def builds_of(master: Master, kept: str) -> int:
    """The highest id of a build in a former database."""
    if kept.startswith("in the schema "):
        schema = kept.split()[3].strip(";:")
        engine = create_engine(master.db_url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as connection:
            found = connection.execute(text(f"SELECT max(id) FROM {schema}.builds")).scalar_one()
        engine.dispose()
        return int(found)
    with closing(sqlite3.connect(kept.removeprefix("in "))) as connection:
        return int(connection.execute("SELECT max(id) FROM builds").fetchone()[0])


def test_a_busy_master_is_backed_up_killed_and_restored(
    farm: Farm, master: Master, tmp_path: Path
) -> None:
    long = master.build_of(master.force("long"))
    wait_until(lambda: "shell" in master.steps(long), "the long build's step")
    busy = Busy(master)
    file = tmp_path / "backup.ci"
    try:
        busy.wait_for(3)
        before = [build["buildid"] for build in busy.finished]
        told = said(command("backup", master.home, file))
        busy.wait_for(3)
    finally:
        busy.stop()
    assert "with it: buildbot.tac, master.cfg, helper.py" in told
    assert file.stat().st_mode & 0o777 == 0o600
    last = max(build["buildid"] for build in busy.finished)

    running = said(command("restore", master.home, file), 1)
    assert master.daemon is not None
    assert f"is running (process {master.daemon.pid})" in running
    assert master.rest.one(f"builds/{last}")["results"] == SUCCESS

    master.kill()
    (tmp_path / "gate").touch()
    (master.home / "master.cfg").write_text((master.home / "master.cfg").read_text() + "# more\n")
    told = said(command("restore", master.home, file))
    kept = told.partition("the former database is kept ")[2].splitlines()[0]
    assert builds_of(master, kept) >= last
    assert "master.cfg is not as in the backup, and stays" in told
    assert "# more" not in (master.home / "master.cfg.from-backup").read_text()
    assert (master.home / "master.cfg.from-backup").stat().st_mode & 0o777 == 0o600
    master.start()
    assert not [build for build in master.rest.all("builds") if build["buildid"] == last]
    for number in before:
        build = master.rest.one(f"builds/{number}")
        assert build["results"] == SUCCESS
        assert master.log_text(build, "shell").endswith("2000\nend-of-it\n")
    # What ran at the moment of the backup is built again.
    assert master.rest.one(f"builds/{long['buildid']}")["results"] == RETRY
    master.wait_for_worker()
    assert master.finished(long["buildrequestid"])["results"] == SUCCESS
    assert master.forced("short")["results"] == SUCCESS
    assert master.stop() == 0


def test_a_backup_makes_the_master_of_another_directory(
    farm: Farm, master: Master, tmp_path: Path
) -> None:
    number = master.forced("short")["buildid"]
    file = tmp_path / "backup.ci"
    said(command("backup", master.home, file))
    said(command("backup", "-q", master.home, file))  # the next one takes its place
    assert master.stop() == 0
    before = master.home
    shutil.rmtree(before)
    master.home = tmp_path / "new place"
    told = said(command("restore", master.home, file))
    assert f"Start the master: ci-master start {master.home}" in told
    assert master.home.stat().st_mode & 0o777 == 0o700
    master.start()
    assert master.rest.one(f"builds/{number}")["results"] == SUCCESS
    assert not before.exists()
    assert master.stop() == 0


def test_what_cannot_be_restored_changes_nothing(master: Master, tmp_path: Path) -> None:
    number = master.forced("short")["buildid"]
    file = tmp_path / "backup.ci"
    said(command("backup", master.home, file))
    assert master.stop() == 0
    newer, broken, plain = tmp_path / "newer", tmp_path / "broken", tmp_path / "plain"
    shutil.copy(file, newer)
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9001'")
        connection.commit()
    content = file.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    plain.write_text("notes")
    before = {path.name: path.read_bytes() for path in master.home.iterdir() if path.is_file()}
    for path, why in (
        (newer, "has version 9001, which is newer than this ci-master knows"),
        (broken, "damaged"),
        (plain, "is no backup"),
        (tmp_path / "none", "there is no file"),
    ):
        assert why in said(command("restore", master.home, path), 1)
    after = {path.name: path.read_bytes() for path in master.home.iterdir() if path.is_file()}
    assert after == before
    # Nor is a file overwritten that is no backup.
    assert "exists and is no backup" in said(command("backup", master.home, plain), 1)
    assert plain.read_text() == "notes"
    master.start()
    assert master.rest.one(f"builds/{number}")["results"] == SUCCESS
    assert master.stop() == 0


def test_while_a_restore_is_under_way_no_master_starts(farm: Farm, tmp_path: Path) -> None:
    master = farm.master()
    master.configure("builder('b', sh('true'))\nforce_all()\n")
    file = tmp_path / "backup.ci"
    said(command("backup", master.home, file))
    gate = tmp_path / "waits"
    # The configuration is read when the directory is taken already: it waits here.
    body = (master.home / "master.cfg").read_text()
    (master.home / "master.cfg").write_text(
        f"{body}\nimport os, time\nopen({str(gate)!r}, 'w').close()\n"
        f"while os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\n"
    )
    restore = subprocess.Popen(
        [str(BIN / "ci-master"), "restore", str(master.home), str(file)], stdout=subprocess.PIPE
    )
    try:
        wait_until(gate.exists, "the restore to read the configuration")
        refused = said(command("start", master.home), 1)
        assert f"already running as pid {restore.pid}" in refused
        again = said(command("restore", master.home, file), 1)
        assert f"is running (process {restore.pid})" in again
        gate.unlink()
        assert restore.wait(120) == 0
    finally:
        restore.kill()
        restore.communicate()
    (master.home / "master.cfg").write_text(body)
    master.start()
    assert master.stop() == 0


@pytest.mark.parametrize("how", ["backup", "sqlite"])
def test_a_copy_over_the_database_of_a_killed_master_is_noticed(
    farm: Farm, tmp_path: Path, how: str
) -> None:
    master = farm.master()
    master.configure("builder('b', sh('true'))\nforce_all()\n")
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    first = master.forced("b")["buildid"]
    file, state = tmp_path / "backup.sqlite", master.home / "state.sqlite"
    if how == "backup":
        said(command("backup", master.home, file))
    else:  # as the manual had it once: sqlite3 state.sqlite ".backup '...'"
        with closing(sqlite3.connect(state)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
    second = master.forced("b")["buildid"]
    master.kill()
    shutil.copy(state, tmp_path / "former.sqlite")
    shutil.copy(file, state)
    for words in (("start",), ("upgrade-master",), ("cleanupdb",), ("backup", tmp_path / "b2")):
        name, *rest = words
        told = said(command(name, master.home, *rest), 1)
        assert f"mv {state}-wal {state}-wal.old" in told, words
        assert "brings" not in told
    # With the former file nothing was lost.
    shutil.copy(tmp_path / "former.sqlite", state)
    master.start()
    assert master.rest.one(f"builds/{second}")["results"] == SUCCESS
    master.kill()
    # And with the copy it is as at the time of the copy.
    shutil.copy(file, state)
    (master.home / "state.sqlite-wal").rename(master.home / "state.sqlite-wal.old")
    master.start()
    assert [build["buildid"] for build in master.rest.all("builds")] == [first]
    assert master.stop() == 0
