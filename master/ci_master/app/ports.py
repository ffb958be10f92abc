"""Ports that a new configuration asks for: tried before anything is changed for it."""

import re
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory

from ci_common.faults import Fault
from ci_master.config.model import Config

_REMEDY = "choose another port, or end the program that listens there"

_EVERYWHERE_OR_HERE = ("", "0.0.0.0", "::", "127.0.0.1", "::1")


async def taken_ports(reactor: Any, old: Config, new: Config) -> list[Fault]:
    """What is wrong with the ports that the new configuration has and the old one has not."""
    from twisted.internet.endpoints import serverFromString  # not before TLS may be left out

    have = _ports(old).values()
    own_numbers = {_number(text) for text in have}
    faults = []
    for key, text in _ports(new).items():
        # Where only the interface differs, our own socket would be found in the way.
        if text in have or _number(text) is None or _number(text) in own_numbers:
            continue
        try:
            port = await serverFromString(reactor, text).listen(_Nobody())
        except CannotListenError as error:
            faults.append(Fault(f"{new.filename}, {key}", describe(error), _REMEDY))
        else:
            await maybeDeferred(port.stopListening)
    return faults


def describe(error: CannotListenError) -> str:
    """The failure to listen, with the port."""
    reason = getattr(error.socketError, "strerror", None) or error.socketError
    return f"cannot listen on port {error.port} of {error.interface or 'any address'}: {reason}"


def refused_port(error: CannotListenError) -> str:
    """The same with what to do about it, for whoever starts a master."""
    return f"{describe(error)}\n    {_REMEDY}"


def web_url(config: Config, address: Any) -> str:
    """Where people find the pages: what they were told to, or where the web server listens.

    :param address: of the listening port; None if nothing listens.
    """
    number = getattr(address, "port", None)
    if config.buildbotURL != Config.buildbotURL or number is None:
        return config.buildbotURL
    host = "localhost" if address.host in _EVERYWHERE_OR_HERE else address.host
    scheme = "https" if str(config.www.get("port")).startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{number}/"


class _Nobody(ServerFactory):
    """Serves nobody, for the moment that it listens."""

    noisy = False

    def buildProtocol(self, addr: Any) -> None:
        return None


def _ports(config: Config) -> dict[str, str]:
    given = {
        "c['protocols']": config.protocols.get("pb", {}).get("port"),
        "c['www']": config.www.get("port"),
    }
    texts = {key: str(port) for key, port in given.items() if port not in (None, "")}
    return {key: text if ":" in text else f"tcp:{text}" for key, text in texts.items()}


def _number(text: str) -> int | None:
    """The number of a plain TCP port; None for others, and for "any free one"."""
    found = re.match("tcp6?:(?:port=)?([0-9]{1,5})(?![0-9])", text)
    return int(found[1]) or None if found else None
