"""One PB connection, defended against what may come in on an open port."""

from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import jelly, pb

from ci_common.liveness import watch_peer
from ci_master.wire.loglimit import LogLimit

#: seconds in which whoever connects must have logged in
LOGIN_S = 30.0

#: bytes accepted before a login; a stock worker needs a few hundred
EARLY_BYTES = 16 * 1024

#: what a second worker of a connected name is told; a stock worker ends when it reads this
DUPLICATE = "rejecting duplicate worker"


class PBBroker(pb.Broker):
    """A connection that must log in soon, say little before, and make sense."""

    log = Logger()
    factory: Any  # the PBFactory that made it
    transport: Any
    #: clock seconds of the last bytes received
    heard_at = 0.0
    logged_in = False
    _early_bytes = 0
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Take part; start to count the time."""
        super().connectionMade()
        watch_peer(self.transport)
        clock = self.factory.clock
        self.heard_at = clock.seconds()
        self._deadline = clock.callLater(LOGIN_S, self._too_late)
        self.factory.brokers.add(self)

    def dataReceived(self, chunk: bytes) -> None:
        """Take bytes; what makes no sense ends the connection with one line in the log."""
        self.heard_at = self.factory.clock.seconds()
        if not self.logged_in:
            self._early_bytes += len(chunk)
            if self._early_bytes > EARLY_BYTES:
                self.drop("sent too much without logging in")
                return
        try:
            super().dataReceived(chunk)
        except Exception as error:  # whatever a parser says to garbage; our methods answer errors
            self.drop(f"does not speak PB ({type(error).__name__}: {str(error)[:80]})")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # Twisted has a default
        """The end, for whatever reason."""
        self._stop_deadline()
        self.factory.brokers.discard(self)
        self.buffer = b""
        super().connectionLost(reason)

    def drop(self, why: str) -> None:
        """Close the connection at once, with a line in the log."""
        if not self.disconnected:
            self.factory.complaints.say(f"closed the connection from {self.peer}: it {why}")
            self.buffer = b""
            self.transport.abortConnection()

    def accepted(self) -> None:
        """The login succeeded: the limits for strangers end."""
        self.logged_in = True
        self._stop_deadline()

    @property
    def peer(self) -> str:
        """Where the connection comes from, as text for people."""
        address = self.transport.getPeer()
        host = getattr(address, "host", None)
        return f"{host}:{address.port}" if host else str(address)

    def _too_late(self) -> None:
        self._deadline = None
        self.drop(f"did not log in within {LOGIN_S:.0f} seconds")

    def _stop_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()

    def _sendFailure(self, fail: Failure, requestID: int) -> None:
        """Answer an error. What is no bug of ours has its own line in the log already."""
        if self.disconnected:
            return
        if not (
            fail.check(UnauthorizedLogin, ConnectionLost, ConnectionDone)
            or (fail.check(RuntimeError) and str(fail.value) == DUPLICATE)
        ):
            self.log.failure("a remote call from {peer} failed", fail, peer=self.peer)
        self._sendError(fail, requestID)


class PBFactory(ServerFactory):
    """Makes the connections of one port.

    :param make_root: gives the object that a new connection may talk to first.
    """

    noisy = False
    #: read by pb.Broker: peers get no tracebacks of ours
    unsafeTracebacks = False

    def __init__(self, make_root: Any, clock: IReactorTime, complaints: LogLimit) -> None:
        self._make_root = make_root
        self.clock = clock
        self.complaints = complaints
        self.brokers: set[PBBroker] = set()

    def buildProtocol(self, addr: Any) -> Any:
        """A connection of this port."""
        broker = PBBroker(isClient=False, security=jelly.globalSecurity)
        broker.factory = self
        broker.setNameForLocal("root", self._make_root(broker))
        return broker

    def clientConnectionMade(self, broker: PBBroker) -> None:
        """Called by ``pb.Broker`` after both sides have agreed on a dialect."""
