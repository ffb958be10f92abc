"""Bringing a database to the tables of this version, and refusing to run on any others."""

import contextlib
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from ci_common.privacy import make_private_file
from ci_master.storage.engine import (
    DatabaseUnusable,
    check_reachable,
    database_url,
    one_off_engine,
    show,
)
from ci_master.storage.schema import SCHEMA_VERSION, metadata
from ci_master.storage.walmark import note_mark

_MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(url: str, basedir: str) -> str:
    """Create the tables, or migrate those that are there.

    :returns: a sentence on what was done.
    :raises DatabaseUnusable: if the database is away, of a newer version, or not ours.
    """
    target = database_url(url, basedir)
    _make_private(target)
    _check_files(target)
    check_reachable(target)
    found = _look(target)
    if found == SCHEMA_VERSION:
        return f"the database {show(target)} is up to date (version {found})"
    engine = one_off_engine(target)
    try:
        with engine.begin() as connection:
            if found is None:
                create_tables(connection)
                return f"created the tables in {show(target)} (version {SCHEMA_VERSION})"
            _migrate(connection, found, show(target))
            return f"migrated {show(target)} from version {found} to {SCHEMA_VERSION}"
    except DBAPIError as error:
        did = "migrated" if found else "given its tables"
        raise DatabaseUnusable(
            f"the database {show(target)} could not be {did}: {error.orig}"
            + may_create(target, error)
        ) from error
    finally:
        engine.dispose()


def _make_private(target: URL) -> None:
    """Make the file of a new SQLite database, which only its owner may read.

    SQLite gives the permissions of this file to those that it puts beside it.
    """
    path = target.database
    if target.get_backend_name() == "sqlite" and path and path != ":memory:":
        with contextlib.suppress(OSError):  # told, with more words, when it is opened
            make_private_file(path)


def check_version(url: str, basedir: str) -> None:
    """Make sure that a master may run on this database.

    :raises DatabaseUnusable: with the reason and what to do about it.
    """
    target = database_url(url, basedir)
    is_missing_file = (
        target.get_backend_name() == "sqlite"
        and target.database not in (None, "", ":memory:")
        and not os.path.exists(str(target.database))
    )
    if is_missing_file:
        raise DatabaseUnusable(
            f"the database file {target.database} does not exist;"
            f" make it with 'ci-master upgrade-master {basedir}'"
        )
    _check_files(target)
    check_reachable(target)
    found = _look(target)
    if found == SCHEMA_VERSION:
        _check_writable(target)
        _note_mark(target)
        return
    if found is None:
        raise DatabaseUnusable(
            f"the database {show(target)} is empty; make its tables with"
            f" 'ci-master upgrade-master {basedir}'"
        )
    if found > SCHEMA_VERSION:
        raise DatabaseUnusable(_newer(show(target), found))
    raise DatabaseUnusable(
        f"the database {show(target)} has version {found}, this ci-master needs"
        f" {SCHEMA_VERSION}; make a backup, then run 'ci-master upgrade-master {basedir}'"
    )


def _note_mark(target: URL) -> None:
    """Note which file a log that is begun from now on belongs to."""
    if target.get_backend_name() == "sqlite" and target.database not in (None, "", ":memory:"):
        with contextlib.suppress(OSError):
            note_mark(str(target.database))


def version_of(url: str, basedir: str) -> str:
    """The version of a database's tables.

    :raises DatabaseUnusable: if it has none, if they are not ours, or newer than this version.
    """
    target = database_url(url, basedir)
    path = target.database
    if target.get_backend_name() == "sqlite" and not os.path.exists(str(path)):
        raise DatabaseUnusable(f"the database file {path} does not exist")
    check_reachable(target)
    found = _look(target)
    if found is None:
        raise DatabaseUnusable(f"the database {show(target)} is empty")
    refuse_unknown(found, f"the database {show(target)}")
    return found


def refuse_unknown(found: str, where: str) -> None:
    """Make sure that a version is one of those that this ci-master can bring to its own.

    :param where: what has the tables, for the text of the error.
    :raises DatabaseUnusable: if it is newer, or was never ours.
    """
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        ScriptDirectory.from_config(config).get_revision(found)
    except CommandError as error:
        raise DatabaseUnusable(_unknown(where, found)) from error


def make_tables(url: str, version: str) -> None:
    """Make the tables as they were in some version, in an empty database.

    :raises DatabaseUnusable: if that is impossible.
    """
    from alembic import command

    engine = one_off_engine(database_url(url, "/"))
    try:
        with engine.begin() as connection:
            if version == SCHEMA_VERSION:
                create_tables(connection)
            else:
                command.upgrade(alembic_config(connection), version)
    finally:
        engine.dispose()


def _check_writable(target: URL) -> None:
    """Make sure that a master may write here; nothing is changed.

    :raises DatabaseUnusable: with the reason, if it may not.
    """
    engine = one_off_engine(target)
    try:
        with engine.connect() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            closed = _closed_tables(connection)
            connection.rollback()
    except DBAPIError as error:
        if target.get_backend_name() == "sqlite" and "locked" in str(error.orig).lower():
            return  # another program writes just now: so can we, later
        reason = str(error.orig).strip().splitlines()
        raise DatabaseUnusable(
            f"the database {show(target)} cannot be written: {reason[0] if reason else error};"
            f" {_may_write(target)}"
        ) from error
    finally:
        engine.dispose()
    if closed:
        raise DatabaseUnusable(
            f"the database {show(target)} cannot be written: no permission for"
            f" {', '.join(closed[:4])}{', ...' if len(closed) > 4 else ''}; {_may_write(target)}"
        )


