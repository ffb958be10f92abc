"""What of the log is written down."""

from typing import Any

import pytest

from ci_common.daemonlog import without_noise


def written(event: dict[str, Any]) -> bool:
    seen: list[dict[str, Any]] = []
    without_noise(seen.append)(event)
    return seen == [event]


@pytest.mark.parametrize("text", ["PBFactory starting on 9989", "(TCP Port 9989 Closed)"])
def test_what_twisted_says_of_ports_is_left_out(text: str) -> None:
    assert not written({"message": (text,)})


@pytest.mark.parametrize(
    "event",
    [
        {"message": ("a program is starting on 9989 workers",)},
        {"message": (), "log_format": "PBFactory starting on 9989"},
        {"message": (), "isError": 1},
        {"message": (3,)},
        {},
    ],
)
def test_all_else_is_written(event: dict[str, Any]) -> None:
    assert written(event)
