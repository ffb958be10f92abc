"""Stand-ins for what a worker's slot works with."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ci_master.data.model import WorkerRow
from ci_master.workers.config import Worker
from ci_master.workers.slot import SlotContext, WorkerSlot


class FakeSession:
    """A connection that does what it is told, and notes it."""

    def __init__(self, name: str = "w1", clock: Clock | None = None) -> None:
        self.worker_name = name
        self.info: dict[str, Any] = {"version": "1.0", "environ": {"HOME": "/root"}}
        self.commands: dict[str, str] = {"shell": "3.3"}
        self.basedir, self.system = "/w", "posix"
        self.heard_at = clock.seconds() if clock else 0.0
        self.told: list[list[tuple[str, str]]] = []
        self.did: list[str] = []
        self.answers: list[Deferred[None]] = []
        self.answering = True
        self._lost: list[Callable[[], None]] = []

    async def set_builders(self, builders: Sequence[tuple[str, str]]) -> None:
        self.told.append(list(builders))
        if not self.answering:
            self.answers.append(Deferred())
            await self.answers[-1]

    async def ping(self) -> None:
        self.did.append("ping")
        if not self.answering:
            await Deferred()

    async def shutdown(self) -> None:
        self.did.append("shutdown")

    def start_build(self, builder: str) -> Deferred[None]:
        return succeed(None)

    def start_command(self, *args: Any) -> Deferred[None]:
        return succeed(None)

    def interrupt_command(self, *args: Any) -> Deferred[None]:
        return succeed(None)

    def close(self) -> None:
        self.did.append("close")
        self.lose()

    def on_lost(self, callback: Callable[[], None]) -> None:
        self._lost.append(callback)

    def lose(self) -> None:
        """The connection breaks."""
        callbacks, self._lost = self._lost, []
        for callback in callbacks:
            callback()


class FakeWorkers:
    """The acts of ``data.workers``, noted."""

    def __init__(self) -> None:
        self.by_name: dict[str, WorkerRow] = {}
        self.did: list[Any] = []

    def connected(self, row: WorkerRow, info: Any) -> None:
        self.did.append(("connected", row.name, info))

    def disconnected(self, row: WorkerRow) -> None:
        self.did.append(("disconnected", row.name))

    def set_paused(self, row: WorkerRow, paused: bool, reason: str | None = None) -> Deferred[None]:
        row.paused, row.pause_reason = paused, reason
        return succeed(None)

    def set_graceful(
        self, row: WorkerRow, graceful: bool, reason: str | None = None
    ) -> Deferred[None]:
        row.graceful = graceful
        return succeed(None)

    def note_quarantine(self, row: WorkerRow, begins: bool, reason: str) -> None:
        self.did.append(("quarantine", row.name, begins))

    def missing(self, row: WorkerRow, notify: list[str]) -> None:
        self.did.append(("missing", row.name, notify))


class FakeWorkerData:
    """The part of ``data`` that workers need."""

    def __init__(self) -> None:
        self.workers = FakeWorkers()


class Bench:
    """A slot with everything around it."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.data = FakeWorkerData()
        self.changes: list[str | None] = []
        self.missing: list[str] = []
        context = SlotContext(
            self.data,
            self.clock,
            lambda slot, builder: self.changes.append(builder),
            lambda slot: self.missing.append(slot.name),
        )
        config = Worker("w1", "pw", **settings)
        self.slot = WorkerSlot(config, WorkerRow(1, "w1"), context)
        self.slot.set_builders({"b": "bdir"})
