"""Log lines as a page shows them: number, stream, colour, and whether they look like errors."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ci_www.pages import ansi

# What tells of an error wherever it stands in a line.
_ERROR = re.compile(
    r"(?i)(?<![\w-])(?:fatal|error|exception|traceback|panic(?:ked)?|undefined reference|"
    r"segmentation fault|core dumped|assertion failed|FAILED|not ok|BUILD FAILED|"
    r"command not found|[1-9]\d* (?:errors|failures|failing))(?=[\s:(!\]\[.,]|$)"
)
# What tells of one at the begin of a line, or as the name of an exception.
_ERROR_LINE = re.compile(
    r"E {2,}\S"  # pytest's explanation
    r"|\s*(?:[A-Za-z_][\w.]{0,200}\.)?(?:[A-Z]\w{0,100}(?:Error|Exception)|SystemExit|KeyboardInterrupt)"
    r"(?::.*)?$"
    r"|(?:\s*)--- FAIL: |FAIL\b|not ok \d|panic: |error(?:\[\w+\])?:|E: |"
    r"\S*make(?:\[\d+\])?: \*\*\* |npm ERR! \S|CMake Error"
    r"|[^\s:(][^:(\n]{0,200}(?::\d+){1,2}: (?:fatal |internal compiler )?error\b"
    r"|[^\s:(][^:(\n]{0,200}\(\d+(?:,\d+)*\) ?: (?:fatal )?error\b"
    r"|[^\s:]{1,200}:\d+:\d+: [EF]\d{2,5}\b"  # flake8, ruff
    r"|thread '.{0,200}' panicked|Segmentation fault|Aborted\b|Killed$"
)
_NO_ERROR = re.compile(
    r"(?i)^(?!.*(?<![\d.])[1-9]\d* (?:error|fail)).*\b(?:0|no) (?:errors?|failed|failures?)\b"
    r"|-W\S*error|\berrors? ?[=:] ?0\b"
)
_WARNING = re.compile(r"(?i)(?<![\w-])warning(?=[\s:(\]])")

#: One of these, in lower case, is in every line that :func:`is_error` says yes to.
ERROR_HINTS: tuple[bytes, ...] = (
    b"error", b"fail", b"fatal", b"exception", b"traceback", b"panic", b"undefined reference",
    b"segmentation fault", b"core dumped", b"not ok", b"command not found", b"\ne  ", b"\ne: ",
    b": *** ", b"npm err!", b"\nkilled\n", b"\naborted", b"systemexit", b"keyboardinterrupt",
    b": e", b": f",
)  # fmt: skip
#: Of a line only so many characters are looked at.
_LOOKED_AT = 2000

#: Fewer header lines than this are shown as they are.
FOLD_ABOVE = 3


@dataclass(slots=True)
class LogRow:
    """One line."""

    number: int  # from 1
    stream: str  # o, e, h or empty
    html: Markup
    looks: str  # err, warn or empty


def is_error(text: str) -> bool:
    """Whether a line, without escapes, seems to tell of an error."""
    text = text[:_LOOKED_AT]
    found = _ERROR_LINE.match(text) or _ERROR.search(text)
    return found is not None and not _NO_ERROR.search(text)


def looks_like(text: str) -> str:
    """``err`` or ``warn`` if the line seems to report one."""
    if is_error(text):
        return "err"
    return "warn" if _WARNING.search(text[:_LOOKED_AT]) else ""


def header_of(rows: Sequence[LogRow]) -> int:
    """How many rows at the start are the command and its environment; 0 if too few to fold."""
    if not rows or rows[0].number != 1:
        return 0
    count = next((i for i, row in enumerate(rows) if row.stream != "h"), len(rows))
    return count if count >= FOLD_ABOVE else 0


def log_rows(lines: Iterable[tuple[str, str]], first: int) -> list[LogRow]:
    """Make rows.

    :param first: number of the first line, from 0.
    """
    rows = []
    for number, (stream, text) in enumerate(lines, first + 1):
        bare = ansi.plain(text) if "\x1b" in text or "\r" in text else text
        rows.append(
            LogRow(number, stream, ansi.html(text), looks_like(bare) if stream != "h" else "")
        )
    return rows
