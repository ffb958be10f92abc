"""ShellCommand, Configure and SetPropertyFromCommand."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from ci_master.builds.properties import Property
from ci_master.steps.shell import Configure, SetPropertyFromCommand, ShellCommand
from ci_master.steps.transfer import FileUpload
from tests.fakes.builds import StepHarness


@pytest.mark.parametrize(
    ("rc", "decode", "result", "state"),
    [
        (0, None, SUCCESS, "'make all ...'"),
        (2, None, FAILURE, "'make all ...' (failure)"),
        (-1, None, FAILURE, "'make all ...' (failure)"),
        (3, {0: SUCCESS, 3: WARNINGS}, WARNINGS, "'make all ...' (warnings)"),
        (0, {1: SUCCESS}, FAILURE, "'make all ...' (failure)"),
    ],
)
def test_the_exit_code_decides(rc: int, decode: Any, result: int, state: str) -> None:
    harness = StepHarness()
    harness.expect("shell", command=["make", "all", "-j2"]).rc(rc)
    more = {} if decode is None else {"decodeRC": decode}
    ran = harness.run(ShellCommand(command=["make", "all", "-j2"], **more))
    assert (ran.result, ran.state) == (result, state)


def test_an_interrupted_command_is_cancelled() -> None:
    harness = StepHarness()
    harness.expect("shell").hangs()
    ran = harness.start(ShellCommand(command="sleep 9"))
    ran.build.stop("enough")
    assert ran.result == CANCELLED


def test_configure_has_a_command_and_texts_of_its_own() -> None:
    harness = StepHarness()
    harness.expect("shell", command=["./configure"])
    ran = harness.run(Configure())
    assert ran.states == ["configuring", "configure"]
    assert Configure.haltOnFailure


def test_a_subclass_may_bring_the_command() -> None:
    class Mine(ShellCommand):
        command = ["mine", Property("x")]

    harness = StepHarness(properties={"x": "y"})
    harness.expect("shell", command=["mine", "y"])
    assert harness.run(Mine()).result == SUCCESS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ShellCommand(), ["'command' argument", 'command=["make", "all"]']),
        (lambda: ShellCommand(command="x", maxTime=float("nan")), ["maxTime", "finite"]),
        (lambda: ShellCommand(command="x", timeout=float("inf")), ["timeout", "finite"]),
        (lambda: ShellCommand(comand="x"), ["comand", "did you mean 'command'?"]),
        (lambda: ShellCommand(command="x", haltonFailure=True), ["did you mean 'haltOnFailure'?"]),
        (lambda: SetPropertyFromCommand(command="x"), ["property", "extract_fn"]),
        (
            lambda: SetPropertyFromCommand(command="x", extractfn=1, property="p"),
            ["did you mean 'extract_fn'?"],
        ),
        (
            lambda: FileUpload(workersrc="a", masterdest="b", keepstmp=True),
            ["did you mean 'keepstamp' in place of 'keepstmp'?"],
        ),
    ],
)
def test_wrong_arguments_are_told_with_what_was_meant(make: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    for word in words:
        assert word in str(raised.value)


# -- SetPropertyFromCommand


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ({}, "out"),
        ({"strip": False}, " out \n"),
        ({"includeStderr": True}, "out \n err"),
        ({"includeStderr": True, "includeStdout": False}, "err"),
    ],
)
def test_a_property_gets_the_output(arguments: dict[str, Any], value: str) -> None:
    harness = StepHarness()
    harness.expect("shell", command=["x"]).stdout(" out \n").stderr(" err\n")
    ran = harness.run(SetPropertyFromCommand(command=["x"], property="p", **arguments))
    assert ran.properties["p"] == value
    assert ran.sources["p"] == "SetPropertyFromCommand Step"
    assert ran.state == "property 'p' set"
    assert ran.log("property changes").text == f"p: {value!r}"


def test_a_failing_command_sets_no_property() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("out\n").rc(1)
    ran = harness.run(SetPropertyFromCommand(command=["x"], property="p"))
    assert ran.result == FAILURE
    assert ran.state == "'x' (failure)"
    assert "p" not in ran.properties
    assert ran.logs == ["stdio"]


def test_the_name_of_the_property_may_be_a_placeholder() -> None:
    harness = StepHarness(properties={"which": "p"})
    harness.expect("shell").stdout("v")
    step = SetPropertyFromCommand(command=["x"], property=Property("which"))
    assert harness.run(step).properties["p"] == "v"


def test_a_function_makes_properties_of_what_was_said_also_after_a_failure() -> None:
    def extract(rc: int, stdout: str, stderr: str) -> dict[str, Any]:
        return {"rc": rc, "out": stdout.split(), "err": stderr}

    harness = StepHarness()
    harness.expect("shell").stdout("a b\n").stderr("e").rc(3)
    ran = harness.run(SetPropertyFromCommand(command=["x"], extract_fn=extract))
    assert ran.result == FAILURE
    assert ran.state == "3 properties set"
    assert {name: ran.properties[name] for name in ("rc", "out", "err")} == {
        "rc": 3,
        "out": ["a", "b"],
        "err": "e",
    }


def test_a_function_that_finds_nothing_sets_nothing() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("a b\n")
    ran = harness.run(SetPropertyFromCommand(command=["x"], extract_fn=lambda *_: None))
    assert (ran.result, ran.state, ran.logs) == (SUCCESS, "'x'", ["stdio"])


def test_a_stopped_command_sets_nothing() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("half").hangs()
    ran = harness.start(SetPropertyFromCommand(command=["x"], extract_fn=lambda *_: {"p": 1}))
    ran.build.stop("enough")
    assert ran.result == CANCELLED
    assert "p" not in ran.properties
