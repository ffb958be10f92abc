"""Arguments of actions: declared once, and refused with their names."""

from typing import Any

import pytest

from ci_master.data.arguments import (
    Argument,
    Arguments,
    BadArguments,
    Flag,
    Json,
    Kind,
    ListOf,
    Number,
    OneOf,
    Text,
    Whole,
)

NAN = float("nan")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


KINDS: list[tuple[Kind, list[Any], list[Any]]] = [
    (
        Text(5),
        ["", "a", "é€", "12345"],
        ["123456", 1, True, None, [], {}, b"a", NAN, "a\0b", "\ud800", "x\udfff"],
    ),
    (Text(5, least=1), ["a"], [""]),
    (Text(5, any_characters=True), ["\0", "\ud800"], [5, "123456"]),
    (Whole(), [0, 2**63 - 1], [-1, 2**63, 10**5000, True, False, 1.0, "1", None, NAN]),
    (Whole(-3, 3), [-3, 3], [4, -4]),
    (Number(), [0, 1.5, -7], [NAN, float("inf"), True, "1", 2**70, 10**400, None]),
    (Flag(), [True, False], [0, 1, "true", None, "on"]),
    (ListOf(Text(2), most=2), [[], ["a"], ("a", "b")], ["ab", ["abc"], ["a"] * 3, [1], {}]),
    (OneOf(Flag(), Whole()), [True, 3], ["x", -1, None]),
    (
        Json(depth=3, values=10, characters=20),
        [None, "x", 1, 1.5, True, [1, [2]], {"a": {"b": 1}}, deep(3)],
        [
            NAN,
            -float("inf"),
            2**64,
            {"a": [NAN]},
            deep(4),
            [0] * 11,
            {str(n): n for n in range(6)},
            "x" * 21,
            ["x" * 11, "y" * 10],
            {"\ud800": 1},
            [b"a"],
            {1, 2},
        ],
    ),
]


@pytest.mark.parametrize(("kind", "good", "bad"), KINDS, ids=lambda _: "")
def test_a_kind_takes_what_it_declares_and_nothing_else(
    kind: Kind, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        assert kind.check(value) == (list(value) if isinstance(value, tuple) else value)
    for value in bad:
        with pytest.raises(ValueError, match=r"^(must|has|is nested)"):
            kind.check(value)


def test_all_that_is_wrong_is_told_by_name_at_once() -> None:
    arguments = Arguments(
        Argument("reason", Text(10)),
        Argument("priority", Whole(), required=True),
        Argument("on", Flag()),
    )
    with pytest.raises(BadArguments) as refused:
        arguments.check({"reason": {"a": [1]}, "on": 1, "unknown": NAN})
    assert refused.value.status == 400
    assert refused.value.errors == {
        "reason": "must be text, not an object",
        "priority": "is missing: it must be a whole number",
        "on": "must be true or false, not 1",
    }
    assert refused.value.reason.startswith("'reason' must be text, not an object; 'priority' is")


def test_what_is_not_declared_is_left_out_and_null_is_not_given() -> None:
    arguments = Arguments(Argument("reason", Text(10)), Argument("on", Flag()))
    assert arguments.check({"reason": None, "on": True, "zzz": [NAN]}) == {"on": True}


def test_too_many_arguments_are_refused_whatever_they_are() -> None:
    with pytest.raises(BadArguments, match="has 1,001 members"):
        Arguments().check({str(number): 1 for number in range(1001)})


def test_an_error_shows_little_of_a_long_value() -> None:
    with pytest.raises(BadArguments) as refused:
        Arguments(Argument("n", Whole())).check({"n": "x" * 3_000_000})
    assert len(refused.value.reason) < 200 and "3,000,000" in refused.value.reason
