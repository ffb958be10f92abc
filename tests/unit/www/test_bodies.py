"""Bodies of requests: what may be in them, and what reading them costs."""

import io
import json
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import execute
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers
from twisted.web.resource import Resource

from ci_common.faults import Refused
from ci_www import bodies
from ci_www import site as sites
from ci_www.channel import BODY_S, HEADERS_S
from tests.fakes.web import FakeWeb
from tests.unit.queue.desk import now

FORM = b"application/x-www-form-urlencoded"
MIB = 1024 * 1024


#: An argument of the URL; longer than any name that a test makes up.
OF_URL = b"an argument of the request's URL"


def form(body: bytes, kind: bytes = FORM) -> dict[bytes, list[bytes]]:
    """The fields of a posted body."""
    request: Any = SimpleNamespace(
        method=b"POST",
        requestHeaders=Headers({b"content-type": [kind]}),
        content=io.BytesIO(body),
        args={OF_URL: [b"1"]},
    )
    now(bodies.read_form(request, execute))
    assert request.args.pop(OF_URL) == [b"1"]
    found: dict[bytes, list[bytes]] = request.args
    return found


names = st.binary(min_size=1, max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(names, st.binary(max_size=50)), max_size=20))
def test_a_form_says_what_was_typed_in(fields: list[tuple[bytes, bytes]]) -> None:
    expected: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        expected.setdefault(name, []).append(value)
    assert form(urlencode(fields).encode()) == expected


@pytest.mark.parametrize("shift", range(4))
def test_a_long_value_is_read_in_pieces_none_of_which_tears_a_character(shift: int) -> None:
    value = b"." * (bodies.LONG - shift) + "é%+ ".encode() * 5000
    assert form(urlencode([(b"a", value)]).encode()) == {b"a": [value]}
    torn = b"%4" * bodies.LONG + b"%" * shift  # no escape sequences at all
    assert form(b"a=" + torn) == {b"a": [torn]}


def test_no_piece_of_a_long_value_holds_others_up(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0

    def unquote(text: bytes) -> bytes:
        nonlocal longest
        longest = max(longest, len(text))
        return text

    monkeypatch.setattr(bodies, "unquote_to_bytes", unquote)
    form(b"a=" + b"%" * 500_000)
    assert 0 < longest <= bodies.LONG


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("abc_-.", min_size=1, max_size=9), st.binary(max_size=60)),
        min_size=1,
        max_size=9,
    )
)
def test_a_multipart_form_carries_files_as_they_are(fields: list[tuple[str, bytes]]) -> None:
    mark = b"----xyz7"
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
        % (mark, name.encode(), value)
        for name, value in fields
    ]
    expected: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        expected.setdefault(name.encode(), []).append(value)
    body = b"".join(parts) + b"--%s--\r\n" % mark
    assert form(body, b"multipart/form-data; boundary=" + mark) == expected
    assert form(body, b'multipart/form-data; boundary="%s"; charset=x' % mark) == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"&".join(b"a=1" for _ in range(bodies.MOST_FIELDS + 1)), FORM),
        (b"&" * 8 * MIB, FORM),
        (b"x", b"multipart/form-data"),
        (b"x", b"multipart/form-data; boundary=yy"),
        (b"--yy\r\nno end", b"multipart/form-data; boundary=yy"),
        (b"--yy\r\n\r\nno name\r\n--yy--", b"multipart/form-data; boundary=yy"),
        (b"--yy\r\nX: " + b"y" * 9000 + b"\r\n\r\n\r\n--yy--", b"multipart/form-data; boundary=yy"),
        (
            b'--yy\r\nA: b; name="n"\r\n\r\n\r\n' * (bodies.MOST_FIELDS + 1) + b"--yy--",
            b"multipart/form-data; boundary=yy",
        ),
    ],
    ids=range(8),
)
def test_what_is_no_form_or_too_much_of_one_is_refused_at_once(body: bytes, kind: bytes) -> None:
    began = time.process_time()
    with pytest.raises(Refused) as refused:
        form(body, kind)
    assert refused.value.status == 400
    assert time.process_time() - began < 1


def test_other_bodies_are_left_alone() -> None:
    assert form(b"a=1", b"application/json") == {}


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
        lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(), one),
    )
)
def test_values_are_counted_without_being_made(value: Any) -> None:
    def count(one: Any) -> int:
        inside = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        return 1 + sum(map(count, inside))

    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert count(value) <= bodies.values_of(text.encode(), 10**9) <= 2 * count(value) + 1
        assert bodies.parse_json(text.encode()) == value


def test_a_long_text_is_one_value_and_many_small_ones_are_refused_before_they_are_made() -> None:
    text = json.dumps({"file": 'a,b[{\\"\n' * 300_000}).encode()
    assert len(bodies.parse_json(text)["file"]) == 2_400_000
    began = time.process_time()
    for body in (b"[" * 8 * MIB, b"[" + b"1," * 4 * MIB, b'{"a":1,' * MIB, b'"a",' * 2 * MIB):
        with pytest.raises(ValueError, match="more than 20,000 values"):
            bodies.parse_json(body)
    assert time.process_time() - began < 2


