"""A write-ahead log is used with its own database only, by SQLite as it is."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_master.storage.engine import DatabaseUnusable, database_url, one_off_engine
from ci_master.storage.walmark import MARKS, ForeignLog, add_mark, check_log, mark_run, note_mark


class Database:
    """A database in write-ahead mode that a process uses, which may be killed."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.sqlite"
        self.copies = 0
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE t (x)")
        self.open()

    def open(self) -> None:
        """As a master does it: check, note, connect, mark."""
        check_log(str(self.path))
        note_mark(str(self.path))
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        mark_run(str(self.path))

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.connection.execute("INSERT INTO t VALUES (zeroblob(3000))")

    def heartbeat(self) -> None:
        """What a master does now and then."""
        (mark,) = self.connection.execute("PRAGMA schema_version").fetchone()
        add_mark(str(self.path), mark)

    def rows(self) -> int:
        return int(self.connection.execute("SELECT count(*) FROM t").fetchone()[0])

    def backup(self, how: str = "backup") -> Path:
        """A copy, made as people make them."""
        self.copies += 1
        copy = self.path.with_name(f"copy{self.copies}")
        if how == "backup":
            with closing(sqlite3.connect(copy)) as target:
                self.connection.backup(target)
        else:
            self.connection.execute(f"VACUUM INTO '{copy}'")
        return copy

    def killed(self) -> None:
        """What is on the disk when the process is killed now."""
        here = [f"{self.path}{ending}" for ending in ("", "-wal", "-shm", MARKS)]
        kept = [(name, Path(name).read_bytes()) for name in here if Path(name).exists()]
        self.connection.close()
        for name, content in kept:
            Path(name).write_bytes(content)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path)
    yield made
    made.connection.close()


def refused(database: Database) -> bool:
    try:
        check_log(str(database.path))
    except ForeignLog:
        return True
    return False


def test_after_a_kill_the_log_is_used(database: Database) -> None:
    database.write(5)
    database.killed()
    database.open()
    assert database.rows() == 5


@pytest.mark.parametrize("how", ["backup", "vacuum"])
@pytest.mark.parametrize("more", [0, 3, 2000])  # the last fills the log more than once
def test_a_copy_of_this_run_is_told_from_the_file_of_the_log(
    database: Database, how: str, more: int
) -> None:
    database.write(2)
    copy = database.backup(how)
    database.write(more + 1)
    database.killed()
    assert not refused(database)
    shutil.copy(copy, database.path)
    assert refused(database)
    with pytest.raises(DatabaseUnusable, match=f"mv {database.path}-wal {database.path}-wal.old"):
        one_off_engine(database_url(f"sqlite:///{database.path}", "/"))
    database.path.with_name("state.sqlite-wal").rename(database.path.with_name("old"))
    database.open()
    assert database.rows() == 2


def test_a_file_of_an_earlier_run_is_told(database: Database) -> None:
    database.write()
    database.connection.close()
    before = database.path.read_bytes()
    database.open()
    database.write()
    database.killed()
    database.path.write_bytes(before)
    assert refused(database)


def test_a_copy_of_what_was_itself_restored_is_told(database: Database) -> None:
    database.write()
    copy = database.backup()
    database.connection.close()
    shutil.copy(copy, database.path)  # nothing ran: no harm
    database.open()
    again = database.backup()
    database.write()
    database.killed()
    shutil.copy(again, database.path)
    assert refused(database)


@pytest.mark.parametrize("seen", [True, False])
def test_tables_that_somebody_changes_meanwhile_are_no_copy(database: Database, seen: bool) -> None:
    database.connection.execute("CREATE INDEX i ON t (x)")
    database.write(3)
    if seen:
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.heartbeat()
        database.connection.execute("DELETE FROM t")
    else:
        database.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    database.killed()
    assert not refused(database)


def test_a_run_that_could_not_finish_its_mark_is_no_copy(database: Database) -> None:
    database.write()
    reader = sqlite3.connect(database.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchone()
    database.connection.close()
    database.open()
    reader.execute("ROLLBACK")
    reader.close()
    database.write(2000)
    database.killed()
    database.open()
    assert database.rows() == 2001


def test_the_log_of_a_running_master_outlives_what_others_do(database: Database) -> None:
    for _ in range(2):
        database.write()
        database.heartbeat()
        for statement in ("SELECT count(*) FROM t", "INSERT INTO t VALUES (1)"):
            program = (
                f"import sqlite3; c = sqlite3.connect({str(database.path)!r});"
                f" c.execute({statement!r}); c.commit(); c.close()"
            )
            subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
        assert Path(f"{database.path}-wal").stat().st_size > 0
    assert database.rows() == 4


@pytest.mark.parametrize("marks", [None, "", "x", "\xe4"])
def test_without_marks_a_log_is_used_as_ever(database: Database, marks: str | None) -> None:
    copy = database.backup()
    database.write()
    database.killed()
    place = Path(f"{database.path}{MARKS}")
    place.unlink()
    if marks is not None:
        place.write_text(marks, encoding="latin-1")
    shutil.copy(copy, database.path)
    check_log(str(database.path))


def test_the_marks_are_private(database: Database) -> None:
    assert Path(f"{database.path}{MARKS}").stat().st_mode & 0o777 == 0o600


ACTS = st.lists(
    st.sampled_from(["write", "much", "checkpoint", "alter", "backup", "restart", "kill"]),
    max_size=25,
)


@settings(max_examples=40)
@given(ACTS, st.integers(0, 5))
def test_whatever_happened_a_kill_loses_nothing_and_a_copy_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str], which: int
) -> None:
    database = Database(tmp_path_factory.mktemp("db"))
    copies: list[Path] = []
    altered: list[str] = []
    rows = 0
    try:
        for act in acts:
            if act in ("write", "much"):
                count = 1 if act == "write" else 700
                database.write(count)
                rows += count
            elif act == "checkpoint":
                database.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            elif act == "alter":
                database.connection.execute(f"CREATE TABLE t{len(altered)} (x)")
                database.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                altered.append(act)
                database.heartbeat()
            elif act == "backup":
                copies.append(database.backup())
            else:
                if act == "kill":
                    database.killed()
                else:
                    database.connection.close()
                database.open()
            assert database.rows() == rows
        database.write()
        database.killed()
        assert not refused(database)
        if copies:
            shutil.copy(copies[which % len(copies)], database.path)
            assert refused(database)
    finally:
        database.connection.close()
