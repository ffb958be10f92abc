"""A PB connection without a network: a client and our port, and bytes carried by hand."""

from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_master.wire.pb import PBPorts


async def render(value: Any) -> Any:
    """Give a password as it is; one in a list stands for a placeholder."""
    return value[0] if isinstance(value, list) else value


class Wire(StringTransport):
    """One end of a connection."""

    lost = False

    def write(self, data: bytes) -> None:
        if not self.io.closed:  # references that are dropped at the end say so
            super().write(data)

    def abortConnection(self) -> None:
        self.lost = True

    def loseConnection(self) -> None:
        self.lost = True

    def setTcpNoDelay(self, on: bool) -> None:
        """Short messages go at once here anyway."""

    def setTcpKeepAlive(self, on: bool) -> None:
        self.keeps_alive = on

    def getHandle(self) -> None:
        return None


class Connection:
    """A client that talks to a port."""

    def __init__(self, factory: Any) -> None:
        self.factory = pb.PBClientFactory()
        self.client: Any = self.factory.buildProtocol(None)
        self.server: Any = factory.buildProtocol(None)
        self.client_end, self.server_end = Wire(), Wire()
        self.server.makeConnection(self.server_end)
        self.client.makeConnection(self.client_end)
        self.gone = False
        self.carry()

    def carry(self) -> None:
        """Carry bytes until none are under way; then losses."""
        while not self.gone and (self.client_end.value() or self.server_end.value()):
            for source, target in (
                (self.client_end, self.server),
                (self.server_end, self.client),
            ):
                data = source.value()
                source.clear()
                if data and not self.server_end.lost:
                    target.dataReceived(data)
        if (self.server_end.lost or self.client_end.lost) and not self.gone:
            self.lose()

    def lose(self) -> None:
        """The connection breaks."""
        self.gone = True
        reason = Failure(ConnectionAborted())
        self.server.connectionLost(reason)
        self.client.connectionLost(reason)
        self.factory.clientConnectionLost(None, reason)

    def log_in(self, name: str, password: str, mind: Any = None) -> list[Any]:
        """Results (one, once there is an answer) of a login."""
        results: list[Any] = []
        credentials = UsernamePassword(name.encode(), password.encode())
        login: Deferred[Any] = self.factory.login(credentials, mind)
        login.addBoth(results.append)
        self.carry()
        return results


class Port:
    """A PB port of a master whose clock stands still."""

    def __init__(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.clock: Clock = self.reactor
        self.ports = PBPorts(self.reactor, render)

    def connect(self) -> Connection:
        """Connect to the port that was opened first."""
        return Connection(self.reactor.tcpServers[0][1])
