"""Our worker under a stock Buildbot master."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.pidfile import is_alive
from tests.conftest import missing
from tests.process.buildbot_peer import BuildbotMaster, wait_for, why_no_peer
from tests.process.worker_home import WorkerHome

pytestmark = [pytest.mark.process, pytest.mark.peer]

SUCCESS, FAILURE, CANCELLED = 0, 2, 6


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildbotMaster]:
    if why_no_peer():
        missing(why_no_peer())
    running = BuildbotMaster(tmp_path_factory.mktemp("master"))
    yield running
    running.stop()


@pytest.fixture
def worker(master: BuildbotMaster, tmp_path: Path) -> Iterator[WorkerHome]:
    master.wait_for_worker(connected=False)
    home = WorkerHome(tmp_path / "w1", f"127.0.0.1:{master.pb_port}")
    home.start()
    master.wait_for_worker()
    yield home
    home.cleanup()


def test_the_master_learns_what_the_worker_is(master: BuildbotMaster, worker: WorkerHome) -> None:
    info = master.wait_for_worker()["workerinfo"]
    assert info["version"] == "0.1.0"
    assert info["host"].startswith(f"{platform.node()}: ")


def test_a_build_runs_every_kind_of_step(master: BuildbotMaster, worker: WorkerHome) -> None:
    build = master.force("good")
    assert master.result(build) == SUCCESS, master.get(f"builds/{build}/steps")
    talk = master.log(build, "talk")
    assert talk.startswith("hsh -c 'echo out; echo err >&2; printf partial'\nh in dir ")
    for line in ("oout", "eerr", "opartial", "hprogram finished with exit code 0"):
        assert f"\n{line}\n" in talk
    assert "oline of hello\n" in master.log(build, "line")
    assert "ogiven text\n" in master.log(build, "show")
    assert (master.basedir / "got.txt").read_text() == "given text"
    assert (master.basedir / "gotdir" / "given.txt").read_text() == "given text"
    assert master.log(build, "logs", "a") == "ofirst\nosecond\n"


def test_a_failing_program_fails_the_build(master: BuildbotMaster, worker: WorkerHome) -> None:
    build = master.force("bad")
    assert master.result(build) == FAILURE
    assert "hprogram finished with exit code 3\n" in master.log(build, "broken")


def test_a_silent_program_is_killed(master: BuildbotMaster, worker: WorkerHome) -> None:
    build = master.force("silent")
    assert master.result(build) == FAILURE
    assert "1 seconds without output" in master.log(build, "silent")


def test_stopping_a_build_kills_the_whole_tree(master: BuildbotMaster, worker: WorkerHome) -> None:
    build = master.force("slow")
    pids = slow_pids(worker)
    master.call(f"builds/{build}", "stop", reason="enough")
    assert master.result(build) == CANCELLED
    wait_for("the end of the tree", lambda: not any(map(is_alive, pids)))


def test_a_stopped_worker_leaves_no_process(master: BuildbotMaster, worker: WorkerHome) -> None:
    build = master.force("slow")
    pids = slow_pids(worker)
    worker.end()
    wait_for("the end of the tree", lambda: not any(map(is_alive, pids)))
    wait_for("another try", lambda: master.get(f"builds/{build}")["builds"][0]["complete"])


def slow_pids(worker: WorkerHome) -> list[int]:
    """The processes of the slow build, once both run."""
    file = worker.basedir / "slow" / "build" / "pids"

    def look() -> list[int]:
        found = [int(word) for word in file.read_text().split()] if file.exists() else []
        return found if len(found) == 2 else []

    pids: list[int] = wait_for("the slow program", look)
    assert os.getpid() not in pids
    return pids
