"""Strangers, garbage and wrong passwords on the ports of a master that goes on serving."""

import contextlib
import random
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.farm import Daemon, Farm, Master, farm_in, wait_until
from tests.process.slowness import Slowness

pytestmark = pytest.mark.process

CONFIG = "builder('quick', sh('echo quick'))\nforce_all()\n"

#: An answer that takes longer would be noticed; the machine is shared by many tests.
PROMPT_S = 2.0
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Farm, Master]]:
    """A master with a worker."""
    for farm in farm_in(tmp_path_factory.mktemp("network")):
        master = farm.master()
        master.configure(CONFIG)
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        yield farm, master


@pytest.fixture
def master(site: tuple[Farm, Master]) -> Iterator[Master]:
    """That master; it must serve as before after each test, with a short log."""
    made = site[1]
    begin, memory = len(made.log()), resident_bytes(made)
    yield made
    assert answer_s(made) < PROMPT_S
    assert made.log_text(made.forced("quick"), "shell") == "quick\n"
    said = made.log()[begin:]
    assert len(said) < 10_000, said[:3000]
    assert "Traceback" not in said
    assert "Unhandled" not in said
    assert resident_bytes(made) < memory + 40 * MIB


def resident_bytes(master: Master) -> int:
    assert master.daemon is not None
    status = Path(f"/proc/{master.daemon.pid}/status")
    if not status.exists():
        return 0
    (line,) = [one for one in status.read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def answer_s(master: Master) -> float:
    """How long the REST interface takes for an answer, on a machine with nothing else to do."""
    began = time.monotonic()
    with Slowness() as watched:
        assert master.rest.all("masters")
        took_s = time.monotonic() - began
    return took_s / watched.factor


def port_of(master: Master, which: str) -> int:
    return master.pb_port if which == "pb" else master.www_port


def send(port: int, data: bytes) -> bytes:
    """Send this, and take what comes until the other side closes; gives the begin of it."""
    answer = b""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    # Whoever closes while we still send resets the connection, and an answer may get lost.
    with sock, contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while chunk := sock.recv(65536):
            answer = (answer + chunk)[:1000]
    return answer


RNG = random.Random(11)
GARBAGE = {
    "random": RNG.randbytes(50_000),
    "zeros": bytes(50_000),
    "text": b"hello?\n" * 5000,
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + RNG.randbytes(500),
    "a huge number": b"\x7f" * 20_000 + b"\x81",
    # PB: a list that claims 2**28 elements; a string that claims 2**28 bytes
    "a huge list": b"\x00\x00\x00\x00\x01\x80" * 3,
    "a huge string": b"\x00\x00\x00\x00\x01\x82" + b"x" * 30_000,
    "deep lists": b"\x02\x80" * 20_000,
}


@pytest.mark.parametrize("which", ["pb", "www"])
@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_costs_a_line_of_the_log_at_most(master: Master, which: str, data: bytes) -> None:
    for _ in range(5):
        send(port_of(master, which), data)


def test_a_flood_of_garbage_makes_a_short_log(master: Master) -> None:
    begin = len(master.log())
    for seed in range(150):
        send(master.pb_port, random.Random(seed).randbytes(200))
        send(master.www_port, random.Random(seed).randbytes(200))
    assert answer_s(master) < PROMPT_S
    assert master.log()[begin:].count("\n") < 60


def test_names_of_strangers_are_not_answered(master: Master) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    for path, more in (
        (b"/", b""),
        (b"/api/v2/builders", b""),
        (b"/sse/listen", b""),
        (b"/ws", upgrade),
        (b"/change_hook/base", b""),
    ):
        head = b"GET %s HTTP/1.1\r\nConnection: close\r\n" % path + more
        answer = send(master.www_port, head + b"Host: evil.example:8010\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 421 "), answer
        assert b"allowed_hosts" in answer and b"evil.example" in answer
    answer = send(
        master.www_port, b"GET /api/v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    answer = send(master.www_port, b"GET /api/v2/masters HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 200 ") or answer.startswith(b"HTTP/1.1 200 "), answer


def test_a_body_of_small_fields_holds_nobody_up(master: Master) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\n"
    form = b"application/x-www-form-urlencoded"
    for path, kind, body in (
        (b"/force/force", form, b"a=%41&" * (8 * MIB // 6)),
        (b"/change_hook/base", form, b"a=%41&" * (8 * MIB // 6)),
        (b"/api/v2/forceschedulers/force", form, b"a=%41&" * (8 * MIB // 6)),
        (b"/api/v2/forceschedulers/force", b"application/json", b"[" * (8 * MIB)),
        (b"/api/v2/forceschedulers/force", b"application/json", b'{"a":[1],' * MIB),
        (b"/settings", form, b"a=%41&" * (8 * MIB // 6)),
    ):
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        answer = send(master.www_port, head % (path, kind) + length + body)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
        assert answer_s(master) < PROMPT_S


def test_headers_without_end_are_refused(master: Master) -> None:
    for data in (
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (4 * MIB),
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200_000)),
        b"GET /" + b"a" * (4 * MIB),
    ):
        answer = send(master.www_port, data)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer


def test_a_body_without_end_is_refused(master: Master) -> None:
    head = (
        b"POST /api/v2/forceschedulers/force HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    answer = send(master.www_port, head % (200 * MIB) + b"[" * (60 * MIB))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("which", ["pb", "www"])
def test_half_open_connections_do_not_hinder_others(master: Master, which: str) -> None:
    begun = b"GET / HTTP/1.1\r\nX-Slow: " if which == "www" else b""
    with contextlib.ExitStack() as opened:
        socks = []
        for _ in range(200):
            sock = socket.create_connection(("127.0.0.1", port_of(master, which)), timeout=60)
            opened.enter_context(sock)
            sock.sendall(begun)
            socks.append(sock)
        slowest = 0.0
        for _ in range(5):
            for sock in socks:
                with contextlib.suppress(ConnectionError):
                    sock.sendall(b"\x01" if which == "pb" else b"a")
            slowest = max(slowest, answer_s(master))
        assert slowest < PROMPT_S
        assert master.log_text(master.forced("quick"), "shell") == "quick\n"


# -- wrong passwords


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master that has heard no complaints yet: the log of them is limited."""
    for farm in farm_in(tmp_path_factory.mktemp("strict")):
        master = farm.master()
        master.configure(CONFIG, workers=("w2",))
        master.start()
        yield master


def lines_about(text: str, what: str) -> list[str]:
    return [line for line in text.splitlines() if what in line]


def worker_log(home: Path) -> str:
    path = home / "twistd.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [("w2", "wrong", "wrong password"), ("stranger", "secret", "unknown user")],
)
def test_a_worker_that_is_not_let_in_is_told_on_both_sides(
    tmp_path: Path, strict: Master, name: str, password: str, why: str
) -> None:
    mine = Farm(tmp_path)
    begin = len(strict.log())
    try:
        daemon = mine.worker(strict, name, password=password)
        assert isinstance(daemon, Daemon)
        said = wait_until(
            lambda: lines_about(worker_log(tmp_path / name), "with this password"),
            "the worker's complaint",
        )
        assert f"127.0.0.1:{strict.pb_port} does not know worker '{name}'" in said[0]
        found = re.search(r"next try in ([\d.]+) s", said[0])
        assert found is not None and float(found[1]) >= 30  # no tight loop
        assert daemon.is_running()
    finally:
        mine.close()
    told = lines_about(strict.log()[begin:], f"refused the login of '{name}'")
    assert len(told) == 1
    assert told[0].endswith(f": {why}") and "from 127.0.0.1:" in told[0]


def test_a_worker_gets_in_when_its_password_is_mended(tmp_path: Path, strict: Master) -> None:
    mine = Farm(tmp_path)
    try:
        refused = mine.worker(strict, "w2", password="wrong")
        assert refused is not None
        wait_until(
            lambda: "with this password" in worker_log(tmp_path / "w2"), "the worker's complaint"
        )
        assert refused.stop() == 0  # while it waits for its next try
        tac = tmp_path / "w2" / "buildbot.tac"
        tac.chmod(0o600)
        tac.write_text(tac.read_text().replace("wrong", "secret"))
        mine.worker(strict, "w2")
        strict.wait_for_worker("w2")
    finally:
        mine.close()
    strict.wait_for_worker("w2", connected=False)
