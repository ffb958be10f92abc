"""JSON that every reader takes."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_common.jsontext import comparable_json, strict_json

keys = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.floats()
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)


def no_constant(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON")


@settings(max_examples=100, deadline=None)
@given(values, st.booleans())
def test_whatever_it_is_every_reader_takes_it(value: Any, sort: bool) -> None:
    json.loads(strict_json(value, sort_keys=sort), parse_constant=no_constant)


@settings(max_examples=50, deadline=None)
@given(values)
def test_what_is_plain_is_as_the_library_writes_it(value: Any) -> None:
    stored = json.loads(json.dumps(value))
    try:
        expected = json.dumps(stored, allow_nan=False)
    except ValueError:
        return
    assert strict_json(stored) == expected


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_spoils_nothing_beside_it(odd: float) -> None:
    assert strict_json({"a": [1, odd], "b": "c"}) == '{"a": [1, null], "b": "c"}'


def test_keys_are_written_as_the_library_does() -> None:
    odd = {2: math.nan, None: 2, True: 3, 0.5: 4}
    assert json.loads(strict_json(odd, sort_keys=True)) == {
        "2": None,
        "null": 2,
        "true": 3,
        "0.5": 4,
    }


def test_other_objects_are_given_to_the_callers_function() -> None:
    assert strict_json({"a": {1j}, "b": math.nan}, default=str) == '{"a": "{1j}", "b": null}'
    with pytest.raises(TypeError):
        strict_json({"a": object()})


def test_a_value_compares_with_what_was_stored_of_it() -> None:
    value = {"a": (1, 2), "b": {2: "x", None: "y", True: [None]}}
    assert comparable_json(value) == comparable_json(json.loads(json.dumps(value)))


def test_values_that_differ_compare_as_such() -> None:
    texts = [
        comparable_json(one) for one in ({"a": None}, {"a": math.nan}, {"a": 1}, {1: 2, None: 3})
    ]
    assert len(set(texts)) == 4
