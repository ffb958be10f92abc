"""How the kernel finds out that the other end of a connection is gone."""

import contextlib
import socket
from typing import Any

#: Seconds of silence before it probes, and between probes; how many probes; and milliseconds for
#: which what was sent may stay without an acknowledgement. A dead peer is noticed in a minute.
#: Source of the option names: tcp(7), Linux manual pages; macOS calls the first one differently.
_OPTIONS = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPALIVE": 30,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}


def watch_peer(transport: Any) -> bool:
    """Have the kernel probe a silent connection, and give up one whose data is not acknowledged.

    And have it send short messages at once: a transfer asks and answers for each block.

    :returns: False if there is no such thing: no TCP connection.
    """
    transport = innermost(transport)
    try:
        transport.setTcpKeepAlive(1)
        transport.setTcpNoDelay(True)
    except (AttributeError, OSError):
        return False
    handle = transport.getHandle()
    if isinstance(handle, socket.socket):
        for name, value in _OPTIONS.items():
            option = getattr(socket, name, None)
            if option is not None and not (name == "TCP_KEEPALIVE" and _has_idle()):
                with contextlib.suppress(OSError):  # only a refinement
                    handle.setsockopt(socket.IPPROTO_TCP, option, value)
    return True


def _has_idle() -> bool:
    return hasattr(socket, "TCP_KEEPIDLE")


def innermost(transport: Any) -> Any:
    """The transport below TLS."""
    inner = getattr(transport, "transport", None)
    while inner is not None:
        transport, inner = inner, getattr(inner, "transport", None)
    return transport
