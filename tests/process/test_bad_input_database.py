"""A database that goes away while the master runs, and comes back."""

import contextlib
import http.client
import json
import sqlite3
import time

import pytest

from ci_common.results import SUCCESS
from tests import postgres
from tests.process.farm import Farm, Master, wait_until
from tests.process.slowness import Slowness

pytestmark = pytest.mark.process

CONFIG = """
builder('quick', sh('echo quick'))
builder('gated', sh('echo begun; until test -e go; do sleep 0.05; done; echo ended'))
force_all()
"""


def answer(
    master: Master, method: str, path: str, body: object = None, limit_s: float = 60
) -> tuple[int, object]:
    """Status and JSON of whatever is answered; status 0 if nothing is, within the limit."""
    connection = http.client.HTTPConnection("127.0.0.1", master.www_port, timeout=limit_s)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    with contextlib.closing(connection):
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v2/{path}", data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except TimeoutError:
            return 0, None


def force(master: Master, builder: str) -> tuple[int, object]:
    """Ask for a build, without a word of what comes of it."""
    params = {"builderNames": [builder]}
    call = {"jsonrpc": "2.0", "id": 1, "method": "force", "params": params}
    return answer(master, "POST", "forceschedulers/force", call, limit_s=3)


def test_postgresql_may_restart_while_builds_run(farm: Farm, cluster: postgres.Cluster) -> None:
    master = farm.master(cluster.new_database())
    master.configure(CONFIG)
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    before = master.forced("quick")
    running = master.force("gated")
    build = master.build_of(running)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    wait_until(lambda: "begun" in master.log_text(build, "shell"), "its output")

    cluster.halt()
    assert master.daemon is not None
    # Asked for in vain or for later: but the master lives, and says what it waits for.
    (farm.directory / "w1" / "gated" / "build" / "go").touch()
    outcomes = [force(master, "quick") for _ in range(2)]
    wait_until(lambda: "the database does not take writes" in master.log(), "a word in the log")
    began = time.monotonic()
    with Slowness() as watched:
        status, _ = answer(master, "GET", "workers")
    took_s = time.monotonic() - began
    assert took_s < 2.5 * watched.factor, "the master does not answer while it waits"
    assert status == 200  # it is known without the database
    status, told = answer(master, "GET", "changes")
    # Answered when the writes that it waits for are stored, or refused with the reason.
    assert status == 0 or (status, "the database does not answer" in str(told)) == (503, True)
    assert master.daemon.is_running()

    cluster.resume()
    wait_until(lambda: answer(master, "GET", "builds")[0] == 200, "the database's return")
    assert master.finished(running)["results"] == SUCCESS
    assert len(master.rest.all(f"buildrequests/{running}/builds")) == 1
    assert master.log_text(build, "shell") == "begun\nended\n"
    # What was accepted, then or without a word to us, is built.
    accepted = [one for status, one in outcomes if status == 200]
    wait_until(
        lambda: all(one["complete"] for one in master.rest.all("buildrequests")),
        "the end of all requests",
    )
    found = master.rest.all("buildrequests")
    assert len(found) >= 2 + len(accepted)
    assert all(one["results"] == SUCCESS for one in found)
    assert master.rest.one(f"builds/{before['buildid']}")["results"] == SUCCESS
    assert master.forced("quick")["results"] == SUCCESS
    assert "Traceback" not in master.log()
    assert master.log().count("\n") < 200
    assert master.stop() == 0


def test_sqlite_may_be_locked_by_another_program_for_a_while(farm: Farm) -> None:
    master = farm.master()
    master.configure(CONFIG)
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    other = sqlite3.connect(master.home / "state.sqlite", isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        status, _ = force(master, "quick")
        assert status == 0  # not stored yet: so nobody is told that it is
        assert master.rest.all("workers")
        other.execute("ROLLBACK")
    (request,) = wait_until(lambda: master.rest.all("buildrequests"), "the request")
    assert master.finished(request["buildrequestid"])["results"] == SUCCESS
    assert master.stop() == 0


def test_a_master_is_stopped_although_its_database_is_away(
    farm: Farm, cluster: postgres.Cluster
) -> None:
    master = farm.master(cluster.new_database())
    master.configure(CONFIG)
    master.start()
    worker = farm.worker(master)
    assert worker is not None
    master.wait_for_worker()
    running = master.force("gated")
    build = master.build_of(running)
    wait_until(lambda: "shell" in master.steps(build), "the step")
    cluster.halt()
    assert master.daemon is not None
    master.daemon.process.terminate()
    with contextlib.suppress(Exception):
        master.daemon.process.wait(25)
    stopped = not master.daemon.is_running()
    cluster.resume()
    if not stopped:
        master.daemon.process.wait(25)
    assert stopped, "it waited for its database"
    (farm.directory / "w1" / "gated" / "build" / "go").touch()
    worker.stop()
    master.start()
    farm.worker(master)
    assert master.finished(running)["results"] == SUCCESS


ODD_TEXT = r"""
class Odd(steps.BuildStep):
    async def run(self):
        self.setProperty('odd', 'x\0y\ud800', 'so\0urce')
        await self.addURL('na\0me', 'http://x/\0')
        await self.addCompleteLog('log', 'te\0xt\ud800')
        self.descriptionDone = ['done\0\ud800' * 300]
        return util.SUCCESS

builder('odd', Odd(name='odd'),
    steps.SetPropertyFromCommand(command=['printf', r'a\0b\377'], property='p'))
force_all()
"""


def test_text_that_a_database_cannot_hold_is_marked(farm: Farm, db_url: str | None) -> None:
    master = farm.master(db_url)
    master.configure(ODD_TEXT)
    master.start()
    farm.worker(master)
    builderid = master.rest.one("builders/odd")["builderid"]
    for odd in ("na\0me", "na\ud800me"):
        params = {"builderid": builderid, "reason": odd}
        call = {"jsonrpc": "2.0", "method": "force", "params": params, "id": 1}
        status, body = master.rest.open(
            "POST", "/api/v2/forceschedulers/force", json.dumps(call).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        assert status == 400 and b"reason" in body, (status, body)
    build = master.forced("odd", reason="na\N{REPLACEMENT CHARACTER}me " + "long " * 500)
    assert build["results"] == SUCCESS
    assert master.properties(build)["p"] == "a\0b\ufffd"
    assert "te" in master.log_text(build, "odd", "log") or master.steps(build)["odd"]
    for path in (
        "builds/99999999999", "changes/9999999999", "logs/99999999999",
        "builds?started_at__gt=99999999999", "changes?limit=9999999999999",
        "workers?name=%00", "changes?author=%00%ed%a0%80",
    ):  # fmt: skip
        status, body = master.rest.open("GET", f"/api/v2/{path}")
        assert status in (200, 400, 404), (path, status, body)
    for page in ("/", f"/builders/odd/builds/{build['number']}", "/waterfall", "/pending"):
        status, body = master.rest.open("GET", page, headers={"Accept": "text/html"})
        assert status in (200, 404), (page, status, body)
    assert "Traceback" not in master.log()
    before = master.rest.get("buildsets")
    assert master.stop() == 0
    master.start()
    (after,) = master.rest.get("buildsets")["buildsets"]
    assert after["results"] == SUCCESS
    assert len(before["buildsets"]) == 1
    assert master.stop() == 0
