"""The ways from a worker to its master other than plain TCP."""

import datetime
import ipaddress
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor, ssl
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.spread import pb
from twisted.trial.unittest import TestCase

from tests.process.pb_master import PBMaster
from tests.process.worker_home import WorkerHome, ci_worker

pytestmark = pytest.mark.process


class Proxy(Protocol):
    """An HTTP proxy that knows nothing but CONNECT."""

    other: Any = None
    asked: list[bytes] = []
    status = b"200 Connection established"

    def dataReceived(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
            return
        Proxy.asked.append(data.split(b"\r\n")[0])
        host, _, port = data.split()[1].decode().partition(":")
        assert self.transport is not None
        if not Proxy.status.startswith(b"200"):
            self.transport.write(b"HTTP/1.1 " + Proxy.status + b"\r\n\r\n")
            return
        reactor.connectTCP(host, int(port), Dialing(self))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.other is not None:
            self.other.transport.loseConnection()


class Onward(Protocol):
    """The proxy's connection to the master."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def connectionMade(self) -> None:
        self.proxy.other = self
        self.proxy.transport.write(b"HTTP/1.1 " + Proxy.status + b"\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        self.proxy.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.proxy.transport.loseConnection()


class Dialing(ClientFactory):
    noisy = False

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def buildProtocol(self, addr: Any) -> Onward:
        return Onward(self.proxy)


class RouteTests(TestCase):
    timeout = 40

    def setUp(self) -> None:
        self.master = PBMaster()
        self.addCleanup(self.master.port.stopListening)

    async def attach(self, identity: list[str], *options: str) -> WorkerHome:
        home = WorkerHome.__new__(WorkerHome)
        home.basedir, home.process = Path(self.mktemp()).absolute(), None
        made = ci_worker("create-worker", "-q", *options, str(home.basedir), *identity)
        assert made.returncode == 0, made.stdout + made.stderr
        attached = self.master.expect(self.master.attached)
        home.start()
        try:
            await attached
            sink = await self.master.shell("echo it works")
            self.assertEqual(sink.text("stdout"), "it works\n")
        finally:
            await deferToThread(home.cleanup)
        return home

    async def test_by_an_endpoint_string(self) -> None:
        host, port = self.master.address.split(":")
        await self.attach(["w1", "secret"], "--connection-string", f"tcp:{host}:port={port}")

    async def test_through_an_http_proxy(self) -> None:
        Proxy.asked.clear()
        proxy = reactor.listenTCP(0, Factory.forProtocol(Proxy), interface="127.0.0.1")
        self.addCleanup(proxy.stopListening)
        route = f"tcp:127.0.0.1:port={proxy.getHost().port}"
        await self.attach([self.master.address, "w1", "secret"], "--proxy-connection-string", route)
        self.assertEqual(Proxy.asked, [f"CONNECT {self.master.address} HTTP/1.1".encode()])

    async def test_with_tls_to_a_master_whose_certificate_is_trusted(self) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        pem = folder / "server.pem"
        pem.write_bytes(certificate_for("localhost"))
        context = ssl.DefaultOpenSSLContextFactory(str(pem), str(pem))
        factory = self.master.port.factory
        assert isinstance(factory, pb.PBServerFactory)
        port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        os.environ["SSL_CERT_FILE"] = str(pem)
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        address = f"localhost:{port.getHost().port}"
        await self.attach([address, "w1", "secret"], "--use-tls")


def certificate_for(name: str) -> bytes:
    """A key and a certificate of its own authority, in one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + made.public_bytes(serialization.Encoding.PEM)
