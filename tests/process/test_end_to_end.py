"""The main job, for real: a push becomes a build on a worker, whatever happens meanwhile."""

import hashlib
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS, WARNINGS
from tests.process.farm import Farm, Master, Repository, wait_until

pytestmark = pytest.mark.process

BRANCHES = 12
COMMITS = 36

PROJECT = """
c['change_source'].append(changes.GitPoller(
    repourl={url!r}, branches=True, pollInterval=1, pollAtLaunch=True, project='demo'))
builder('test',
    steps.Git(repourl={url!r}, mode='full', method='fresh', getDescription=True),
    steps.Compile(command=['sh', '-c', 'cat build.txt'], warnOnWarnings=True),
    steps.Test(command=['sh', '-c', 'grep -q good state.txt'], warnOnFailure=False))
c['schedulers'].append(schedulers.AnyBranchScheduler(
    name='all', change_filter=util.ChangeFilter(project='demo'),
    treeStableTimer=None, builderNames=['test']))
force_all()
"""


def project(repository: Repository) -> None:
    """Dozens of commits on a dozen branches."""
    repository.commit("begin", state="good\n", build="compiling\n")
    for number in range(COMMITS):
        if number % 3 == 0:
            repository.git("checkout", "-q", "-B", f"branch{number // 3}", "main")
        repository.commit(f"change {number}", extra=f"{number}\n")
    repository.git("checkout", "-q", "main")
    repository.push("--all")


def builds_of(master: Master, revision: str) -> list[dict[str, object]]:
    found = master.rest.all("builds?property=got_revision")
    return [
        build
        for build in found
        if build["complete"] and build["properties"].get("got_revision", [None])[0] == revision
    ]


def test_a_push_becomes_a_build(farm: Farm, repository: Repository, db_url: str | None) -> None:
    project(repository)
    master = farm.master(db_url)
    master.configure(PROJECT.format(url=repository.url))
    master.start()
    farm.worker(master)
    master.wait_for_worker()

    # The first poll only notes where the branches are: until then, pushes make no changes.
    asked: list[str] = []

    def noticed() -> object:
        asked.append(repository.commit("is anybody there?"))
        repository.push()
        return master.rest.all("changes?limit=1")

    wait_until(noticed, "the first poll", every_s=1)
    # What was pushed last may come with the next poll: no build has to share its changes with it.
    wait_until(lambda: builds_of(master, asked[-1]), "the build of the last of them")

    good = repository.commit("good one", state="good\n")
    repository.push()
    (build,) = wait_until(lambda: builds_of(master, good), "the build of a push")
    assert build["results"] == SUCCESS
    assert master.properties(build)["branch"] == "main"
    assert good[:7] in master.properties(build).get("commit-description", good)
    (change,) = master.rest.all(f"builds/{build['buildid']}/changes")
    assert change["comments"].strip() == "good one"
    assert change["revision"] == good

    bad = repository.commit("break it", state="bad\n")
    repository.push()
    (build,) = wait_until(lambda: builds_of(master, bad), "the build that fails")
    assert build["results"] == FAILURE
    assert master.steps(build)["test"]["results"] == FAILURE

    repository.git("checkout", "-q", "-b", "side")
    warned = repository.commit("warn", state="good\n", build="a.c:1: warning: unused\n")
    repository.push("side")
    (build,) = wait_until(lambda: builds_of(master, warned), "the build that warns")
    assert build["results"] == WARNINGS
    assert master.properties(build)["branch"] == "side"
    assert master.properties(build)["warnings-count"] == 1

    repository.git("reset", "-q", "--hard", "HEAD~1")
    other = repository.commit("instead", state="good\n", build="fine\n")
    repository.push("--force", "side")
    (build,) = wait_until(lambda: builds_of(master, other), "the build of a forced push")
    assert build["results"] == SUCCESS
    repository.push("--delete", "branch3")
    last = repository.commit("after a deleted branch", extra="x")
    repository.push("side")
    wait_until(lambda: builds_of(master, last), "a build after a branch was deleted")
    assert master.stop() == 0


