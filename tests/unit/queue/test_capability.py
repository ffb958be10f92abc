"""What a builder may ask of its workers."""

from typing import Any

import pytest

from ci_master.queue.capability import meets, why_lacking


@pytest.mark.parametrize(
    ("value", "wanted", "met"),
    [
        ("posix", "posix", True),
        ("Debian\n", "debian", True),
        (4, 4, True),
        (4, "4", True),
        (4, "5", False),
        (8, ">=4", True),
        (2, ">=4", False),
        ("3.11", ">=3.9, <4", True),
        ("3.8.1", ">=3.9", False),
        ("4.0", "<4", False),
        ("10", ">9", True),
        ("22.04", ["20.04", "22.04"], True),
        ("18.04", ["20.04", ">=22"], False),
        (12, lambda n: n % 2 == 0, True),
        (True, True, True),
    ],
)
def test_facts_are_compared_as_their_kind_asks(value: Any, wanted: Any, met: bool) -> None:
    assert meets(value, wanted) is met


def test_the_first_thing_that_is_missing_is_told() -> None:
    facts = {"numcpus": 2, "system": "posix"}
    assert why_lacking({"system": "posix", "numcpus": ">=2"}, facts) is None
    assert why_lacking({"numcpus": ">=4"}, facts) == "has numcpus 2, >=4 is required"
    assert why_lacking({"gpu": ["a", "b"]}, facts) == "does not report gpu, a or b is required"
