"""Under which names the site may be asked for."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from ci_www import site as sites
from ci_www.hosts import Hosts, Misdirected, host_name
from tests.fakes.web import FakeWeb

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 8010)
LOOPBACK_6 = IPv6Address("TCP", "::1", 8010)
LAN = IPv4Address("TCP", "192.168.1.5", 8010)
LAN_6 = IPv6Address("TCP", "fe80::1%eth0", 8010)
MAPPED = IPv6Address("TCP", "::ffff:127.0.0.1", 8010)


def status(
    *given: str,
    at: Any = LOOPBACK,
    url: str = "https://CI.example.org:8443/sub/",
    allowed: Any = ("alias", "*.ci.example", "10.0.0.7", "2001:DB8::7", "[2001:db8::8]:80", "p:81"),
    version: bytes = b"HTTP/1.1",
    target: str | None = None,
) -> int:
    """With which status a request with these headers Host is answered."""
    config = SimpleNamespace(buildbotURL=url, www={"allowed_hosts": allowed})
    parts: Any = SimpleNamespace(config=config, www=config.www)
    request = SimpleNamespace(
        requestHeaders=Headers({"Host": list(given)}), clientproto=version, getHost=lambda: at
    )
    try:
        Hosts(parts).check(request, target)
    except Misdirected as error:
        return error.status
    return 200


OURS = [
    "ci.example.org", "CI.Example.ORG.", "ci.example.org:8443", "ci.example.org:1", "alias",
    "a.ci.example", "b.a.ci.example:80", "10.0.0.7", "10.0.0.7:8010", "[2001:db8::7]",
    "[2001:0DB8:0::7]:8010", "[2001:db8::8]", "p", "p:9", "ci.example.org:",
]  # fmt: skip
STRANGERS = [
    "evil.example", "evil.example:8010", "ci.example.org.evil.example", "xci.example.org",
    "ci.example", "10.0.0.8", "192.168.1.9", "[2001:db8::9]", "8.8.8.8", "0.0.0.0", "[::]",
    "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost",
]  # fmt: skip
MACHINE = [
    "localhost", "LOCALHOST:8010", "localhost.", "127.0.0.1", "127.0.0.1:8010", "127.8.9.10",
    "[::1]", "[::1]:8010", "[0:0::1]", "[::ffff:127.0.0.1]", "app.localhost", "ip6-localhost",
]  # fmt: skip
GARBAGE = [
    "", " ", "a b", "evil@ci.example.org", "ci.example.org/evil", "ci.example.org?x",
    "http://ci.example.org", "[::1", "::1", "[evil]", "ci.example.org:80:80", "ci.example.org:x",
    "caf\xe9.example", "a" * 300, ".", "..", "-", "ci.example.org, evil.example", "\\evil",
    "ci.example.org:99999999", "[fe80::1%25eth0]",
]  # fmt: skip


@pytest.mark.parametrize("at", [LOOPBACK, LAN, LAN_6, UNIXAddress(b"/sock")])
@pytest.mark.parametrize("host", OURS)
def test_names_of_the_configuration_are_ours_wherever_we_are_reached(host: str, at: Any) -> None:
    assert status(host, at=at) == 200


@pytest.mark.parametrize("at", [LOOPBACK, LAN, UNIXAddress(b"/sock")])
@pytest.mark.parametrize("host", STRANGERS)
def test_other_names_are_not(host: str, at: Any) -> None:
    assert status(host, at=at) == 421


@pytest.mark.parametrize("host", GARBAGE)
def test_what_is_no_name_is_no_request(host: str) -> None:
    assert status(host) == 400


@pytest.mark.parametrize("host", MACHINE)
def test_names_of_this_machine_are_for_who_is_on_it(host: str) -> None:
    for at in (LOOPBACK, LOOPBACK_6, MAPPED, UNIXAddress(b"/sock")):
        assert status(host, at=at) == 200
    assert status(host, at=LAN) == 421
    assert status(host, at=LAN, url="http://localhost:8080/", allowed=None) == (
        200 if host_name(host) == "localhost" else 421
    )


def test_the_address_at_which_we_are_reached_is_ours_and_only_that() -> None:
    assert status("192.168.1.5:8010", at=LAN) == 200
    assert status("192.168.1.6:8010", at=LAN) == 421
    assert status("192.168.1.5", at=LOOPBACK) == 421
    assert status("[fe80::1]", at=LAN_6) == 200


def test_one_name_is_told_once() -> None:
    assert status("ci.example.org", "ci.example.org") == 400
    assert status("ci.example.org", "evil.example") == 400
    assert status() == 400
    assert status(version=b"HTTP/1.0") == 200  # no browser sends that


def test_the_host_of_the_first_line_counts_more_than_the_header() -> None:
    assert status("evil.example", target="ci.example.org") == 200
    assert status("ci.example.org", target="evil.example") == 421
    assert status("ci.example.org", target="") == 400


def test_the_check_can_be_switched_off() -> None:
    assert status("anything.example", allowed=["*"], at=LAN) == 200


@pytest.mark.parametrize("url", ["", "/", "nonsense", "http://[bad/", "http://", "//x/"])
def test_a_strange_url_of_the_site_opens_no_door(url: str) -> None:
    assert status("evil.example", url=url) == 421


@given(st.text(max_size=40))
def test_no_header_raises_anything_else(text: str) -> None:
    name = host_name(text)
    assert name is None or host_name(f"[{name}]" if ":" in name else name) == name


class Fine(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return b"fine " + request.uri


class Site:
    """A site that looks at names, over a transport in memory."""

    def __init__(self) -> None:
        self.web = web = FakeWeb()
        self.web.config.buildbotURL = "http://ci.example/"
        root = Resource()
        for name in (b"fine", b"api", b"change_hook", b"ws", b"sse", b""):
            root.putChild(name, Fine())
        self.site = sites.WebSite(
            root,
            web.clock,
            sessions=web.site.logins,
            policy=web.site.policy,
            hosts=Hosts(web.parts),
        )

    def send(self, data: bytes) -> bytes:
        channel: Any = self.site.buildProtocol(LOOPBACK)
        transport = StringTransport(hostAddress=LOOPBACK, peerAddress=LOOPBACK)
        channel.makeConnection(transport)
        channel.dataReceived(data)
        answer = transport.value()
        channel.connectionLost()
        self.web.close()
        return answer


@pytest.mark.parametrize("path", ["/fine", "/api/v2", "/change_hook/base", "/ws", "/sse/listen"])
def test_nothing_of_the_site_answers_a_stranger(path: str) -> None:
    extra = "X-Forwarded-Host: ci.example\r\nOrigin: http://evil.example\r\n"
    answer = Site().send(f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n{extra}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 421 Misdirected Request\r\n")
    assert b"fine" not in answer


def test_who_came_by_another_name_reads_what_to_write_where() -> None:
    answer = (
        Site().send(b"GET / HTTP/1.1\r\nHost: Build-Box:8010\r\nAccept: text/html\r\n\r\n").decode()
    )
    assert "c[&#x27;www&#x27;][&#x27;allowed_hosts&#x27;] = [&#x27;build-box&#x27;]" in answer
    assert "buildbotURL" in answer and "ci.example" not in answer
    answer = Site().send(b"GET /api/v2 HTTP/1.1\r\nHost: build-box\r\n\r\n").decode()
    assert "c['www']['allowed_hosts'] = ['build-box']" in answer


def test_a_whole_address_in_the_first_line_is_a_path_of_ours() -> None:
    for target in ("http://ci.example/fine?x=1", "HTTP://CI.Example:80/fine?x=1"):
        answer = Site().send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.endswith(b"fine /fine?x=1")
    for target in ("http://evil.example/fine", "https://ci.example@evil.example/fine"):
        answer = Site().send(f"GET {target} HTTP/1.1\r\nHost: ci.example\r\n\r\n".encode())
        assert answer.split()[1] in (b"421", b"400")
    for target in ("fine", "ftp://ci.example/fine", "ci.example:80"):
        answer = Site().send(f"GET {target} HTTP/1.1\r\nHost: ci.example\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_reload_changes_the_names() -> None:
    site = Site()
    hosts = site.site.hosts
    assert hosts is not None
    request = SimpleNamespace(
        requestHeaders=Headers({"Host": ["new"]}), clientproto=b"HTTP/1.1", getHost=lambda: LAN
    )
    with pytest.raises(Misdirected):
        hosts.check(request)
    site.web.parts.config = SimpleNamespace(
        buildbotURL="http://ci.example/", www={"allowed_hosts": ["new"]}
    )
    hosts.check(request)
    site.web.close()
