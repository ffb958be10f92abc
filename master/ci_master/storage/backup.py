"""Backups: the whole state of a master in one file, and its way back.

A backup is an SQLite database with the tables of ci-master, whatever database the state comes
from, and with two tables more: what the backup is, and the files that belong to it. So one that
was made of PostgreSQL needs no program of its version, and may be restored to SQLite, and the
other way round. It is made in one transaction that reads: the master may go on meanwhile.

All of this blocks, and is for commands.
"""

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ci_common.privacy import make_private_file
from ci_master.storage import leases, migrate
from ci_master.storage.engine import DatabaseUnusable, database_url, one_off_engine, reason_of, show
from ci_master.storage.schema import metadata
from ci_master.storage.walmark import MARKS, ForeignLog, check_log

#: The tables that a backup has besides.
INFO, FILES = "backup_info", "backup_files"

_VERSIONS = "alembic_version"
_PAGES_AT_ONCE = 4096
_ROWS_AT_ONCE = 200

#: Seconds that a command waits for a lock.
_LOCK_S = 30.0


@dataclass(frozen=True)
class Backup:
    """What a file that can be restored says of itself.

    :ivar version: of its tables.
    :ivar info: what was told when it was made; empty for a plain copy of an SQLite database.
    :ivar files: name -> content.
    """

    path: Path
    version: str
    info: Mapping[str, str]
    files: Mapping[str, bytes]


# -- making one


def write_backup(
    url: str, basedir: str, target: Path, *, files: Mapping[str, bytes], info: Mapping[str, str]
) -> Backup:
    """Make a backup of a database, which a master may be using.

    An existing file is replaced when the new one is complete and was looked through.

    :raises DatabaseUnusable: if the database cannot be read, or the file not be written.
    """
    source = database_url(url, basedir)
    version = migrate.version_of(url, basedir)
    with _partial(target) as partial:
        try:
            if source.get_backend_name() == "sqlite":
                _copy_sqlite(Path(str(source.database)), partial)
            else:
                _copy_server(source, version, partial)
            _forget_holder(partial)
            _add(partial, files, {**info, "version": version})
            backup = read_backup(partial)
            _sync(partial)
            os.replace(partial, target)
            _sync(target.parent)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            raise DatabaseUnusable(
                f"no backup of {show(source)} was made in {target}: {reason_of(error)}"
            ) from error
    return Backup(target, backup.version, backup.info, backup.files)


def is_backup(path: Path) -> bool:
    """Whether a file is a backup that :func:`write_backup` made. It may be of any version."""
    with contextlib.suppress(sqlite3.Error), closing(_opened(path)) as connection:
        return _has_table(connection, INFO)
    return False


