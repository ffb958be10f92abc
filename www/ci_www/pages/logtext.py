"""Log lines as a page shows them: number, stream, colour, and whether they look like errors."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ci_www.pages import ansi

_ERROR = re.compile(
    r"(?i)(?<![\w-])(?:fatal|error|exception|traceback|panic|undefined reference|"
    r"segmentation fault|assertion failed|FAILED|not ok)(?=[\s:(!\]\[.,]|$)"
)
_NO_ERROR = re.compile(r"(?i)\b(?:0|no) (?:errors?|failed)\b|-W\S*error|errors?=0")
_WARNING = re.compile(r"(?i)(?<![\w-])warning(?=[\s:(\]])")

#: For the search of the first error in storage.
ERROR_BYTES = re.compile(
    rb"(?im)^.*(?<![\w-])(?:fatal|error|exception|traceback|panic|undefined reference|"
    rb"segmentation fault|assertion failed|FAILED|not ok)(?:[\s:(!\]\[.,]|$)"
)


#: Fewer header lines than this are shown as they are.
FOLD_ABOVE = 3


@dataclass(slots=True)
class LogRow:
    """One line."""

    number: int  # from 1
    stream: str  # o, e, h or empty
    html: Markup
    looks: str  # err, warn or empty


def looks_like(text: str) -> str:
    """``err`` or ``warn`` if the line seems to report one."""
    if _ERROR.search(text) and not _NO_ERROR.search(text):
        return "err"
    return "warn" if _WARNING.search(text) else ""


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
            LogRow(
                number, stream, ansi.html(text), looks_like(bare[:2000]) if stream != "h" else ""
            )
        )
    return rows
