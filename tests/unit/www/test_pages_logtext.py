"""Log lines: escapes become classes and nothing else, errors are marked."""

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_www.pages import ansi
from ci_www.pages.logtext import ERROR_HINTS, is_error, log_rows, looks_like


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
    assert str(good) == '<a href="https://example.org/" rel="noopener noreferrer">here</a>'
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


ERRORS = (
    "E       AssertionError: assert 1 == 2",
    "E   ModuleNotFoundError: No module named 'x'",
    "FAILED tests/test_a.py::test_b - assert 1 == 2",
    "=== 3 failed, 77 passed in 1.2s ===",
    "src/a.c:3:5: fatal error: x.h: No such file or directory",
    "src/a.c:3: error: no such thing",
    "a.cs(3,7): error CS1002: ; expected",
    "error[E0308]: mismatched types",
    "fatal: not a git repository",
    "Traceback (most recent call last):",
    "ValueError: bad",
    "    requests.exceptions.ConnectionError: gone",
    "KeyboardInterrupt",
    "make[1]: *** [Makefile:3: all] Error 2",
    "npm ERR! code ELIFECYCLE",
    "--- FAIL: TestX (0.00s)",
    "FAIL\tgithub.com/x/y\t0.1s",
    "panic: runtime error: index out of range",
    "thread 'main' panicked at src/main.rs:2:5",
    "not ok 3 - works",
    "E: Unable to locate package x",
    "x.py:1:80: E501 line too long",
    "sh: 1: foo: command not found",
    "Segmentation fault (core dumped)",
    "Killed",
    "ld: undefined reference to `f'",
    "1 error, 0 failures",
    "80 passed, 1 failed, 0 errors",
    "CMake Error at CMakeLists.txt:3",
    "Found 3 errors in 1 file",
)
NO_ERRORS = (
    "0 errors, 3 warnings", "no errors found", "0 failed, 12 passed", "gcc -Werror -c a.c",
    "the terror of it", "errors: 0", "copying error_page.html", "test_fatal_error PASSED",
    "Entering directory", "E2E tests begin", "installing fail2ban",
)  # fmt: skip


@pytest.mark.parametrize("text", ERRORS)
def test_the_errors_of_usual_programs_are_found(text: str) -> None:
    assert is_error(text)


@pytest.mark.parametrize("text", NO_ERRORS)
def test_what_only_has_such_words_is_no_error(text: str) -> None:
    assert not is_error(text)


@given(st.sampled_from(ERRORS), st.text(max_size=20), st.sampled_from(("", "  ", "12:03 ", "[x] ")))
def test_no_error_is_missed_by_the_hints_with_which_a_log_is_searched(
    text: str, more: str, before: str
) -> None:
    line = (before + text + more).replace("\n", " ").replace("\r", " ")
    if is_error(line):
        low = b"\n" + line.encode("utf-8", "replace").lower() + b"\n"
        assert any(hint in low for hint in ERROR_HINTS)


def test_a_long_line_is_judged_at_once() -> None:
    begun = time.process_time()
    for line in ("a." * 5000, "A" * 9000, "x:1" * 4000, "thread '" * 900, "(" * 9000, "E" * 9000):
        is_error(line)
        ansi.html("http://" + line)
    assert time.process_time() - begun < 2


def links(text: str) -> list[str]:
    return re.findall(r'<a href="([^"]*)" rel="noopener noreferrer">', str(ansi.html(text)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://ci.example.org/a?b=1.", ["https://ci.example.org/a?b=1"]),
        ("(http://a.b/c_(d)), http://[::1]:8010/!", ["http://a.b/c_(d)", "http://[::1]:8010/"]),
        ('"https://a.b/" <http://c.d>', ["https://a.b/", "http://c.d"]),
        ("javascript://a.b ftp://a.b https:// http://.", []),
        ("\x1b[31mhttp://a.b/c\x1b[1mdef\x1b[0m end", ["http://a.b/cdef"]),
        ("http://a.b/x\x07y", ["http://a.b/x"]),
        ("http://a.b/" + "x" * 5000, []),  # its end is not known
    ],
)
def test_addresses_in_text_are_links(text: str, found: list[str]) -> None:
    assert links(text) == found


@given(st.text(alphabet="ht tps:/.()<>\"'&\x1b[1m]8;\\\x07ab", max_size=60))
def test_text_with_links_says_the_same_as_without(text: str) -> None:
    text = text.replace("\r", "")
    shown = html.unescape(re.sub(r"<[^>]*>", "", str(ansi.html(text))))
    assert shown == "".join(piece.text for piece in ansi._pieces(text))
