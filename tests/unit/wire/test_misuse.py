"""Calls that make no sense, before a login and after it, and messages that are too much."""

import decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.spread import banana, pb

from ci_master.wire import broker
from ci_master.wire.checks import UpdateCheck
from ci_master.workers.session import RemoteException
from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter
from tests.unit.wire.pb_pair import Connection, Port
from tests.unit.wire.test_session import Desk, FakeBot, Sink, outcome

now: Any = maybeDeferred  # does at once what is done in threads otherwise


class Log:
    """What was logged: lines, and how many tracebacks."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tracebacks: list[Any] = []

    def __call__(self, event: Any) -> None:
        if "log_failure" in event or event.get("isError"):
            self.tracebacks.append(event)
        elif event.get("line"):
            self.lines.append(event["line"])


@pytest.fixture
def log() -> Any:
    made = Log()
    globalLogPublisher.addObserver(made)
    yield made
    globalLogPublisher.removeObserver(made)


def stranger() -> tuple[Port, Connection]:
    port = Port()
    port.ports.register("9989", "ana", "pw", lambda mind, name: pb.Avatar())
    return port, port.connect()


def sent(connection: Connection, *message: Any) -> None:
    """Send a raw message; an answer to it is taken by nobody."""
    waiting: Deferred[Any] = Deferred()
    connection.client.waitingForAnswers[1] = waiting.addErrback(lambda failure: None)
    connection.client.sendCall(*message)
    connection.carry()


def call(objectid: Any, method: bytes, args: Any, kw: Any = None) -> tuple[Any, ...]:
    return (b"message", 1, objectid, method, 1, args, kw or [b"dictionary"])


EMPTY = [b"tuple"]


@pytest.mark.parametrize(
    "message",
    [
        call(b"root", b"nothing", EMPTY),
        call(b"root", b"__class__", EMPTY),
        call(b"root", b"login", EMPTY),
        call(b"root", b"login", [b"tuple", b"a", b"b", b"c"]),
        call(b"root", b"login", [b"tuple", 5]),
        call(b"root", b"login", [b"tuple", [b"None"]]),
        call(b"root", b"login", EMPTY, [b"dictionary", [b"user", b"x"]]),
        call(b"root", b"login", EMPTY, [b"dictionary", [5, b"x"]]),
        call(b"root", b"login", b"no list"),
        call(b"root", b"login", [b"unknown-type", 1]),
        call(b"root", b"login", [b"module", b"os"]),
        call(b"root", b"login", [b"class", b"os.system"]),
        call(b"root", b"login", [b"dereference", 1]),
        call(b"root", b"loginAnonymous", EMPTY),
        call(99, b"login", [b"tuple", b"x"]),
        call([b"list"], b"login", [b"tuple", b"x"]),
        call(b"root", 5, [b"tuple", b"x"]),
        call(b"root", b"\xff\xfe", [b"tuple", b"x"]),
        (b"didNotUnderstand", b"x"),
    ],
)
def test_a_call_that_makes_no_sense_costs_one_line(message: Any, log: Log) -> None:
    _, connection = stranger()
    sent(connection, *message)
    assert log.tracebacks == [] and len(log.lines) == 1, log.lines


@pytest.mark.parametrize(
    "message",
    [
        (b"answer", 7, 1), (b"error", 7, 1), (b"decref", 99), (b"decref", b"root"),
        (b"cachemessage", 1, 1, b"x", 1, EMPTY, EMPTY), (b"uncache", 1), (b"decache", 1),
        (b"version", 99), (b"message",), (b"message", 1), (b"decref", [b"list"]),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_closes_the_connection_with_a_line_at_most(
    message: Any, log: Log
) -> None:
    _, connection = stranger()
    sent(connection, *message)
    assert log.tracebacks == [] and len(log.lines) <= 1, log.lines


def test_a_stranger_who_goes_on_is_closed(log: Log) -> None:
    port, connection = stranger()
    for _ in range(10):
        if not connection.gone:
            sent(connection, *call(b"root", b"nothing", EMPTY))
    assert connection.gone and len(log.lines) == broker.EARLY_MISUSES
    for _ in range(30):
        sent(port.connect(), *call(b"root", b"nothing", EMPTY))
    assert len(log.lines) == 10 and log.tracebacks == []  # of a minute
    port.clock.advance(60)
    assert "more lines of this kind" in log.lines[-1]


def nested(depth: int) -> Any:
    value: Any = [b"list"]
    for _ in range(depth):
        value = [b"list", value]
    return value


def test_deep_nesting_is_no_danger(log: Log) -> None:
    _, connection = stranger()
    connection.server.dataReceived(
        banana_of(b"pb") + b"".join(b"\x02\x80\x08\x87" for _ in range(3000))
    )
    assert connection.server_end.lost and len(log.lines) == 1 and log.tracebacks == []


def banana_of(value: Any) -> bytes:
    encoder: Any = banana.Banana()
    encoder.transport = StringTransport()
    encoder.setPrefixLimit(64)
    encoder.currentDialect = b"none"
    encoder.sendEncoded(value)
    return bytes(encoder.transport.value())


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.recursive(
    st.one_of(
        st.binary(max_size=8), st.integers(-(2**40), 2**40), st.floats(),
        st.sampled_from([b"message", b"root", b"login", b"list", b"tuple", b"dictionary", b"copy",
                         b"remote", b"local", b"reference", b"dereference", b"unicode", b"decimal",
                         b"set", b"persistent", b"twisted.spread.pb.CopyableFailure"]),
    ),
    lambda inner: st.lists(inner, max_size=6), max_leaves=20,
))  # fmt: skip
def test_no_message_makes_a_traceback(log: Log, data: Any) -> None:
    before = len(log.lines)
    port, connection = stranger()
    for message in (data, [b"message", 1, b"root", b"login", 1, data, [b"dictionary"]]):
        if not connection.gone:
            connection.server.dataReceived(banana_of(message))
            connection.carry()
    assert log.tracebacks == [] and len(log.lines) - before <= 2
    port.reactor.advance(31)


def test_too_many_that_do_not_log_in_push_each_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "MOST_STRANGERS", 3)
    port, first = stranger()
    known = port.connect()
    [answer] = known.log_in("ana", "pw")
    others = [port.connect() for _ in range(3)]
    first.carry()
    assert first.gone and not known.server_end.lost
    assert [other.server_end.lost for other in others] == [False] * 3
    assert isinstance(answer, pb.RemoteReference)
    others[0].lose()
    assert not port.connect().server_end.lost and not others[1].server_end.lost


# -- after the login: a worker that means no good


class Hostile:
    """A worker that has logged in, and one command that it runs."""

    def __init__(self) -> None:
        self.desk, self.bot, self.sink = Desk(), FakeBot(), Sink()
        self.connection, _ = self.desk.attach(self.bot)

    def start(self, **args: Any) -> Any:
        self.desk.session.start_command("b", "7", "shell", args, self.sink)
        self.connection.carry()
        return self.bot.builders["b"].command

    def call(self, target: Any, method: str, *args: Any) -> list[Any]:
        answer = outcome(target.callRemote(method, *args))
        self.connection.carry()
        return answer


@pytest.mark.parametrize(
    "updates",
    [
        None, 5, "text", {"a": 1}, [5], [[1, 2, 3]], [[{"stdout": "x"}, "0"]], [[["stdout"], 0]],
        [[{"stdout": 5}, 0]], [[{"stderr": None}, 0]], [[{"header": ["x"]}, 0]],
        [[{"log": "x"}, 0]], [[{"log": ("a",)}, 0]], [[{"log": ("a", 5)}, 0]],
        [[{"log": (5, "a")}, 0]], [[{"rc": "0"}, 0]], [[{"rc": 2**300}, 0]], [[{"rc": [0]}, 0]],
        [[{"rc": 0.5}, 0]], [[{"failure_reason": 5}, 0]], [[{5: "x"}, 0]],
    ],
)  # fmt: skip
def test_updates_that_make_no_sense_end_the_command(updates: Any, log: Log) -> None:
    worker = Hostile()
    command = worker.start()
    [answer] = worker.call(command, "update", updates)
    assert answer.check("ci_master.wire.calls.Misuse")
    [end] = worker.sink.ends
    assert end.check(RemoteException) and "broke the protocol" in end.getErrorMessage()
    assert worker.bot.builders["b"].calls[-1][:2] == ("interrupt", "7")
    assert worker.call(command, "update", [[{"stdout": "more"}, 3]]) == [0]
    assert worker.call(command, "complete", None) == [None]
    assert worker.sink.got == [] and len(worker.sink.ends) == 1
    assert log.tracebacks == [] and len(log.lines) <= 2


def test_an_error_of_whoever_takes_the_updates_ends_the_command() -> None:
    worker = Hostile()
    command = worker.start()

    def fails(updates: Any) -> None:
        raise ZeroDivisionError("in the step")

    worker.sink.updates = fails  # type: ignore[method-assign, assignment]
    assert worker.call(command, "update", [[{"stdout": "x"}, 1]]) == [0]
    assert worker.sink.ends[0].check(ZeroDivisionError)
    assert worker.bot.builders["b"].calls[-1][:2] == ("interrupt", "7")


def test_a_command_is_complete_once() -> None:
    worker = Hostile()
    command = worker.start()
    for _ in range(3):
        assert worker.call(command, "complete", None) == [None]
    assert worker.sink.ends == [None]


@pytest.mark.parametrize(
    "failure", ["text", 5, ["x"], {"a": 1}, "x" * 600_000, pb.CopyableFailure(ValueError("why"))]
)
def test_whatever_a_failure_is_it_becomes_an_exception_of_ours(failure: Any, log: Log) -> None:
    worker = Hostile()
    command = worker.start()
    assert worker.call(command, "complete", failure) == [None]
    [end] = worker.sink.ends
    assert end.check(RemoteException) and len(end.getErrorMessage()) < 30_000
    assert log.tracebacks == []


def test_a_failure_without_the_parts_of_one_is_still_told(log: Log) -> None:
    worker = Hostile()
    worker.start()
    luid = worker.bot.builders["b"].command.luid
    for state in ([b"dictionary"], [b"dictionary", [b"parents", 5], [b"type", [b"list"]]], 5):
        copied = [b"twisted.spread.pb.CopyableFailure", state]
        sent(worker.connection, *call(luid, b"complete", [b"tuple", copied]))
    assert log.tracebacks == [] and len(log.lines) <= 3


def test_updates_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_master.wire.checks.MOST_VALUES", 100)
    worker = Hostile()
    command = worker.start()
    for _ in range(60):
        worker.call(command, "update", [[{"mine": ["a", "b"]}, 0]])
    assert len(worker.sink.got) == 33 and "too many" in worker.sink.ends[0].getErrorMessage()


def test_a_value_that_contains_itself_is_too_much() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Exception, match="too many to be kept"):
        UpdateCheck().take([[{"mine": endless}, 0]])


@pytest.mark.parametrize(
    ("kind", "method", "args"),
    [
        ("file", "write", (5,)), ("file", "write", ()), ("file", "utime", ("x",)),
        ("file", "utime", ((1.0,),)), ("file", "utime", (("a", "b"),)), ("file", "unpack", ()),
        ("file", "utime", ((float("nan"), 1.0),)), ("file", "utime", ((1e300, 1.0),)),
        ("directory", "close", ()), ("directory", "utime", ((1.0, 2.0),)),
        ("file", "abandon", ()), ("file", "finish", (True,)),
        ("reader", "read", (0,)), ("reader", "read", (-1,)), ("reader", "read", ("x",)),
        ("reader", "read", (decimal.Decimal("1e9"),)), ("reader", "seek", (0,)),
    ],
)  # fmt: skip
def test_files_are_used_as_they_are_meant(
    kind: str, method: str, args: Any, log: Log, tmp_path: Path
) -> None:
    worker = Hostile()
    (tmp_path / "source").write_bytes(b"source")
    path = str(tmp_path / "target")
    file: Any = {
        "file": lambda: FileWriter(path, in_thread=now),
        "directory": lambda: DirectoryWriter(path, in_thread=now),
        "reader": lambda: FileReader((tmp_path / "source").open("rb"), in_thread=now),
    }[kind]()
    worker.start(file=file)
    [answer] = worker.call(worker.bot.builders["b"].args["file"], method, *args)
    assert answer.check(pb.Error, "ci_master.wire.calls.Misuse", "twisted.spread.pb.Error") or (
        "No such method" in answer.getErrorMessage()
    )
    assert log.tracebacks == [] and len(log.lines) <= 1
    worker.connection.lose()
    assert [one.name for one in tmp_path.iterdir()] == ["source"]


def test_too_many_calls_at_once_are_not_read_further() -> None:
    worker = Hostile()
    command = worker.start()
    worker.sink.wait = Deferred()
    for _ in range(broker.MOST_UNANSWERED):
        worker.call(command, "update", [[{"stdout": "x"}, 0]])
    end = worker.connection.server_end
    assert end.producerState == "paused"
    worker.desk.port.clock.advance(600)
    assert worker.desk.session.heard_at == worker.desk.port.clock.seconds()  # it is us
    worker.sink.wait.callback(None)
    assert end.producerState == "producing"


@pytest.mark.parametrize(
    "info",
    [
        None, 5, ["x"], {"basedir": ["x"]}, {"worker_commands": "shell"},
        {"environ": {"a": b"\xff"}}, {"version": 2**400}, {"a": float("nan")}, {("t",): 1},
        {"x": "y" * 600_000},
        {"system": None}, {"worker_commands": {"shell": ["3"]}},
    ],
)  # fmt: skip
def test_what_a_worker_tells_of_itself_is_taken_or_refused(info: Any, log: Log) -> None:
    class Lying(FakeBot):
        def remote_getWorkerInfo(self) -> Any:
            return info

    desk = Desk()
    _, [answer] = desk.attach(Lying())
    assert log.tracebacks == [] and len(log.lines) <= 2
    if isinstance(answer, pb.RemoteReference):
        session = desk.session
        assert isinstance(session.basedir, str) and isinstance(session.system, str)
        assert all(isinstance(version, str) for version in session.commands.values())


@pytest.mark.parametrize("builders", [5, ["b"], {"b": 5}, {5: None}])
def test_builders_that_are_none_are_refused(builders: Any, log: Log) -> None:
    class Lying(FakeBot):
        def remote_setBuilderList(self, wanted: Any) -> Any:
            return builders

    desk = Desk()
    _, [answer] = desk.attach(Lying())
    assert answer.check(pb.PBConnectionLost)
    [line] = log.lines
    assert "its builder" in line and not desk.bench.slot.open and log.tracebacks == []


def test_an_answer_that_cannot_be_read_is_an_error_of_that_call(log: Log) -> None:
    worker = Hostile()
    started = outcome(worker.desk.session.start_build("b"))
    request = max(worker.connection.server.waitingForAnswers)
    worker.connection.client_end.clear()
    sent(worker.connection, b"answer", request, [b"module", b"os"])
    assert len(started) == 1 and started[0].check(pb.Error)
    assert log.tracebacks == []
