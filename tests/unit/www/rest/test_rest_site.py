"""The HTTP side of the web server, over a transport in memory."""

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ci_www import channel as channels
from ci_www import site as sites
from tests.fakes.web import FakeWeb


class Failing(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        raise RuntimeError("the secret is 1234")


class Fine(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return b"fine"


class Transport(StringTransport):
    """Also has what an abort needs."""

    def abortConnection(self) -> None:
        self.loseConnection()


class SiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = FakeWeb()
        self.addCleanup(self.web.close)
        root = Resource()
        root.putChild(b"fails", Failing())
        root.putChild(b"fine", Fine())
        logins, policy = self.web.site.logins, self.web.site.policy
        self.site = sites.WebSite(root, self.web.clock, sessions=logins, policy=policy)

    def connect(self) -> tuple[Any, Transport]:
        peer = IPv4Address("TCP", "127.0.0.1", 5)
        channel = self.site.buildProtocol(peer)
        transport = Transport(peerAddress=peer)
        channel.makeConnection(transport)
        return channel, transport

    def send(self, data: bytes) -> tuple[bytes, bool]:
        """What is answered, and whether the connection is closed then."""
        channel, transport = self.connect()
        channel.dataReceived(data)
        return transport.value(), transport.disconnecting

    def get(self, path: str) -> bytes:
        return self.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0]

    def test_every_answer_carries_the_security_headers_and_no_server_name(self) -> None:
        answer = self.get("/fine")
        self.assertTrue(answer.endswith(b"fine"))
        for name, value in sites.HEADERS:
            self.assertIn(name.lower() + b": " + value, answer.replace(name, name.lower()))
        self.assertNotIn(b"TwistedWeb", answer)

    def test_a_failure_shows_a_number_and_nothing_else(self) -> None:
        answer = self.get("/fails")
        self.assertIn(b" 500 ", answer.splitlines()[0])
        self.assertIn(b"Request ", answer)
        self.assertNotIn(b"1234", answer)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_what_is_no_http_is_answered_with_400_and_closed(self) -> None:
        for data in (
            b"garbage\r\n\r\n",
            b"\x16\x03\x01\x02\x00",
            b"A" * 100_000,
            b"GET / HTTP/1.1\r\nX: " + b"y" * 60_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 600,
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        ):
            answer, closed = self.send(data)
            self.assertIn(b" 400 ", answer.splitlines()[0], data[:40])
            self.assertTrue(closed, data[:40])

    def test_too_long_a_body_is_refused_before_it_is_read(self) -> None:
        self.patch(sites, "BODY_BYTES", 10)
        head = b"POST /fine HTTP/1.1\r\nHost: x\r\n"
        for rest in (
            b"Content-Length: 11\r\n\r\n01234567890",
            b"Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n",
        ):
            answer, closed = self.send(head + rest)
            self.assertIn(b" 413 ", answer.splitlines()[0])
            self.assertTrue(closed)
        self.assertIn(b" 200 ", self.send(head + b"Content-Length: 10\r\n\r\n0123456789")[0])

    def test_headers_that_drip_in_are_cut_off(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET / HTTP/1.1\r\n")
        for _ in range(6):
            self.web.clock.advance(channels.HEADERS_S / 6)
            if not transport.disconnecting:
                channel.dataReceived(b"X: y\r\n")
        self.assertTrue(transport.disconnecting)

    def test_the_deadline_is_for_headers_only_and_begins_anew_with_each_request(self) -> None:
        channel, transport = self.connect()
        for _ in range(3):
            self.web.clock.advance(channels.HEADERS_S - 1)
            channel.dataReceived(b"GET /fine HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertFalse(transport.disconnecting)
        channel.connectionLost()
        self.web.clock.advance(0)
        self.assertEqual(transport.value().count(b"fine"), 3)
