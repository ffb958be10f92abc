"""What is kept of how a step's programs ended, and of what its log says of that."""

from typing import Any

import pytest

from ci_common.failures import StepFailure
from ci_common.results import EXCEPTION, FAILURE, SUCCESS, WARNINGS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.log import LogSettings, StreamLog
from ci_master.builds.properties import Secret
from tests.fakes.builds import BuildHarness, FakeLog, StepHarness
from tests.unit.builds.plain_steps import Shell


def told(harness: StepHarness, step: Any) -> StepFailure:
    return StepFailure.of(harness.run(step).row)


def test_the_exit_code_and_the_line_of_the_log_are_kept() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("=== 3 failed, 77 passed in 2.1s ===\n").rc(1)
    ran = harness.run(Shell(name="test", command=["pytest"]))
    assert (ran.row.exit_code, ran.row.error_line) == (1, "3 failed, 77 passed")
    assert ran.build.row.failure == "test: exit 1 - 3 failed, 77 passed"
    assert ran.build.row.failed_step == ran.row.number


def test_a_step_that_does_well_keeps_its_exit_code_and_no_line() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("error: but ignored\n").rc(0)
    ran = harness.run(Shell(command=["true"]))
    assert ran.result == SUCCESS
    assert (ran.row.exit_code, ran.row.ending, ran.row.error_line) == (0, "", "")
    assert (ran.build.row.failure, ran.build.row.failed_step) == ("", None)


def test_a_signal_is_named() -> None:
    harness = StepHarness()
    harness.expect("shell").header("process killed by signal 11\n").rc(-1)
    assert told(harness, Shell(name="test", command=["x"])).line == (
        "test: killed by signal 11 (SIGSEGV)"
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("timeout_without_output", "timed out: no output for 5 s"),
        ("timeout", "timed out: ran longer than maxTime, 60 s"),
        ("max_lines_failure", "wrote more than max_lines, 9"),
    ],
)
def test_a_limit_is_named_with_the_signal_that_followed(reason: str, words: str) -> None:
    harness = StepHarness()
    command = harness.expect("shell").failure_reason(reason)
    command.header("process killed by signal 9\n").rc(-1)
    step = Shell(name="t", command=["x"], timeout=5, maxTime=60, max_lines=9)
    assert told(harness, step).line == f"t: {words}, killed by signal 9 (SIGKILL)"


@pytest.mark.parametrize("rc", [True, "1", 2**64, None, 1.5])
def test_what_is_no_exit_code_is_not_stored_as_one(rc: Any) -> None:
    harness = StepHarness()
    harness.expect("shell").rc(rc)
    ran = harness.start(Shell(command=["x"]))
    harness.clock.advance(2)
    assert ran.row.exit_code is None


def test_warnings_keep_their_exit_code() -> None:
    harness = StepHarness()
    harness.expect("shell").rc(3)
    ran = harness.run(Shell(command=["x"], decodeRC={0: SUCCESS, 3: WARNINGS}))
    assert (ran.result, ran.row.exit_code) == (WARNINGS, 3)


class Several(Shell):
    """Runs two commands; it fails with the first."""

    async def run(self) -> int:
        results = []
        for _ in range(2):
            command = await self.makeRemoteShellCommand()
            await self.runCommand(command)
            results.append(command.results())
        return max(results)


def test_of_several_programs_the_one_that_failed_counts() -> None:
    harness = StepHarness()
    harness.expect("shell").stderr("error: one\n").rc(7)
    harness.expect("shell").stdout("fine\n").rc(0)
    assert told(harness, Several(name="t", command=["x"])).line == "t: exit 7 - error: one"


class Raising(BuildStep):
    def run(self) -> int:
        raise KeyError("colour")


class Telling(BuildStep):
    def run(self) -> int:
        return FAILURE

    def getResultSummary(self) -> dict[str, str]:
        return {"step": "2 of 60 tests failed"}


def test_an_exception_is_told_by_what_was_raised() -> None:
    harness = StepHarness()
    ran = harness.run(Raising(name="deploy"))
    assert ran.result == EXCEPTION
    assert ran.build.row.failure == "deploy: KeyError: 'colour'"


def test_a_step_without_program_is_told_in_its_own_words() -> None:
    assert told(StepHarness(), Telling(name="t")).line == "t: 2 of 60 tests failed"


def test_secrets_are_masked_even_where_colours_cut_them_in_two() -> None:
    harness = StepHarness(secrets={"pw": "s3cret-word"})
    harness.expect("shell").stderr("error: login s3cr\x1b[1met-word refused\n").rc(1)
    ran = harness.run(Shell(command=["x", Secret("pw")]))
    assert ran.row.error_line == "error: login <pw> refused"


def test_the_step_that_made_the_build_fail_is_told() -> None:
    harness = BuildHarness()
    for rc in (1, 2, 3):
        harness.expect("shell").rc(rc)
    ran = harness.run(
        [
            Shell(name="lint", command=["x"], flunkOnFailure=False),
            Shell(name="test", command=["x"]),
            Shell(name="docs", command=["x"]),
        ]
    )
    assert ran.build.row.failure == "test: exit 2"
    assert ran.build.row.failed_step == ran.step_row("test").number


def test_the_end_is_found_behind_the_limit_of_a_log() -> None:
    log = StreamLog("stdio", FakeLog("stdio", "s"), LogSettings(max_bytes=10))
    for number in range(9000):
        log.addStdout(f"line {number} of many that are left out\n")
    log.addHeader("header\n")
    log.addStderr("fatal: disk full\n")
    end = log.output_end()
    assert end[-1] == ("e", b"fatal: disk full\n")
    assert sum(len(data) for _, data in end) < 200_000
