"""Our master and a stock one side by side: of one configuration, after the same acts."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.process.buildbot_peer import BuildbotMaster, wait_for
from tests.process.farm import BIN

LIMIT_S = 120.0

CONFIG = r"""
from twisted.internet import defer
from buildbot.plugins import *

class Results(steps.BuildStep):
    name = "results"
    @defer.inlineCallbacks
    def run(self):
        yield self.addCompleteLog("plain.txt", "one\ntwo\nthree\n")
        self.addURL("site", "http://example.org/")
        self.setProperty("number", 7, "Results")
        yield self.setBuildData("blob", b"bytes", "Results")
        return util.SUCCESS

class Tests(steps.BuildStep):
    name = "tests"
    @defer.inlineCallbacks
    def addTestResultSets(self):
        self.sets = []
        for kind in ("pass_fail", "pass_only", "fail_only", "performance"):
            unit = "boolean" if kind == "pass_fail" else "message"
            self.sets.append((yield self.addTestResultSet(kind, kind, unit)))
    def run(self):
        for one in self.sets:
            for value in ("1", "0", "2", "x"):
                self.addTestResult(one, value, test_name="t", test_code_path="a.py", line=3)
        return util.SUCCESS

def sh(text, **kw):
    return steps.ShellCommand(command=["sh", "-c", text], **kw)

lock = util.MasterLock("lock")
factories = {
    "good": [sh("echo out", name="talk"), Results(), Tests(),
             sh("true", name="skipped", doStepIf=False),
             sh("true", name="locked", locks=[lock.access("exclusive")]),
             sh("true", name="hidden", hideStepIf=True),
             steps.Trigger(schedulerNames=["trig"], waitForFinish=True, name="trigger")],
    "child": [sh("true", name="child")],
    "bad": [sh("exit 3", name="broken")],
    "slow": [sh("sleep 600", name="sleep")],
    "waits": [sh("true", name="never")],
}
c = BuildmasterConfig = {
    "workers": [worker.LocalWorker("w1"), worker.Worker("away", "x")],
    "protocols": {"pb": {"port": "tcp:PBPORT:interface=127.0.0.1"}},
    "projects": [util.Project(name="proj", description="d"), util.Project(name="other")],
    "codebases": [util.Codebase(name="core", project="proj"),
                  util.Codebase(name="core", project="other", slug="s")],
    "builders": [util.BuilderConfig(
        name=name, workernames=["away" if name == "waits" else "w1"], tags=["t-" + name],
        factory=util.BuildFactory(found), project="proj" if name == "good" else None)
        for name, found in factories.items()],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=list(factories)),
                   schedulers.Triggerable(name="trig", builderNames=["child"])],
    "www": {"port": "tcp:WWWPORT:interface=127.0.0.1", "change_hook_dialects": {"base": True}},
    "buildbotURL": "http://127.0.0.1:WWWPORT/",
    "collapseRequests": True,
    "title": "T", "titleURL": "http://127.0.0.1:WWWPORT/",
    "buildbotNetUsageData": None,
    "db": {"db_url": "sqlite:///state.sqlite"},
}
"""

#: What stands for no answer at all.
NO_ANSWER = (500, {"error": "no answer"})


class Site:
    """One of the two masters, and what its ids stand for."""

    def __init__(self, basedir: Path, program: str | None) -> None:
        self.master = BuildbotMaster(basedir, CONFIG, program)
        self.port = self.master.www_port
        self.is_ours = program is not None
        self.args: dict[str, Any] = {}

    def ask(
        self, path: str, body: str | None = None, *, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Status and body of an answer, read as JSON where it is JSON.

        The stock master leaves some requests without an answer: that is a failure of it, 500.
        """
        limit_s = LIMIT_S if self.is_ours else 10
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_s)
        try:
            headers = {"Accept": "application/json", "Content-Type": kind}
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except TimeoutError:
            if self.is_ours:
                raise
            return NO_ANSWER
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def all(self, path: str) -> list[Any]:
        """A collection. Asked for again when a busy stock master does not answer."""
        for _ in range(6):
            status, found = self.ask(f"/api/v2/{path}" if path else "/api/v2")
            if (status, found) != NO_ANSWER:
                break
        assert status == 200, (path, status, found)
        items: list[Any] = found[plural_of(found)]
        return items

    def force(self, builder: str, **params: Any) -> int:
        """Force a build; the id of its request."""
        builderid = {one["name"]: one["builderid"] for one in self.all("builders")}[builder]
        found = self.master.call("forceschedulers/force", "force", builderid=builderid, **params)
        return int(found[1][str(builderid)])

    def done(self, request: int) -> None:
        """Wait for the end of a request."""
        path = f"buildrequests/{request}"
        wait_for(path, lambda: self.all(path)[0]["complete"], LIMIT_S)

    def act(self) -> None:
        """Everything whose traces are compared afterwards."""
        good = self.force("good", branch="main", revision="abc")
        self.done(good)
        self.done(self.force("bad", reason="why", username="jo <jo@x.org>"))
        collapsed, waiting = self.force("waits"), self.force("waits")
        self.done(collapsed)
        cancelled = self.force("waits", branch="other")
        self.master.call(f"buildrequests/{cancelled}", "cancel", reason="no")
        self.done(cancelled)
        slow = self.force("slow")

        def sleeps() -> bool:
            builds = self.all(f"builds?buildrequestid={slow}")
            steps = self.all(f"builds/{builds[0]['buildid']}/steps") if builds else []
            return any(step["name"] == "sleep" and step["started_at"] for step in steps)

        wait_for("the slow build", sleeps, LIMIT_S)
        change = urlencode({"author": "A <a@x>", "comments": "c", "revision": "r1", "branch": "b"})
        status, text = self.ask(
            "/change_hook/base", change, kind="application/x-www-form-urlencoded"
        )
        assert status == 200, text
        wait_for("the change", lambda: self.all("changes"), LIMIT_S)
        self._learn(good, {"collapsed": collapsed, "waiting": waiting, "cancelled": cancelled})

    def _learn(self, good: int, requests: dict[str, int]) -> None:
        build = self.all(f"builds?buildrequestid={good}")[0]
        steps = {step["name"]: step for step in self.all(f"builds/{build['buildid']}/steps")}
        log = self.all(f"steps/{steps['results']['stepid']}/logs")[0]
        change = self.all("changes")[0]
        self.args = {
            "builderid": build["builderid"], "buildername": "good", "buildid": build["buildid"],
            "build_number": build["number"], "buildrequestid": good, "step_name": "results",
            "step_number": steps["results"]["number"], "stepid": steps["results"]["stepid"],
            "log_slug": log["slug"], "logid": log["logid"], "masterid": 1, "name": "w1",
            "workerid": build["workerid"], "projectid": 1, "projectname": "proj",
            "bsid": 1, "buildsetid": 1, "changeid": change["changeid"],
            "ssid": change["sourcestamp"]["ssid"], "schedulername": "force", "codebaseid": 1,
            "schedulerid": {s["name"]: s["schedulerid"] for s in self.all("schedulers")}["force"],
            "changesourceid": 1, "codebasename": "core", "commitid": 1, "commitid1": 1,
            "commitid2": 1, "revision": "r1", "branchid": 1, "test_result_setid": 1,
            **requests,
        }  # fmt: skip

    def path(self, pattern: str, missing: int | None = None) -> str:
        """A pattern with this master's ids, or with something that there is not at one place."""
        found = []
        for place, element in enumerate(pattern.split("/")):
            kind, colon, name = element.partition(":")
            value: Any = element
            if colon:
                value = "blob" if name == "name" and "/data/" in pattern else self.args[name]
            if colon and place == missing:
                value = {"i": "nosuch", "s": "no such"}.get(kind, 99999)
            found.append(quote(str(value)))
        return "/api/v2/" + "/".join(found) if pattern else "/api/v2"


