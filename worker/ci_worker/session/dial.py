"""The ways to reach a master: TCP, TLS, an endpoint string, through an HTTP proxy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ci_common.lean import without_tls


@dataclass(frozen=True)
class Address:
    """Where the master is.

    :param connection_string: a Twisted client endpoint; it replaces host and port.
    :param proxy_connection_string: the endpoint of an HTTP proxy that is asked to ``CONNECT``.
    """

    host: str | None = None
    port: int | None = None
    use_tls: bool = False
    connection_string: str | None = None
    proxy_connection_string: str | None = None

    def __str__(self) -> str:
        return self.connection_string or f"{self.host}:{self.port}"

    @property
    def needs_endpoints(self) -> bool:
        """Whether more than a plain TCP connection is asked for."""
        return bool(self.use_tls or self.connection_string or self.proxy_connection_string)


def import_reactor(address: Address) -> Any:
    """The global reactor, without TLS where no TLS is asked for: that saves 10 MiB and 0.1 s."""
    with without_tls(not address.needs_endpoints):
        from twisted.internet import reactor
    return reactor


def dial(reactor: Any, address: Address, factory: Any, timeout_s: float) -> Callable[[], None]:
    """Begin to connect ``factory``; its ``clientConnectionFailed`` hears of a failure.

    :returns: a function that gives up an attempt that is under way.
    """
    if not address.needs_endpoints:
        connector = reactor.connectTCP(address.host, address.port, factory, timeout=timeout_s)
        stop: Callable[[], None] = connector.disconnect
        return stop
    from ci_worker.session.endpoints import endpoint_for

    connecting = endpoint_for(reactor, address, timeout_s).connect(factory)
    connecting.addErrback(lambda failure: factory.clientConnectionFailed(None, failure))
    cancel: Callable[[], None] = connecting.cancel
    return cancel
