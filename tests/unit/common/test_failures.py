"""What failed is told in one line, without the command."""

import pytest

from ci_common.errorline import shortened
from ci_common.failures import LONGEST, StepFailure, how_it_ended, killed_by, out_of_limit
from ci_common.results import EXCEPTION, FAILURE


def step(
    text: str = "'sh -c ...' (failure)", results: int = FAILURE, **known: object
) -> StepFailure:
    return StepFailure.of(
        {"number": 2, "name": "test", "results": results, "state_string": text, **known}
    )


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (step(exit_code=1, error_line="3 failed, 77 passed"), "test: exit 1 - 3 failed, 77 passed"),
        (step(exit_code=3), "test: exit 3"),
        (step(error_line="fatal: no"), "test: fatal: no"),
        (step(exit_code=-1, ending=killed_by(9)), "test: killed by signal 9 (SIGKILL)"),
        (
            step(exit_code=-1, ending="timed out: no output for 5 s", error_line="error: x"),
            "test: timed out: no output for 5 s - error: x",
        ),
        (step(exit_code=139), "test: exit 139 (128 + SIGSEGV)"),
        (step(exit_code=255), "test: exit 255"),
        (step(exit_code=3221225477), "test: exit 3221225477"),
        (step("2 of 60 tests (failure)", exit_code=0), "test: 2 of 60 tests"),
        (step("'make -k ...' (failure) (timed out)"), "test: failure"),
        (step("finished (exception)", EXCEPTION), "test: exception"),
        (step("finished", EXCEPTION, error_line="KeyError: 'x'"), "test: KeyError: 'x'"),
        (step("test (failure)"), "test: failure"),
        (step("triggered a, b (failure)"), "test: triggered a, b"),
    ],
)  # fmt: skip
def test_a_failed_step_is_told(failure: StepFailure, line: str) -> None:
    assert failure.line == line


def test_the_line_is_short_whatever_is_in_it() -> None:
    line = step(exit_code=1, error_line="x" * 400).line
    assert len(line) == LONGEST and line.endswith("\u2026")


def test_rows_and_mappings_are_told_alike() -> None:
    class Row:
        number, name, results, state_string = 1, "test", FAILURE, ""
        exit_code, ending, error_line = 2, "", "error: x"

    assert StepFailure.of(Row()).line == "test: exit 2 - error: x"


def test_limits_are_named_with_their_value() -> None:
    assert out_of_limit("timeout_without_output", 1200) == "timed out: no output for 1200 s"
    assert out_of_limit("timeout", 0.5) == "timed out: ran longer than maxTime, 0.5 s"
    assert out_of_limit("max_lines_failure", 100) == "wrote more than max_lines, 100"
    assert out_of_limit("timeout", None) == "timed out"
    assert out_of_limit("something new", 1) == ""


def test_signals_have_names_where_they_are_known() -> None:
    assert killed_by(15) == "killed by signal 15 (SIGTERM)"
    assert killed_by(99) == "killed by signal 99"
    assert how_it_ended(None, "") == ""
    assert how_it_ended(0, "") == "exit 0"


def test_a_text_is_shortened_to_one_line() -> None:
    assert shortened(" a\n\tb  c ", 4) == "a b\u2026"


def test_the_command_is_no_part_of_what_a_step_says_of_itself() -> None:
    assert step("'sh -c ...' (failure) (timed out)").said == ""
    assert step("finished (failure)").said == ""
    assert step("test (failure)").said == ""
    assert step("2 of 60 tests failed (failure)").said == "2 of 60 tests failed"
