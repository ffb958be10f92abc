"""A master that speaks the wire protocol only: it records what a worker sends."""

from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.spread import pb
from zope.interface import implementer

WAIT_S = 60


class Sink(pb.Referenceable):
    """The master's end of one command."""

    def __init__(self, answer_updates: bool = True) -> None:
        self.calls: list[list[list[Any]]] = []
        self.ended: Deferred[Any] = Deferred()
        self.held: list[Deferred[int]] = []
        self.on_update: Callable[[], None] = lambda: None
        self.answers = answer_updates

    def remote_update(self, updates: list[list[Any]]) -> Any:
        """Record one call."""
        self.calls.append(updates)
        self.on_update()
        if self.answers:
            return 0
        held: Deferred[int] = Deferred()
        self.held.append(held)
        return held

    def remote_complete(self, failure: Any = None) -> None:
        """The command is over."""
        self.ended.callback(failure)

    @property
    def updates(self) -> list[tuple[str, Any]]:
        """All updates in order."""
        return [(key, value) for call in self.calls for e, _ in call for key, value in e.items()]

    def values(self, key: str) -> list[Any]:
        """The values of one key."""
        return [value for name, value in self.updates if name == key]

    def text(self, key: str) -> str:
        """All text of one stream."""
        return "".join(self.values(key))


class Writer(pb.Referenceable):
    """Takes an uploaded file."""

    def __init__(self) -> None:
        self.data = b""
        self.calls: list[str] = []

    def remote_write(self, data: bytes) -> None:
        """Take a block."""
        self.data += data

    def remote_close(self) -> None:
        """The file is complete."""
        self.calls.append("close")

    def remote_unpack(self) -> None:
        """The tar stream is complete."""
        self.calls.append("unpack")

    def remote_utime(self, times: tuple[float, float]) -> None:
        """The file's times."""
        self.calls.append("utime")


class Reader(pb.Referenceable):
    """Gives a file to download."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = False

    def remote_read(self, length: int) -> bytes:
        """Give a block."""
        data, self.data = self.data[:length], self.data[length:]
        return data

    def remote_close(self) -> None:
        """The worker has it all."""
        self.closed = True


class Avatar(pb.Avatar):
    """The master's side of one login."""

    def __init__(self, master: "PBMaster") -> None:
        self.master = master

    def perspective_keepalive(self) -> Any:
        """The worker asks whether we are here."""
        self.master.keepalives += 1
        return Deferred() if self.master.plays_dead else None

    def perspective_shutdown(self) -> None:
        """The worker wants to be shut down."""
        self.master.shutdown_asked.callback(None)


@implementer(IRealm)
class PBMaster:
    """Listens on a port of its own; ``attached`` fires for each login."""

    def __init__(self) -> None:
        self.keepalives = 0
        self.logins = 0
        self.plays_dead = False
        self.refusal: Exception | None = None
        self.shutdown_asked: Deferred[None] = Deferred()
        self.attached: Deferred[Any] = Deferred()
        self.detached: Deferred[None] = Deferred()
        self.mind: Any = None
        self.info: dict[str, Any] = {}
        self.builder: Any = None
        self._commands = 0
        portal = Portal(self, [InMemoryUsernamePasswordDatabaseDontUse(w1=b"secret")])
        factory = pb.PBServerFactory(portal)
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.address = f"127.0.0.1:{self.port.getHost().port}"

    def requestAvatar(self, avatarId: bytes, mind: Any, *interfaces: Any) -> Any:
        """Attach a worker as a Buildbot master does."""
        return ensureDeferred(self._attach(mind))

    async def _attach(self, mind: Any) -> Any:
        self.logins += 1
        if self.refusal is not None:
            raise self.refusal
        self.mind = mind
        await mind.callRemote("print", message="attached")
        self.info = await mind.callRemote("getWorkerInfo")
        self.builder = (await mind.callRemote("setBuilderList", [("b1", "b1dir")]))["b1"]
        attached, self.attached = self.attached, Deferred()
        reactor.callLater(0, attached.callback, None)
        return pb.IPerspective, Avatar(self), self._logout

    def _logout(self) -> None:
        self.mind = None
        detached, self.detached = self.detached, Deferred()
        detached.callback(None)

    def expect(self, what: Deferred[Any]) -> Deferred[Any]:
        """Wait for one of our Deferreds, but not for ever."""
        return what.addTimeout(WAIT_S, reactor)

    async def begin(self, name: str, sink: Sink | None = None, **args: Any) -> tuple[Sink, str]:
        """Start a command; its sink and id."""
        self._commands += 1
        sink = sink or Sink()
        command_id = str(self._commands)
        await self.builder.callRemote("startCommand", sink, command_id, name, args)
        return sink, command_id

    async def run(self, name: str, **args: Any) -> Sink:
        """Run a command to its end."""
        sink, _ = await self.begin(name, **args)
        await self.expect(sink.ended)
        return sink

    async def shell(self, command: Any, **args: Any) -> Sink:
        """Run a program to its end."""
        return await self.run("shell", workdir="build", command=command, **args)

    def hang_up(self) -> None:
        """Cut the connection."""
        self.mind.broker.transport.abortConnection()
