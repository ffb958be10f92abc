"""One run of a program, with a transport that a test plays."""

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ci_common.processes import child
from ci_common.processes.child import REST_S, SURVIVAL_S
from ci_worker.commands.argv import command_line
from ci_worker.commands.limits import Limits
from ci_worker.commands.program import Program, ProgramSpec, UnkillableProcess
from tests.unit.worker.tellers import RecordingTeller, place


class Transport:
    """What the reactor gives a program."""

    pid = 77

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args))


class Tree:
    """The processes of a program: what is done to them."""

    root_has_ended = False

    def __init__(self) -> None:
        self.done: list[Any] = []

    def snapshot(self) -> None:
        pass

    def signal(self, number: int) -> None:
        self.done.append(number)

    def kill(self) -> None:
        self.done.append("kill")

    def close(self) -> None:
        self.done.append("close")


class Running:
    """A program that is started, and the handles to play its process."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.clock = Clock()
        self.tell = RecordingTeller()
        self.transport = Transport()
        self.error = options.pop("error", None)
        self.tree = Tree()
        monkeypatch.setattr(child, "spawn_in_session", self.spawn)
        options = {"env": {"A": "b"}, "workdir": str(tmp_path), **options}
        spec = ProgramSpec(command_line(["p", "a b"]), **options)
        self.program = Program(place(tmp_path, self.clock), spec, self.tell)
        self.result: Deferred[int] = ensureDeferred(self.program.run())

    def spawn(self, reactor: Any, protocol: Program, argv: Any, **_: Any) -> Tree:
        if self.error is not None:
            raise self.error
        protocol.makeConnection(self.transport)
        return self.tree

    def exit(self, code: int | None = 0, signal: int | None = None) -> None:
        """The program ends, and something holds its output open."""
        self.reason = ProcessTerminated(code, signal) if code or signal else ProcessDone(0)
        self.program.processExited(Failure(self.reason))

    def end(self, code: int | None = 0, signal: int | None = None) -> None:
        self.exit(code, signal)
        self.program.processEnded(Failure(self.reason))

    def keys(self) -> list[str]:
        return [key for key, _ in self.tell.told]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda **options: Running(tmp_path, monkeypatch, **options)


def test_the_log_begins_with_what_is_run_and_where(start: Any, tmp_path: Path) -> None:
    running = start(limits=Limits(33, 66), initial_stdin=b"hi", logfiles={"a": "a.log"})
    assert running.tell.told[0][1] == (
        f"p 'a b'\n in dir {tmp_path} (timeout 33 secs) (maxTime 66 secs)\n"
        " watching logfiles {'a': 'a.log'}\n argv: ['p', 'a b']\n environment:\n  A=b\n"
        " writing 2 bytes to stdin\n using PTY: False\n"
    )
    assert ("write", b"hi") in running.transport.calls


def test_all_output_comes_before_the_exit_status_even_a_line_without_end(start: Any) -> None:
    running = start(log_environ=False)
    running.program.childDataReceived(1, b"out\npart")
    running.program.childDataReceived(2, b"err\n")
    running.clock.advance(2)
    running.end(3)
    assert running.tell.told[1:] == [
        ("stdout", "out\n"),
        ("stderr", "err\n"),
        ("stdout", "part\n"),
        ("rc", 3),
        ("header", "elapsedTime=2.000000\n"),
    ]
    assert running.tell.last == []
    assert running.result.result == 3  # type: ignore[attr-defined]
    assert running.clock.getDelayedCalls() == []


def test_a_signal_is_told_and_is_exit_status_minus_1(start: Any) -> None:
    running = start()
    running.program.childDataReceived(1, b"part")
    running.end(None, 9)
    assert running.keys() == ["header", "stdout", "header", "rc", "header"]
    assert running.tell.values("rc") == [-1]
    assert running.tell.told[2] == ("header", "process killed by signal 9\n")


def test_output_nobody_wants_is_read_and_dropped(start: Any) -> None:
    running = start(want_stdout=False)
    running.program.childDataReceived(1, b"out\n")
    assert running.keys() == ["header"]


def test_a_program_that_cannot_start_has_status_1(start: Any) -> None:
    running = start(error=FileNotFoundError(2, "No such file or directory", "p"))
    assert ("stderr", "cannot execute 'p': No such file or directory\n") in running.tell.told
    assert running.tell.values("rc") == [1]


def test_too_many_lines_stop_it(start: Any) -> None:
    running = start(limits=Limits(max_lines=2))
    running.program.childDataReceived(1, b"1\n2\n3\n")
    assert running.tell.values("failure_reason") == ["max_lines_failure"]
    assert "3/2 written/allowed running ['p', 'a b'], attempting" in running.tell.told[-1][1]
    assert running.tree.done == ["kill"]


@pytest.mark.parametrize("at_once", [True, False])
def test_of_too_many_lines_the_first_is_kept_and_no_other(start: Any, at_once: bool) -> None:
    running = start(limits=Limits(max_lines=2))
    whole = b"1\n2\n3\n4\n" * 100
    for data in [whole] if at_once else [b"1\n", b"2", b"\n3\n4\n", b"5\n"]:
        running.program.childDataReceived(1, data)
    running.program.childDataReceived(2, b"more\n")
    told = [text for key, text in running.tell.told if key in ("stdout", "stderr")]
    assert "".join(told) == "1\n2\n3\n"
    assert "3/2 written/allowed running" in running.tell.told[-1][1]


def test_while_the_master_is_behind_nothing_is_read_and_silence_does_not_count(
    start: Any,
) -> None:
    running = start(limits=Limits(10))
    running.tell.on_full()
    assert running.transport.calls[-1] == ("pauseProducing",)
    running.clock.advance(25)
    assert running.tree.done == []
    running.tell.on_room()
    assert running.transport.calls[-1] == ("resumeProducing",)


def test_a_second_stop_says_nothing_more(start: Any) -> None:
    running = start()
    running.program.stop()
    running.program.stop()
    assert running.keys() == ["header", "header"]
    assert running.tree.done == ["kill"]


@pytest.mark.parametrize("limits", [Limits(4), Limits(total_s=4)])
def test_a_limit_counts_on_while_the_output_of_an_ended_program_is_held_open(
    start: Any, limits: Limits
) -> None:
    running = start(limits=limits)
    running.exit(0)
    running.clock.advance(4)
    assert running.tree.done == ["kill"]
    running.end(0)
    assert running.tree.done == ["kill", "kill", "close"]
    assert running.tell.values("rc") == [-1]
    assert running.clock.getDelayedCalls() == []


def test_the_status_of_a_stopped_program_is_its_own_unless_that_is_success(start: Any) -> None:
    running = start(interrupt_signal="INT")
    running.program.stop()
    running.end(3)
    assert running.tell.values("rc") == [3]


def test_output_that_cannot_be_closed_by_any_signal_is_given_up(start: Any) -> None:
    running = start()
    running.exit(0)
    running.program.stop()
    running.clock.advance(SURVIVAL_S)
    assert "the output is held open" in running.tell.values("header")[2]
    assert running.tell.values("rc") == [-1]
    assert ("loseConnection",) in running.transport.calls
    assert running.result.result == -1
    running.end(0)  # what closing it brings about
    assert running.tell.values("rc") == [-1]


def test_what_was_killed_is_read_to_its_end_whatever_the_master_answers(start: Any) -> None:
    running = start()
    running.tell.on_full()
    running.tell.is_full = True
    running.program.stop()
    assert running.transport.calls[-1] == ("resumeProducing",)
    running.tell.on_full()
    assert running.transport.calls[-1] == ("resumeProducing",)
    running.program.childDataReceived(1, b"much\n")  # there is no room for it, and no need
    assert running.tell.values("stdout") == []


def test_one_that_may_end_by_itself_still_waits_for_the_master(start: Any) -> None:
    running = start(sigterm_time_s=30)
    running.program.stop()
    running.tell.on_full()
    assert running.transport.calls[-1] == ("pauseProducing",)


def test_when_nobody_waits_any_more_its_patience_is_short(start: Any) -> None:
    running = start(sigterm_time_s=300)
    running.program.stop()
    running.program.hurry(10)
    running.clock.advance(10)
    assert running.tree.done == [15, "kill"]


def test_when_a_stopped_program_has_ended_the_rest_follows_soon(start: Any) -> None:
    running = start(sigterm_time_s=300)
    running.program.stop()
    running.exit(None, 15)
    running.clock.advance(REST_S)
    assert running.tree.done == [15, "kill"]


def test_one_that_cannot_be_killed_is_given_up(start: Any) -> None:
    running = start()
    running.program.stop()
    running.clock.advance(SURVIVAL_S)
    texts = running.tell.values("header")
    assert texts[2:4] == ["SIGKILL failed to kill process\n", "using fake rc=-1\n"]
    assert running.tell.values("rc") == [-1]
    assert ("loseConnection",) in running.transport.calls
    failure = running.result.result
    running.result.addErrback(lambda _: None)
    assert failure.check(UnkillableProcess)
