"""Who may come in on a PB port, and what happens to everybody else."""

from typing import Any

import pytest
from twisted.logger import globalLogPublisher
from twisted.spread import pb

from ci_master.wire.broker import EARLY_BYTES
from ci_master.wire.ports import strport
from tests.unit.wire.pb_pair import Port


class Avatar(pb.Avatar):
    def __init__(self) -> None:
        self.detached_from: list[Any] = []

    def perspective_hello(self, name: str) -> str:
        return f"hello {name}"

    def detached(self, mind: Any) -> None:
        self.detached_from.append(mind)


@pytest.fixture
def logged() -> Any:
    events: list[Any] = []
    observer: Any = events.append
    globalLogPublisher.addObserver(observer)
    yield lambda: [event.get("line") for event in events if event.get("line")]
    globalLogPublisher.removeObserver(observer)


def port_with(password: Any = "pw") -> tuple[Port, Avatar]:
    port, avatar = Port(), Avatar()
    port.ports.register("9989", "ana", password, lambda mind, name: avatar)
    return port, avatar


@pytest.mark.parametrize("password", ["pw", ["pw"]])
def test_the_right_password_opens_the_door(password: Any) -> None:
    port, avatar = port_with(password)
    connection = port.connect()
    [perspective] = connection.log_in("ana", "pw")
    results: list[Any] = []
    perspective.callRemote("hello", "you").addBoth(results.append)
    connection.carry()
    assert results == ["hello you"]
    connection.lose()
    assert avatar.detached_from == [None]


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [("ana", "wrong", "wrong password"), ("bob", "pw", "unknown user")],
)
def test_others_are_refused_with_one_line(name: str, password: str, why: str, logged: Any) -> None:
    port, _ = port_with()
    [failure] = port.connect().log_in(name, password)
    assert failure.type in (
        "twisted.cred.error.UnauthorizedLogin",
        b"twisted.cred.error.UnauthorizedLogin",
    )
    [line] = logged()
    assert f"refused the login of '{name}'" in line and why in line


def test_a_flood_of_refusals_leaves_few_lines(logged: Any) -> None:
    port, _ = port_with()
    for _ in range(50):
        port.connect().log_in("ana", "guess")
    assert len(logged()) == 10


def test_a_response_counts_once() -> None:
    port, _ = port_with()
    connection = port.connect()
    results: list[Any] = []
    root = connection.client.remoteForName("root")
    root.callRemote("login", b"ana").addCallback(results.append)
    connection.carry()
    [(challenge, challenger)] = results
    answers: list[Any] = []
    for given in (b"wrong", pb.respond(challenge, b"pw")):
        challenger.callRemote("respond", given, None).addBoth(answers.append)
        connection.carry()
    assert [answer.value for answer in answers] != [] and len(answers) == 2
    assert not connection.server.logged_in


def test_nobody_comes_in_without_a_name() -> None:
    port, _ = port_with()
    connection = port.connect()
    results: list[Any] = []
    root = connection.client.remoteForName("root")
    root.callRemote("loginAnonymous", None).addErrback(results.append)
    connection.carry()
    assert len(results) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00" * 200,
        b"\x01\x80\x01\x80\x01\x80",
        bytes(range(256)),
    ],
)
def test_garbage_closes_the_connection_with_at_most_one_line(garbage: bytes, logged: Any) -> None:
    port, _ = port_with()
    connection = port.connect()
    connection.server.dataReceived(garbage)
    connection.carry()
    port.clock.advance(31)
    assert connection.server_end.lost and len(logged()) == 1


def test_a_stranger_may_say_only_so_much() -> None:
    port, _ = port_with()
    connection = port.connect()
    connection.server.dataReceived(b"\x10\x04\x82" + b"x" * EARLY_BYTES)
    assert connection.server_end.lost and connection.server.buffer == b""


def test_who_does_not_log_in_is_disconnected_in_time(logged: Any) -> None:
    port, _ = port_with()
    connection = port.connect()
    port.clock.advance(29)
    assert not connection.server_end.lost
    port.clock.advance(2)
    assert connection.server_end.lost
    assert "did not log in within 30 seconds" in logged()[0]


def test_who_has_logged_in_may_stay() -> None:
    port, _ = port_with()
    connection = port.connect()
    connection.log_in("ana", "pw")
    port.clock.advance(100)
    assert not connection.server_end.lost


def test_a_port_is_opened_for_the_first_user_and_closed_after_the_last() -> None:
    port = Port()
    first = port.ports.register(9989, "ana", "pw", lambda mind, name: Avatar())
    second = port.ports.register("tcp:9989", "bob", "pw", lambda mind, name: Avatar())
    [(number, _, backlog, interface)] = port.reactor.tcpServers
    assert (number, backlog, interface) == (9989, 4096, "")
    connection = port.connect()
    first.unregister()
    assert not connection.server_end.lost
    second.unregister()
    assert connection.server_end.lost


def test_a_user_is_registered_once_per_port() -> None:
    port, _ = port_with()
    with pytest.raises(KeyError, match="'ana' is already registered"):
        port.ports.register(9989, "ana", "other", lambda mind, name: Avatar())
    port.ports.register(9990, "ana", "other", lambda mind, name: Avatar())


def test_a_changed_password_counts_from_the_next_login_on() -> None:
    port = Port()
    registration = port.ports.register(9989, "ana", "old", lambda mind, name: Avatar())
    registration.change_password("new")
    assert hasattr(port.connect().log_in("ana", "new")[0], "callRemote")
    assert not hasattr(port.connect().log_in("ana", "old")[0], "callRemote")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (9989, "tcp:9989"),
        ("9989", "tcp:9989"),
        ("tcp:9989:interface=127.0.0.1", "tcp:9989:interface=127.0.0.1"),
        ("unix:/run/ci.sock", "unix:/run/ci.sock"),
    ],
)
def test_ports_are_written_in_many_ways(given: int | str, wanted: str) -> None:
    assert strport(given) == wanted
