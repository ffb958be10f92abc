"""Remote commands: what they keep of what the worker sends, and how they end."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from ci_master.builds.receiving import OutputTooLong
from ci_master.builds.remotecommand import (
    LoggedRemoteCommand,
    RemoteCommand,
    RemoteShellCommand,
)
from tests.fakes.builds import Ran, StepHarness
from tests.unit.builds.plain_steps import Doing


def running(command: RemoteCommand, *, log: str | None = "stdio") -> Doing:
    async def act(step: Any) -> int:
        if log is not None:
            command.useLog(await step.addLog(log), False, "stdio")
        await step.runCommand(command)
        return command.results()

    return Doing(act)


def start(harness: StepHarness, command: RemoteCommand, **how: Any) -> Ran:
    """Run a command in a step, as far as it gets."""
    return harness.start(running(command, **how))


def test_other_updates_are_kept_by_key() -> None:
    harness = StepHarness()
    harness.expect("glob", path="*").files("a", "b").update("elapsed", 0.5).rc(0)
    command = RemoteCommand("glob", {"path": "*"})
    ran = harness.run(running(command))
    assert ran.result == SUCCESS
    assert command.updates == {"files": [["a", "b"]], "elapsed": [0.5]}
    assert (command.rc, command.stdout, command.remote_failure_reason) == (0, "", None)


def test_keys_and_texts_may_be_bytes() -> None:
    harness = StepHarness()
    command = RemoteCommand("shell", {}, collectStdout=True)

    def act(sent: Any) -> None:
        sent.sink.updates([{b"stdout": b"a\n", b"rc": 0}, {b"log": (b"stdio", b"b\n")}])

    harness.expect("shell").calls(act).rc(0)
    ran = harness.run(running(command))
    assert command.stdout == "a\n"
    assert ran.log("stdio").stdout == "a\nb\n"


def test_output_is_collected_if_wanted() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("a\n").stderr("b\n").stdout("c\n").rc(1)
    command = RemoteCommand("shell", {}, collectStdout=True, collectStderr=True)
    ran = harness.run(running(command))
    assert (command.stdout, command.stderr) == ("a\nc\n", "b\n")
    assert command.didFail()
    assert ran.result == FAILURE


def test_updates_can_be_ignored() -> None:
    harness = StepHarness()
    harness.expect("x").stdout("a\n").rc(5)
    command = RemoteCommand("x", {}, ignore_updates=True, decodeRC={None: SUCCESS})
    assert harness.run(running(command)).result == SUCCESS


def test_an_exit_code_may_come_late() -> None:
    harness = StepHarness()
    harness.expect("shell").hangs()
    command = RemoteCommand("shell", {})
    ran = start(harness, command)
    (sent,) = ran.commands
    sent.sink.complete(None)
    assert not ran.done
    sent.sink.updates([{"rc": 0}])
    assert ran.result == SUCCESS
    assert harness.clock.getDelayedCalls() == []


def test_an_exit_code_that_never_comes_is_waited_for_one_second() -> None:
    harness = StepHarness()
    harness.expect("shell").hangs()
    ran = start(harness, RemoteCommand("shell", {}))
    ran.commands[0].sink.complete(None)
    harness.clock.advance(1)
    assert ran.result == FAILURE


def test_commands_of_other_names_need_no_exit_code() -> None:
    harness = StepHarness()
    harness.expect("custom").hangs()
    ran = start(harness, RemoteCommand("custom", {}, decodeRC={None: SUCCESS}))
    ran.commands[0].sink.complete(None)
    assert ran.result == SUCCESS


def test_a_worker_has_to_wait_while_its_log_is_full() -> None:
    harness = StepHarness()
    harness.expect("shell").hangs()
    ran = start(harness, RemoteCommand("shell", {}))
    (sent,) = ran.commands
    log = ran.log("stdio")
    assert sent.sink.updates([{"stdout": "a\n"}]) is None
    log.has_room = False
    waits = sent.sink.updates([{"stdout": "b\n"}])
    fired: list[Any] = []
    waits.addCallback(fired.append)
    assert fired == []
    log.make_room()
    assert fired == [None]


def test_what_comes_after_the_end_is_ignored() -> None:
    harness = StepHarness()
    harness.expect("shell").rc(0)
    command = RemoteCommand("shell", {})
    ran = harness.run(running(command))
    ran.commands[0].sink.updates([{"stdout": "late\n"}])
    ran.commands[0].sink.complete(Failure(ConnectionLost()))
    assert ran.log("stdio").stdout == ""


def test_a_worker_that_refuses_a_command_fails_it() -> None:
    harness = StepHarness()
    harness.session.accept = lambda: fail(RuntimeError("no such command"))
    harness.expect("shell").hangs()
    ran = start(harness, RemoteCommand("shell", {}))
    assert ran.result == EXCEPTION
    assert "no such command" in ran.log("err.text").text


def test_a_command_that_cannot_be_interrupted_ends_when_it_ends() -> None:
    harness = StepHarness()
    harness.session.interrupt_command = lambda *args: fail(RuntimeError("no"))  # type: ignore[method-assign]  # this worker cannot
    harness.expect("shell").hangs()
    ran = start(harness, RemoteCommand("shell", {}))
    ran.build.stop("now")
    assert not ran.done
    ran.commands[0].sink.updates([{"rc": 0}])
    ran.commands[0].sink.complete(None)
    assert ran.result == CANCELLED


def test_a_worker_lost_after_an_interrupt_ends_the_command() -> None:
    harness = StepHarness()
    harness.session.interrupt_command = lambda *args: Deferred()  # type: ignore[method-assign]  # it never answers
    harness.expect("shell").hangs()
    ran = start(harness, RemoteCommand("shell", {}))
    ran.build.stop("now")
    ran.build.lose_worker()
    assert ran.result == RETRY
    assert ran.build_result == CANCELLED  # a person wanted it no more


def test_text_for_an_unknown_log_is_dropped() -> None:
    harness = StepHarness()
    harness.expect("shell").log("other", "x\n").rc(0)
    assert harness.run(running(RemoteCommand("shell", {}))).result == SUCCESS


def test_a_command_needs_no_log() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("x\n").rc(0)
    assert harness.run(running(RemoteCommand("shell", {}), log=None)).logs == []


def test_command_ids_are_numbers_that_count_up() -> None:
    harness = StepHarness()
    harness.expect("a")
    harness.expect("b")

    async def act(step: Any) -> int:
        await step.runCommand(RemoteCommand("a", {}))
        await step.runCommand(RemoteCommand("b", {}))
        return SUCCESS

    first, second = harness.run(Doing(act)).commands
    assert int(second.command_id) == int(first.command_id) + 1


def test_obfuscated_words_are_shown_as_what_they_stand_for() -> None:
    command = RemoteShellCommand("build", ["login", ("obfuscated", "pw", "XXX")])
    assert command.fake_command == ["login", "XXX"]
    assert command.args["command"] == ["login", ("obfuscated", "pw", "XXX")]
    assert "pw" not in repr(command)


@pytest.mark.parametrize("name", ["timeout", "usePTY", "interruptSignal"])
def test_defaults_of_programs_are_those_of_the_protocol(name: str) -> None:
    expected = {"timeout": 1200, "usePTY": False, "interruptSignal": "KILL"}
    assert RemoteShellCommand("build", "x").args[name] == expected[name]


def test_the_older_name_still_works() -> None:
    assert LoggedRemoteCommand is RemoteCommand


def test_output_that_would_fill_the_memory_fails_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ci_master.builds.receiving.MOST_COLLECTED", 10)
    command = RemoteCommand("shell", {}, collectStdout=True)
    command.addStdout("12345")
    with pytest.raises(OutputTooLong, match="let it write to a file"):
        command.addStdout("678901")
    assert command.stdout == "12345"


def test_a_flood_of_unknown_logs_is_told_once() -> None:
    harness = StepHarness()
    told: list[Any] = []
    expected = harness.expect("shell")
    for number in range(50):
        expected.log(f"log{number}", "text")
    expected.rc(0)
    command = RemoteCommand("shell", {})
    command.logger = SimpleNamespace(warn=lambda text, **fields: told.append(fields["name"]))  # type: ignore[assignment]
    harness.run(running(command))
    assert told == ["log0"]
