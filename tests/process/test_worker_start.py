"""What ``ci-worker start`` says of the first login, and what is in the logs of daemons."""

import os
from pathlib import Path

import pytest

from tests.process.farm import Farm, Master
from tests.process.worker_home import WorkerHome, ci_worker

pytestmark = pytest.mark.process


@pytest.fixture
def master(farm: Farm) -> Master:
    made = farm.master()
    made.configure("""
c['change_source'] = [changes.PBChangeSource(user='a', passwd='b')]
builder('one', sh('true'))
force_all()
""")
    made.start()
    return made


@pytest.mark.parametrize("name", ["w1", "nobody"])
def test_a_wrong_password_or_name_is_no_start(master: Master, tmp_path: Path, name: str) -> None:
    address = f"127.0.0.1:{master.pb_port}"
    home = WorkerHome(tmp_path / "worker", address, name=name)
    tac = home.basedir / "buildbot.tac"
    tac.write_text(tac.read_text().replace("secret", "another"))
    started = ci_worker("start", str(home.basedir))
    assert started.returncode == 1
    assert started.stdout.startswith("not started: ") and started.stdout.count("\n") == 1
    assert f"does not know worker '{name}' with this password" in started.stdout
    assert not (home.basedir / "twistd.pid").exists()
    tac.write_text(tac.read_text().replace("another", "secret"))
    if name == "w1":
        again = ci_worker("start", str(home.basedir))
        assert (again.returncode, f"connected to the master {address}" in again.stdout) == (0, True)
        second = WorkerHome(tmp_path / "second", address)
        refused = ci_worker("start", str(second.basedir))
        assert (refused.returncode, "refuses us" in refused.stdout) == (1, True)
        home.cleanup()


def test_without_a_master_it_starts_and_says_that_it_waits_for_it(
    farm: Farm, tmp_path: Path
) -> None:
    master = farm.master()
    master.configure("builder('one', sh('true'))\nforce_all()\n")
    home = WorkerHome(tmp_path / "worker", f"127.0.0.1:{master.pb_port}")
    started = ci_worker("start", str(home.basedir))
    assert started.returncode == 0
    assert "started, but cannot connect to the master" in started.stdout
    assert "it keeps trying" in started.stdout
    try:
        master.start()
        master.wait_for_worker()
    finally:
        home.cleanup()


def test_no_daemon_logs_the_begin_and_end_of_its_factories(master: Master, farm: Farm) -> None:
    worker = farm.worker(master)
    assert worker is not None and master.daemon is not None
    master.wait_for_worker()
    for _ in range(3):
        master.forced("one")
    text = (master.home / "master.cfg").read_text()
    (master.home / "master.cfg").write_text(text.replace("user='a'", "user='c'"))
    assert "update complete" in master.reload()
    for connections in range(3):
        assert master.rest.all("masters"), connections
    assert os.path.exists(master.home / "http.log")
    worker.stop()
    master.stop()
    logs = master.log() + (worker.home / "twistd.log").read_text()
    assert "connected to the master" in logs
    for noise in ("Starting factory", "Stopping factory", "Starting protocol", "Stopping protocol"):
        assert noise not in logs
