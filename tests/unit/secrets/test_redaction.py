"""Secrets are masked, wherever the text is cut."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ci_master.secrets import Redactor


def redactor(**secrets: str) -> Redactor:
    made = Redactor()
    for name, value in secrets.items():
        made.add(name, value)
    return made


def test_without_used_secrets_the_text_itself_comes_back() -> None:
    text, data = "plain text", b"plain bytes"
    empty = redactor(blank="  \n")
    assert not empty
    assert empty.redact(text) is text
    assert empty.redact_bytes(data) is data
    assert empty.stream().feed(text) is text


def test_the_longest_secret_that_fits_is_masked() -> None:
    both = redactor(short="abc", long="abcd")
    assert both.redact("abcd abc ab") == "<long> <short> ab"
    assert both.redact_bytes(b"abcd abc ab") == b"<long> <short> ab"


def test_secrets_are_taken_literally() -> None:
    assert redactor(x="a.*(b)").redact("a.*(b) axx(b)") == "<x> axx(b)"
    assert redactor(x="pä$$").redact_bytes("pä$$!".encode()) == b"<x>!"


def test_a_newline_at_the_end_is_no_part_of_a_secret() -> None:
    assert redactor(x="token\n").redact("token!") == "<x>!"


def test_a_secret_of_several_lines_is_masked_line_by_line() -> None:
    key = redactor(key="-----BEGIN-----\n  abcdef\n}\n-----END-----\n")
    text = "-----BEGIN-----\n  abcdef\n}\nother\n"
    assert key.redact(text) == "<key>\n  <key>\n}\nother\n"


def test_the_first_name_of_a_value_is_shown() -> None:
    assert redactor(a="same", b="same").redact("same") == "<a>"


def test_a_secret_cut_in_two_is_masked() -> None:
    stream = redactor(x="secret").stream()
    assert [stream.feed(piece) for piece in ("my sec", "r", "et is s", "afe")] == [
        "my ",
        "",
        "<x> is ",
        "safe",
    ]
    assert stream.finish() == ""
    assert stream.feed("sec") == ""
    assert stream.finish() == "sec"


def test_a_short_secret_waits_for_a_longer_one_that_it_begins() -> None:
    stream = redactor(short="ab", long="abcd").stream()
    assert stream.feed("ab") == ""
    assert stream.feed("cd ab") == "<long> "
    assert stream.finish() == "<short>"


def test_a_secret_that_is_used_later_is_masked_from_then_on() -> None:
    used = redactor()
    stream = used.stream()
    assert stream.feed("token ") == "token "
    used.add("x", "token")
    assert stream.feed("token ") == "<x> "


letters = st.text(alphabet="abc", min_size=1, max_size=4)


@settings(max_examples=150, database=None, deadline=None)
@given(st.lists(letters, max_size=3), st.lists(st.text(alphabet="abcd", max_size=6)))
def test_pieces_are_masked_like_the_whole(values: list[str], pieces: list[str]) -> None:
    used = Redactor()
    for index, value in enumerate(values):
        used.add(str(index), value)
    stream = used.stream()
    shown = [stream.feed(piece) for piece in pieces]
    assert "".join([*shown, stream.finish()]) == used.redact("".join(pieces))
