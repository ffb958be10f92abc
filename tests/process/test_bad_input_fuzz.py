"""Odd values wherever a request may have one: every answer is prompt, and none is a failure."""

import random
import re
import socket
from collections.abc import Iterator

import pytest

from tests.process.farm import Master, farm_in

pytestmark = pytest.mark.process

CONFIG = """
builder('quick', sh('echo quick'))
c['schedulers'].append(schedulers.ForceScheduler(name='force', builderNames=['quick'],
    properties=[util.IntParameter('count'), util.FileParameter('f'),
                util.InheritBuildParameter('i')]))
c['www']['change_hook_dialects'] = {'base': True}
"""

WORDS = (
    b"\xc2\xb2 %C2%B2 %00 %ff 99999999999999999999 1_0 nan inf -1 \xd9\xa3 %D9%A3 .. * %ED%A0%80"
    b" 1e999 0x1 %20 builders quick 1 [ {}"
)
ODD = [*WORDS.split(), b"9" * 5000, b"a" * 300]

BUILD = b"/builders/quick/builds/1"
# X is an odd value
PATHS = b"""
/ /builders/X /builders/quick/builds/X BUILD/steps/X BUILD/steps/X/logs/X
BUILD/steps/X/logs/X/lines?from=X&to=X BUILD/steps/1/logs/X/raw BUILD/steps/1/logs/stdio/search?q=X
/buildrequests/X /buildsets/X /workers/X /changes/X /changes?q=X&branch=X&before=X /revisions/X
/force/X?builder=X /force/force?builder=X&count=X /waterfall?from=X&to=X&scale=X&col=X&tag=X
/waterfall?from=-Xh&to=-Xd /queue?reason=X&after=X /builders?sort=X&tag=X&page=X /workers?state=X
/avatar?size=X&email=X /badges/X.svg?left_text=X /badges/quick.svg?left_text=X /api/v2/builds/X
/api/v2/builds?limit=X /api/v2/builds?number__gt=X /api/v2/builders/X/builds/X /api/v2/workers/X
/api/v2/logs/X/contents?offset=X&limit=X /api/v2/logs/X/raw /api/v2/changes?order=X&field=X
/api/v2/forceschedulers/X /sse/add/X/X /ws?X /change_hook/X /auth/login?X /config?X /static/X
/settings?X=X /?region=X /builders?region=X
""".replace(b"BUILD", BUILD).split()

UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
HEADERS = [
    b"Origin: http://[bad",
    b"Origin: X",
    b"Cookie: TWISTED_SESSION=X.X.X",
    b"Cookie: tz=X; theme=X",
    b"Accept: X",
    b"Accept-Encoding: gzip;q=X",
    b"Authorization: Basic X",
    b"If-None-Match: X",
    b"If-Modified-Since: X",
    UPGRADE + b"X\r\nSec-WebSocket-Key: X",
    UPGRADE + b"13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: X",
    b"Content-Type: multipart/form-data; boundary=X",
    b"Expect: 100-continue",
    b"Range: bytes=X-",
    b"X-Forwarded-For: X",
    b"Host: X",
    b"Sec-Fetch-Site: X",
]
FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
BODIES = [
    (FORM, b"csrf=X&builderNames=quick"),
    (FORM, b"author=X&files=X&when=X"),
    (FORM, b'properties={"X":X}'),
    (JSON, b"X"),
    (JSON, b'{"jsonrpc":"2.0","id":X,"method":"force","params":{"count":X}}'),
    (JSON, b'{"jsonrpc":"2.0","id":1,"method":"X","params":{"X":"X"}}'),
]


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master with a build."""
    for farm in farm_in(tmp_path_factory.mktemp("fuzz")):
        made = farm.master()
        made.configure(CONFIG)
        made.start()
        farm.worker(made)
        made.wait_for_worker()
        made.forced("quick")
        yield made


def filled(rng: random.Random, text: bytes) -> bytes:
    """With odd values in its places."""
    return re.sub(rb"X(?![a-z-]*:)", lambda _: rng.choice(ODD), text)


def request(rng: random.Random) -> bytes:
    """A request that somebody might send."""
    method = rng.choice([b"GET", b"GET", b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS"])
    path = filled(rng, rng.choice(PATHS))
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % (method, path)
    if rng.random() < 0.5:
        head += filled(rng, rng.choice(HEADERS)) + b"\r\n"
    body = b""
    if method == b"POST":
        kind, body = rng.choice(BODIES)
        body = filled(rng, body)
        head += b"Content-Type: %s\r\n" % kind
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("seed", range(4))
def test_no_odd_value_is_a_failure(master: Master, seed: int) -> None:
    rng, begin = random.Random(seed), len(master.log())
    failed = []
    for _ in range(200):
        sent = request(rng)
        with socket.create_connection(("127.0.0.1", master.www_port), timeout=60) as sock:
            try:
                sock.sendall(sent)
                answer = sock.recv(2000)
            except ConnectionError:  # cut off while it was sent
                answer = b""
        if b" 500 " in answer[:20]:
            failed.append((sent[:400], answer))
    assert failed == []
    said = master.log()[begin:]
    assert "Traceback" not in said, said
    assert said.count("\n") < 60, said
