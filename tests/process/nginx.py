"""nginx before a master, with configurations taken from the manual."""

import datetime
import ipaddress
import os
import re
import shutil
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import ROOT, missing
from tests.process.farm import Daemon, Farm, free_port, wait_until

MANUAL = ROOT / "docs" / "manual" / "nginx.rst"


def program() -> str:
    """Where nginx is; the test is skipped if it is nowhere."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("needs nginx")
    return str(found)


def block(*having: str, without: str = "\0") -> str:
    """The block of the manual that has all of these texts in it, and another one not."""
    text = MANUAL.read_text(encoding="utf-8")
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    found = [one for one in blocks if all(part in one for part in having) and without not in one]
    assert len(found) == 1, f"{len(found)} blocks of {MANUAL.name} have {having}"
    return str(re.sub(r"(?m)^    ", "", found[0]))


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


AROUND = """
{user}
worker_processes 1;
error_log {home}/error.log;
pid {home}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    {site}
}}
"""


class Nginx:
    """An nginx in a directory of its own."""

    def __init__(self, farm: Farm, *, master_port: int) -> None:
        self.home = farm.directory / "nginx"
        self.home.mkdir()
        self.port = free_port()
        self._farm = farm
        self._master_port = master_port

    def start(self, site: str) -> Daemon:
        """Start it with a site of the manual, whose ports and paths are replaced by ours."""
        cert, key = certificate(self.home)
        users = self.home / "ci-users"
        users.write_text("dara:{PLAIN}secret\n")
        for theirs, ours in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("/etc/ssl/ci.example.org.pem", str(cert)),
            ("/etc/ssl/ci.example.org.key", str(key)),
            ("ci.example.org", "localhost"),
            ("127.0.0.1:8010", f"127.0.0.1:{self._master_port}"),
            ("/etc/nginx/ci-users", str(users)),
        ):
            site = site.replace(theirs, ours)
        # as root it would give its workers to somebody who may not look into this directory
        user = "user root;" if os.geteuid() == 0 else ""
        path = self.home / "nginx.conf"
        path.write_text(AROUND.format(user=user, home=self.home, site=site))
        words = ["-p", str(self.home), "-e", f"{self.home}/error.log", "-c", str(path)]
        daemon = self._farm.launch([program(), *words, "-g", "daemon off;"], self.home)

        def listens() -> bool:
            assert daemon.is_running(), daemon.console()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listens, "nginx to listen")
        return daemon
