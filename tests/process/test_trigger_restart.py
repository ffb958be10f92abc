"""A build that waits for others when its master or worker dies: nothing is done twice."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.results import CANCELLED, RETRY, SUCCESS
from tests.process.farm import Farm, Master, wait_until

pytestmark = pytest.mark.process

CONFIG = """
def note(word):
    return sh('echo %s >> {notes}' % word, name=word)

def triggers(name, **more):
    c['schedulers'].append(schedulers.Triggerable(name=name, builderNames=[name]))
    return steps.Trigger(schedulerNames=[name], name='trigger ' + name, **more)

builder('deploy', note('deploy'))
builder('loose', note('loose'))
builder('gate', sh('while [ ! -e {gate} ]; do sleep 0.1; done'), note('gate'),
        workernames=['w2'])
builder('middle', triggers('gate', waitForFinish=True), note('middle'))
builder('top',
        triggers('deploy', waitForFinish=True, set_properties={{'k': [1, 'a']}}),
        triggers('loose', waitForFinish=False),
        triggers('middle', waitForFinish=True),
        note('top'))
force_all()
"""


@pytest.fixture
def master(farm: Farm, tmp_path: Path, db_url: str | None) -> Master:
    master = farm.master(db_url)
    config = CONFIG.format(notes=tmp_path / "notes", gate=tmp_path / "gate")
    master.configure(config, workers=("w1", "w2"))
    master.start()
    farm.worker(master)
    return master


def requests_of(master: Master, builder: str) -> list[dict[str, Any]]:
    return master.rest.all(f"builders/{builder}/buildrequests?order=buildrequestid")


def results_of(master: Master, builder: str) -> list[int]:
    return [
        build["results"] for build in master.rest.all(f"builders/{builder}/builds?order=number")
    ]


def notes(tmp_path: Path) -> list[str]:
    return sorted((tmp_path / "notes").read_text().split())


@pytest.mark.parametrize("running", [True, False])
def test_kill_9_of_the_master_while_builds_wait_for_others(
    farm: Farm, master: Master, tmp_path: Path, running: bool
) -> None:
    if running:
        farm.worker(master, "w2")
    top = master.force("top")
    (gate,) = wait_until(lambda: requests_of(master, "gate"), "what all wait for")
    if running:
        build = master.build_of(gate["buildrequestid"])
        wait_until(lambda: "shell" in master.steps(build), "its step")
    master.finished(requests_of(master, "loose")[0]["buildrequestid"])
    master.kill()
    master.start()
    if not running:
        farm.worker(master, "w2")
    (tmp_path / "gate").touch()
    assert master.finished(top)["results"] == SUCCESS
    for name in ("deploy", "loose", "gate", "middle"):
        (request,) = requests_of(master, name)
        assert request["results"] == SUCCESS, name
    assert results_of(master, "top") == results_of(master, "middle") == [RETRY, SUCCESS]
    assert results_of(master, "gate") == ([RETRY, SUCCESS] if running else [SUCCESS])
    assert notes(tmp_path) == ["deploy", "gate", "loose", "middle", "top"]


def test_a_parent_cancelled_after_the_kill_takes_its_children_along(
    farm: Farm, master: Master, tmp_path: Path
) -> None:
    top = master.force("top")
    (gate,) = wait_until(lambda: requests_of(master, "gate"), "what all wait for")
    master.kill()
    (tmp_path / "gate").touch()
    master.start()
    master.rest.call(f"buildrequests/{top}", "cancel", reason="never mind")
    assert master.finished(top)["results"] == CANCELLED
    assert master.finished(gate["buildrequestid"])["results"] == CANCELLED
    (middle,) = requests_of(master, "middle")
    assert master.finished(middle["buildrequestid"])["results"] == CANCELLED
    assert "gate" not in notes(tmp_path)


def test_kill_9_of_the_parents_worker_leaves_the_child_running(
    farm: Farm, master: Master, tmp_path: Path
) -> None:
    request = master.force("middle")  # on w1, as no other worker is there yet
    (gate,) = wait_until(lambda: requests_of(master, "gate"), "what it waits for")
    farm.worker(master, "w2")
    build = master.build_of(gate["buildrequestid"])
    wait_until(lambda: "shell" in master.steps(build), "its step")
    assert results_of(master, "middle") == [None]
    w1 = next(daemon for daemon in farm._daemons if daemon.home.name == "w1")
    w1.kill()
    wait_until(lambda: results_of(master, "middle")[0] == RETRY, "the end of the first attempt")
    farm.worker(master)
    (tmp_path / "gate").touch()
    assert master.finished(request)["results"] == SUCCESS
    assert results_of(master, "gate") == [SUCCESS]
    assert len(requests_of(master, "gate")) == 1
    assert notes(tmp_path) == ["gate", "middle"]
