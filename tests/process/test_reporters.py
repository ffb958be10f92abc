"""Reporters in a real master, with receivers on this machine."""

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ci_common.results import FAILURE, SUCCESS
from tests.process.farm import Farm, Master, wait_until

pytestmark = pytest.mark.process

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """Have a server serve in a thread; gives its port."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(cast(Any, server).server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted; answers as the test says."""

    protocol_version = "HTTP/1.1"
    posts: list[tuple[dict[str, str], dict[str, Any]]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        code = self.answers.pop(0) if self.answers else 200
        if code == 200:
            self.posts.append((dict(self.headers), json.loads(body)))
        self.send_response(code)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class MailServer(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as it takes to get a message."""

    mails: list[tuple[str, list[str], EmailMessage]]
    tls: ssl.SSLContext | None = None
    login = b""

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self) -> None:
        sender, recipients = "", []
        self.say("220 test ESMTP")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "EHLO":
                self.say("250-test")
                self.say("250-AUTH PLAIN" if self.login else "250-HELP")
                if self.tls is not None:
                    self.say("250-STARTTLS")
            elif verb == "STAR" and self.tls is not None:
                self.say("220 go on")
                self.request = self.tls.wrap_socket(self.request, server_side=True)
                self.tls = None
                self.setup()
                continue
            elif verb == "AUTH":
                given = base64.b64decode(line.split()[2])
                self.say("235 welcome" if given.endswith(self.login) else "535 go away")
                continue
            elif verb == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
            elif verb == "RCPT":
                recipients.append(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                while (data := self.rfile.readline()) != b".\r\n":
                    lines.append(data.removeprefix(b"."))
                message = message_from_bytes(b"".join(lines), policy=policy.default)
                self.mails.append((sender, recipients, message))
            elif verb == "QUIT":
                self.say("221 bye")
                return
            self.say("250 ok")


BUILDERS = """
builder('good', sh('echo fine'))
builder('bad', sh('echo alas; echo "=== 3 failed, 77 passed in 2.1s ==="; exit 3'),
        tags=['tagged'])
force_all()
"""


def started(farm: Farm, body: str) -> Master:
    master = farm.master()
    secrets = master.home / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "pass").touch(mode=0o600)
    (secrets / "pass").write_text("open sesame")
    master.configure(BUILDERS + body)
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    return master


def test_a_web_server_is_told_of_the_beginning_and_the_end_of_a_build(farm: Farm) -> None:
    receiver = cast(type[Receiver], type("Here", (Receiver,), {"posts": [], "answers": [503]}))
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), receiver)) as port:
        master = started(
            farm,
            f"""
c['secretsProviders'] = [secrets.SecretInAFile('secrets')]
c['services'] = [reporters.HttpStatusPush(
    'http://127.0.0.1:{port}/hook', auth=('ci', util.Secret('pass')),
    headers={{'X-Farm': 'north'}})]
""",
        )
        build = master.forced("good")
        posts = receiver.posts
        wait_until(lambda: len(posts) >= 2, "both reports")
        assert master.stop() == 0
    begin, end = (body for _, body in posts)
    assert begin["complete"] is False
    assert begin["results"] is None
    assert end["complete"] is True
    assert end["results"] == SUCCESS
    for body in (begin, end):
        assert body["buildid"] == build["buildid"]
        assert body["builder"]["name"] == "good"
        assert body["url"].endswith(f"#/builders/{build['builderid']}/builds/1")
        assert body["buildset"]["sourcestamps"]
        assert body["properties"]["scheduler"][0] == "force"
    headers, _ = posts[0]
    assert headers["Authorization"] == "Basic Y2k6b3BlbiBzZXNhbWU="
    assert headers["X-Farm"] == "north"
    assert headers["Content-Type"].startswith("application/json")
    assert "Traceback" not in master.log()


def test_a_failed_build_is_mailed_with_its_log(farm: Farm) -> None:
    here = cast(type[MailServer], type("Here", (MailServer,), {"mails": []}))
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), here)) as port:
        master = started(
            farm,
            f"""
c['schedulers'].append(schedulers.AnyBranchScheduler(name='all', builderNames=['bad']))
c['services'] = [reporters.MailNotifier(
    fromaddr='CI <ci@example.org>', relayhost='127.0.0.1', smtpPort={port},
    lookup='example.org', extraRecipients=['all@example.org'],
    extraHeaders={{'X-Builder': util.Property('buildername')}},
    generators=[reporters.BuildStatusGenerator(mode='failing', add_logs=['stdio'])])]
""",
        )
        master.forced("good")
        change = urlencode({"author": "dara", "comments": "Try this", "branch": "main"})
        master.rest.open("POST", "/change_hook/base", change.encode(), FORM)
        ((sender, recipients, mail),) = wait_until(lambda: here.mails, "the mail")
        (build,) = master.rest.all("builders/bad/builds")
        assert build["results"] == FAILURE
        assert master.stop() == 0
    assert sender == "ci@example.org"
    assert sorted(recipients) == ["all@example.org", "dara@example.org"]
    assert mail["To"] == "dara@example.org"
    assert mail["CC"] == "all@example.org"
    assert mail["X-Builder"] == "bad"
    assert mail["Subject"] == ("bad (main): failed build - shell: exit 3 - 3 failed, 77 passed")
    body = mail.get_body()
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert text.startswith(
        "bad #1 on main: failed build\n\nshell: exit 3 - 3 failed, 77 passed\n\nhttp://"
    )
    assert f"/builders/{build['builderid']}/builds/1\n\nCommit:\n" in text
    assert ": Try this\n    by dara\n" in text
    attached = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert "\r\nalas\r\n" in attached["shell.stdio"]
    assert "Traceback" not in master.log()


def test_a_receiver_that_is_away_holds_no_build_up(farm: Farm) -> None:
    master = started(
        farm,
        """
c['services'] = [
    reporters.HttpStatusPush('http://127.0.0.1:9/', name='away'),
    reporters.MailNotifier('ci@example.org', '127.0.0.1', smtpPort=9,
                           extraRecipients=['all@example.org']),
]
""",
    )
    assert master.forced("good")["results"] == SUCCESS
    assert master.forced("bad")["results"] == FAILURE
    assert master.stop() == 0
    assert "events not reported; they will be when it runs again" in master.log()


def self_signed(directory: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


def test_certificates_are_checked_unless_told_otherwise(farm: Farm, tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    receiver = cast(type[Receiver], type("Here", (Receiver,), {"posts": [], "answers": []}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server) as port:
        url = f"https://localhost:{port}"
        master = started(
            farm,
            f"""
c['services'] = [
    reporters.HttpStatusPush('{url}/strict', name='strict'),
    reporters.HttpStatusPush('{url}/known', name='known', verify={str(cert)!r},
                             headers={{'X-Who': 'known'}}),
    reporters.HttpStatusPush('{url}/any', name='any', verify=False, headers={{'X-Who': 'any'}}),
]
""",
        )
        master.forced("good")
        wait_until(lambda: len(receiver.posts) >= 4, "the reports of two")
        assert master.stop() == 0
    assert sorted(headers["X-Who"] for headers, _ in receiver.posts) == ["any"] * 2 + ["known"] * 2


@pytest.mark.parametrize("how", ["useTls", "useSmtps"])
def test_mail_goes_out_by_tls_with_a_login(
    farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    known = {"mails": [], "login": b"\0ci\0open sesame"}
    here = cast(type[MailServer], type("Here", (MailServer,), known))
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), here)
    if how == "useSmtps":
        server.socket = context.wrap_socket(server.socket, server_side=True)
    else:
        here.tls = context
    with serving(server) as port:
        master = started(
            farm,
            f"""
c['secretsProviders'] = [secrets.SecretInAFile('secrets')]
c['services'] = [reporters.MailNotifier(
    'ci@example.org', 'localhost', smtpPort={port}, {how}=True, smtpUser='ci',
    smtpPassword=util.Secret('pass'), extraRecipients=['all@example.org'])]
""",
        )
        master.forced("good")
        ((_, recipients, mail),) = wait_until(lambda: here.mails, "the mail")
        assert master.stop() == 0
    assert recipients == ["all@example.org"]
    assert mail["Subject"] == "good: passing build"
