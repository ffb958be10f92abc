"""Connections: what kind of database a URL names, and how we want it to behave."""

import importlib.util
import os
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from ci_master.storage.kinds import unsupported
from ci_master.storage.walmark import ForeignLog, check_log

#: What SQLite says when trying again later may help.
_SQLITE_PASSING = ("locked", "full", "disk i/o", "unable to open", "readonly", "busy")

#: Classes of PostgreSQL's error codes for which the same holds: connection, conflict with another
#: transaction, resources, state of an object, an operator's or the system's doing.
_POSTGRESQL_PASSING = frozenset(("08", "40", "53", "55", "57", "58"))
#: The server takes no writes just now: another one does, or soon will.
_READ_ONLY = "25006"


class DatabaseUnusable(Exception):
    """The database can't be used; the text says why and what to do, for a person."""


def database_url(url: str, basedir: str) -> URL:
    """The URL to open: the driver is filled in, and a relative SQLite path starts in ``basedir``.

    :raises DatabaseUnusable: if the URL cannot be read, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseUnusable(
            f"the database URL {url!r} cannot be read; write for example"
            " sqlite:///state.sqlite or postgresql://user:password@host/database"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        path = parsed.database
        if path and path != ":memory:" and not os.path.isabs(path):
            parsed = parsed.set(database=os.path.join(basedir, path))
        return parsed
    if backend == "postgresql":
        return _postgresql_url(parsed)
    raise DatabaseUnusable(unsupported(backend))


def sqlite_file(url: str, basedir: str) -> str | None:
    """The path of an SQLite database's file; None if the URL is of another kind, or in memory.

    :raises DatabaseUnusable: if the URL cannot be read.
    """
    target = database_url(url, basedir)
    if target.get_backend_name() != "sqlite" or target.database in (None, "", ":memory:"):
        return None
    return target.database


def _postgresql_url(parsed: URL) -> URL:
    wanted = parsed.drivername.partition("+")[2]
    candidates = [wanted] if wanted else ["psycopg", "psycopg2"]
    for driver in candidates:
        if importlib.util.find_spec(driver) is not None:
            return parsed.set(drivername=f"postgresql+{driver}")
    raise DatabaseUnusable(
        f"the driver for PostgreSQL ({' or '.join(candidates)}) is not installed:"
        " pip install 'ci-framework[postgresql]'"
    )


#: How a connection to a PostgreSQL server finds out that the server, or the way to it, is gone:
#: seconds for connecting, of silence before the kernel probes, between probes; how many probes;
#: milliseconds that sent bytes may stay unacknowledged.
_PG_LIVENESS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def open_engine(
    url: URL, *, readers: int = 0, application_name: str = "ci-master", **engine_kwargs: Any
) -> Engine:
    """An engine for one writer (``readers`` 0) or for that many reading threads.

    :param application_name: what a server calls its connections.
    """
    sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {}
    if readers:
        arguments.update(poolclass=QueuePool, pool_size=readers, max_overflow=2)
        if not sqlite:
            arguments.update(pool_pre_ping=True)
    else:
        arguments.update(poolclass=QueuePool, pool_size=1, max_overflow=0)
    if sqlite:
        arguments["connect_args"] = {"timeout": 15, "check_same_thread": False}
    else:
        arguments["connect_args"] = _liveness(url, application_name)
        arguments["connect_args"].update(engine_kwargs.pop("connect_args", {}))
    # what is stored (reasons, logs, names) is not repeated in the text of an error
    arguments.update({"hide_parameters": True, **engine_kwargs})
    try:
        engine = create_engine(url, **arguments)
    except (ArgumentError, NoSuchModuleError, TypeError) as error:
        raise DatabaseUnusable(f"the database {show(url)} cannot be opened: {error}") from error
    if sqlite:
        _tame_sqlite(engine, reading=bool(readers))
    return engine


def _liveness(url: URL, application_name: str) -> dict[str, Any]:
    """Arguments of connections to a server, save what the URL itself says."""
    wanted = {**_PG_LIVENESS, "application_name": application_name}
    return {name: value for name, value in wanted.items() if name not in url.query}


def one_off_engine(url: URL, *, reading: bool = False) -> Engine:
    """An engine for a command that runs a few statements and ends.

    :param reading: nothing is changed, not even the way in which SQLite keeps its file.
    :raises DatabaseUnusable: if the write-ahead log beside an SQLite file is that of another one.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database not in (None, "", ":memory:"):
        try:
            check_log(str(url.database))
        except ForeignLog as error:
            raise DatabaseUnusable(str(error)) from error
    more: dict[str, Any] = {} if sqlite else {"connect_args": _liveness(url, "ci-master")}
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, **more)
    if url.get_backend_name() == "sqlite":
        _tame_sqlite(engine, reading=reading)
    return engine


def _tame_sqlite(engine: Engine, *, reading: bool) -> None:
    """Write-ahead log, references checked, and transactions begun by us, not by the driver."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        if not reading:
            cursor.execute("PRAGMA journal_mode=WAL")
            # Pages reach the disk in the write-ahead log at a checkpoint; the writer asks for
            # FULL where somebody is told that a thing is stored.
            cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def show(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


def may_pass(error: BaseException) -> bool:
    """Whether a failed statement may work when tried again later: a lost connection, a lock.

    Where the disk is full SQLite ends the transaction by itself. To go back to a savepoint then
    fails as well; so what went before an error counts.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DBAPIError) and _passes(seen):
            return True
        seen = seen.__context__
    return False


def _passes(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if type(error.orig).__module__.startswith("sqlite3"):
        return isinstance(error, OperationalError) and any(
            word in str(error.orig).lower() for word in _SQLITE_PASSING
        )
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state is None:
        return isinstance(error, OperationalError)
    return state[:2] in _POSTGRESQL_PASSING or state == _READ_ONLY


def reason_of(error: BaseException | None) -> str:
    """What was wrong, in a line for a log: neither statement nor values are in it."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return f"{type(error).__name__}: {said.splitlines()[0] if said else 'no reason given'}"


def check_reachable(url: URL) -> None:
    """Try to connect once.

    :raises DatabaseUnusable: with the reason, if that fails.
    """
    engine = one_off_engine(url, reading=True)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()
        raise DatabaseUnusable(
            f"the database {show(url)} cannot be reached: {reason[0] if reason else error}"
        ) from error
    finally:
        engine.dispose()
