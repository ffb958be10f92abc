"""SIGTERM stops a master in each phase; one that cannot write its database does not start."""

import os
import signal
import sqlite3
import subprocess
import tempfile
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ci_master.storage import migrate
from ci_master.storage.engine import DatabaseUnusable
from tests import postgres
from tests.process.farm import BIN, Daemon, Farm, Master, wait_until

pytestmark = pytest.mark.process

CONFIG = """
builder('gated', sh('echo begun; until test -e go; do sleep 0.05; done; echo ended'))
force_all()
"""

#: An orderly end takes 10 seconds where the database is away; one by force a minute.
LIMIT_S = 90.0


def launch(farm: Farm, master: Master) -> Daemon:
    """Start it, without waiting for anything."""
    argv = [str(BIN / "ci-master"), "start", "--nodaemon", str(master.home)]
    master.daemon = farm.launch(argv, master.home)
    return master.daemon


def says(master: Master, words: str) -> None:
    wait_until(lambda: words in master.log(), words)


def stops(daemon: Daemon, home: Path) -> int:
    status = daemon.stop(LIMIT_S)
    assert not (home / "twistd.pid").exists()
    return status


def test_while_it_waits_at_the_start_for_a_database_that_others_have_locked(farm: Farm) -> None:
    master = farm.master()
    master.configure(CONFIG)
    with closing(sqlite3.connect(master.home / "state.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        daemon = launch(farm, master)
        says(master, "the database does not take writes")
        assert stops(daemon, master.home) == 0
    master.start()
    assert master.stop() == 0


def test_while_the_database_is_locked_under_a_build(farm: Farm) -> None:
    master = farm.master()
    master.configure(CONFIG)
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    build = master.build_of(master.force("gated"))
    wait_until(lambda: "shell" in master.steps(build), "the step")
    with closing(sqlite3.connect(master.home / "state.sqlite", isolation_level=None)) as other:
        wait_until(lambda: locked(other), "the lock")
        assert master.daemon is not None
        stops(master.daemon, master.home)


def locked(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True


def test_while_the_server_of_the_database_is_gone(farm: Farm, cluster: postgres.Cluster) -> None:
    master = farm.master(cluster.new_database())
    master.configure(CONFIG)
    master.start()
    cluster.halt()
    says(master, "the database does not take writes")  # its heartbeat
    assert master.daemon is not None
    stops(master.daemon, master.home)
    daemon = launch(farm, master)
    assert daemon.process.wait(LIMIT_S) == 1
    assert "cannot be reached" in master.log()


def test_while_its_configuration_does_not_come_to_an_end(farm: Farm) -> None:
    master = farm.master()
    master.configure("import time\nopen(basedir + '/loading', 'w').close()\ntime.sleep(600)\n")
    daemon = launch(farm, master)
    wait_until((master.home / "loading").exists, "the load")
    assert stops(daemon, master.home) == 1
    assert "ended by force" in master.log()


def test_a_reload_asked_for_during_the_start_comes_after_it(farm: Farm) -> None:
    master = farm.master()
    gate = "import time, os\nwhile not os.path.exists(basedir + '/go'): time.sleep(0.05)\n"
    master.configure("open(basedir + '/loading', 'w').close()\n" + gate + CONFIG)
    daemon = launch(farm, master)
    wait_until((master.home / "loading").exists, "the load")
    os.kill(daemon.pid, signal.SIGHUP)
    (master.home / "go").touch()
    says(master, "configuration update complete")
    assert stops(daemon, master.home) == 0


# -- a database that cannot be written


def refused(url: str, basedir: str) -> str:
    with pytest.raises(DatabaseUnusable) as raised:
        migrate.check_version(url, basedir)
    return str(raised.value)


def as_nobody(function: Callable[[], None]) -> None:
    """Call it in a process that has no special rights."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            function()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(("file", "directory"), [(0o444, 0o777), (0o666, 0o555), (0o444, 0o555)])
def test_an_sqlite_file_that_cannot_be_written_is_refused(file: int, directory: int) -> None:
    with tempfile.TemporaryDirectory() as where:
        path = Path(where) / "state.sqlite"
        migrate.upgrade(f"sqlite:///{path}", where)
        path.chmod(file)
        Path(where).chmod(directory)

        def look() -> None:
            said = refused(f"sqlite:///{path}", where)
            assert "state.sqlite cannot be " in said
            assert "needs to write to the file and to its directory" in said

        as_nobody(look)
        Path(where).chmod(0o700)
        made = {one.name for one in Path(where).iterdir()}
        assert made == {"state.sqlite"} or file == 0o666  # nothing that a chmod does not open
    # One that can be written is not refused: every other test starts a master on one.


def test_a_role_that_cannot_write_is_refused(cluster: postgres.Cluster, tmp_path: Path) -> None:
    url, basedir = cluster.new_database(), str(tmp_path)
    migrate.upgrade(url, basedir)
    migrate.check_version(url, basedir)
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "CREATE ROLE reader LOGIN",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            "CREATE ROLE half LOGIN",
            "GRANT ALL ON alembic_version, masters TO half",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO half",
            "CREATE ROLE lazy LOGIN",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO lazy",
            "ALTER ROLE lazy SET default_transaction_read_only = on",
        ):
            connection.execute(text(statement))
    engine.dispose()
    of = engine.url.set
    for role, why in (
        ("reader", "permission denied"),
        ("half", "no permission for "),
        ("lazy", "read-only transaction"),
    ):
        said = refused(of(username=role).render_as_string(hide_password=False), basedir)
        assert why in said and "cannot be written" in said


def test_a_master_whose_database_cannot_be_written_does_not_start(
    farm: Farm, cluster: postgres.Cluster
) -> None:
    url = cluster.new_database()
    master = farm.master(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        name = engine.url.database
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine.dispose()
    master.configure(CONFIG)
    argv = [str(BIN / "ci-master"), "start", str(master.home)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "cannot be written" in done.stdout + done.stderr