FARM = """
builder('sleep', sh('echo $$ > {pids}/$RANDOM$$; echo begun; sleep 3; echo done'),
        env={{'LANG': 'C'}})
builder('long', sh('echo begun; sleep 600 & wait', name='wait'),
        sh('echo cleaned', name='clean', alwaysRun=True))
builder('quick', steps.SetProperty(property='mine', value=util.Interpolate('%(prop:asked)s!')),
        sh('echo quick'))
c['schedulers'].append(schedulers.ForceScheduler(
    name='force', builderNames=['sleep', 'long', 'quick'],
    properties=[util.StringParameter(name='asked', default='nothing', maxsize=10)]))
"""


@pytest.fixture
def running(farm: Farm, tmp_path: Path, db_url: str | None) -> Master:
    """A master with a worker, and builders that take their time."""
    (tmp_path / "pids").mkdir()
    master = farm.master(db_url)
    master.configure(FARM.format(pids=tmp_path / "pids"))
    master.start()
    return master


def test_forced_stopped_and_rebuilt(farm: Farm, running: Master) -> None:
    master = running
    farm.worker(master)
    build = master.forced("quick", asked="please")
    assert master.properties(build)["mine"] == "please!"
    assert master.log_text(build, "shell") == "quick\n"

    request = master.force("long")
    build = master.build_of(request)
    wait_until(lambda: "wait" in master.steps(build), "the long step")
    wait_until(lambda: master.log_text(build, "wait") == "begun\n", "its output")
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert master.finished(request)["results"] == CANCELLED
    build = master.build_of(request)
    assert "enough" in build["state_string"]
    assert master.steps(build)["clean"]["results"] == SUCCESS

    first = master.forced("quick", asked="again")
    _, requests = master.rest.call(f"builds/{first['buildid']}", "rebuild")
    (again,) = requests.values()
    master.finished(again)
    assert master.properties(master.build_of(again))["mine"] == "again!"
    buildset = master.rest.one(f"buildrequests/{again}")["buildsetid"]
    assert master.rest.one(f"buildsets/{buildset}")["rebuilt_buildid"] == first["buildid"]


def test_a_worker_that_dies_in_mid_build_gets_it_again(farm: Farm, running: Master) -> None:
    master = running
    worker = farm.worker(master)
    assert worker is not None
    request = master.force("sleep")
    build = master.build_of(request)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    wait_until(lambda: "begun" in master.log_text(build, "shell"), "its output")
    worker.kill()
    master.wait_for_worker(connected=False)
    farm.worker(master)
    assert master.finished(request)["results"] == SUCCESS
    builds = master.rest.all(f"buildrequests/{request}/builds?order=number")
    assert [one["results"] for one in builds] == [RETRY, SUCCESS]
    assert master.log_text(builds[0], "shell") == "begun\n"


def test_a_reload_in_mid_build_leaves_the_build_alone(
    farm: Farm, running: Master, tmp_path: Path
) -> None:
    master = running
    farm.worker(master)
    request = master.force("sleep")
    build = master.build_of(request)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    more = "\nbuilder('new', sh('echo new'))\nforce_all()\n"
    config = FARM.format(pids=tmp_path / "pids").replace("name='force'", "name='others'")
    master.configure(config + more)
    said = master.reload()
    assert "configuration update complete" in said
    assert "1 builder added: new" in said
    assert master.log_text(master.forced("new"), "shell") == "new\n"
    assert master.finished(request)["results"] == SUCCESS
    assert len(master.rest.all(f"buildrequests/{request}/builds")) == 1

    (master.home / "master.cfg").write_text("c = BuildmasterConfig = {'bilders': []}\n")
    said = master.reload()
    assert "configuration update aborted" in said
    assert "did you mean 'builders'?" in said
    assert master.log_text(master.forced("new"), "shell") == "new\n"


