"""Databases are brought to our tables, and others are refused with a reason."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_mock_engine, inspect, text

from ci_master.storage import engine as engines
from ci_master.storage import migrate
from ci_master.storage.engine import DatabaseUnusable, one_off_engine
from ci_master.storage.migrations.versions import (
    v0001_first_tables,
    v0002_leases,
    v0003_build_changes,
    v0004_long_builds,
    v0005_outbox,
    v0006_failures,
    v0007_acts,
    v0008_got_revision,
)
from ci_master.storage.schema import SCHEMA_VERSION, metadata


@pytest.fixture
def basedir(tmp_path: Path) -> str:
    return str(tmp_path)


def test_the_migrations_lead_to_the_tables(database_url: str, basedir: str) -> None:
    engine = one_off_engine(engines.database_url(database_url, basedir))
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            v0001_first_tables.upgrade()
            v0002_leases.upgrade()
            v0003_build_changes.upgrade()
            v0004_long_builds.upgrade()
            v0005_outbox.upgrade()
            v0006_failures.upgrade()
            v0007_acts.upgrade()
            v0008_got_revision.upgrade()
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_indexes_of_a_part_of_the_rows_are_that_on_every_database(dialect: str) -> None:
    made: list[str] = []

    def note(statement: Any, *_: Any) -> None:
        made.append(str(statement.compile(dialect=database.dialect)))

    database = create_mock_engine(f"{dialect}://", note)
    metadata.create_all(database, checkfirst=False)
    partial = sorted(one.partition(" ON ")[0].split()[-1] for one in made if " WHERE " in one)
    assert partial == ["buildrequests_collapsed", "builds_long"]


def test_a_master_on_sqlite_does_not_load_the_support_of_other_databases() -> None:
    program = (
        "import sys, ci_master.storage.store;"
        "print([name for name in sys.modules if name.startswith('sqlalchemy.dialects.p')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout.strip() == b"[]", done.stderr


def test_an_empty_database_gets_the_tables_once(database_url: str, basedir: str) -> None:
    assert migrate.upgrade(database_url, basedir).startswith("created the tables")
    assert "up to date" in migrate.upgrade(database_url, basedir)
    migrate.check_version(database_url, basedir)


def test_a_database_of_the_first_release_is_upgraded_with_what_is_in_it(
    database_url: str, basedir: str
) -> None:
    engine = one_off_engine(engines.database_url(database_url, basedir))
    with engine.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            v0001_first_tables.upgrade()
        connection.execute(
            text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
        for statement in (
            "INSERT INTO masters VALUES (7, 'host:/srv', true, 1)",
            "INSERT INTO builders (id, name, tags_json) VALUES (1, 'b', '[]')",
            "INSERT INTO buildsets (id, reason, submitted_at, complete, properties_json)"
            " VALUES (3, 'why', 5, false, '{}')",
            "INSERT INTO buildrequests (id, buildsetid, builderid, priority, submitted_at,"
            " waited_for, complete, results) VALUES (4, 3, 1, 0, 5, false, false, -1)",
            *(
                "INSERT INTO builds (id, number, builderid, buildrequestid, masterid, started_at,"
                f" locks_duration_s, state_string) VALUES ({id}, {id}, 1, 4, 7, 5, 0, '')"
                for id in (1, 2, 3)
            ),
            'INSERT INTO build_properties VALUES (1, \'{"got_revision": ["abc", "Git"]}\')',
            'INSERT INTO build_properties VALUES (2, \'{"x": ["got_revision", "Git"]}\')',
            "INSERT INTO build_properties VALUES (3, '{}')",
        ):
            connection.execute(text(statement))
    with pytest.raises(DatabaseUnusable, match="upgrade-master"):
        migrate.check_version(database_url, basedir)
    assert "from version 0001" in migrate.upgrade(database_url, basedir)
    migrate.check_version(database_url, basedir)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.execute(text("SELECT id, name FROM masters")).all() == [(7, "host:/srv")]
        query = text("SELECT id, buildsetid, collapsed_into FROM buildrequests")
        assert connection.execute(query).all() == [(4, 3, None)]
        query = text("SELECT id, got_revision FROM builds ORDER BY id")
        assert connection.execute(query).all() == [(1, '{"":"abc"}'), (2, ""), (3, "")]
    engine.dispose()


def test_a_newer_database_is_refused_and_left_alone(database_url: str, basedir: str) -> None:
    migrate.upgrade(database_url, basedir)
    _set_version(database_url, basedir, "9001")
    for call in (migrate.check_version, migrate.upgrade):
        with pytest.raises(DatabaseUnusable, match=r"newer than this ci-master knows"):
            call(database_url, basedir)
    assert _version(database_url, basedir) == "9001"


def test_buildbots_database_is_recognised(database_url: str, basedir: str) -> None:
    migrate.upgrade(database_url, basedir)
    _set_version(database_url, basedir, "067")
    with pytest.raises(DatabaseUnusable, match="Buildbot"):
        migrate.check_version(database_url, basedir)


def test_an_older_database_wants_an_upgrade(database_url: str, basedir: str) -> None:
    migrate.upgrade(database_url, basedir)
    _set_version(database_url, basedir, "0000")
    with pytest.raises(DatabaseUnusable, match="upgrade-master"):
        migrate.check_version(database_url, basedir)


def test_tables_of_something_else_are_not_touched(database_url: str, basedir: str) -> None:
    engine = one_off_engine(engines.database_url(database_url, basedir))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE recipes (id INTEGER)"))
    with pytest.raises(DatabaseUnusable, match="something else"):
        migrate.upgrade(database_url, basedir)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["recipes"]
    engine.dispose()


def test_an_unreachable_database_is_told_with_its_reason(basedir: str) -> None:
    with pytest.raises(DatabaseUnusable, match="cannot be reached"):
        migrate.check_version("postgresql://nobody:secret@127.0.0.1:1/none", basedir)
    with pytest.raises(DatabaseUnusable) as raised:
        migrate.upgrade("postgresql://nobody:secret@127.0.0.1:1/none", basedir)
    assert "secret" not in str(raised.value)


def test_a_missing_file_says_how_to_make_it(basedir: str) -> None:
    with pytest.raises(DatabaseUnusable, match=r"does not exist;.*upgrade-master"):
        migrate.check_version("sqlite:///nowhere.sqlite", basedir)


def test_the_version_is_that_of_the_last_migration() -> None:
    assert v0008_got_revision.revision == SCHEMA_VERSION


def _set_version(url: str, basedir: str, version: str) -> None:
    engine = one_off_engine(engines.database_url(url, basedir))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    engine.dispose()


def _version(url: str, basedir: str) -> str | None:
    engine = one_off_engine(engines.database_url(url, basedir))
    with engine.connect() as connection:
        found: str | None = connection.execute(
            text("SELECT version_num FROM alembic_version")
        ).scalar()
    engine.dispose()
    return found
