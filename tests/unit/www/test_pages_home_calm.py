"""What the overview says where nothing needs attention: no more than is known."""

import pytest

from ci_www.pages.home import calm


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["success"], "The builder is green. Every worker works."),
        (["success"] * 3, "All 3 builders are green. Every worker works."),
        (["none", "none"], "Nothing has been built yet. Every worker works."),
        (
            ["success", "success", "none"],
            "No builder fails: 2 green, 1 never built. Every worker works.",
        ),
        (
            ["success", "warnings", "retry", "none"],
            "No builder fails: 1 green, 1 with warnings, 1 without a result, 1 never built."
            " Every worker works.",
        ),
    ],
)
def test_only_what_was_built_is_called_green(kinds: list[str], told: str) -> None:
    assert calm(kinds, workers=2) == told


def test_no_worker_is_not_called_a_working_one() -> None:
    assert calm(["none"], workers=0) == "Nothing has been built yet. No worker is configured."