def test_kill_9_of_the_master_loses_nothing_that_was_stored(farm: Farm, running: Master) -> None:
    master = running
    farm.worker(master)
    done = [master.forced("quick", asked=str(number)) for number in range(3)]
    request = master.force("sleep")
    build = master.build_of(request)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    waiting = [master.force("sleep") for _ in range(2)]
    master.kill()
    master.start()
    for number, before in enumerate(done):
        after = master.rest.one(f"builds/{before['buildid']}")
        assert after == {**before, "properties": {}}
        assert master.properties(after)["mine"] == f"{number}!"
        assert master.log_text(after, "shell") == "quick\n"
    assert master.finished(request)["results"] == SUCCESS
    builds = master.rest.all(f"buildrequests/{request}/builds?order=number")
    assert [one["results"] for one in builds] == [RETRY, SUCCESS]
    for one in waiting:
        assert master.finished(one)["results"] == SUCCESS


def test_a_stopped_step_takes_its_whole_process_tree_along(farm: Farm, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0: os.setsid()\n"
        f"open({str(tmp_path)!r} + f'/pid{{os.getpid()}}', 'w').close()\n"
        "print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    master = farm.master()
    master.configure(
        f"builder('tree', steps.ShellCommand(command=[{sys.executable!r}, '-c', {script!r}]))\n"
        "force_all()\n"
    )
    master.start()
    farm.worker(master)
    request = master.force("tree")
    build = master.build_of(request)
    pids = wait_until(
        lambda: (found := list(tmp_path.glob("pid*"))) and len(found) == 3 and found,
        "three processes",
    )
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="over")
    assert master.finished(request)["results"] == CANCELLED
    for pid in pids:
        wait_until(lambda pid=pid: not _alive(int(pid.name[3:])), f"the end of {pid.name}")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def test_a_log_of_100_mb_comes_back_as_it_was(
    farm: Farm, tmp_path: Path, db_url: str | None
) -> None:
    source = tmp_path / "output.txt"
    rng = random.Random(3)
    with source.open("wb") as out:
        for number in range(1_000_000):
            out.write(f"[{number:7}] {rng.getrandbits(300):075x} building it\n".encode())
    size = source.stat().st_size
    assert size > 90_000_000
    master = farm.master(db_url)
    master.configure(
        f"builder('big', steps.ShellCommand(command=['cat', {str(source)!r}]))\nforce_all()\n"
    )
    master.start()
    farm.worker(master)
    request = master.force("big")
    assert master.finished(request, 120)["results"] == SUCCESS
    step = master.steps(master.build_of(request))["shell"]
    log = master.rest.one(f"steps/{step['stepid']}/logs/stdio")
    status, body = master.rest.open("GET", f"/api/v2/logs/{log['logid']}/raw")
    assert status == 200
    expected = source.read_bytes()
    begin = body.index(expected[:90])
    assert hashlib.sha256(body[begin : begin + size]).digest() == (
        hashlib.sha256(expected).digest()
    )
    middle = master.rest.one(f"logs/{log['logid']}/contents?offset=500000&limit=2")["content"]
    assert [line[0] for line in middle.splitlines()] == ["o", "o"]
    assert master.daemon is not None
    peak = [
        int(line.split()[1])
        for line in Path(f"/proc/{master.daemon.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    assert peak[0] < 160 * 1024, "the master held the log in memory"


def test_a_clean_stop_lets_builds_finish(farm: Farm, running: Master) -> None:
    master = running
    farm.worker(master)
    request = master.force("sleep")
    build = master.build_of(request)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    assert master.daemon is not None
    os.kill(master.daemon.pid, signal.SIGUSR1)
    assert master.daemon.process.wait(30) == 0
    master.start()
    assert master.rest.one(f"builds/{build['buildid']}")["results"] == SUCCESS
