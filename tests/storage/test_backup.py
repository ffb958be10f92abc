"""Backups of each kind of database, and their way back to each kind."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import inspect, select, text

from ci_master.storage import backup as backups
from ci_master.storage import leases, migrate
from ci_master.storage import schema as s
from ci_master.storage.backup import (
    is_backup,
    load_into_server,
    made_ready,
    put_in_place,
    read_backup,
    write_backup,
)
from ci_master.storage.engine import DatabaseUnusable, database_url, one_off_engine
from ci_master.storage.migrations.versions import v0001_first_tables
from ci_master.storage.schema import SCHEMA_VERSION, metadata

Rows = dict[str, list[tuple[Any, ...]]]
HOLDER = leases.Holder("h", "m", 1, "", "/srv", "token")


def fill(url: str, workers: int = 450) -> None:
    """Rows of each type of column."""
    engine = one_off_engine(database_url(url, "/"))
    with engine.begin() as tx:
        tx.execute(s.masters.insert(), {"id": 7, "name": "h:/s", "active": True, "last_active": 1})
        tx.execute(s.workers.insert(), [
            {"id": n, "name": f"w{n}", "info_json": "{}", "paused": n % 2 == 0, "graceful": False,
             "last_seen_at": 2**40 + n} for n in range(workers)
        ])  # fmt: skip
        patch = {"body": bytes(range(256)), "author": "Ä\n'\"", "comment": "", "subdir": None}
        tx.execute(s.patches.insert(), {"id": 3, "level": 1, **patch})
        leases.take(tx, "master", "database", HOLDER, now=1, is_gone=lambda _: True)
    engine.dispose()


def rows(url: str) -> Rows:
    engine = one_off_engine(database_url(url, "/"))
    with engine.connect() as connection:
        found = {
            table.name: sorted(
                tuple(row) for row in connection.execute(select(*table.columns)).all()
            )
            for table in metadata.sorted_tables
            if table is not s.leases
        }
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of another empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.sqlite"
    url: str = request.getfixturevalue("postgres_cluster").new_database()
    return url


def restore(target: Path, url: str) -> Path | str | None:
    backup = read_backup(target)
    file = Path(url.removeprefix("sqlite:///"))
    place = file if url.startswith("sqlite") else target
    with made_ready(backup, place) as ready:
        if url.startswith("sqlite"):
            return put_in_place(ready, file)
        return load_into_server(ready, url, "/")


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if "partial" in path.name]


def test_what_is_restored_is_what_was_there_on_whatever_database(
    database_url: str, other_url: str, tmp_path: Path
) -> None:
    migrate.upgrade(database_url, "/")
    fill(database_url)
    target = tmp_path / "b"
    made = write_backup(database_url, "/", target, files={"f": b"\0x"}, info={"who": "me"})
    assert (made.version, made.files, made.info["who"]) == (SCHEMA_VERSION, {"f": b"\0x"}, "me")
    assert target.stat().st_mode & 0o777 == 0o600
    assert is_backup(target)
    before = target.read_bytes()
    assert restore(target, other_url) is None
    assert rows(other_url) == rows(database_url)
    migrate.check_version(other_url, "/")
    engine = one_off_engine(backups.database_url(other_url, "/"))
    with engine.connect() as connection:
        assert connection.execute(select(s.leases.c.token)).scalars().all() == [""]
        assert not {backups.INFO, backups.FILES} & set(inspect(connection).get_table_names())
    engine.dispose()
    assert target.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_the_former_database_is_kept(database_url: str, tmp_path: Path) -> None:
    migrate.upgrade(database_url, "/")
    target = tmp_path / "b"
    write_backup(database_url, "/", target, files={}, info={})
    fill(database_url)
    aside = restore(target, database_url)
    assert rows(database_url)["workers"] == []
    if isinstance(aside, Path):
        assert aside.stat().st_nlink == 1
        kept = rows(f"sqlite:///{aside}")["workers"]
    else:
        engine = one_off_engine(backups.database_url(database_url, "/"))
        with engine.connect() as connection:
            kept = list(connection.execute(text(f"SELECT id FROM {aside}.workers")).all())
        engine.dispose()
    assert len(kept) == 450
    # The keys of what is there now are not those of the former tables.
    fill(database_url)


def test_a_backup_of_the_first_version_is_brought_to_this_one(
    database_url: str, other_url: str, tmp_path: Path
) -> None:
    engine = one_off_engine(backups.database_url(database_url, "/"))
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            v0001_first_tables.upgrade()
        for statement in (
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('0001')",
            "INSERT INTO masters VALUES (7, 'host:/srv', true, 1)",
        ):
            connection.execute(text(statement))
    engine.dispose()
    target = tmp_path / "b"
    assert write_backup(database_url, "/", target, files={}, info={}).version == "0001"
    restore(target, other_url)
    migrate.check_version(other_url, "/")
    assert rows(other_url)["masters"] == [(7, "host:/srv", True, 1)]


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A backup."""
    url = f"sqlite:///{tmp_path}/of.sqlite"
    migrate.upgrade(url, "/")
    fill(url)
    return write_backup(url, "/", tmp_path / "good", files={}, info={}).path


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("9001", "has version 9001, which is newer than this ci-master knows"),
        ("067", "it looks like Buildbot's"),
        ("0001x", "no ci-master ever wrote|newer than"),
    ],
)
def test_tables_of_a_version_that_is_not_known_are_refused(
    good: Path, version: str, why: str
) -> None:
    change(good, f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(DatabaseUnusable, match=why):
        read_backup(good)


def test_what_is_no_backup_is_refused(good: Path, tmp_path: Path) -> None:
    cases = {"there is no file": None, "is no backup": b"text" * 1000, "but not one of": b""}
    for why, content in cases.items():
        path = tmp_path / "case"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DatabaseUnusable, match=why):
            read_backup(path)
    content = bytearray(good.read_bytes())
    for at in range(4096, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    good.write_bytes(content)
    with pytest.raises(DatabaseUnusable, match="is damaged"):
        read_backup(good)


def test_a_backup_that_cannot_be_finished_leaves_the_former_one(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = good.read_bytes()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for part in ("_add", "_copy_sqlite", "_forget_holder"):
        with monkeypatch.context() as broken:
            broken.setattr(backups, part, full)
            with pytest.raises(DatabaseUnusable, match="disk is full"):
                write_backup(f"sqlite:///{tmp_path}/of.sqlite", "/", good, files={}, info={})
        assert good.read_bytes() == before
        assert leftovers(tmp_path) == []


def test_a_restore_that_fails_changes_nothing(
    good: Path, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate.upgrade(database_url, "/")
    fill(database_url, workers=3)
    before = rows(database_url)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(backups, "_forget_holder", fail)
        with pytest.raises(DatabaseUnusable, match="disk I/O error"):
            restore(good, database_url)
    if database_url.startswith("postgresql"):
        real = backups._load

        def half(source: Any, tx: Any, table: Any) -> None:
            real(source, tx, table)
            if table is s.workers:
                raise DatabaseUnusable("no more")

        monkeypatch.setattr(backups, "_load", half)
        with pytest.raises(DatabaseUnusable, match="no more"):
            restore(good, database_url)
    assert rows(database_url) == before
    assert leftovers(tmp_path) == []


def test_the_log_of_a_killed_master_goes_with_the_former_database(
    good: Path, tmp_path: Path
) -> None:
    file = tmp_path / "live.sqlite"
    migrate.upgrade(f"sqlite:///{file}", "/")
    with closing(sqlite3.connect(file, isolation_level=None)) as master:
        master.execute("PRAGMA wal_autocheckpoint=0")
        master.execute("INSERT INTO workers (id, name, info_json, paused, graceful)"
                       " VALUES (1, 'late', '{}', 0, 0)")  # fmt: skip
        log = Path(f"{file}-wal").read_bytes()
        main = file.read_bytes()
    assert len(log) > 0
    file.write_bytes(main)
    Path(f"{file}-wal").write_bytes(log)
    aside = restore(good, f"sqlite:///{file}")
    assert not Path(f"{file}-wal").exists()
    assert len(rows(f"sqlite:///{file}")["workers"]) == 450
    assert [row[1] for row in rows(f"sqlite:///{aside}")["workers"]] == ["late"]


def test_a_broken_database_is_put_aside_as_it_is(good: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.sqlite"
    for ending in ("", "-wal", "-shm"):
        Path(f"{file}{ending}").write_bytes(b"no database" * 1000)
    aside = restore(good, f"sqlite:///{file}")
    assert isinstance(aside, Path)
    assert aside.read_bytes() == Path(f"{aside}-wal").read_bytes() == b"no database" * 1000
    assert len(rows(f"sqlite:///{file}")["workers"]) == 450


def test_tables_of_something_else_stay(good: Path, other_url: str) -> None:
    if other_url.startswith("sqlite"):
        return  # there a file is replaced, and kept
    engine = one_off_engine(database_url(other_url, "/"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (x int)"))
    with pytest.raises(DatabaseUnusable, match=r"tables of something else \(theirs"):
        restore(good, other_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["theirs"]
    engine.dispose()
