"""The ways to reach a master: TCP, TLS, an endpoint string, through an HTTP proxy."""

import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ci_common.lean import without_tls

_TCP_IDLE_S, _TCP_PROBE_S, _TCP_PROBES = 60, 15, 4


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


def keep_tcp_alive(transport: Any) -> bool:
    """Let the system probe an idle connection, so that a dead peer is noticed; False if it cannot.

    Source of the option names: tcp(7), Linux manual pages.
    """
    try:
        transport.setTcpKeepAlive(1)
    except (AttributeError, OSError):
        return False
    with suppress(AttributeError, OSError):
        handle = transport.getHandle()
        for name, value in (
            ("TCP_KEEPIDLE", _TCP_IDLE_S),
            ("TCP_KEEPINTVL", _TCP_PROBE_S),
            ("TCP_KEEPCNT", _TCP_PROBES),
        ):
            handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return True
