"""Numbers that somebody typed or sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_common.numbers import MOST, finite_number, is_digits, whole_number

NONE = ["", " 7", "7 ", "+7", "-7", "1_0", "²", "١٢", "0x7", "7.0", "1e3", "9" * 5000]


@pytest.mark.parametrize("text", [*NONE, *(one.encode() for one in NONE)])
def test_what_is_no_plain_decimal_is_no_number(text: str | bytes) -> None:
    assert whole_number(text) is None


@pytest.mark.parametrize("value", [None, True, False, 7.0, [7], {}, float("nan")])
def test_what_is_neither_text_nor_number_is_none(value: Any) -> None:
    assert whole_number(value) is None


@given(st.integers(-(2**70), 2**70))
def test_a_number_within_the_limits_comes_back_and_no_other(number: int) -> None:
    within = 0 <= number <= MOST
    assert whole_number(str(number)) == (number if within else None)
    assert whole_number(number) == (number if within else None)
    within = -9 <= number <= 9
    assert whole_number(str(number).encode(), least=-9, most=9) == (number if within else None)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    number = whole_number(text)
    assert number is None or (is_digits(text) and number == int(text))
    finite_number(text)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "1_0", "²", "", " 1", True, None, "1" * 50, 10**400]
)
def test_what_is_not_finite_is_none(text: Any) -> None:
    assert finite_number(text) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_finite_number_comes_back(number: float) -> None:
    assert finite_number(repr(number)) == number == finite_number(number)