def plural_of(body: dict[str, Any]) -> str:
    """The name under which a body has its resources."""
    return next(name for name in body if name != "meta")


def both(tmp: Path) -> Iterator[tuple[Site, Site]]:
    """The stock master and ours, after the same acts."""
    sites: list[Site] = []
    try:
        for name, program in (("stock", None), ("ours", str(BIN / "ci-master"))):
            sites.append(Site(tmp / name, program))
            sites[-1].act()
        yield sites[0], sites[1]
    finally:
        for site in sites:
            site.master.stop()


_TIMES = re.compile(r"(_at|timestamp|last_active)$")
#: Ids that are given in another order, and what says which master or worker it is.
_OWN = {"builderid", "workerid", "schedulerid", "stepid", "logid", "version", "basedir",
        "builddir", "host", "locks_duration_s", "projectid"}  # fmt: skip


def normal(value: Any, key: str = "") -> Any:
    """What two masters should have in common: own ids, times and the order of lists left out."""
    if isinstance(value, dict):
        if value.get("name") in _OWN:  # a property, whose value is JSON
            value = {**value, "value": ""}
        return {name: normal(one, name) for name, one in value.items()}
    if isinstance(value, list):
        items = [normal(one, key) for one in value]
        return sorted(items, key=lambda one: json.dumps(one, sort_keys=True))
    if value is not None and (_TIMES.search(key) or key in _OWN):
        return type(value).__name__
    if key == "revlink":  # that of a change without one is empty here, and null there
        return value or ""
    if isinstance(value, str):
        value = re.sub(r"[^\s\"]*/(stock|ours)\b|127\.0\.0\.1:\d+", "HERE", value)
        return re.sub(r"#/?builders/\d+", "#/builders/N", value)
    return value
