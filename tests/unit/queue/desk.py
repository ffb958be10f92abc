"""A queue with real data in memory, workers that are always at hand, and builds ended by hand."""

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ci_common.aio import to_deferred
from ci_common.results import CANCELLED
from ci_master.builds.builder import Builder
from ci_master.builds.builderconfig import BuilderConfig
from ci_master.builds.factory import BuildFactory
from ci_master.builds.locks import LockTable
from ci_master.data.builders import BuilderSpec
from ci_master.data.data import Data
from ci_master.data.model import Request
from ci_master.events.bus import Bus
from ci_master.queue.queue import Queue
from ci_master.workers.config import Worker
from ci_master.workers.registry import WorkerRegistry
from ci_master.workers.slot import WorkerSlot
from tests.fakes.store import InstantStore
from tests.unit.workers.fakes import FakeSession


def now(awaitable: Any) -> Any:
    """The result of what needs no waiting."""
    results: list[Any] = []
    to_deferred(awaitable).addBoth(results.append)
    assert results, "it is not done"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class FakePB:
    """A port at which nobody knocks."""

    def register_worker(self, port: Any, password: Any, slot: WorkerSlot) -> Any:
        return SimpleNamespace(
            password=password, change_password=lambda _: None, unregister=lambda: succeed(None)
        )


class FakeBuild:
    """A build that runs until it is told to end."""

    def __init__(self, desk: "Desk", builder: Builder, requests: list[Request], slot: Any) -> None:
        self.desk, self.builder, self.request_rows, self.slot = desk, builder, requests, slot
        self.done: Deferred[int] = Deferred()
        self.stopped: str | None = None
        self.lost = False
        self.claims: Any = None
        self.lending: Any = None

    @property
    def lock_description(self) -> str:
        return f"{self.builder.name} #{self.row.number}"

    async def run(self) -> int:
        data = self.desk.data
        self.slot.running.add(self)
        self.row = data.builds.start(self.builder.builderid, self.request_rows[0], self.slot.row.id)
        data.builds.announce(self.row)
        results = await self.done
        if self.lending is not None:
            self.lending.__exit__(None, None, None)
        self.slot.running.discard(self)
        data.builds.finish(self.row, results)
        self.desk.builds.remove(self)
        return results

    def end(self, results: int = 0) -> None:
        self.done.callback(results)
        self.desk.turn()

    def stop(self, reason: str) -> None:
        self.stopped = reason
        self.done.callback(CANCELLED)

    def lend(self) -> None:
        """Wait for other builds from now on, as a Trigger step does."""
        self.lending = self.slot.lending(self.request_rows)
        self.lending.__enter__()
        self.desk.turn()

    def go_on(self) -> None:
        """Wait no more."""
        self.lending.__exit__(None, None, None)
        self.lending = None
        self.desk.turn()

    def lose_worker(self) -> None:
        self.lost = True


class Desk:
    """See the module."""

    def __init__(
        self, builders: dict[str, dict[str, Any]], workers: dict[str, dict[str, Any]], **config: Any
    ) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.builds: list[FakeBuild] = []
        self.completed: list[tuple[int, int]] = []
        self.store = InstantStore()
        store: Any = self.store
        self.data = Data(store, Bus(), self.clock)
        now(self.data.open("test"))
        self.data.bus.subscribe(
            ("buildrequests", None, "complete"),
            lambda key, message: self.completed.append(
                (message["buildrequestid"], message["results"])
            ),
        )
        self.locks = LockTable()
        site: Any = SimpleNamespace(data=self.data, clock=self.clock, pb=FakePB(), basedir="/m")
        self.registry = WorkerRegistry(site)
        self.settings = SimpleNamespace(
            **{"prioritizeBuilders": None, "select_next_worker": None, "collapseRequests": False}
            | config
        )
        self.queue = Queue(
            self.data, self.registry, self.locks, self.clock, self._start, self.settings
        )
        self.queue.reasons.stopwatch = self.clock.seconds  # a busy machine takes no longer here
        self.workers = [Worker(name, "pw", **given) for name, given in workers.items()]
        self.configure(builders)
        self.queue.startService()
        self.turn()

    async def _start(self, builder: Builder, requests: list[Request], slot: WorkerSlot) -> int:
        build = FakeBuild(self, builder, requests, slot)
        self.builds.append(build)
        return await build.run()

    def configure(self, builders: dict[str, dict[str, Any]]) -> None:
        """Take over a configuration."""
        all_workers = [worker.workername for worker in self.workers]
        configs = {
            name: BuilderConfig(
                name=name,
                factory=BuildFactory(),
                **{"workernames": all_workers, **given},
            )
            for name, given in builders.items()
        }
        now(self.data.builders.sync([BuilderSpec(name) for name in configs]))
        rows = self.data.builders.by_name
        now(self.data.workers.sync({name: [] for name in all_workers}))
        self.queue.configure(
            {name: Builder(config, rows[name]) for name, config in configs.items()}
        )
        directories = {
            worker: {
                name: config.workerbuilddir
                for name, config in configs.items()
                if worker in config.workernames
            }
            for worker in all_workers
        }
        now(self.registry.configure(self.workers, directories, 9989))

    def turn(self) -> None:
        """Let the reactor turn."""
        self.clock.advance(0)
        self.clock.advance(0)

    def attach(self, *names: str) -> None:
        """Let workers come; all of them if none are named."""
        for name in names or tuple(self.registry.slots):
            now(self.registry.slots[name].attach(FakeSession(name, self.clock)))
        self.turn()

    def ask(self, builder: str, *, turn: bool = True, **given: Any) -> Request:
        """Ask for a build."""
        builderid = self.data.builders.by_name[builder].id
        stamps = given.pop("sourcestamps", [{"codebase": ""}])
        added = self.data.buildsets.add(builderids=[builderid], sourcestamps=stamps, **given)
        request_id = now(added)[1][builderid]
        request = self.data.requests.open[request_id]
        if turn:
            self.turn()
        return request

    def running(self) -> list[tuple[str, str]]:
        """(builder, worker) of the builds that run."""
        return sorted((build.builder.name, build.slot.name) for build in self.builds)

    def why(self, request: Request) -> tuple[str, str] | None:
        """Kind and text of the reason why a request waits."""
        reason = self.queue.reasons.explain(request.id)
        return (reason.kind, reason.said(self.clock.seconds())) if reason else None
