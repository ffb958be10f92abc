"""The site below a path, and what is believed of a web server before it."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from ci_www import auth
from ci_www.auth.identity import Identities, RemoteUserAuth
from ci_www.auth.policy import Policy
from ci_www.hosts import Hosts
from ci_www.proxies import Proxies, below, path_before, without_prefix
from ci_www.site import WebSite
from tests.fakes.web import FakeWeb

NEAR = IPv4Address("TCP", "127.0.0.1", 40000)
FAR = IPv4Address("TCP", "203.0.113.9", 40000)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://host/", ""), ("https://host", ""), ("https://host/ci/", "/ci"),
        ("https://host:8443/a/b/", "/a/b"), ("", ""), ("http://[bad/x/", ""),
    ],
)  # fmt: skip
def test_the_path_of_a_site(url: str, path: str) -> None:
    assert path_before(url) == path


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (b"/ci/builders", b"/builders"), (b"/builders", b"/builders"), (b"/ci", b"/"),
        (b"/ci/", b"/"), (b"/ci?a=1", b"/?a=1"), (b"/ci/?a=1", b"/?a=1"), (b"/cix/y", b"/cix/y"),
        (b"/ci/ci/", b"/ci/"), (b"*", b"*"), (b"/x/ci/", b"/x/ci/"),
    ],
)  # fmt: skip
def test_a_path_is_understood_with_and_without_what_stands_before_it(
    asked: bytes, path: bytes
) -> None:
    assert without_prefix(asked, b"/ci") == path
    assert without_prefix(asked, b"") == asked


def test_addresses_of_the_site_go_out_with_the_path_before_them() -> None:
    html = (
        b'<a href="/">h</a><a class="x" href="/builders?q=%22">b</a><form action="/force/f">'
        b'<script src="/static/a.mjs"><ol data-url="/x/y" data-icon="/static/i" data-label="/usr">'
        b'<use href="#m-x"/><a href="https://elsewhere/x"><a href="//elsewhere/x"><a href="#L5">'
        b'<a href="/coverage/1" rel="noreferrer">c</a> href=&#34;/no&#34; x="/no"'
    )
    out = below("/ci", html)
    for sent in (
        b'href="/ci/"', b'href="/ci/builders?q=%22"', b'action="/ci/force/f"',
        b'"/ci/static/a.mjs"',
        b'data-url="/ci/x/y"', b'data-icon="/ci/static/i"', b'data-label="/usr"', b'href="#m-x"',
        b'href="https://elsewhere/x"', b'href="//elsewhere/x"', b'href="/coverage/1" rel',
        b"href=&#34;/no&#34;", b' x="/no"', b'href="#L5"',
    ):  # fmt: skip
        assert sent in out, sent
    assert below("", html) == html


class Shown(Resource):
    """Tells what a request is for us."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        who = auth.who(request)
        client = request.getClientAddress()
        shown = (
            request.path.decode(),
            auth.user_of(request),
            getattr(client, "host", None),
            request.isSecure(),
            auth.may(request, "force"),
            who.get("anonymous", False),
        )
        request.site.logins.csrf_token(request)  # begins a session
        return repr(shown).encode()


