"""All workers of a farm come back in the same instant, as after a restart of the master."""

from types import SimpleNamespace
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.spread import pb
from twisted.trial.unittest import TestCase

from ci_common.aio import to_deferred
from ci_master.data.actions import Actions
from ci_master.data.model import WorkerRow
from ci_master.wire.pb import PBPorts
from ci_master.workers.config import Worker
from ci_master.workers.registry import LOCAL_PORT, WorkerRegistry
from tests.unit.workers.fakes import FakeWorkers

reactor: Any = the_reactor

COUNT = 400


class Bot(pb.Referenceable):
    """A worker without commands."""

    def remote_print(self, message: str) -> None:
        """Hear it."""

    def remote_getWorkerInfo(self) -> dict[str, Any]:
        return {"version": "4.3.0", "basedir": "/w", "worker_commands": {"shell": "3.3"}}

    def remote_setBuilderList(self, wanted: Any) -> dict[str, Any]:
        return {name: Bot() for name, _ in wanted}


async def as_it_is(value: Any) -> Any:
    return value


class Silent(Protocol):
    """Somebody who connects and says nothing that makes sense."""

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"GET / HTTP/1.1\r\n\r\n")

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(None)


class BurstTests(TestCase):
    timeout = 60

    async def make_registry(self, count: int) -> tuple[WorkerRegistry, int]:
        workers = FakeWorkers()
        for number in range(count):
            workers.by_name[f"w{number}"] = WorkerRow(number + 1, f"w{number}")
        data = SimpleNamespace(workers=workers, actions=Actions())
        ports = PBPorts(reactor, as_it_is)
        site: Any = SimpleNamespace(data=data, clock=reactor, pb=ports, basedir="")
        registry = WorkerRegistry(site)
        registry.startService()
        configs = [Worker(name, "pw") for name in workers.by_name]
        await registry.configure(
            configs, {one.workername: {"b": "b"} for one in configs}, LOCAL_PORT
        )
        await ports.opened()
        self.addCleanup(registry.stopService)
        port = ports.port_number(LOCAL_PORT)
        assert port is not None
        return registry, port

    def log_in(self, name: str, port: int) -> Deferred[Any]:
        factory = pb.PBClientFactory()
        factory.noisy = False
        connector = reactor.connectTCP("127.0.0.1", port, factory, timeout=30)
        lost: Deferred[None] = Deferred()
        factory.clientConnectionLost = lambda *_args, **_kw: lost.callback(None)  # type: ignore[method-assign]  # to know when
        self.addCleanup(lambda: lost)
        self.addCleanup(connector.disconnect)
        return factory.login(UsernamePassword(name.encode(), b"pw"), Bot())

    async def test_four_hundred_workers_at_once_all_get_in(self) -> None:
        registry, port = await self.make_registry(COUNT)
        await gatherResults([self.log_in(slot.name, port) for slot in registry])
        self.assertTrue(all(slot.open and slot.knows("b") for slot in registry))

    async def test_garbage_is_shown_the_door_while_workers_come_in(self) -> None:
        registry, port = await self.make_registry(1)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        strangers = [Silent() for _ in range(20)]
        await gatherResults([connectProtocol(endpoint, one) for one in strangers])
        await self.log_in("w0", port)
        await gatherResults([one.closed for one in strangers])
        self.assertTrue(registry.slots["w0"].open)

    async def test_a_port_that_is_taken_is_told(self) -> None:
        _, port = await self.make_registry(1)
        other = PBPorts(reactor, as_it_is)
        registration = other.register(
            f"tcp:{port}:interface=127.0.0.1", "x", "pw", lambda mind, name: pb.Avatar()
        )
        with self.assertRaisesRegex(Exception, "listen on"):
            await other.opened()
        await to_deferred(registration.unregister())
