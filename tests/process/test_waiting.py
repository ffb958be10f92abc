"""Requests that wait for places that are lent, and for functions that fail; what is said of it."""

import html
import re
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import CANCELLED, SUCCESS
from tests.process.farm import Farm, Master, wait_until

pytestmark = pytest.mark.process

SHARDS = """
c['workers'] = [worker.Worker(name, 'secret', max_builds=1) for name in {workers}]
names = [one.workername for one in c['workers']]
gate = 'while [ ! -e {gate} ]; do sleep 0.1; done'
builder('shard', sh(gate, name='wait'), workernames=names)
c['schedulers'] += [
    schedulers.Triggerable(name='shard %d' % n, builderNames=['shard']) for n in range(3)]
builder('top', steps.Trigger(schedulerNames=['shard %d' % n for n in range(3)],
                             waitForFinish=True),
        sh('true'), workernames=names)
force_all()
"""


def page(master: Master, path: str) -> str:
    """What a page says, without its tags."""
    status, body = master.rest.open("GET", path, headers={"Accept": "text/html"})
    assert status == 200, (path, status)
    text = re.sub(r"<[^>]*>", " ", body.decode())
    return " ".join(html.unescape(text).split())


def running(master: Master) -> int:
    return len(master.rest.all("builders/shard/builds?complete=false"))


def a_master(farm: Farm, tmp_path: Path, *workers: str) -> Master:
    master = farm.master(None)
    master.configure(SHARDS.format(workers=list(workers), gate=tmp_path / "gate"))
    master.start()
    for name in workers:
        farm.worker(master, name)
    for name in workers:
        master.wait_for_worker(name)
    return master


def shards(master: Master) -> list[dict[str, Any]]:
    return master.rest.all("builders/shard/buildrequests")


@pytest.mark.parametrize(("workers", "at_once"), [(("w1",), 1), (("w1", "w2", "w3", "w4"), 3)])
def test_shards_run_on_what_is_free_or_else_on_the_worker_of_their_parent(
    farm: Farm, tmp_path: Path, workers: tuple[str, ...], at_once: int
) -> None:
    master = a_master(farm, tmp_path, *workers)
    top = master.force("top")
    wait_until(lambda: running(master) == at_once, "the shards that can run")
    if at_once == 1:
        waiting = wait_until(
            lambda: [one for one in shards(master) if not one["claimed"]], "shards that wait"
        )
        text = "Waits for a place that its parent top #1 lends on w1; shard #1 has it now"
        assert text in page(master, f"/buildrequests/{waiting[0]['buildrequestid']}")
        assert text in page(master, "/queue")
    (tmp_path / "gate").touch()
    assert master.finished(top)["results"] == SUCCESS
    assert [one["results"] for one in shards(master)] == [SUCCESS] * 3


@pytest.mark.parametrize("dies", ["master", "worker"])
def test_a_kill_in_the_midst_leaves_nothing_waiting_for_ever(
    farm: Farm, tmp_path: Path, dies: str
) -> None:
    master = a_master(farm, tmp_path, "w1")
    top = master.force("top")
    wait_until(lambda: running(master) == 1, "the first shard")
    if dies == "master":
        master.kill()
        master.start()
    else:
        next(daemon for daemon in farm._daemons if daemon.home.name == "w1").kill()
        wait_until(lambda: running(master) == 0, "the end of what was lost")
        farm.worker(master)
    (tmp_path / "gate").touch()
    assert master.finished(top)["results"] == SUCCESS
    assert [one["results"] for one in shards(master)] == [SUCCESS] * 3


def test_a_parent_that_is_stopped_frees_its_worker(farm: Farm, tmp_path: Path) -> None:
    master = a_master(farm, tmp_path, "w1")
    top = master.force("top")
    wait_until(lambda: running(master) == 1, "the first shard")
    (build,) = master.rest.all("builders/top/builds")
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert master.finished(top)["results"] == CANCELLED
    wait_until(lambda: all(one["complete"] for one in shards(master)), "the end of its shards")
    (tmp_path / "gate").touch()
    assert master.forced("shard")["results"] == SUCCESS


BROKEN = """
def may(builder, worker, request):
    with open('{calls}', 'a') as calls:
        calls.write('x')
    return request.properties.getProperty('nothing')['here'] {mended}
builder('broken', sh('true'), canStartBuild=may)
builder('sound', sh('true'))
force_all()
"""


def test_a_function_that_fails_is_shown_and_logged_once_until_it_is_mended(
    farm: Farm, tmp_path: Path
) -> None:
    master, calls = farm.master(None), tmp_path / "calls"
    master.configure(BROKEN.format(mended="", calls=calls))
    master.start()
    farm.worker(master)
    request = master.force("broken")
    text = "canStartBuild of \"broken\" raised TypeError: 'NoneType' object is not subscriptable"
    where = r"\(master\.cfg:\d+\)"
    for path in (f"/buildrequests/{request}", "/builders/broken", "/", "/queue"):
        told = wait_until(lambda path=path: text in page(master, path) and path, "the error")
        assert re.search(re.escape(text) + " " + where, page(master, told)), told
    assert master.forced("sound")["results"] == SUCCESS
    wait_until(lambda: text in master.log(), "the log")
    wait_until(lambda: len(calls.read_text()) > 2, "it to be tried again")
    assert master.log().count(text) == 1
    master.configure(BROKEN.format(mended="if 0 else True", calls=calls))
    master.reload()
    assert master.finished(request)["results"] == SUCCESS
    assert text not in page(master, "/")
