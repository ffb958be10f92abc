"""Secrets are masked, wherever the text is cut."""

import base64
import html
import json
import shlex
import time
from urllib.parse import quote, quote_plus

import pytest
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


HARD = "p@ss w/rd+'\"$`&<é>\\!"


@pytest.mark.parametrize(
    "shown",
    [
        quote(HARD),
        quote(HARD, safe=""),
        quote_plus(HARD),
        quote(HARD, safe="").replace("%2F", "%2f").replace("%C3%A9", "%c3%a9").lower(),
        json.dumps(HARD),
        json.dumps(HARD, ensure_ascii=False),
        json.dumps(HARD).replace("/", "\\/"),
        repr(HARD),
        repr(HARD.encode()),
        shlex.quote(HARD),
        "'" + HARD.replace("'", "'\\''") + "'",
        html.escape(HARD),
        html.escape(HARD, quote=False),
        HARD.encode().hex(),
        HARD.encode().hex().upper(),
    ],
)
def test_a_secret_is_masked_however_a_program_writes_it(shown: str) -> None:
    text = redactor(x=HARD).redact(f"curl https://u:{shown}@host")
    assert "<x>" in text
    assert "ss" not in text and "rd" not in text


@settings(max_examples=200, database=None, deadline=None)
@given(
    st.text(alphabet="abcXYZ059+/é?", min_size=4, max_size=30),
    st.binary(max_size=7),
    st.binary(max_size=7),
    st.booleans(),
)
def test_base64_is_masked_wherever_the_secret_begins_in_it(
    secret: str, before: bytes, after: bytes, for_urls: bool
) -> None:
    encode = base64.urlsafe_b64encode if for_urls else base64.b64encode
    text = encode(before + secret.encode() + after).decode()
    masked = redactor(x=secret).redact(text)
    assert "<x>" in masked
    rest = masked.replace("<x>", "")
    # at both ends there may be a character that holds bits of a neighbour as well
    assert len(rest) <= len(text) - (8 * len(secret.encode()) // 6 - 1)


@pytest.mark.parametrize("columns", [64, 76])
def test_base64_in_lines_is_masked(columns: int) -> None:
    key = "\n".join(f"line {number} of a private key" for number in range(20))
    text = base64.b64encode(key.encode() + b"\n").decode()
    lines = [text[at : at + columns] for at in range(0, len(text), columns)]
    masked = redactor(x=key).redact("\n".join(lines)).split("\n")
    assert masked[:-1] == ["<x>"] * (len(lines) - 1)
    assert masked[-1].startswith("<x>") and len(masked[-1]) < 10


def test_forms_of_a_short_secret_mask_nothing_by_chance() -> None:
    assert redactor(x="ab").redact("YWI= %61%62 6162 xab") == "YWI= %61%62 6162 x<x>"
    assert not redactor(a="", b="   ", c="\n\n")


@pytest.mark.parametrize("size", [1, 7, 100])
def test_an_encoded_secret_cut_in_pieces_is_masked(size: int) -> None:
    used = redactor(x=HARD, key="first line\nsecond line")
    text = " ".join([base64.b64encode(b"u:" + HARD.encode()).decode(), quote(HARD), "second line"])
    stream = used.stream()
    pieces = [stream.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join([*pieces, stream.finish()]) == used.redact(text)
    assert used.redact(text).count("<x>") == 2 and "<key>" in used.redact(text)


def test_bytes_that_are_no_text_come_through() -> None:
    assert redactor(x="token").redact_bytes(b"\xff\x00token\xfe") == b"\xff\x00<x>\xfe"


def test_the_time_of_a_text_grows_with_its_length_only() -> None:
    used = redactor(**{f"s{number}": f"{number}-tok en/{number * 7919}" for number in range(30)})
    text = "an ordinary line of output, 12345 of them\n" * 2000
    used.redact(text)

    def cost(times: int) -> float:
        began = time.process_time()
        stream = used.stream()
        for _ in range(times):
            stream.feed(text)
        stream.finish()
        return time.process_time() - began

    assert cost(8) < 8 * 4 * max(min(cost(1), cost(1)), 0.01)


def test_a_long_key_costs_little_to_know() -> None:
    key = "\n".join("k" * 60 + str(number) for number in range(400))
    began = time.process_time()
    used = redactor(key=key)
    assert used.redact("k" * 60 + "399") == "<key>"
    assert time.process_time() - began < 2
