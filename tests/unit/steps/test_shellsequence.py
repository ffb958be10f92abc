"""ShellSequence: several commands, one result."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS, WARNINGS
from ci_master.builds.properties import Property
from ci_master.builds.renderables import renderer
from ci_master.steps.shellsequence import ShellArg, ShellSequence
from tests.fakes.builds import StepHarness


def test_commands_run_in_order_each_with_its_log() -> None:
    harness = StepHarness(properties={"x": "y"})
    harness.expect("shell", command=["a", "y"]).stdout("A\n")
    harness.expect("shell", command="b").stdout("B\n")
    harness.expect("shell", command=["c"]).stdout("C\n")
    step = ShellSequence(
        commands=[
            ShellArg(command=["a", Property("x")]),
            ShellArg(command="b", logname="bees"),
            ShellArg(command=["c"], logname="bees"),
        ]
    )
    ran = harness.run(step)
    assert ran.result == SUCCESS
    assert ran.logs == ["stdio", "bees"]
    assert ran.log("stdio").stdout == "A\n"
    assert ran.log("bees").stdout == "B\nC\n"


@pytest.mark.parametrize(
    ("codes", "flags", "result"),
    [
        ((0, 0), [{}, {}], SUCCESS),
        ((1, 0), [{}, {}], FAILURE),
        ((0, 1), [{}, {}], FAILURE),
        ((1,), [{"haltOnFailure": True}, {}], FAILURE),
        ((1, 0), [{"flunkOnFailure": False}, {}], SUCCESS),
        ((1, 0), [{"flunkOnFailure": False, "warnOnFailure": True}, {}], WARNINGS),
        ((5, 0), [{"warnOnWarnings": True}, {}], WARNINGS),
        ((5, 0), [{"flunkOnWarnings": True}, {}], FAILURE),
        ((5, 0), [{}, {}], SUCCESS),
        ((1, 1), [{"flunkOnFailure": False}, {}], FAILURE),
    ],
)
def test_flags_combine_the_results(
    codes: tuple[int, ...], flags: list[dict[str, Any]], result: int
) -> None:
    harness = StepHarness()
    for code in codes:
        harness.expect("shell").rc(code)
    commands = [ShellArg(command=["x"], **one) for one in flags]
    step = ShellSequence(commands=commands, decodeRC={0: SUCCESS, 5: WARNINGS})
    assert harness.run(step).result == result


def test_the_list_may_be_made_when_the_build_runs() -> None:
    @renderer
    def commands(props: Any) -> list[ShellArg]:
        return [ShellArg(command=["go", props.getProperty("x")])]

    harness = StepHarness(properties={"x": "y"})
    harness.expect("shell", command=["go", "y"])
    assert harness.run(ShellSequence(commands=commands)).result == SUCCESS


def test_empty_commands_are_left_out() -> None:
    harness = StepHarness()
    harness.expect("shell", command=["b"])
    commands = [ShellArg(command=[]), ShellArg(command=""), ShellArg(command=["b"])]
    assert harness.run(ShellSequence(commands=commands)).result == SUCCESS


def test_a_subclass_decides_what_runs_and_makes_the_list() -> None:
    class Mine(ShellSequence):
        def shouldRunTheCommand(self, cmd: Any) -> bool:
            return "skip" not in cmd

        async def run(self) -> int:
            return await self.runShellSequence([ShellArg(command=["skip"]), ShellArg(["do"])])

    harness = StepHarness()
    harness.expect("shell", command=["do"])
    ran = harness.run(Mine())
    assert (ran.result, ran.step.last_command) == (SUCCESS, ["do"])


@pytest.mark.parametrize("commands", [None, ["make"], [ShellArg(command=3)]])
def test_what_is_no_list_of_commands_is_an_exception_that_says_so(commands: Any) -> None:
    ran = StepHarness().run(ShellSequence(commands=commands))
    assert ran.result == EXCEPTION
    assert "ShellSequence: " in ran.log("err.text").text


def test_after_a_stop_no_more_commands_run() -> None:
    harness = StepHarness()
    harness.expect("shell").hangs()
    ran = harness.start(ShellSequence(commands=[ShellArg(["a"]), ShellArg(["b"])]))
    ran.build.stop("enough")
    assert ran.result == CANCELLED
    assert len(ran.commands) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ShellArg(command="x", lognme="y"), ["lognme", "did you mean 'logname'?"]),
        (lambda: ShellSequence(command="x"), ["invalid ShellSequence argument command"]),
    ],
)
def test_wrong_arguments_are_faults(make: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    for word in words:
        assert word in str(raised.value)


def test_equal_arguments_make_equal_commands() -> None:
    assert ShellSequence(commands=[ShellArg(["a"])]) == ShellSequence(commands=[ShellArg(["a"])])
    assert ShellSequence(commands=[ShellArg(["a"])]) != ShellSequence(commands=[ShellArg(["b"])])