def read_backup(path: Path) -> Backup:
    """Look through a backup, or a plain copy of an SQLite database. Nothing is changed.

    :raises DatabaseUnusable: if it is damaged, is none, or is of a version that is not known here.
    """
    if not path.is_file():
        raise DatabaseUnusable(f"there is no file {path}")
    with path.open("rb"):
        pass  # SQLite calls a file that may not be read a damaged one
    try:
        check_log(str(path))
        with closing(_opened(path)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise DatabaseUnusable(f"{path} is damaged: {found}")
            if not _has_table(connection, _VERSIONS):
                raise DatabaseUnusable(f"{path} is a database, but not one of a ci-master")
            (version,) = connection.execute(f"SELECT version_num FROM {_VERSIONS}").fetchone()
            info: dict[str, str] = {}
            files: dict[str, bytes] = {}
            if _has_table(connection, INFO):
                info = dict(connection.execute(f"SELECT name, value FROM {INFO}"))
                files = dict(connection.execute(f"SELECT name, content FROM {FILES}"))
    except ForeignLog as error:
        raise DatabaseUnusable(str(error)) from error
    except (sqlite3.Error, TypeError) as error:
        raise DatabaseUnusable(f"{path} is no backup, or is damaged: {error}") from error
    migrate.refuse_unknown(str(version), str(path))
    return Backup(path, str(version), info, files)


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(_opened(source, mode="rw")) as reading, closing(_opened(target, "rw")) as writing:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()  # of this moment
        reading.backup(writing, pages=_PAGES_AT_ONCE)
        reading.rollback()
        writing.execute("PRAGMA journal_mode=DELETE")


def _copy_server(source: URL, version: str, target: Path) -> None:
    """The rows of all tables, as they are at one moment."""
    migrate.make_tables(_sqlite_url(target), version)
    engine = one_off_engine(source, reading=True)
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    try:
        with engine.connect().execution_options(**options) as reading:
            theirs = MetaData()
            theirs.reflect(reading)
            with closing(_opened(target, "rw")) as writing:
                _copy_tables(reading, theirs, writing)
                writing.commit()
    finally:
        engine.dispose()


def _copy_tables(reading: Connection, theirs: MetaData, writing: sqlite3.Connection) -> None:
    writing.execute("PRAGMA foreign_keys=OFF")
    names = writing.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    known = {name for (name,) in names}
    if known != set(theirs.tables):
        strange = ", ".join(sorted(known ^ set(theirs.tables)))
        raise DatabaseUnusable(
            f"the tables are not those of version of the database: {strange} are in one only"
        )
    for name in sorted(known - {_VERSIONS}):
        columns = [row[1] for row in writing.execute(f'PRAGMA table_info("{name}")')]
        query = select(*(theirs.tables[name].c[column] for column in columns))
        row = f"({', '.join('?' * len(columns))})"
        quoted = ", ".join(f'"{column}"' for column in columns)
        insert = f'INSERT INTO "{name}" ({quoted}) VALUES {row}'
        with reading.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE).execute(
            query
        ) as result:
            for part in result.partitions(_ROWS_AT_ONCE):
                writing.executemany(insert, [tuple(map(_plain, one)) for one in part])


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _add(path: Path, files: Mapping[str, bytes], info: Mapping[str, str]) -> None:
    """Add what makes a backup of a copy; it may be a copy of one."""
    with closing(_opened(path, "rw")) as connection:
        _drop_added(connection)
        connection.execute(f"CREATE TABLE {INFO} (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
        connection.execute(f"CREATE TABLE {FILES} (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
        connection.executemany(f"INSERT INTO {INFO} VALUES (?, ?)", info.items())
        connection.executemany(f"INSERT INTO {FILES} VALUES (?, ?)", files.items())
        connection.commit()


# -- its way back


@contextmanager
def made_ready(backup: Backup, place: Path) -> Generator[Path, None, None]:
    """A copy of a backup's tables, brought to this version; for a file in the place of ``place``.

    :raises DatabaseUnusable: if that fails. The backup is not changed.
    """
    with _partial(place) as ready:
        try:
            _copy_sqlite(backup.path, ready)
            with closing(_opened(ready, "rw")) as connection:
                _drop_added(connection)
                connection.commit()
            migrate.upgrade(_sqlite_url(ready), "/")
            _forget_holder(ready)
            with closing(_opened(ready, "rw")) as connection:
                connection.execute("PRAGMA journal_mode=DELETE")
            _sync(ready)
        except (DBAPIError, sqlite3.Error, OSError) as error:
            raise DatabaseUnusable(
                f"{backup.path} cannot be restored to {place.parent}: {reason_of(error)}"
            ) from error
        yield ready


def put_in_place(ready: Path, database: Path) -> Path | None:
    """Make a file the database, and keep the one that was there, with what belongs to it.

    :returns: what the former one is called now; None if there was none.
    :raises OSError: if it cannot be done; then the former one is where it was.
    """
    aside = None
    _give_to_owner(ready, database if database.exists() else database.parent)
    if database.exists():
        aside = _unused(database)
        try:
            os.link(database, aside)
        except OSError:  # a file system without links
            os.replace(database, aside)
        for ending in ("-wal", "-journal", MARKS):  # they are used with it by its new name
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{database}{ending}", f"{aside}{ending}")
    for ending in ("-wal", "-journal", "-shm", MARKS):
        Path(f"{database}{ending}").unlink(missing_ok=True)
    os.replace(ready, database)
    _sync(database.parent)
    return aside


def load_into_server(ready: Path, url: str, basedir: str) -> str | None:
    """Put a backup's rows into a PostgreSQL database, in one transaction.

    :returns: the schema that has the former tables now; None if there were none.
    :raises DatabaseUnusable: with the reason, if it fails; then nothing is changed.
    """
    target = database_url(url, basedir)
    reading = create_engine(_sqlite_url(ready), poolclass=NullPool, hide_parameters=True)
    writing = one_off_engine(target)
    try:
        with reading.connect() as source, writing.begin() as tx:
            tx.execute(text(f"SET LOCAL lock_timeout = '{int(_LOCK_S)}s'"))
            aside = _put_tables_aside(tx, show(target))
            migrate.create_tables(tx)
            for table in metadata.sorted_tables:
                _load(source, tx, table)
        _analyze(writing)
    except DBAPIError as error:
        raise DatabaseUnusable(
            f"nothing was restored to {show(target)}: {reason_of(error)}"
            f"{migrate.may_create(target, error)}"
        ) from error
    finally:
        reading.dispose()
        writing.dispose()
    return aside


def _put_tables_aside(tx: Connection, where: str) -> str | None:
    names = sorted(inspect(tx).get_table_names())
    if not names:
        return None
    if _VERSIONS not in names:
        migrate.refuse_foreign_tables(tx, where)
    for name in names:  # nobody reads or writes them from now on
        tx.execute(text(f'LOCK TABLE "{name}" IN ACCESS EXCLUSIVE MODE'))
    schema = f"before_restore_{time.strftime('%Y%m%d_%H%M%S')}"
    tx.execute(text(f'CREATE SCHEMA "{schema}"'))
    for name in names:
        tx.execute(text(f'ALTER TABLE "{name}" SET SCHEMA "{schema}"'))
    return schema


def _load(source: Connection, tx: Connection, table: Table) -> None:
    loaded = 0
    for part in source.execute(select(table)).partitions(_ROWS_AT_ONCE):
        tx.execute(table.insert(), [dict(row._mapping) for row in part])
        loaded += len(part)
    stored = tx.execute(select(func.count()).select_from(table)).scalar_one()
    if stored != loaded:
        raise DatabaseUnusable(f"{loaded} rows of {table.name} were written, {stored} are there")


def _analyze(engine: Engine) -> None:
    """Let the server know how much there is: its plans depend on it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


# -- files


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A new private file beside ``target``, which is gone in the end if nobody has renamed it."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        make_private_file(partial)
    except OSError as error:
        raise DatabaseUnusable(f"cannot write to {target.parent}: {error.strerror}") from error
    try:
        yield partial
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{partial}{ending}").unlink(missing_ok=True)


def _opened(path: Path, mode: str = "ro") -> sqlite3.Connection:
    uri = f"file:{quote(os.path.abspath(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_LOCK_S)


def _sqlite_url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
    return bool(connection.execute(query, (name,)).fetchone()[0])


def _drop_added(connection: sqlite3.Connection) -> None:
    for name in (INFO, FILES):
        connection.execute(f"DROP TABLE IF EXISTS {name}")


def _forget_holder(path: Path) -> None:
    """Nobody is the master of a copy."""
    with closing(_opened(path, "rw")) as connection:
        if _has_table(connection, leases.t.name):
            connection.execute(f"UPDATE {leases.t.name} SET token = ''")
            connection.commit()


def _unused(database: Path) -> Path:
    """A name for the former database."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        more = "" if number == 1 else f"-{number}"
        name = database.with_name(f"{database.name}.before-restore-{stamp}{more}")
        if not name.exists():
            return name
    raise FileExistsError(f"{name} exists")


def _give_to_owner(path: Path, like: Path) -> None:
    """Where the superuser restores for another account: the file is to be that account's."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync(path: Path) -> None:
    """Have it on the disk, file or directory."""
    with contextlib.suppress(PermissionError):  # Windows: a directory
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