# -- over HTTP ------------------------------------------------------------------------------------


class Taken(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        assert request.args == {b"q": [b"1"]}  # nobody has read the body
        return b"taken %d" % len(request.content.read())


class Connection:
    """A connection to a site of one resource."""

    def __init__(self) -> None:
        self.web = web = FakeWeb()
        root = Taken()
        self.site = sites.WebSite(root, web.clock, sessions=web.site.logins, policy=web.site.policy)
        self.channel: Any = self.site.buildProtocol(None)  # type: ignore[arg-type]  # not looked at
        self.transport = StringTransport()
        self.channel.makeConnection(self.transport)

    def post(self, path: str, body: bytes, *, kind: bytes = FORM, pieces: bool = False) -> int:
        head = b"POST %s?q=1 HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n" % (path.encode(), kind)
        if pieces:
            self.channel.dataReceived(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 65536):
                piece = body[at : at + 65536]
                self.channel.dataReceived(b"%x\r\n%s\r\n" % (len(piece), piece))
                if self.transport.disconnecting:
                    break
            else:
                self.channel.dataReceived(b"0\r\n\r\n")
        else:
            self.channel.dataReceived(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return int(self.transport.value().split()[1])


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/", 65 * 1024, 413),
        ("/settings", 65 * 1024, 413),
        ("/builders/x/builds/1", 8 * MIB, 413),
        ("/settings", 60 * 1024, 200),
        ("/api/v2/builds/1", 8 * MIB, 200),
        ("/api/v2/builds/1", 17 * MIB, 413),
        ("/force/f", 12 * MIB, 200),
        ("/change_hook/base", 20 * MIB, 200),
        ("/change_hook/base", 27 * MIB, 413),
    ],
)
def test_a_body_may_be_as_long_as_its_path_takes(
    path: str, size: int, status: int, pieces: bool
) -> None:
    assert Connection().post(path, b"&" * size, pieces=pieces) == status


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    connection = Connection()
    head = b"POST /force/f HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    connection.channel.dataReceived(head)
    for _ in range(20):  # it drips in: never idle, and never done
        connection.channel.dataReceived(b"x")
        connection.web.clock.advance(BODY_S / 20)
    assert connection.transport.disconnecting


def test_a_long_body_may_take_its_time_while_it_comes() -> None:
    connection = Connection()
    head = b"POST /force/f?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    connection.channel.dataReceived(head)
    for _ in range(100):
        connection.channel.dataReceived(b"x" * 10_000)
        connection.web.clock.advance(BODY_S - 1)
    assert connection.transport.value().endswith(b"taken 1000000")
    connection.web.clock.advance(HEADERS_S)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: 99999999999999999",
        b"Content-Length: -1",
        "Content-Length: \u0662".encode(),
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: evil",
        b": x",
        b"no colon",
        b"X\0: y",
    ],
)
def test_a_malformed_head_costs_a_line_of_the_log(head: bytes) -> None:
    connection = Connection()
    lines: list[Any] = []
    connection.site.noise.warn = lambda line, **fields: lines.append(fields)  # type: ignore[method-assign]
    connection.channel.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
    assert connection.transport.value().startswith(b"HTTP/1.1 400 ")
    assert connection.transport.disconnecting
    connection.channel.dataReceived(b"more of it")
    assert len(lines) == 1
    assert connection.transport.value().count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("query", "args"),
    [
        ("", {}),
        ("q=1&q=2&r", {b"q": [b"1", b"2"], b"r": [b""]}),
        ("q=%C3%A9+%D9%A3&%C2%B2=", {b"q": ["é \u0663".encode()], "²".encode(): [b""]}),
        ("q=%ff%00%zz&a;b=c%3D", {b"q": [b"\xff\0%zz"], b"a;b": [b"c="]}),
    ],
)
def test_a_query_says_what_was_typed_in(query: str, args: dict[bytes, list[bytes]]) -> None:
    seen: list[Any] = []

    class Looks(Resource):
        isLeaf = True

        def render(self, request: Any) -> bytes:
            seen.append(request.args)
            return b"long answer"

    connection = Connection()
    connection.site.resource = Looks()
    head = f"HEAD /?{query} HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.channel.dataReceived(head.encode())
    assert seen == [args]
    answer = connection.transport.value()
    assert b"ength: 11\r\n" in answer and not answer.endswith(b"answer")


def test_too_many_arguments_of_a_query_are_refused() -> None:
    connection = Connection()
    query = b"&".join(b"a" for _ in range(3000))
    connection.channel.dataReceived(b"GET /?" + query + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.transport.value().startswith(b"HTTP/1.1 400 ")
