"""Under which names this site may be asked for.

A page of a stranger can point its own name at our address ("DNS rebinding"): the browser then takes
us for a part of that page, and hands it our answers. What gives it away is the header ``Host``,
which still holds the stranger's name. So a request is answered only under a name of ours: the host
of ``buildbotURL``, those of ``c['www']['allowed_hosts']``, and, for who comes from this very
machine, the names that always mean it. The address at which the connection was accepted counts
too: no stranger's name is in such a request, and load balancers that look after us send it.

Ports do not count, ``X-Forwarded-Host`` is not looked at, and programs that send no ``Host`` at all
(HTTP/1.0) are no browsers, so they pass.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from html import escape
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from ci_www.parts import WebParts

__all__ = ["Hosts", "Misdirected", "host_name"]

_LONGEST = 255
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")
_WITH_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:@/?#\\\s]+)(?::[0-9]{0,5})?")
_THIS_MACHINE = frozenset(
    ("localhost", "localhost.localdomain", "localhost6", "ip6-localhost", "ip6-loopback")
)

Address = IPv4Address | IPv6Address


class Misdirected(Exception):
    """A request that is not for this site.

    :ivar status: of the answer.
    :ivar name: the host that was asked for, if it is the name of one.
    """

    def __init__(self, status: int, text: str, name: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.name = name


def host_name(given: str) -> str | None:
    """The host in a header ``Host`` or in a URL, in one spelling; None if there is none.

    Lower case, without port and final dot; an address as :mod:`ipaddress` writes it.
    """
    lowered = given.strip(" \t").lower()
    found = _WITH_PORT.fullmatch(lowered) if len(lowered) <= _LONGEST else None
    if found is None:
        return None
    host = found[1]
    address = parsed_address(host.strip("[]"))
    if address is not None:
        return str(address)
    if host.startswith("[") or not _NAME.fullmatch(host):
        return None
    return host.removesuffix(".")


def parsed_address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


class Hosts:
    """Knows the names of a site, from its configuration as it is now."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._known: tuple[Any, frozenset[str], tuple[str, ...]] = (None, frozenset(), ())

    def check(self, request: Any, target: str | None = None) -> None:
        """Let a request pass that is for us.

        :param target: the host of a request that names it in its first line, which counts then.
        :raises Misdirected: if it is for somebody else, or does not say for whom.
        """
        given = request.requestHeaders.getRawHeaders("host") or []
        if len(given) > 1:
            raise Misdirected(400, "The request has several headers Host.")
        if target is None and not given:
            if request.clientproto == b"HTTP/1.1":
                raise Misdirected(400, "The request has no header Host.")
            return
        asked = given[0] if target is None else target
        name = host_name(asked)
        if name is None:
            raise Misdirected(400, "The header Host is not the name of a host.")
        if not self._is_ours(name, getattr(request.getHost(), "host", None)):
            raise Misdirected(421, advice(name), name)

    def _is_ours(self, name: str, reached_at: str | None) -> bool:
        names, patterns = self._configured()
        if name in names or any(fnmatchcase(name, pattern) for pattern in patterns):
            return True
        here = parsed_address(str(reached_at).partition("%")[0]) if reached_at else None
        if reached_at and here is not None and not here.is_loopback:
            return name == str(here)
        # over the loopback interface, or over a socket that is a file
        asked = parsed_address(name)
        if asked is not None:
            return asked.is_loopback
        return name in _THIS_MACHINE or name.endswith(".localhost")

    def _configured(self) -> tuple[frozenset[str], tuple[str, ...]]:
        config = self._parts.config
        if self._known[0] is not config:
            own = host_name(_netloc(config.buildbotURL))
            patterns = [_pattern(one) for one in self._parts.www.get("allowed_hosts") or ()]
            names = frozenset(_of_names(patterns)) | ({own} if own else frozenset())
            self._known = (config, names, tuple(one for one in patterns if "*" in one))
        return self._known[1], self._known[2]


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _pattern(given: str) -> str:
    return given.strip().lower() if "*" in given else host_name(_bracketed(given)) or ""


def _bracketed(given: str) -> str:
    """An address of many colons, as people write it without brackets."""
    bare = given.strip()
    return f"[{bare}]" if bare.count(":") > 1 and not bare.startswith("[") else bare


def _of_names(patterns: Iterable[str]) -> list[str]:
    return [one for one in patterns if one and "*" not in one]


def advice(name: str) -> str:
    """What to do about a request for a host that is none of ours."""
    return (
        f"This server does not answer under the name {name}. If that is a right name of this"
        " site, whoever runs it adds a line to master.cfg and reloads it:"
        f" c['www']['allowed_hosts'] = [{name!r}]"
        " (or gives the address that everybody uses as c['buildbotURL'])."
    )


def page(error: Misdirected) -> bytes:
    """The answer for a browser."""
    title = "Misdirected request" if error.status == 421 else "Bad request"
    body = f"<p>{escape(str(error))}</p>"
    if error.name:
        line = f"c['www']['allowed_hosts'] = [{error.name!r}]"
        body = (
            f"<p>This server does not answer under the name <b>{escape(error.name)}</b>: it might"
            " be the name of a stranger who wants to read our pages with your browser.</p>"
            "<p>If it is a right name of this site, whoever runs it adds this to <code>master.cfg"
            f"</code> and reloads it:</p><pre>{escape(line)}</pre><p>Or they give the address that"
            " everybody uses as <code>c['buildbotURL']</code>.</p>"
        )
    return f"<!doctype html><title>{title}</title><h1>{title}</h1>{body}\n".encode()
