"""Workers that the master starts itself."""

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from ci_common.processes.records import FILE, ProcessRecords, read_records
from ci_master.data.actions import Actions
from ci_master.data.model import WorkerRow
from ci_master.wire.pb import PBPorts
from ci_master.workers.local import LocalWorker
from ci_master.workers.registry import WorkerRegistry
from ci_master.workers.slot import WorkerSlot
from tests.unit.workers.fakes import FakeWorkers

reactor: Any = the_reactor


class Sink:
    """Keeps what a command prints."""

    def __init__(self) -> None:
        self.text = ""
        self.failure: Any = None
        self.done: Deferred[None] = Deferred()

    def updates(self, updates: list[dict[str, Any]]) -> None:
        self.text += "".join(update.get("stdout", "") for update in updates)

    def complete(self, failure: Any) -> None:
        self.failure = failure
        self.done.callback(None)


async def as_it_is(value: Any) -> Any:
    return value


class LocalWorkerTests(TestCase):
    timeout = 60

    async def test_it_comes_by_itself_again_after_its_death_and_ends_with_the_master(self) -> None:
        home = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, home)
        workers = FakeWorkers()
        workers.by_name["lo"] = WorkerRow(1, "lo")
        data = SimpleNamespace(workers=workers, actions=Actions())
        ports = PBPorts(reactor, as_it_is)
        records = ProcessRecords(os.path.join(home, FILE), reactor)
        site: Any = SimpleNamespace(
            data=data, clock=reactor, pb=ports, basedir=home, records=records
        )
        registry = WorkerRegistry(site)
        registry.startService()
        await registry.configure([LocalWorker("lo")], {"lo": {"b": "b"}}, None)
        slot = registry.slots["lo"]
        await self.until(registry, slot, lambda: slot.open)
        first = int(await self.printed(slot, "echo $PPID"))
        os.kill(first, 9)
        await self.until(registry, slot, lambda: not slot.connected)
        await self.until(registry, slot, lambda: slot.open)
        second = int(await self.printed(slot, "echo $PPID"))
        self.assertNotEqual(first, second)
        record = read_records(Path(home) / FILE)[-1]
        while record.process is None:  # it is looked up when it has run for a second
            await deferLater(reactor, 0.05)
            record = read_records(Path(home) / FILE)[-1]
        self.assertEqual(record.process.pid, second)
        await registry.stopService()
        with self.assertRaises(ProcessLookupError):
            os.kill(second, 0)
        records.close()
        self.assertEqual(read_records(Path(home) / FILE), [])

    async def until(self, registry: WorkerRegistry, slot: WorkerSlot, true: Any) -> None:
        """Wait for what a change of the slot brings about."""
        if true():
            return
        reached: Deferred[None] = Deferred()

        def look(*_: Any) -> None:
            if true() and not reached.called:
                reached.callback(None)

        forget = registry.on_change(look)
        await reached
        forget()

    async def printed(self, slot: WorkerSlot, command: str) -> str:
        assert slot.session is not None
        sink = Sink()
        args = {"command": ["sh", "-c", command], "workdir": "build", "env": None}
        await slot.session.start_command("b", "1", "shell", args, sink)
        await sink.done
        self.assertIsNone(sink.failure)
        return sink.text
