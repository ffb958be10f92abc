"""Other web servers before this one: below which path they show it, and what they say of who asks.

``buildbotURL`` says below which path people find the site (``https://host/ci/``). All pages, forms
and resources speak of paths *of the site* (``/builders``). The path before them is taken off a
request when it comes in, and put before each address when a page or a redirect goes out; nobody
else knows of it. So it makes no difference whether a web server before this one takes it off
already, and the site can be used on its own port, too.

What a request says of its origin (``X-Forwarded-For``, ``X-Forwarded-Proto``, the name of a user)
is believed only where it comes from an address of ``c['www']['trusted_proxies']``: everybody can
send such headers.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from ci_www.hosts import Address, parsed_address
from ci_www.parts import WebParts

__all__ = ["Proxies", "below", "path_before", "without_prefix"]

#: What stands in ``trusted_proxies`` for everybody who can open our socket in the file system.
UNIX = "unix"

#: Addresses of the site in HTML: those attributes that hold one. A link that somebody else gave us
#: says ``rel="noreferrer"``; a path in it is one of the host, not of the site.
_ADDRESSES = re.compile(
    rb'(?<=\s)((?:href|src|action|formaction|data-url|data-icon)=")'
    rb'(/(?!/)[^"]*"(?! rel="noreferrer))'
)
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
#: More hops than any request takes; who sends more wants us to be busy.
_MOST_HOPS = 50

Network = IPv4Network | IPv6Network


def path_before(url: str) -> str:
    """The path below which a site of this URL lies, ``/ci`` for example; empty for the root."""
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def without_prefix(path: bytes, prefix: bytes) -> bytes:
    """A path as the site knows it: without the prefix, if it has it. It may have a query."""
    if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in b"/?":
        rest = path[len(prefix) :]
        return rest if rest.startswith(b"/") else b"/" + rest
    return path


def below(prefix: str, html: bytes) -> bytes:
    """HTML whose addresses of the site begin with the prefix."""
    if not prefix:
        return html
    before = prefix.encode()
    return _ADDRESSES.sub(lambda found: found[1] + before + found[2], html)


class Proxies:
    """Knows the web servers before this one, from its configuration as it is now."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._known: tuple[Any, tuple[Network, ...], bool] = (None, (), False)

    @property
    def prefix(self) -> str:
        """The path below which people find the site."""
        return path_before(self._parts.config.buildbotURL)

    def is_trusted(self, peer: Any) -> bool:
        """Whether what comes from this address of Twisted's comes from a web server of ours."""
        networks, unix = self._configured()
        if isinstance(peer, UNIXAddress):
            return unix
        address = parsed_address(str(getattr(peer, "host", "")).partition("%")[0])
        return address is not None and _is_in(address, networks)

    def client(self, request: Any) -> Any:
        """The address of who asks: of the last one on the way who is no proxy of ours.

        None if the connection's own address is that.
        """
        if not self.is_trusted(request.peer):
            return None
        given = _header(request, b"x-forwarded-for")
        networks, _ = self._configured()
        found: Address | None = None
        for hop in reversed(given.split(",")[-_MOST_HOPS:]):
            address = _hop(hop.strip())
            if address is None:
                break
            found = address
            if not _is_in(address, networks):
                break
        if found is None:
            return None
        kind = IPv4Address if found.version == 4 else IPv6Address
        return kind("TCP", str(found), 0)

    def is_https(self, request: Any) -> bool:
        """Whether people came by https, though this connection is a plain one.

        A proxy that we trust says it; without its word ``buildbotURL`` does.
        """
        if self.is_trusted(request.peer):
            said = _header(request, b"x-forwarded-proto").rpartition(",")[2].strip().lower()
            if said:
                return said == "https"
        return str(self._parts.config.buildbotURL).lower().startswith("https:")

    def _configured(self) -> tuple[tuple[Network, ...], bool]:
        config = self._parts.config
        if self._known[0] is not config:
            given = self._parts.www.get("trusted_proxies") or ()
            networks = tuple(ip_network(one) for one in given if one != UNIX)
            self._known = (config, networks, UNIX in given)
        return self._known[1], self._known[2]


def _header(request: Any, name: bytes) -> str:
    """The values of a header, one after the other as if they were one."""
    values: list[bytes] = request.requestHeaders.getRawHeaders(name) or []
    return b",".join(values).decode("latin-1")


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _hop(text: str) -> Address | None:
    """One address of ``X-Forwarded-For``; some servers add the port."""
    found = _WITH_PORT.fullmatch(text)
    return parsed_address((found[1] or found[2]) if found else text)
