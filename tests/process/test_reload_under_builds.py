"""Reloads that take builder, worker or lock away under a build: it ends, and nothing is leaked."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.results import CANCELLED, RETRY, SUCCESS
from tests.process.farm import STOCK_WORKER, Farm, Master, wait_until

pytestmark = pytest.mark.process

WORKERS = [
    "ours",
    pytest.param(
        "stock",
        marks=[
            pytest.mark.peer,
            pytest.mark.skipif(STOCK_WORKER is None, reason="no stock worker"),
        ],
    ),
]

#: ``gated`` on w1 holds the only lock, and ends when it finds a file.
BUILDERS = """
lock = util.MasterLock('only')
GATE = sh('echo begun; until test -e go; do sleep 0.1; done; echo ended')
"""
GATED = "builder('gated', GATE, locks=[lock.access('counting')], workernames=['w1'])\n"
MOVED = GATED.replace("['w1']", "['w2']")
ELSEWHERE = GATED.replace(")\n", ", workerbuilddir='elsewhere')\n")
OTHER = """
builder('other', sh('echo other'), locks=[lock.access('counting')], workernames=['w2'])
force_all()
"""
ALL = ("w1", "w2")


def begun(farm: Farm, kind: str) -> tuple[Master, dict[str, Any]]:
    """A master, two workers, and a build of ``gated`` under way."""
    master = farm.master()
    master.configure(BUILDERS + GATED + OTHER, ALL)
    master.start()
    farm.worker(master, "w1", stock=kind == "stock")
    farm.worker(master, "w2", stock=kind == "stock")
    for name in ALL:
        master.wait_for_worker(name)
    return master, gated(master)


def gated(master: Master) -> dict[str, Any]:
    """A build of ``gated`` whose program runs."""
    build = master.build_of(master.force("gated"))
    wait_until(lambda: "shell" in master.steps(build), "the step")
    wait_until(lambda: "begun" in master.log_text(build, "shell"), "its output")
    return build


def ended(master: Master, build: dict[str, Any], results: int) -> None:
    """It ends so, and what it held is free."""
    found = wait_until(
        lambda: (one := master.rest.one(f"builds/{build['buildid']}"))["complete"] and one,
        "the end of the build",
    )
    assert found["results"] == results
    assert master.forced("other")["results"] == SUCCESS  # it has the lock, and a worker


def go(farm: Farm, worker: str = "w1", directory: str = "gated") -> None:
    """Let the program of ``gated`` end."""
    (farm.directory / worker / directory / "build" / "go").touch()


def stop(master: Master, build: dict[str, Any]) -> None:
    master.rest.call(f"builds/{build['buildid']}", "stop")


CHANGES = {
    "removed": OTHER,
    "moved": MOVED + OTHER,
    "directory": ELSEWHERE + OTHER,
}


@pytest.mark.parametrize("kind", WORKERS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_build_whose_builder_goes_goes_on_to_its_end(farm: Farm, kind: str, change: str) -> None:
    master, build = begun(farm, kind)
    master.configure(BUILDERS + CHANGES[change], ALL)
    master.reload()
    go(farm)
    ended(master, build, SUCCESS)
    assert "ended" in master.log_text(build, "shell")
    master.configure(BUILDERS + GATED + OTHER, ALL)
    master.reload()
    assert master.forced("gated")["results"] == SUCCESS  # the file is still there


@pytest.mark.parametrize("kind", WORKERS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_build_whose_builder_went_can_be_stopped(farm: Farm, kind: str, change: str) -> None:
    master, build = begun(farm, kind)
    master.configure(BUILDERS + CHANGES[change], ALL)
    master.reload()
    stop(master, build)
    ended(master, build, CANCELLED)


@pytest.mark.parametrize("kind", WORKERS)
def test_a_builder_removed_and_added_again_under_its_build_builds_again(
    farm: Farm, kind: str
) -> None:
    master, build = begun(farm, kind)
    for text in (OTHER, GATED + OTHER):
        master.configure(BUILDERS + text, ALL)
        master.reload()
    stop(master, build)
    ended(master, build, CANCELLED)
    again = gated(master)
    go(farm)
    ended(master, again, SUCCESS)


def test_a_build_whose_worker_goes_is_built_by_another(farm: Farm) -> None:
    master, build = begun(farm, "ours")
    both = BUILDERS + GATED.replace("['w1']", "['w1', 'w2']") + OTHER
    master.configure(both, ALL)
    master.reload()
    master.configure(both.replace("'w1', ", ""), ("w2",))
    master.reload()
    wait_until(lambda: master.rest.one(f"builds/{build['buildid']}")["complete"], "its end")
    assert master.rest.one(f"builds/{build['buildid']}")["results"] == RETRY
    wait_until(lambda: (farm.directory / "w2" / "gated" / "build").is_dir(), "the second build")
    go(farm, "w2")
    assert master.finished(build["buildrequestid"])["results"] == SUCCESS
    assert master.forced("other")["results"] == SUCCESS


def test_a_worker_replaced_by_one_of_its_name_builds_again(farm: Farm, tmp_path: Path) -> None:
    master, build = begun(farm, "ours")
    replaced = "c['workers'][0] = worker.LocalWorker('w1')\n"
    master.configure(BUILDERS + replaced + GATED + OTHER, ALL)
    master.reload()
    local = master.home / "workers" / "w1" / "gated" / "build"
    wait_until(local.is_dir, "the build on the new worker")
    (local / "go").touch()
    assert master.finished(build["buildrequestid"])["results"] == SUCCESS
    assert master.rest.one(f"builds/{build['buildid']}")["results"] == RETRY
    assert master.forced("other")["results"] == SUCCESS


def test_a_step_that_waits_for_a_lock_ends_when_there_is_less_of_it_than_it_wants(
    farm: Farm,
) -> None:
    head = """
lock = util.MasterLock('shared', maxCount={})
builder('holder', sh('echo begun; until test -e go; do sleep 0.1; done',
                     locks=[lock.access('counting')]))
builder('wants', sh('echo all', locks=[lock.access('counting', {})]))
builder('after', sh('echo one', locks=[lock.access('counting')]))
force_all()
"""
    master = farm.master()
    master.configure(head.format(3, 3))
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    first = master.build_of(master.force("holder"))
    wait_until(lambda: "shell" in master.steps(first), "the holder")
    wait_until(lambda: "begun" in master.log_text(first, "shell"), "the lock to be held")
    wants = master.build_of(master.force("wants"))
    step = wait_until(lambda: master.steps(wants).get("shell"), "the step that waits")
    wait_until(
        lambda: "waiting" in master.rest.one(f"steps/{step['stepid']}")["state_string"], "the wait"
    )
    after = master.force("after")
    master.configure(head.format(2, 2))
    master.reload()
    go(farm, directory="holder")
    for request in (first["buildrequestid"], wants["buildrequestid"], after):
        assert master.finished(request)["results"] == SUCCESS
