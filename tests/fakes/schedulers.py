"""A site for schedulers and change sources: a real bus and clock, and a data room in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock

from ci_master.data.actions import Actions
from ci_master.data.model import SchedulerRow
from ci_master.data.service import BuildbotService, Site
from ci_master.events.bus import Bus

START = 1_700_000_000  # unix seconds at which the clock of a fake site begins


@dataclass
class Added:
    """One call of ``data.buildsets.add``."""

    bsid: int
    requests: dict[int, int]
    args: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.args[name]
        except KeyError:
            raise AttributeError(name) from None


class FakeBuildsets:
    """Records what is added; :meth:`complete` tells of an end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.added: list[Added] = []
        self.open: dict[int, Any] = {}
        #: a test may set it to make adding wait, or fail
        self.before_add: Deferred[None] | None = None

    async def add(
        self,
        *,
        builderids: Sequence[int],
        sourcestamps: Sequence[Any] = (),
        reason: str = "",
        scheduler: str | None = None,
        properties: Mapping[str, Any] | None = None,
        external_idstring: str | None = None,
        waited_for: bool = False,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
        rebuilt_buildid: int | None = None,
        priority: int = 0,
        changeids: Sequence[int] = (),
    ) -> tuple[int, dict[int, int]]:
        args = dict(locals())
        del args["self"]
        if self.before_add is not None:
            await self.before_add
        bsid = len(self.added) + 1
        requests = {builder: bsid * 100 + builder for builder in builderids}
        added = Added(bsid, requests, args)
        self.added.append(added)
        self.open[bsid] = added
        self._bus.publish(("buildsets", str(bsid), "new"), self.json(added))
        return bsid, requests

    def json(self, added: Added, **more: Any) -> dict[str, Any]:
        stamps = [
            {"ssid": stamp} if isinstance(stamp, int) else {"ssid": 900 + n, **stamp}
            for n, stamp in enumerate(added.sourcestamps)
        ]
        base = {"bsid": added.bsid, "scheduler": added.scheduler, "sourcestamps": stamps}
        return {**base, "complete": False, "results": None, **more}

    def complete(self, bsid: int, results: int) -> None:
        added = self.open.pop(bsid)
        message = self.json(added, complete=True, results=results)
        self._bus.publish(("buildsets", str(bsid), "complete"), message)


class FakeSchedulerChanges:
    def __init__(self) -> None:
        self.kept: dict[int, dict[int, bool]] = {}

    def add(self, schedulerid: int, changeid: int, important: bool) -> None:
        self.kept.setdefault(schedulerid, {})[changeid] = important

    async def pending(self, schedulerid: int) -> list[tuple[int, bool]]:
        return sorted(self.kept.get(schedulerid, {}).items())

    def remove(self, schedulerid: int, changeids: Iterable[int] | None = None) -> None:
        kept = self.kept.get(schedulerid, {})
        for changeid in list(kept) if changeids is None else changeids:
            kept.pop(changeid, None)


