"""Log lines: escapes become classes and nothing else, errors are marked."""

import pytest

from ci_www.pages import ansi
from ci_www.pages.logtext import log_rows, looks_like


def test_text_is_escaped() -> None:
    assert str(ansi.html("<script>&")) == "&lt;script&gt;&amp;"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("\x1b[31mred\x1b[0m plain", '<span class="f1">red</span> plain'),
        ("\x1b[1;32mok", '<span class="ab f2">ok</span>'),
        ("\x1b[91mx\x1b[39my", '<span class="f9">x</span>y'),
        ("\x1b[38;5;208mx", '<span class="f208">x</span>'),
        ("\x1b[38;2;255;0;0mx", '<span class="f196">x</span>'),
        ("\x1b[48;5;4;4mx\x1b[24m", '<span class="au b4">x</span>'),
        ("\x1b[2J\x1b]0;title\x07gone", "gone"),
        ("10%\r50%\r100%", "100%"),
        ("bell\x07", 'bell<span class="ctl">\u2407</span>'),
        ("\x1b[38;5mbroken", "broken"),
    ],
)
def test_escapes_become_classes_or_nothing(text: str, html: str) -> None:
    assert str(ansi.html(text)) == html


def test_links_of_terminals_are_kept_for_web_addresses_only() -> None:
    good = ansi.html("\x1b]8;;https://example.org/\x07here\x1b]8;;\x07")
    assert str(good) == '<a href="https://example.org/" rel="noreferrer">here</a>'
    assert "href" not in ansi.html("\x1b]8;;javascript:alert(1)\x07here\x1b]8;;\x07")


def test_a_very_long_line_is_cut_and_says_by_how_much() -> None:
    assert "1000 more characters" in ansi.html("x" * (ansi.LONGEST + 1000))


def test_every_colour_can_be_read_in_both_themes() -> None:
    for colour in ansi.palette():
        for ground in (ansi.LIGHT, ansi.DARK):
            assert ansi.contrast(ansi.readable(colour, ground), ground) >= 4.5


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("src/a.c:3: error: no such thing", "err"),
        ("Traceback (most recent call last):", "err"),
        ("tests/test_1.py::x FAILED [ 5%]", "err"),
        ("0 errors, 3 warnings", ""),
        ("src/a.c:3: warning: unused", "warn"),
        ("the terror of it", ""),
        ("compiling with -Werror", ""),
    ],
)
def test_lines_that_report_something_are_marked(text: str, looks: str) -> None:
    assert looks_like(text) == looks


def test_rows_are_numbered_from_one_and_headers_are_never_errors() -> None:
    rows = log_rows([("h", "error: in a header"), ("o", "error: x")], 10)
    assert [(row.number, row.stream, row.looks) for row in rows] == [
        (11, "h", ""),
        (12, "o", "err"),
    ]
