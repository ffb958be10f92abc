"""A worker's connection: attaching, commands, files, and its end."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.spread import pb

from ci_common.aio import to_deferred
from ci_master.wire.session import PBSession
from ci_master.workers.transfer import FileWriter
from tests.unit.wire.pb_pair import Connection, Port
from tests.unit.workers.fakes import Bench


class FakeBuilder(pb.Referenceable):
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def remote_startBuild(self) -> None:
        self.calls.append("startBuild")

    def remote_startCommand(self, command: Any, command_id: str, name: str, args: Any) -> None:
        if name == "nope":
            raise pb.Error("unrecognized WorkerCommand 'nope'")
        self.calls.append((command_id, name))
        self.command, self.args = command, args

    def remote_interruptCommand(self, command_id: str, why: str) -> None:
        self.calls.append(("interrupt", command_id, why))


class FakeBot(pb.Referenceable):
    def __init__(self) -> None:
        self.builders: dict[str, FakeBuilder] = {}
        self.said: list[str] = []

    def remote_print(self, message: str) -> Any:
        self.said.append(message)
        return None

    def remote_getWorkerInfo(self) -> dict[str, Any]:
        return {
            "version": "4.3.0",
            "basedir": "/w",
            "system": "posix",
            "worker_commands": {"shell": "3.3"},
        }

    def remote_setBuilderList(self, wanted: list[tuple[str, str]]) -> dict[str, FakeBuilder]:
        for name, _ in wanted:
            self.builders.setdefault(name, FakeBuilder())
        return {name: self.builders[name] for name, _ in wanted}

    def remote_shutdown(self) -> None:
        self.said.append("shutdown")


class OldBot(FakeBot):
    """Of the time when workers had another name."""

    remote_getWorkerInfo = None  # type: ignore[assignment]  # it has no such method

    def remote_getSlaveInfo(self) -> dict[str, Any]:
        return {"version": "0.8", "slave_commands": {"shell": "2.0"}, "basedir": "/old"}


class DeafBot(FakeBot):
    def remote_print(self, message: str) -> Any:
        self.said.append(message)
        return Deferred() if message != "attached" else None


class Sink:
    def __init__(self) -> None:
        self.got: list[Any] = []
        self.ends: list[Any] = []
        self.wait: Deferred[None] | None = None

    def updates(self, updates: list[Any]) -> Deferred[None] | None:
        self.got += updates
        return self.wait

    def complete(self, failure: Any) -> None:
        self.ends.append(failure)


class Desk:
    """A port with one worker's slot."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.port = Port()
        self.port.ports.register_worker(9989, "pw", self.bench.slot)

    def attach(self, bot: FakeBot) -> tuple[Connection, list[Any]]:
        connection = self.port.connect()
        return connection, connection.log_in("w1", "pw", bot)

    @property
    def session(self) -> PBSession:
        session = self.bench.slot.session
        assert isinstance(session, PBSession)
        return session


