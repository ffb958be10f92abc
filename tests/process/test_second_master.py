"""One database, one master: the second is refused, the next of a dead one is not."""

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.process.farm import BIN, Farm, Master, wait_until

pytestmark = pytest.mark.process

CONFIG = """
builder('long', sh('echo begun; sleep 600'))
force_all()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database that two masters can reach."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.sqlite"
    url: str = request.getfixturevalue("postgres_cluster").new_database()
    return url


def start(master: Master) -> subprocess.CompletedProcess[str]:
    """Try to start it in the background."""
    argv = [str(BIN / "ci-master"), "start", "--start_timeout=60", str(master.home)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120)


def stop(master: Master) -> None:
    argv = [str(BIN / "ci-master"), "stop", str(master.home)]
    subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)


def change(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def two_masters(farm: Farm, database: str) -> tuple[Master, Master]:
    first, second = farm.master(database, "first"), farm.master(database, "second")
    for master in (first, second):
        master.configure(CONFIG)
    return first, second


def running_build(farm: Farm, master: Master) -> dict[str, Any]:
    """A build that runs and does not end."""
    farm.worker(master)
    master.wait_for_worker()
    build = master.build_of(master.force("long"))
    wait_until(lambda: "shell" in master.steps(build), "the step")
    wait_until(lambda: "begun" in master.log_text(build, "shell"), "its output")
    return build


def test_a_second_master_is_refused_and_the_first_ones_builds_go_on(
    farm: Farm, database: str
) -> None:
    first, second = two_masters(farm, database)
    first.start()
    build = running_build(farm, first)
    tried = start(second)
    assert tried.returncode == 1
    said = tried.stdout + tried.stderr
    assert first.daemon is not None
    for part in (f"process {first.daemon.pid} ", str(first.home), "since 20", "by another master"):
        assert part in said
    assert not (second.home / "twistd.pid").exists()
    found = first.rest.one(f"builds/{build['buildid']}")
    assert (found["complete"], found["results"]) == (False, None)
    first.rest.call(f"builds/{build['buildid']}", "stop")
    first.finished(build["buildrequestid"])


def test_after_kill_9_a_master_starts_at_once_here_or_from_another_directory(
    farm: Farm, database: str
) -> None:
    first, second = two_masters(farm, database)
    first.start()
    build = running_build(farm, first)
    first.kill()
    began = time.monotonic()
    first.start()
    assert first.rest.one(f"builds/{build['buildid']}")["results"] == 5  # RETRY
    first.kill()
    second.start()  # the process is gone for all to see
    assert time.monotonic() - began < 60
    assert second.stop() == 0
    first.start()  # and the second one gave the database back
    assert first.stop() == 0


def test_a_master_that_was_stopped_for_long_ends_when_it_wakes(farm: Farm, database: str) -> None:
    first, second = two_masters(farm, database)
    first.start()
    assert first.daemon is not None
    wait_until(lambda: "BuildMaster is running" in first.log(), "the end of the start")
    os.kill(first.daemon.pid, signal.SIGSTOP)
    try:
        # However slowly the second one starts, the claim is not old by then.
        change(database, "UPDATE leases SET renewed_at = renewed_at + 3600")
        refused = start(second)
        assert refused.returncode == 1, refused.stdout
        assert "by another master" in refused.stdout + refused.stderr
        change(database, "UPDATE leases SET renewed_at = renewed_at - 3660")
        second.start()
        third = second.force("long")
    finally:
        os.kill(first.daemon.pid, signal.SIGCONT)
    assert first.daemon.process.wait(60) == 1
    assert "another master has taken over the database" in first.log()
    assert f"process {second.daemon and second.daemon.pid} " in first.log()
    assert second.rest.one(f"buildrequests/{third}")["complete"] is False
    masters = {one["name"]: one["active"] for one in second.rest.all("masters")}
    assert [active for name, active in masters.items() if name.endswith("second")] == [True]
    assert second.stop() == 0


def test_commands_that_change_the_database_are_refused_while_another_master_has_it(
    farm: Farm, tmp_path: Path
) -> None:
    first, second = two_masters(farm, f"sqlite:///{tmp_path}/shared.sqlite")
    first.start()
    argv = [str(BIN / "ci-master"), "cleanupdb", str(second.home)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "by another master" in done.stdout + done.stderr
    assert first.stop() == 0
    subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    with closing(sqlite3.connect(tmp_path / "shared.sqlite")) as connection:
        assert connection.execute("SELECT token FROM leases").fetchall() == [("",)]
