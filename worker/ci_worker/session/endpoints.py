"""Connections that need Twisted's endpoints: TLS, endpoint strings, HTTP proxies.

Imported only when asked for: it doubles the memory of an idle worker.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, clientFromString, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure
from zope.interface import implementer

from ci_worker.session.dial import Address

_MOST_PROXY_ANSWER_BYTES = 16 * 1024


def endpoint_for(reactor: Any, address: Address, timeout_s: float) -> Any:
    """The endpoint that leads to the master."""
    if address.proxy_connection_string:
        proxy = clientFromString(reactor, address.proxy_connection_string)
        endpoint: Any = ProxyEndpoint(proxy, str(address.host), int(address.port or 0))
    elif address.connection_string:
        return clientFromString(reactor, address.connection_string)
    else:
        endpoint = HostnameEndpoint(
            reactor, str(address.host), int(address.port or 0), timeout=timeout_s
        )
    if address.use_tls:
        endpoint = wrapClientTLS(optionsForClientTLS(str(address.host)), endpoint)
    return endpoint


class ProxyRefused(ConnectError):
    """The proxy did not let us through; the text is its answer."""


@implementer(IStreamClientEndpoint)
class ProxyEndpoint:
    """Connects to ``host:port`` through an HTTP proxy, by the method CONNECT."""

    def __init__(self, proxy: Any, host: str, port: int) -> None:
        self._proxy = proxy
        self._host = host
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect; the factory's protocol starts when the proxy has opened the way."""
        opened: Deferred[Any] = Deferred()
        asking = Factory.forProtocol(Protocol)
        host = f"[{self._host}]" if ":" in self._host else self._host
        asking.protocol = lambda: _Asking(f"{host}:{self._port}", protocolFactory, opened)
        self._proxy.connect(asking).addErrback(opened.errback)
        return opened


class _Asking(Protocol):
    """Asks the proxy, then steps aside for the protocol proper."""

    def __init__(self, target: str, factory: IProtocolFactory, opened: Deferred[Any]) -> None:
        self._target = target
        self._next_factory = factory
        self._opened = opened
        self._answer = b""
        self._next: Any = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        request = f"CONNECT {self._target} HTTP/1.1\r\nHost: {self._target}\r\n\r\n"
        self.transport.write(request.encode("ascii"))

    def dataReceived(self, data: bytes) -> None:
        if self._next is not None:
            self._next.dataReceived(data)
            return
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end:
            self._answered(head, rest)
        elif len(self._answer) > _MOST_PROXY_ANSWER_BYTES:
            self._refuse("an answer without end")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._next is not None:
            self._next.connectionLost(reason)
        elif not self._opened.called:
            self._opened.errback(reason)

    def _answered(self, head: bytes, rest: bytes) -> None:
        status = head.split(b"\r\n", 1)[0]
        if b" 200" not in status:
            self._refuse(status.decode("latin-1"))
            return
        assert self.transport is not None
        address: Any = self.transport.getPeer()
        self._next = self._next_factory.buildProtocol(address)
        self._next.makeConnection(self.transport)
        self._opened.callback(self._next)
        if rest:
            self._next.dataReceived(rest)

    def _refuse(self, answer: str) -> None:
        assert self.transport is not None
        self._opened.errback(ProxyRefused(string=f"the proxy answered: {answer}"))
        self.transport.loseConnection()
