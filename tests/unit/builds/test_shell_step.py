"""A step that runs a program, from template to result."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS, WARNINGS
from ci_master.builds.properties import Interpolate, Property, Secret
from tests.fakes.builds import StepHarness
from tests.unit.builds.plain_steps import Shell


def test_a_program_that_ends_with_zero_is_a_success() -> None:
    harness = StepHarness()
    harness.expect("shell", command=["true"], workdir="build").stdout("hi\n").rc(0)
    ran = harness.run(Shell(command=["true"]))
    assert ran.result == SUCCESS
    assert ran.state == "'true'"
    assert ran.log("stdio").stdout == "hi\n"
    assert ran.log("stdio").header == "program finished with exit code 0\n"
    assert ran.log("stdio").finished
    assert ran.build_state == "build successful"


def test_a_program_that_fails_fails_step_and_build() -> None:
    harness = StepHarness(properties={"target": "all"})
    harness.expect("shell", command=["make", "all", "-j"]).stderr("no\n").rc(2)
    ran = harness.run(Shell(command=["make", Property("target"), "-j"]))
    assert ran.result == FAILURE
    assert ran.state == "'make all ...' (failure)"
    assert ran.build_state == "failed 'make all ...' (failure)"
    assert ran.log("stdio").stderr == "no\n"


def test_all_arguments_reach_the_worker() -> None:
    harness = StepHarness()
    harness.expect(
        "shell",
        command="x",
        workdir="there",
        env={},
        want_stdout=True,
        want_stderr=False,
        logfiles={},
        timeout=3,
        maxTime=4,
        max_lines=5,
        sigtermTime=6,
        usePTY=False,
        logEnviron=False,
        initial_stdin="in",
        interruptSignal="INT",
    )
    step = Shell(
        command="x",
        workdir="there",
        want_stderr=False,
        timeout=3,
        maxTime=4,
        max_lines=5,
        sigtermTime=6,
        logEnviron=False,
        initialStdin="in",
        interruptSignal="INT",
    )
    assert harness.run(step).result == SUCCESS


def test_nested_lists_in_a_command_are_flattened() -> None:
    harness = StepHarness(properties={"more": ["b", "c"]})
    harness.expect("shell", command=["a", "b", "c", "d"])
    assert harness.run(Shell(command=["a", [Property("more")], ("d",)])).result == SUCCESS


def test_the_environment_of_the_builder_is_rendered_and_extended_by_the_step() -> None:
    harness = StepHarness(env={"A": Property("branch"), "B": "b"}, stamps=[{"branch": "main"}])
    harness.expect("shell", env={"A": "main", "B": "c", "C": "b1"}).rc(0)
    env = {"B": "c", "C": Interpolate("%(prop:buildername)s")}
    assert harness.run(Shell(command="x", env=env)).result == SUCCESS


def test_exit_codes_mean_what_decodeRC_says() -> None:
    harness = StepHarness()
    harness.expect("shell").rc(3)
    ran = harness.run(Shell(command=["x"], decodeRC={0: SUCCESS, 3: WARNINGS}))
    assert ran.result == WARNINGS
    assert ran.state == "'x' (warnings)"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("timeout", "'x' (failure) (timed out)"),
        ("timeout_without_output", "'x' (failure) (timed out)"),
        ("max_lines_failure", "'x' (failure) (max lines)"),
    ],
)
def test_why_the_worker_killed_a_program_is_told(reason: str, text: str) -> None:
    harness = StepHarness()
    harness.expect("shell").failure_reason(reason).rc(-1)
    ran = harness.run(Shell(command=["x"]))
    assert ran.result == FAILURE
    assert ran.state == text


def test_descriptions_replace_the_command_in_texts() -> None:
    harness = StepHarness()
    harness.expect("shell").rc(1)
    step = Shell(
        command=["x"],
        description="compiling",
        descriptionDone=["compile", Property("buildername")],
        descriptionSuffix="lib",
    )
    ran = harness.run(step)
    assert ran.states == ["compiling lib", "compile b1 lib (failure)"]


def test_log_files_get_logs_of_their_own() -> None:
    harness = StepHarness()
    harness.expect("shell", logfiles={"a": "a.log"}).log("a", "one\n").log("a", "two\n")
    ran = harness.run(Shell(command="x", logfiles={"a": "a.log"}))
    assert ran.logs == ["stdio", "a"]
    assert ran.log("a").stdout == "one\ntwo\n"


def test_lazy_log_files_come_with_their_first_text() -> None:
    harness = StepHarness()
    logfiles = {"a": "a.log", "b": "b.log"}
    harness.expect("shell", logfiles=logfiles).log("b", "one\n")
    ran = harness.run(Shell(command="x", logfiles=logfiles, lazylogfiles=True))
    assert ran.logs == ["stdio", "b"]
    assert ran.log("b").finished


def test_used_secrets_are_masked_in_logs_and_texts() -> None:
    harness = StepHarness(secrets={"pw": "hunter2"})
    harness.expect("shell", command=["login", "hunter2"]).stdout("I am hun").stdout("ter2!\n")
    ran = harness.run(Shell(command=["login", Secret("pw")]))
    assert ran.log("stdio").stdout == "I am <pw>!\n"
    assert ran.state == "'login <pw>'"


def test_an_interrupted_program_is_cancelled_and_says_why() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("begun\n").hangs()
    ran = harness.start(Shell(command=["sleep"]))
    assert not ran.done
    ran.build.stop("enough")
    assert ran.commands[0].interrupted == "enough"
    assert ran.result == CANCELLED
    assert ran.log("cancelled").text == "enough"
    assert ran.build_result == CANCELLED
    assert ran.build_state == "cancelled (enough) 'sleep' (cancelled)"
    assert ran.build.row.failure == f"enough, in step '{ran.build.executedSteps[-1].name}'"


@pytest.mark.parametrize(
    "more, told",
    [
        ({"name": "lint", "warnOnFailure": True, "flunkOnFailure": False}, "lint: exit 3"),
        ({"name": "lint", "decodeRC": {3: WARNINGS}, "warnOnWarnings": True}, "lint: exit 3"),
        ({"name": "lint", "decodeRC": {3: WARNINGS}}, ""),
    ],
)
def test_a_build_with_warnings_says_what_gave_them(more: dict[str, Any], told: str) -> None:
    harness = StepHarness()
    harness.expect("shell").rc(3)
    ran = harness.run(Shell(command=["tool"], **more))
    assert (ran.build_result == WARNINGS) is bool(told)
    assert (ran.build.row.failure, ran.build.row.failed_step) == (told, None)


def test_a_lost_worker_makes_step_and_build_be_retried() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("begun\n").hangs()
    ran = harness.start(Shell(command=["sleep"]))
    ran.build.lose_worker()
    assert ran.result == RETRY
    assert ran.build_result == RETRY
    assert ran.build_state == "retry lost connection 'sleep' (retry)"
    assert ran.build.row.failure == "the connection to worker 'w1' was lost, in step 'shell'"
    assert harness.slot.quarantined == 0
    assert harness.slot.resets == 0


def test_a_connection_that_breaks_under_a_command_makes_the_step_be_retried() -> None:
    harness = StepHarness()
    harness.expect("shell").loses_connection()
    ran = harness.run(Shell(command=["x"]))
    assert (ran.result, ran.build_result) == (RETRY, RETRY)
    assert ran.build_state == "retry lost connection 'x' (retry)"


def test_what_the_worker_cannot_run_is_an_exception_with_its_traceback() -> None:
    harness = StepHarness()
    harness.expect("shell").fails(OSError("no disk"))
    ran = harness.run(Shell(command=["x"]))
    assert ran.result == EXCEPTION
    assert "no disk" in ran.log("err.text").text
    assert ran.log("err.html").text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"comand": "x"}, ["invalid Shell argument comand", "did you mean 'command'?"]),
        ({"want_stdout": "yes"}, ["want_stdout", "'yes'"]),
        ({"timeout": "3"}, ["timeout", "a number or None"]),
        ({"workdir": 3}, ["workdir", "a string or None"]),
        ({"env": ["A=b"]}, ["env", "a dict"]),
        ({"logfiles": "a.log"}, ["logfiles", "a dict"]),
    ],
)
def test_wrong_arguments_are_faults(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        Shell(**arguments)
    for word in words:
        assert word in str(raised.value)


def test_prohibited_arguments_are_faults() -> None:
    class Fixed(Shell):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))

    with pytest.raises(ConfigError, match="invalid Fixed argument command"):
        Fixed(command="x")