def _check_files(target: URL) -> None:
    """Make sure that our account may write the files of an SQLite database.

    Before SQLite opens the database: it would make those that are missing with the permissions of
    the database, and they stay closed when that is opened to us.

    :raises DatabaseUnusable: with the files that it may not write.
    """
    if target.get_backend_name() != "sqlite" or not target.database:
        return
    _refuse_hard_links(target)
    files = [target.database + ending for ending in ("", "-wal", "-shm")]
    closed = [file for file in files if os.path.exists(file) and not os.access(file, os.W_OK)]
    if closed:
        raise DatabaseUnusable(
            f"the database {show(target)} cannot be written: no permission for"
            f" {', '.join(closed)}; {_may_write(target)}"
        )


def _refuse_hard_links(target: URL) -> None:
    """Make sure that the database's file has one name.

    What SQLite writes goes into a file that is called as the name by which it was opened: under
    two names the same database would be changed by two masters who do not see each other.

    :raises DatabaseUnusable: if it has more.
    """
    with contextlib.suppress(OSError):
        names = os.stat(str(target.database)).st_nlink
        if names > 1:
            raise DatabaseUnusable(
                f"the file {target.database} has {names} names (hard links), as after 'cp -al':"
                " whoever opened it by another one would change the same database. Stop whatever"
                f" uses it; then make it a file of its own: cp {target.database}"
                f" {target.database}.own && mv {target.database}.own {target.database}"
            )


def _closed_tables(connection: Connection) -> list[str]:
    """Tables that our role may not change."""
    if connection.dialect.name != "postgresql":
        return []
    allowed = " AND ".join(
        f"has_table_privilege(:name, '{act}')" for act in ("SELECT", "INSERT", "UPDATE", "DELETE")
    )
    query = text(f"SELECT {allowed}")
    return [
        table.name
        for table in metadata.sorted_tables
        if not connection.execute(query, {"name": table.name}).scalar()
    ]


def _may_write(target: URL) -> str:
    if target.get_backend_name() == "sqlite":
        return "the master's account needs to write to the file and to its directory"
    return "the master's role needs to change all of its tables"


def may_create(target: URL, error: DBAPIError) -> str:
    """What to do about it where the role may make no tables, as in PostgreSQL since version 15."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if target.get_backend_name() != "postgresql" or state != "42501":
        return ""
    return (
        f"\n    The role has to own the database. As the server's administrator: ALTER DATABASE"
        f' "{target.database}" OWNER TO "{target.username}"'
    )


def _look(target: URL) -> str | None:
    """The version of the tables; None if there are none.

    :raises DatabaseUnusable: if there are others. Nothing is changed then.
    """
    engine = one_off_engine(target, reading=True)
    try:
        with engine.connect() as connection:
            found = _version(connection)
            if found is None:
                refuse_foreign_tables(connection, show(target))
            return found
    except DBAPIError as error:
        # SQLite writes beside its file even to read it.
        hint = f"; {_may_write(target)}" if "readonly" in str(error.orig) else ""
        raise DatabaseUnusable(
            f"the database {show(target)} cannot be read: {error.orig}{hint}"
        ) from error
    finally:
        engine.dispose()


def _unknown(where: str, found: str) -> str:
    """Why the tables of a version that is not among ours are refused."""
    is_buildbots = len(found) == len("067") and found.isdigit()
    if found > SCHEMA_VERSION or is_buildbots:
        return _newer(where.removeprefix("the database "), found)
    return (
        f"{where} has version {found!r}, which no ci-master ever wrote; is it Buildbot's?"
        " Give ci-master a database of its own"
    )


def _newer(where: str, found: str) -> str:
    if len(found) == len("067") and found.isdigit():
        return (
            f"the database {where} has version {found}: it looks like Buildbot's;"
            " give ci-master a database of its own. Nothing was changed."
        )
    return (
        f"the database {where} has version {found}, which is newer than this ci-master knows"
        f" ({SCHEMA_VERSION}); install the newer ci-framework, or restore the backup made"
        " before that upgrade. Nothing was changed."
    )


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def refuse_foreign_tables(connection: Connection, where: str) -> None:
    """Make sure that a database without our version has no tables at all.

    :raises DatabaseUnusable: with some of those that it has.
    """
    present = set(inspect(connection).get_table_names())
    if present:
        raise DatabaseUnusable(
            f"the database {where} holds tables of something else"
            f" ({', '.join(sorted(present)[:4])}, ...); give ci-master a database of its own"
        )


def create_tables(connection: Connection) -> None:
    """Make the tables of this version, in an empty database."""
    metadata.create_all(connection)
    connection.execute(
        text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    )
    connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:version)"),
        {"version": SCHEMA_VERSION},
    )


def _migrate(connection: Connection, found: str, where: str) -> None:
    # Alembic is slow to import, and only needed here.
    from alembic import command

    refuse_unknown(found, f"the database {where}")
    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Any:
    """Alembic's configuration for migrations over this connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
