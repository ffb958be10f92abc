"""Whom we trust when we connect with TLS, and how we show who we are."""

from pathlib import Path
from typing import Any

from twisted.internet import ssl
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

# Imports OpenSSL: only what connects with TLS, or makes HTTP requests, imports this module.


@implementer(IPolicyForHTTPS)
class Policy:
    """How to connect to a server with TLS.

    :param verify: whether the server's certificate is checked; or the path of a file with the
        certificates of those who may sign it.
    :param cert: path of a file with our certificate and key, or of one for each.
    """

    def __init__(
        self, verify: bool | str = True, cert: str | tuple[str, str] | None = None
    ) -> None:
        self._verify = verify
        self._cert = cert

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """What makes connections to that server."""
        ours = None if self._cert is None else _our_certificate(self._cert)
        if self._verify is False:
            return _Unchecked(hostname, ours)
        trusted = None if self._verify is True else _signers(self._verify)
        return ssl.optionsForClientTLS(
            hostname.decode("ascii"), trustRoot=trusted, clientCertificate=ours
        )


@implementer(IOpenSSLClientConnectionCreator)
class _Unchecked:
    """Connects to whoever answers: for those who asked for it with ``verify=False``."""

    def __init__(self, hostname: bytes, ours: ssl.PrivateCertificate | None) -> None:
        self._hostname = hostname
        self._options = ssl.CertificateOptions(
            privateKey=None if ours is None else ours.privateKey.original,
            certificate=None if ours is None else ours.original,
        )

    def clientConnectionForTLS(self, protocol: Any) -> Any:
        """An OpenSSL connection."""
        from OpenSSL import SSL

        connection = SSL.Connection(self._options.getContext(), None)
        connection.set_tlsext_host_name(self._hostname)
        return connection


def _our_certificate(cert: str | tuple[str, str]) -> ssl.PrivateCertificate:
    paths = (cert,) if isinstance(cert, str) else cert
    pem = b"\n".join(Path(path).read_bytes() for path in paths)
    return ssl.PrivateCertificate.loadPEM(pem)


def _signers(path: str) -> Any:
    mark = b"-----BEGIN CERTIFICATE-----"
    parts = Path(path).read_bytes().split(mark)[1:]
    return ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(mark + one) for one in parts])
