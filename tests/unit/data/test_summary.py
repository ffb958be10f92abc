"""What a builder's summary keeps of its builds."""

from types import SimpleNamespace
from typing import Any

import pytest

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS
from ci_master.data.model import BuilderSummary


def build(number: int, results: int, failure: str = "") -> Any:
    return SimpleNamespace(
        id=number, number=number, results=results, started_at=number, complete_at=number + 5,
        failure=failure, as_json=lambda: {"buildid": number, "number": number, "results": results},
    )  # fmt: skip


def summary(*results: int) -> BuilderSummary:
    made = BuilderSummary()
    for number, one in enumerate(results, 1):
        made.take(build(number, one, failure="test: exit 1" if one == FAILURE else ""))
    return made


@pytest.mark.parametrize("results", [RETRY, CANCELLED, SKIPPED])
def test_what_says_nothing_leaves_latest_and_streak_as_they_are(results: int) -> None:
    made = summary(SUCCESS, FAILURE, results, FAILURE, results)
    assert made.latest is not None
    assert (made.latest["number"], made.latest["failure"]) == (4, "test: exit 1")
    assert (made.streak_results, made.streak_length, made.streak_since_number) == (FAILURE, 2, 2)
    assert made.recent[0] == (5, results)
    assert made.ended_at == 10


def test_it_is_the_latest_while_there_is_nothing_else() -> None:
    made = summary(RETRY, CANCELLED)
    assert made.latest is not None and made.latest["number"] == 2
    made.take(build(3, SUCCESS))
    assert made.latest["number"] == 3
    assert (made.streak_results, made.streak_length) == (SUCCESS, 1)


def test_a_correction_counts_what_says_something() -> None:
    made = summary(EXCEPTION, RETRY, SUCCESS)
    made.take(build(3, EXCEPTION))
    assert (made.streak_results, made.streak_length, made.streak_since_number) == (EXCEPTION, 2, 1)


def test_it_is_read_as_it_was_written_also_by_an_earlier_release() -> None:
    made = summary(SUCCESS, FAILURE)
    assert BuilderSummary.from_text(made.to_text()) == made
    earlier = made.to_text().rpartition(",")[0] + "]"
    assert BuilderSummary.from_text(earlier).ended_at is None