class FakeState:
    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], Any] = {}

    async def get(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        if (name, class_name, key) in self.values or not default:
            return self.values[name, class_name, key]
        return default[0]

    def get_now(self, name: str, class_name: str, key: str, *default: Any) -> Any:
        return run(self.get(name, class_name, key, *default))

    async def set(self, name: str, class_name: str, key: str, value: Any) -> None:
        self.set_now(name, class_name, key, value)

    def set_now(self, name: str, class_name: str, key: str, value: Any) -> None:
        self.values[name, class_name, key] = value


class FakeSchedulers:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.by_name: dict[str, SchedulerRow] = {}
        self.by_id: dict[int, SchedulerRow] = {}

    def know(self, name: str) -> SchedulerRow:
        if name not in self.by_name:
            row = SchedulerRow(len(self.by_name) + 1, name)
            self.by_name[name] = self.by_id[row.id] = row
        return self.by_name[name]

    def set_enabled(self, row: SchedulerRow, enabled: bool) -> Deferred[None]:
        row.enabled = enabled
        return succeed(None)


class FakeChanges:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.added: list[dict[str, Any]] = []
        self.stored: dict[int, dict[str, Any]] = {}
        self.reads = 0
        #: what a test says that a buildset was asked for
        self.of_buildsets: dict[int, list[int]] = {}

    async def add(self, **fields: Any) -> int:
        self.added.append(fields)
        return len(self.added)

    async def get_many(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        self.reads += 1
        return [self.stored[id] for id in sorted(ids) if id in self.stored]

    async def of_buildset(self, buildsetid: int) -> list[int]:
        return list(self.of_buildsets.get(buildsetid, ()))

    def happen(self, number: int = 1, **fields: Any) -> dict[str, Any]:
        """A change, stored and announced."""
        change = a_change(number, **fields)
        self.stored[number] = change
        self._bus.publish(("changes", str(number), "new"), change)
        return change


def a_change(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A REST dict of a change."""
    change: dict[str, Any] = {
        "changeid": number,
        "parent_changeids": [],
        "author": "me <me@example.org>",
        "committer": None,
        "files": ["a.c"],
        "comments": "work",
        "revision": f"r{number}",
        "when_timestamp": START,
        "branch": "main",
        "category": None,
        "revlink": "",
        "properties": {},
        "repository": "git://repo",
        "codebase": "",
        "project": "",
        **fields,
    }
    keys = ("branch", "revision", "repository", "codebase", "project")
    stamp = {"ssid": 1000 + number, "patch": None, **{key: change[key] for key in keys}}
    return {**change, "sourcestamp": stamp}


@dataclass
class FakeFacadeData:
    """``master.data`` of users' code: answers what a test put under a path."""

    answers: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    async def get(self, path: tuple[Any, ...], **_: Any) -> Any:
        return self.answers.get(tuple(path))


class FakeSite:
    """Builds a :class:`Site` and starts services on it."""

    def __init__(self, builders: Sequence[str] = ("b1", "b2"), basedir: str = "/nowhere") -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.bus = Bus()
        rows = [SimpleNamespace(id=n, name=name) for n, name in enumerate(builders, 1)]
        self.buildsets = FakeBuildsets(self.bus)
        self.changes = FakeChanges(self.bus)
        self.schedulers = FakeSchedulers(self.bus)
        self.scheduler_changes = FakeSchedulerChanges()
        self.state = FakeState()
        self.actions = Actions()
        self.facade = SimpleNamespace(data=FakeFacadeData())
        self.data = SimpleNamespace(
            builders=SimpleNamespace(
                by_name={row.name: row for row in rows}, by_id={row.id: row for row in rows}
            ),
            builds=SimpleNamespace(running={}),
            buildsets=self.buildsets,
            changes=self.changes,
            schedulers=self.schedulers,
            scheduler_changes=self.scheduler_changes,
            state=self.state,
            actions=self.actions,
        )
        self.pb = FakePBPorts()
        self.config = SimpleNamespace(
            protocols={"pb": {"port": 9989}},
            validation={"property_name": r"^[\w.\-/~:]*$", "property_value": r"^[\w.\-/~:]*$"},
        )
        self.site = Site(
            data=self.data,
            bus=self.bus,
            clock=self.clock,
            store=None,  # type: ignore[arg-type]  # nobody here asks it
            master=self.facade,
            in_thread=None,  # type: ignore[arg-type]  # as above
            render=_rendered,
            pb=self.pb,
            basedir=basedir,
            config=self.config,
        )

    def start(self, service: Any) -> Any:
        """Run a service, as the app does; gives it back."""
        self.schedulers.know(service.name)

        async def start() -> None:
            await service.enter(self.site)
            service.startService()
            await service.become_active()

        run(start())
        return service


async def _rendered(value: Any) -> Any:
    return value


class FakePBPorts:
    """Remembers who is registered."""

    def __init__(self) -> None:
        self.users: dict[tuple[str, str], tuple[Any, Any]] = {}

    def register(self, portstr: Any, username: str, password: Any, factory: Any) -> Any:
        key = (portstr, username)
        self.users[key] = (password, factory)

        async def unregister() -> None:
            del self.users[key]

        async def opened() -> None:
            return None

        return SimpleNamespace(unregister=unregister, opened=opened)


def run(work: Any) -> Any:
    """The result of a coroutine that has nothing to wait for; raises what it raises."""
    done: Deferred[Any] = ensureDeferred(work)
    results: list[Any] = []
    failures: list[Any] = []
    done.addCallbacks(results.append, failures.append)
    if failures:
        failures[0].raiseException()
    assert results, "it waits for something"
    return results[0]


def known_services(*services: BuildbotService) -> dict[str, BuildbotService]:
    """Services by name."""
    return {service.name: service for service in services}
