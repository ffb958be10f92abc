"""The quick coder makes and reads the same bytes as Twisted's."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.spread.banana import SIZE_LIMIT, Banana, BananaError

from ci_common.banana import QuickBanana


class _Wire(BytesIO):
    """Has what a protocol needs of a transport."""


def ready(kind: type[Banana], dialect: bytes = b"pb") -> tuple[Any, list[Any], _Wire]:
    coder: Any = kind(isClient=1)
    wire = _Wire()
    got: list[Any] = []
    coder.transport = wire
    coder.connectionMade()
    coder.currentDialect = dialect
    coder.expressionReceived = got.append
    return coder, got, wire


def sent(kind: type[Banana], value: Any, dialect: bytes = b"pb") -> bytes:
    coder, _, wire = ready(kind, dialect)
    coder.sendEncoded(value)
    return wire.getvalue()


LONGEST = 2 ** (64 * 7) - 1
words = st.sampled_from([*Banana.outgoingVocabulary, b"x" * 31, b"x" * 32, b"\x80\x82"])
numbers = st.one_of(
    st.integers(-LONGEST, LONGEST),
    st.sampled_from([0, 1, -1, 127, 128, 1023, 1024, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1]),
)
leaves = st.one_of(words, numbers, st.binary(max_size=2000), st.floats(allow_nan=False))
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.tuples(inner), max_leaves=40)
dialects = st.sampled_from([b"pb", b"none"])


@given(values, dialects)
def test_it_sends_the_same_bytes(value: Any, dialect: bytes) -> None:
    assert sent(QuickBanana, value, dialect) == sent(Banana, value, dialect)


def as_lists(value: Any) -> Any:
    return [as_lists(one) for one in value] if isinstance(value, list | tuple) else value


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_it_reads_what_was_sent_however_it_was_cut(messages: list[Any], data: Any) -> None:
    stream = b"".join(sent(Banana, message) for message in messages)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    coder, got, _ = ready(QuickBanana)
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if end > begin:
            coder.dataReceived(stream[begin:end])
    assert got == [as_lists(message) for message in messages]
    assert (coder.buffer, coder.listStack) == (b"", [])


def outcome(kind: type[Banana], chunks: list[bytes]) -> Any:
    coder, got, _ = ready(kind)
    try:
        for chunk in chunks:
            coder.dataReceived(chunk)
    except Exception:
        return got, "refused"
    return got, coder.buffer, coder.listStack


odd_bytes = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from([b"\x01\x80", b"\x00\x80", b"\x05\x82", b"\x87", b"\x88", b"\x7f" * 65]),
    ),
    min_size=1,
    max_size=12,
)


@given(odd_bytes)
def test_it_makes_the_same_of_garbage(chunks: list[bytes]) -> None:
    assert outcome(QuickBanana, chunks) == outcome(Banana, chunks)


@pytest.mark.parametrize(
    "value",
    [
        b"x" * (SIZE_LIMIT + 1),
        [0] * (SIZE_LIMIT + 1),
        "text",
        None,
        {},
        LONGEST + 1,
        [1, [object()]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_sent_is_refused_and_nothing_is_sent(value: Any) -> None:
    coder, _, wire = ready(QuickBanana)
    with pytest.raises(BananaError):
        coder.sendEncoded(value)
    assert wire.getvalue() == b""


def test_what_is_longest_goes_through() -> None:
    message = [b"x" * SIZE_LIMIT, [0] * SIZE_LIMIT]
    coder, got, _ = ready(QuickBanana)
    coder.dataReceived(sent(QuickBanana, message))
    assert got == [message]


@pytest.mark.parametrize("length", [SIZE_LIMIT + 1, 2**64])
@pytest.mark.parametrize("kind", [b"\x80", b"\x82"])
def test_what_claims_to_be_too_long_is_refused_before_it_comes(length: int, kind: bytes) -> None:
    coder, _, _ = ready(QuickBanana)
    head = sent(QuickBanana, length)[:-1]
    with pytest.raises(BananaError, match="too long"):
        coder.dataReceived(head + kind)


def test_the_values_of_a_message_are_limited_and_of_many_are_not() -> None:
    coder, got, _ = ready(QuickBanana)
    coder.most_values = 5
    for _ in range(10):
        coder.dataReceived(sent(QuickBanana, [1, 2, 3]) * 3)
    assert len(got) == 30
    with pytest.raises(BananaError, match="too many values"):
        coder.dataReceived(sent(QuickBanana, [1, 2, 3, 4, 5, 6, 7]))


def test_a_message_of_many_values_takes_time_in_proportion_to_its_length() -> None:
    """Twisted copies the rest for each value: 200,000 of these would take it a minute."""
    message = [[b"name", 1, b"value"] for _ in range(50_000)]
    stream = sent(QuickBanana, message)
    coder, got, _ = ready(QuickBanana)
    coder.dataReceived(stream)
    assert got == [message]