def outcome(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


def test_a_worker_attaches_before_its_login_is_answered() -> None:
    desk, bot = Desk(), FakeBot()
    connection, [perspective] = desk.attach(bot)
    assert bot.said == ["attached"] and list(bot.builders) == ["b"]
    session = desk.session
    assert (session.basedir, session.system) == ("/w", "posix")
    assert session.commands == {"shell": "3.3"} and "worker_commands" not in session.info
    alive = outcome(perspective.callRemote("keepalive"))
    connection.carry()
    assert alive == [None]


def test_an_old_worker_is_understood_too() -> None:
    desk = Desk()
    desk.attach(OldBot())
    assert desk.session.commands == {"shell": "2.0"} and desk.session.basedir == "/old"


def test_a_second_worker_of_the_name_is_refused_while_the_first_one_lives() -> None:
    desk = Desk()
    first, _ = desk.attach(FakeBot())
    second, results = desk.attach(FakeBot())
    first.carry()
    second.carry()
    assert results[0].type in ("builtins.RuntimeError", b"builtins.RuntimeError")
    assert results[0].value == "rejecting duplicate worker"
    assert not first.server_end.lost


def test_a_second_worker_takes_the_place_of_one_that_does_not_answer() -> None:
    desk = Desk()
    first, _ = desk.attach(DeafBot())
    old = desk.session
    second, results = desk.attach(FakeBot())
    first.carry()
    assert results == []
    desk.port.clock.advance(10)
    second.carry()
    assert first.server_end.lost and desk.session is not old
    first.carry()
    assert len(results) == 1 and desk.bench.slot.open


def test_a_command_reports_and_ends() -> None:
    desk, bot, sink = Desk(), FakeBot(), Sink()
    connection, _ = desk.attach(bot)
    accepted = outcome(desk.session.start_command("b", "7", "shell", {"workdir": "x"}, sink))
    connection.carry()
    worker = bot.builders["b"]
    assert accepted == [None] and worker.calls == [("7", "shell")]
    acknowledged = outcome(
        worker.command.callRemote("update", [[{"stdout": "a\n"}, 0], [{"rc": 0}, 3]])
    )
    worker.command.callRemote("complete", None)
    connection.carry()
    assert acknowledged == [3] and sink.got == [{"stdout": "a\n"}, {"rc": 0}]
    assert sink.ends == [None]
    connection.lose()
    assert sink.ends == [None]


def test_updates_are_acknowledged_when_there_is_room_again() -> None:
    desk, bot, sink = Desk(), FakeBot(), Sink()
    connection, _ = desk.attach(bot)
    desk.session.start_command("b", "7", "shell", {}, sink)
    connection.carry()
    sink.wait = Deferred()
    acknowledged = outcome(bot.builders["b"].command.callRemote("update", [[{"stdout": "a"}, 0]]))
    connection.carry()
    assert acknowledged == []
    sink.wait.callback(None)
    connection.carry()
    assert acknowledged == [0]


def test_an_unknown_command_is_refused_and_forgotten() -> None:
    desk, bot, sink = Desk(), FakeBot(), Sink()
    connection, _ = desk.attach(bot)
    refused = outcome(desk.session.start_command("b", "7", "nope", {}, sink))
    connection.carry()
    assert "unrecognized WorkerCommand" in refused[0].getErrorMessage()
    connection.lose()
    assert sink.ends == []


def test_all_commands_hear_of_a_lost_connection_and_the_slot_before_them() -> None:
    desk, bot = Desk(), FakeBot()
    connection, _ = desk.attach(bot)
    order: list[str] = []

    class Watching(Sink):
        def complete(self, failure: Any) -> None:
            super().complete(failure)
            order.append("connected" if desk.bench.slot.connected else "gone")
            raise ValueError("a failing listener")

    sinks = [Watching(), Watching()]
    for number, sink in enumerate(sinks):
        desk.session.start_command("b", str(number), "shell", {}, sink)
    connection.carry()
    session = desk.session
    connection.lose()
    assert [sink.ends[0].check(ConnectionLost) for sink in sinks] == [ConnectionLost] * 2
    assert order == ["gone", "gone"] and session.lost
    [late] = outcome(session.start_command("b", "9", "shell", {}, Sink()))
    assert late.check(ConnectionLost)


def test_a_command_is_interrupted_by_its_id() -> None:
    desk, bot = Desk(), FakeBot()
    connection, _ = desk.attach(bot)
    desk.session.interrupt_command("b", "7", "enough")
    connection.carry()
    assert bot.builders["b"].calls == [("interrupt", "7", "enough")]


def test_a_file_comes_in_through_its_command(tmp_path: Path) -> None:
    desk, bot, sink = Desk(), FakeBot(), Sink()
    connection, _ = desk.attach(bot)
    now: Any = maybeDeferred
    file = FileWriter(str(tmp_path / "f"), in_thread=now)
    args = {"writer": file, "workersrc": "x"}
    desk.session.start_command("b", "7", "uploadFile", args, sink)
    connection.carry()
    writer = bot.builders["b"].args["writer"]
    for call in (("write", b"abc"), ("close",), ("utime", (1.0, 2.0))):
        writer.callRemote(*call)
        connection.carry()
    bot.builders["b"].command.callRemote("complete", None)
    connection.carry()
    assert sink.ends == [None] and outcome(file.finish(True)) == [""]
    assert (tmp_path / "f").read_bytes() == b"abc" and (tmp_path / "f").stat().st_mtime == 2.0
    late = outcome(writer.callRemote("write", b"more"))
    connection.carry()
    assert "a command that is over" in late[0].getErrorMessage()
    assert (tmp_path / "f").read_bytes() == b"abc"


def test_a_file_of_a_lost_worker_leaves_nothing(tmp_path: Path) -> None:
    desk, bot = Desk(), FakeBot()
    connection, _ = desk.attach(bot)
    now: Any = maybeDeferred
    args = {"writer": FileWriter(str(tmp_path / "f"), in_thread=now)}
    desk.session.start_command("b", "7", "uploadFile", args, Sink())
    connection.carry()
    bot.builders["b"].args["writer"].callRemote("write", b"abc")
    connection.carry()
    assert len(list(tmp_path.iterdir())) == 1
    connection.lose()
    assert list(tmp_path.iterdir()) == []


def test_a_ping_without_answer_ends_the_connection() -> None:
    desk = Desk()
    connection, _ = desk.attach(DeafBot())
    pinged = outcome(to_deferred(desk.session.ping()))
    connection.carry()
    desk.port.clock.advance(60)
    assert connection.server_end.lost and pinged[0].check(ConnectionLost)


@pytest.mark.parametrize("builder", ["b", "other"])
def test_only_known_builders_start_builds(builder: str) -> None:
    desk, bot = Desk(), FakeBot()
    connection, _ = desk.attach(bot)
    started = outcome(desk.session.start_build(builder))
    connection.carry()
    if builder == "b":
        assert started == [None] and bot.builders["b"].calls == ["startBuild"]
    else:
        assert started[0].check(LookupError)


def test_a_worker_that_wants_to_go_is_sent_home_when_idle() -> None:
    desk, bot = Desk(), FakeBot()
    connection, [perspective] = desk.attach(bot)
    perspective.callRemote("shutdown")
    connection.carry()
    assert bot.said[-1] == "shutdown" and desk.bench.slot.graceful


def test_what_cannot_be_written_interrupts_the_command_and_is_no_answer(tmp_path: Path) -> None:
    """A stock worker that gets an error as answer to a write never ends its command."""
    desk, bot = Desk(), FakeBot()
    connection, _ = desk.attach(bot)
    (tmp_path / "file").write_bytes(b"")
    now: Any = maybeDeferred
    file = FileWriter(str(tmp_path / "file" / "below"), in_thread=now)
    desk.session.start_command("b", "7", "uploadFile", {"writer": file}, Sink())
    connection.carry()
    worker = bot.builders["b"]
    for _ in range(3):
        answer = outcome(worker.args["writer"].callRemote("write", b"abc"))
        connection.carry()
        assert answer == [None]
    assert worker.calls[1:] == [("interrupt", "7", "what it sends cannot be taken")]
    assert "Not a directory" in file.problem
