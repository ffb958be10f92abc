"""A master as reporters see it, without database and network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock

from ci_master.data.context import Context
from ci_master.data.outbox import Outbox
from ci_master.data.views import ChangeLine, Outcome
from ci_master.events.bus import Bus
from ci_master.reporters.base import ReporterBase
from ci_master.storage import loading, schema
from tests.fakes.store import InstantStore

URL = "http://ci.example.org/"
NOW = 1_700_000_000

STAMP = {
    "ssid": 1,
    "codebase": "",
    "branch": "main",
    "revision": "abc123",
    "project": "tea",
    "repository": "/srv/tea.git",
    "patch": None,
}


def build(number: int = 2, results: int | None = 0, **more: Any) -> dict[str, Any]:
    """A build as events tell of it."""
    return {
        "buildid": 100 + number,
        "number": number,
        "builderid": 7,
        "buildrequestid": 200 + number,
        "workerid": 1,
        "complete": results is not None,
        "results": results,
        "state_string": "build successful" if results == 0 else "failed make",
        "properties": {},
        **more,
    }


class FakeData:
    """``master.data``: what was put in, by path."""

    def __init__(self) -> None:
        self.things: dict[tuple[Any, ...], Any] = {}
        #: While this is set, answers wait for it.
        self.gate: Deferred[None] | None = None

    def outcome(self, buildid: int) -> Deferred[Outcome]:
        """What came of a build: as its row and its changes say."""
        row = self.things.get(("builds", buildid), {})
        changes = [
            ChangeLine(
                id=number, author=change["author"], committer=None,
                comments=change.get("comments", "Fix"), subject=change.get("comments", "Fix"),
                branch="main", revision=change.get("revision", "abc123"), revlink="", when=NOW,
                category=None, repository="", project="", codebase="", files=[], stampid=1,
            )
            for number, change in enumerate(self.things.get(("builds", buildid, "changes"), ()))
        ]  # fmt: skip
        return succeed(Outcome(row.get("failure", ""), changes=changes))

    def build_before(self, buildid: int) -> Deferred[int | None]:
        """The build before it that came to a result; the real rule is that of storage."""
        number = self.things["builds", buildid]["number"]
        before = [
            thing["buildid"]
            for path, thing in self.things.items()
            if path[0] == "builds" and len(path) == 2
            if thing["number"] < number and thing["results"] in (0, 1, 2)
        ]
        return succeed(max(before, default=None))

    def get(self, path: Sequence[Any], **query: Any) -> Deferred[Any]:
        """What is there; a copy, as if it had been read anew."""
        found = self.things.get(tuple(path))
        if isinstance(found, Mapping):
            found = dict(found)
        if self.gate is not None:
            return ensureDeferred(self._later(found))
        return succeed(found)

    async def _later(self, found: Any) -> Any:
        gate = self.gate
        assert gate is not None
        opened: Deferred[None] = Deferred()
        gate.chainDeferred(opened)
        await opened
        return found


class FakeMaster:
    """The facade: one builder "linux" (id 7), whose builds are told by :meth:`add`."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(title="Tea", buildbotURL=URL)
        self.data = FakeData()
        self.properties: dict[str, Any] = {
            "buildername": ("linux", "Builder"),
            "workername": ("w1", "Worker"),
            "scheduler": ("all", "Scheduler"),
            "branch": ("main", "Build"),
        }
        self.data.things["builders", 7] = {"builderid": 7, "name": "linux", "tags": ["fast"]}

    async def render(self, value: Any, properties: Mapping[str, Any] | None = None) -> Any:
        """Placeholders here are functions of the properties."""
        return value(properties or {}) if callable(value) else value

    def add(self, row: dict[str, Any], **stamp: Any) -> dict[str, Any]:
        """Store a build and what belongs to it."""
        things, id, request = self.data.things, row["buildid"], row["buildrequestid"]
        bsid = 300 + row["number"]
        things["builds", id] = things["builders", 7, "builds", row["number"]] = row
        things["buildrequests", request] = {
            "buildrequestid": request,
            "buildsetid": bsid,
            "builderid": 7,
        }
        things["buildsets", bsid] = {
            "bsid": bsid,
            "reason": "a push",
            "results": row["results"],
            "parent_buildid": None,
            "sourcestamps": [{**STAMP, **stamp}],
        }
        things["buildsets", bsid, "changes"] = [{"author": "ann"}]
        things["buildsets", bsid, "properties"] = {"owner": ("dara", "Force")}
        things["builds", id, "changes"] = [{"author": "ann"}]
        things["builds", id, "properties"] = self.properties
        things["builds", id, "steps"] = [
            {"stepid": 1, "number": 0, "name": "shell"},
        ]
        things["sourcestamps", 1] = STAMP
        things["sourcestamps", 1, "changes"] = [{"author": "ann"}]
        things["steps", 1, "logs"] = [
            {"logid": 5, "name": "stdio", "slug": "stdio", "type": "s", "num_lines": 2}
        ]
        things["logs", 5, "contents"] = {"content": "oone\netwo\n"}
        things[("buildrequests",)] = [things["buildrequests", request]]
        things["buildrequests", request, "builds"] = [row]
        return row


class FakeSite:
    """What a reporter is handed."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.bus = Bus()
        self.master = FakeMaster()
        self.store = InstantStore()
        self.restart()

    def restart(self) -> None:
        """Forget what is not stored, as a new process does; the services are left to the test."""
        store: Any = self.store
        self.bus.recorder = None
        outbox = Outbox(Context(store, self.bus, self.clock))
        rows = self.store.now(lambda tx: loading.all_rows(tx, schema.reporters))
        outbox.load(rows, self.store.now(lambda tx: loading.highest_id(tx, schema.outbox)))
        self.data = SimpleNamespace(outbox=outbox)

    async def render(self, value: Any) -> Any:
        """Placeholders here are functions."""
        return value() if callable(value) else value

    def tell(self, row: dict[str, Any], event: str) -> None:
        """Store an event of a build, and publish it."""
        self.tell_of(("builds", str(row["buildid"]), event), row)

    def tell_of(self, key: tuple[str, ...], message: Any) -> None:
        """Store any event that reporters tell of, and publish it."""
        act = self.store.transaction("an event", bus=self.bus)
        act.tell(lambda: message, key)
        act.submit()


class Notebook(ReporterBase):
    """A reporter that notes its reports."""

    name = "notebook"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sent: list[list[dict[str, Any]]] = []

    def sendMessage(self, reports: list[dict[str, Any]]) -> Any:
        """Note it."""
        self.sent.append(reports)