class Asked:
    """A site over a transport in memory, asked once."""

    def __init__(self, url: str, **www: Any) -> None:
        self.web = web = FakeWeb(**www)
        web.config.buildbotURL = url
        proxies = Proxies(web.parts)
        web.site.logins._identify = Identities(web.parts, proxies).of
        web.site.logins.path = lambda: proxies.prefix or "/"
        self.site = WebSite(
            Shown(), web.clock, sessions=web.site.logins, policy=Policy(web.parts),
            hosts=Hosts(web.parts), proxies=proxies,
        )  # fmt: skip
        self.cookies: list[str] = []

    def get(self, path: str = "/", peer: Any = NEAR, host: str = "host", **headers: str) -> Any:
        lines = "".join(f"{k.replace('__', '-')}: {v}\r\n" for k, v in headers.items())
        channel: Any = self.site.buildProtocol(peer)
        transport = StringTransport(hostAddress=NEAR, peerAddress=peer)
        channel.makeConnection(transport)
        channel.dataReceived(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
        head, _, body = transport.value().partition(b"\r\n\r\n")
        channel.connectionLost()
        self.web.close()
        assert head.startswith(b"HTTP/1.1 200"), head
        lowered = head.decode().split("\r\n")
        self.cookies = [line for line in lowered if line.lower().startswith("set-cookie")]
        return eval(body)


TRUST = {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8", "::1"]}
NAMES = {"auth": RemoteUserAuth(header="X-Remote-User", headerRegex=r"(?P<username>.+)"), **TRUST}


def test_a_trusted_proxy_says_who_asks_from_where_and_how() -> None:
    asked = Asked("https://host/ci/", **NAMES)
    seen = asked.get(
        "/ci/builders", X__Remote__User="dara", X__Forwarded__For="198.51.100.7",
        X__Forwarded__Proto="https",
    )  # fmt: skip
    assert seen == ("/builders", "dara", "198.51.100.7", True, True, False)
    (cookie,) = asked.cookies
    assert "Path=/ci;" in cookie + ";" and "Secure" in cookie and "SECURE_SESSION" in cookie


def test_nobody_else_is_believed() -> None:
    seen = Asked("http://host/", **NAMES).get(
        peer=FAR, X__Remote__User="dara", X__Forwarded__For="198.51.100.7",
        X__Forwarded__Proto="https",
    )  # fmt: skip
    assert seen == ("/", None, "203.0.113.9", False, False, True)


def test_without_trust_nothing_is_believed() -> None:
    seen = Asked("http://host/").get(X__Remote__User="dara", X__Forwarded__For="198.51.100.7")
    assert seen == ("/", None, "127.0.0.1", False, True, True)


@pytest.mark.parametrize(
    ("given", "client"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),  # what stands before anybody can have written
        ("6.6.6.6, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("nonsense, 10.1.2.4", "10.1.2.4"),
        ("198.51.100.7, nonsense", "127.0.0.1"),
        ("198.51.100.7:5123", "198.51.100.7"),
        ("[2001:db8::7]:5123", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("", "127.0.0.1"),
        ("6.6.6.6, " * 500 + "10.1.1.1", "6.6.6.6"),
    ],
)
def test_the_last_hop_that_is_no_proxy_of_ours_is_who_asks(given: str, client: str) -> None:
    assert Asked("http://host/", **TRUST).get(X__Forwarded__For=given)[2] == client


def test_a_socket_that_is_a_file_can_be_trusted() -> None:
    parts: Any = SimpleNamespace(config=object(), www={"trusted_proxies": ["unix", "::1"]})
    proxies = Proxies(parts)
    assert proxies.is_trusted(UNIXAddress(b""))
    assert proxies.is_trusted(IPv6Address("TCP", "::1", 1)) and not proxies.is_trusted(NEAR)
    parts.config, parts.www = object(), {"trusted_proxies": ["127.0.0.1"]}
    assert not proxies.is_trusted(UNIXAddress(b""))  # taken over with a reload
    assert proxies.is_trusted(IPv6Address("TCP", "::ffff:127.0.0.1", 1))


@pytest.mark.parametrize(
    ("url", "said", "secure"),
    [
        ("https://host/", None, True), ("http://host/", None, False),
        ("http://host/", "https", True), ("https://host/", "http", False),
        ("http://host/", "https, http", False),
    ],
)  # fmt: skip
def test_cookies_are_secure_where_people_come_by_https(
    url: str, said: str | None, secure: bool
) -> None:
    asked = Asked(url, **TRUST)
    headers = {} if said is None else {"X__Forwarded__Proto": said}
    assert asked.get(**headers)[3] is secure
    assert ("Secure" in asked.cookies[0]) is secure


@pytest.mark.parametrize(
    "header", ["", "  ", "x" * 300, "a\tb", "dara\r\nX-Remote-User: admin", "\xff"]
)
def test_a_name_that_is_none_signs_nobody_in(header: str) -> None:
    asked = Asked("http://host/", **NAMES)
    assert asked.get(X__Remote__User=header)[1] is None or header == "\xff"  # UTF-8 of y with dots


def test_a_name_does_not_go_into_the_cookie() -> None:
    asked = Asked("http://host/", **NAMES)
    assert asked.get(X__Remote__User="dara")[1] == "dara"
    name, _, value = asked.cookies[0].partition(":")[2].strip().partition(";")[0].partition("=")
    again = Asked("http://host/", **NAMES).get(peer=FAR, Cookie=f"{name}={value}")
    assert again[1] is None


def test_the_groups_of_the_expression_are_what_is_known_of_a_user() -> None:
    usual = RemoteUserAuth()
    assert usual.header == "REMOTE_USER"
    assert usual.user_info("dara@EXAMPLE.ORG") == {"username": "dara", "realm": "EXAMPLE.ORG"}
    assert usual.user_info("dara") is None
    mail = RemoteUserAuth("X-Mail", rb"(?P<email>(?P<username>[^@]+)@.+)")
    assert mail.user_info("dara@example.org") == {"username": "dara", "email": "dara@example.org"}


@given(st.binary(max_size=60))
def test_no_header_raises_anything(value: bytes) -> None:
    parts: Any = SimpleNamespace(
        config=SimpleNamespace(buildbotURL="http://h/"), www=NAMES,
        clock=SimpleNamespace(seconds=lambda: 0.0),
    )  # fmt: skip
    headers = Headers()
    for name in (b"x-forwarded-for", b"x-forwarded-proto", b"X-Remote-User"):
        headers.addRawHeader(name, value)
    request = SimpleNamespace(requestHeaders=headers, peer=NEAR)
    proxies = Proxies(parts)
    proxies.client(request)
    proxies.is_https(request)
    info = Identities(parts, proxies).of(request)
    assert info is None or info["username"].isprintable()
