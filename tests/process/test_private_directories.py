"""What a master and a worker write, nobody else on the machine can read, whatever the umask."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.farm import BIN, Farm, farm_in

pytestmark = pytest.mark.process


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    before = os.umask(0)  # as careless as can be; inherited by all that is started
    try:
        yield from farm_in(tmp_path)
    finally:
        os.umask(before)


def modes(directory: Path) -> dict[str, int]:
    """The permissions of the files in a directory, and of itself."""
    found = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    return {".": directory.stat().st_mode & 0o777, **found}


def test_new_directories_databases_and_logs_are_for_their_owner_only(farm: Farm) -> None:
    master = farm.master()
    master.configure(
        "builder('quick', sh('echo quick'))\nforce_all()\n"
        "c['www']['logfileName'] = 'http.log'\nc['logCompressionMethod'] = 'gz'\n"
    )
    (master.home / "master.cfg").chmod(0o600)  # ours to write, and to protect
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    master.forced("quick")
    seen = modes(master.home)
    assert seen.pop(".") == 0o700
    seen.pop("console.log")  # what this test makes of its output
    assert {"state.sqlite", "state.sqlite-wal", "state.sqlite-shm", "twistd.log", "http.log"} <= {
        *seen
    }
    assert {name: mode for name, mode in seen.items() if mode & 0o077} == {}
    worker = modes(farm.directory / "w1")
    assert (worker["."], worker["buildbot.tac"], worker["twistd.log"]) == (0o700, 0o600, 0o600)
    assert "is open to" not in master.log()


def test_an_existing_directory_is_told_of_and_left_as_it_is(farm: Farm) -> None:
    master = farm.master()
    master.configure("builder('quick', sh('echo quick'))\nforce_all()\n")
    master.home.chmod(0o755)
    done = subprocess.run(
        [BIN / "ci-master", "checkconfig", master.home], capture_output=True, text=True, check=True
    )
    assert f"chmod 700 {master.home}" in done.stderr and "all users" in done.stderr
    master.start()
    assert f"chmod 700 {master.home}" in master.log()
    assert modes(master.home)["."] == 0o755
