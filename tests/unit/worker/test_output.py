"""From bytes to lines."""

import pytest

from ci_worker.commands.output import LONGEST_LINE_BYTES, LineOutput


def lines_of(*pieces: bytes, encoding: str = "utf-8") -> tuple[list[str], str, int]:
    """What comes out piece by piece, what is left, and the count of lines."""
    got: list[str] = []
    output = LineOutput(lambda text, size: got.append(text), encoding)
    for piece in pieces:
        output.feed(piece)
    rest = output.finish()
    return got, rest, output.lines


@pytest.mark.parametrize(
    ("pieces", "lines", "rest"),
    [
        ((b"one\ntwo\n",), ["one\ntwo\n"], ""),
        ((b"on", b"e\ntw"), ["one\n"], "tw\n"),
        ((b"a\r\nb\r\n",), ["a\nb\n"], ""),
        ((b"a\r", b"\nb\n"), ["a\nb\n"], ""),
        ((b"10%\r20%\r",), ["10%\n"], "20%\n"),
        ((b"ab\x08\x08c\n",), ["ab\nc\n"], ""),
        ((b"x\x1b[2Jy\x1b[1;2Hz\x1b[uw\n",), ["x\ny\nz\nw\n"], ""),
        ((b"x\x1b[1;", b"2Hy\n"), ["x\ny\n"], ""),
        ((b"\x1b[31mred\x1b[0m\n",), ["\x1b[31mred\x1b[0m\n"], ""),
        ((b"\xc3", b"\xa4\n"), ["ä\n"], ""),
        ((b"\xff\n",), ["\ufffd\n"], ""),
        ((b"only\r",), [], "only\n"),
        ((b"",), [], ""),
    ],
)
def test_lines_are_whole_and_end_with_a_newline(
    pieces: tuple[bytes, ...], lines: list[str], rest: str
) -> None:
    got, left, _ = lines_of(*pieces)
    assert (got, left) == (lines, rest)


def test_lines_are_counted_with_the_last_one() -> None:
    assert lines_of(b"a\nb\n", b"c")[2] == 3


def test_a_line_without_end_is_cut_between_characters() -> None:
    data = "ä".encode() * LONGEST_LINE_BYTES
    got, rest, _ = lines_of(b"x" + data)
    text = "".join(got) + rest
    assert text.replace("\n", "") == "x" + "ä" * LONGEST_LINE_BYTES
    assert max(len(line.encode()) for line in text.split("\n")) <= LONGEST_LINE_BYTES


def test_another_encoding_can_be_asked_for() -> None:
    assert lines_of(b"\xe4\n", encoding="latin-1")[0] == ["ä\n"]
