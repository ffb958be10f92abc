"""What a master leaves behind when it is killed, and what builds with background programs do."""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from ci_common.pidfile import is_alive
from ci_common.processes.identity import MARK_VARIABLE
from ci_common.results import CANCELLED, FAILURE, SUCCESS
from tests.process.farm import BIN, Farm, Master, wait_until

pytestmark = pytest.mark.process


def numbers(path: Path, count: int) -> list[int]:
    """The process ids that a script has written, once there are so many."""

    def look() -> list[int]:
        words = path.read_text().split() if path.exists() else []
        return [int(word) for word in words] if len(words) >= count else []

    return wait_until(look, f"{count} process ids in {path}")


def gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(is_alive, pids)), f"the end of {pids}")


def test_kill_9_of_the_master_ends_what_it_ran_and_the_next_one_the_rest(
    farm: Farm, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >> {pids}; (setsid sh -c 'echo $$ >> {pids}; exec sleep 600' &); sleep 600"
    master = farm.master()
    master.configure(f"builder('own', steps.MasterShellCommand(command={script!r}))\nforce_all()\n")
    master.start()
    farm.worker(master)
    master.force("own")
    first = numbers(pids, 2)
    master.kill()
    if Path("/proc/self/fd").exists():
        gone(first[:1])
    master.start()
    gone(first)
    assert "ending what the previous run left behind" in master.log()
    second = numbers(pids, 4)[2:]  # it is built again
    assert master.stop() == 0
    gone(second)


def test_kill_9_of_the_master_takes_its_local_worker_along_and_another_one_comes(
    farm: Farm, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    master = farm.master()
    master.configure(
        "c['workers'] = [worker.LocalWorker('lo')]\nWORKERS = ['lo']\n"
        f"builder('b', sh('echo $PPID >> {pids}; test $(wc -l < {pids}) -gt 1 || sleep 600'))\n"
        "force_all()\n"
    )
    master.start()
    request = master.force("b")
    (worker,) = numbers(pids, 1)
    master.kill()
    if Path("/proc/self/fd").exists():
        gone([worker])
    master.start()
    gone([worker])
    assert master.finished(request)["results"] == SUCCESS


@pytest.mark.parametrize("when", ["at once", "while they build"])
def test_kill_9_of_the_master_leaves_no_local_worker_whatever_state_it_is_in(
    farm: Farm, tmp_path: Path, when: str
) -> None:
    names = ["one", "two", "three"]
    pids = tmp_path / "pids"
    master = farm.master()
    master.configure(
        f"c['workers'] = [worker.LocalWorker(n, max_builds=1) for n in {names}[:2]]\n"
        f"c['workers'].append(worker.LocalWorker('three', workdir={str(tmp_path / 'w3')!r}))\n"
        "for n in ('one', 'two', 'three'):\n"
        f"    builder(n, sh('echo $PPID >> {pids}; test $(wc -l < {pids}) -gt 3 || sleep 600'),\n"
        "            workernames=[n])\n"
        "force_all()\n"
    )
    master.start()
    records = master.home / "twistd.processes"
    requests = []
    if when == "at once":  # before they are looked up, and before they have connected
        wait_until(lambda: records.exists() and records.read_text().count("+ ") == 3, "3 workers")
        marks = set(re.findall(r"\+ (\w+)", records.read_text()))
        before = [pid for pid in psutil.pids() if mark_of(pid) in marks]
    else:
        requests = [master.force(name) for name in names]
        before = numbers(pids, 3)
        os.kill(before[0], signal.SIGSTOP)  # it does not notice that its master is gone
    master.kill()
    started = subprocess.run(  # in the background, as people start it
        [BIN / "ci-master", "start", master.home], capture_output=True, text=True, timeout=180
    )
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        gone(before)
        for name in names:
            master.wait_for_worker(name)
        for request in requests:
            assert master.finished(request)["results"] == SUCCESS
    finally:
        stopped = subprocess.run([BIN / "ci-master", "stop", master.home], capture_output=True)
    assert stopped.returncode == 0
    assert not [pid for pid in psutil.pids() if works_below(pid, [master.home, tmp_path / "w3"])]


def mark_of(pid: int) -> str | None:
    """The mark that a process inherited from what a daemon has started."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).environ().get(MARK_VARIABLE)
    return None


def works_below(pid: int, places: list[Path]) -> bool:
    """Whether a process has its working directory there."""
    with contextlib.suppress(psutil.Error):
        return any(Path(psutil.Process(pid).cwd()).is_relative_to(place) for place in places)
    return False


@pytest.fixture
def farm_of_background_programs(farm: Farm) -> Master:
    master = farm.master()
    master.configure(
        "lock = util.MasterLock('one')\n"
        "def held(name, **more):\n"
        "    builder(name, sh('sleep 600 & echo started', **more),\n"
        "            locks=[lock.access('exclusive')])\n"
        "held('silent', timeout=2)\n"
        "held('long', maxTime=2)\n"
        "held('stopped')\n"
        "builder('next', sh('true'), locks=[lock.access('exclusive')])\n"
        "c['workers'][0] = worker.Worker('w1', 'secret', max_builds=1)\n"
        "force_all()\n"
    )
    master.start()
    return master


def test_a_step_whose_output_is_held_open_ends_as_it_should_and_frees_slot_and_lock(
    farm: Farm, farm_of_background_programs: Master
) -> None:
    master = farm_of_background_programs
    farm.worker(master)
    assert master.forced("silent")["results"] == FAILURE
    assert master.forced("long")["results"] == FAILURE
    request = master.force("stopped")
    build = master.build_of(request)
    wait_until(
        lambda: "shell" in master.steps(build) and "started" in master.log_text(build, "shell"),
        "the program's output",
    )
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert master.finished(request)["results"] == CANCELLED
    assert master.forced("next")["results"] == SUCCESS
