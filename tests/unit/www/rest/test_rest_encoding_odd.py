"""Odd values in answers."""

import json
import math
from typing import Any

import pytest

from ci_www.rest import encoding


def refuse(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize("write", [encoding.compact, encoding.indented])
def test_a_number_that_is_none_is_told_as_null(write: Any) -> None:
    body = write({"properties": [{"p": [math.nan, "Step"], "q": [1, "Step"]}]})
    told = json.loads(body, parse_constant=refuse)
    assert told["properties"] == [{"p": [None, "Step"], "q": [1, "Step"]}]


def test_so_it_is_in_a_long_collection() -> None:
    items = [{"a": number} for number in [math.inf, *range(600)]]
    told = json.loads(encoding.in_slices("things", items, 601), parse_constant=refuse)
    assert [one["a"] for one in told["things"]] == [None, *range(600)]
