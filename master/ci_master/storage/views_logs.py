"""Log text for pages: one log's place, a window of lines, a search through all of them."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from ci_common.numbers import MOST_32, whole_number
from ci_master.storage import logchunks
from ci_master.storage.schema import builds, logs, steps
from ci_master.storage.views_builds import LogLine

_ESCAPE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=\n))|\x1b[@-Z\\-_]"
)
#: Lines that are looked through before the time is looked at.
_PIECE = 20_000


@dataclass(frozen=True, slots=True)
class LogPlace:
    """A log and where it belongs."""

    log: LogLine
    builderid: int
    number: int
    build_results: int | None
    build_complete: bool
    step_number: int
    step_name: str
    step_results: int | None
    step_started_at: int | None
    step_complete: bool
    exit_code: int | None = None
    ending: str = ""
    error_line: str = ""


def find(tx: Connection, builderid: int, number: int, step: str, slug: str) -> LogPlace | None:
    """The log ``slug`` of a step given by number or name. One statement."""
    step_number = whole_number(step, most=MOST_32)
    query = (
        select(logs, steps.c.number, steps.c.name.label("step_name"), steps.c.results)
        .add_columns(
            steps.c.started_at,
            steps.c.complete_at,
            steps.c.exit_code,
            steps.c.ending,
            steps.c.error_line,
            builds.c.results.label("build_results"),
            builds.c.complete_at.label("build_complete_at"),
        )
        .select_from(
            logs.join(steps, steps.c.id == logs.c.stepid).join(
                builds, builds.c.id == steps.c.buildid
            )
        )
        .where(builds.c.builderid == builderid, builds.c.number == number, logs.c.slug == slug)
        .where(steps.c.name == step if step_number is None else steps.c.number == step_number)
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    line = LogLine(
        row.id,
        row.stepid,
        row.name,
        row.slug,
        row.type,
        row.complete,
        row.num_lines,
        row.num_bytes,
    )
    return LogPlace(
        line,
        builderid,
        number,
        row.build_results,
        row.build_complete_at is not None,
        row.number,
        row.step_name,
        row.results,
        row.started_at,
        row.complete_at is not None,
        row.exit_code,
        row.ending,
        row.error_line,
    )


def window(tx: Connection, logid: int, first: int, count: int) -> list[tuple[str, str]]:
    """Some lines of a log as (stream letter, text), from line ``first`` (from 0)."""
    found: list[tuple[str, str]] = []
    for letter, _count, text in logchunks.runs_of(tx, logid, max(first, 0), count):
        lines = text.decode("utf-8", "replace").split("\n")
        found += [(letter, line) for line in lines[:-1]]
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """What a search through a part of a log has found."""

    lines: list[int]  # from 0, in order; a line as often as it matches
    next: int | None  # the line to go on from; None if the log has been looked through

    def as_json(self) -> dict[str, Any]:
        """For viewers, which count lines from 1."""
        following = None if self.next is None else self.next + 1
        return {"lines": [line + 1 for line in self.lines], "next": following}


@dataclass(frozen=True, slots=True)
class Span:
    """Where and how long to look.

    :param first: the line to begin with, from 0.
    :param end: the line before which to stop; usually the number of lines of the log.
    :param most: so many matches are enough.
    :param seconds: after that time the search stops; another one may go on from there.
    """

    first: int
    end: int
    most: int = 10_000
    seconds: float = 1.0


def find_text(tx: Connection, logid: int, needle: str, span: Span, *, case: bool) -> Found:
    """Find a text in the lines as they are shown: without escapes, in the last state of each.

    :param case: whether upper and lower case differ (of ASCII letters).
    """
    wanted = needle.encode("utf-8", "surrogateescape")
    wanted = wanted if case else wanted.lower()

    def look(_letter: str, text: bytes) -> Iterator[int]:
        text = _shown(text)
        return _lines_with(text if case else text.lower(), wanted)

    return _scan(tx, logid, span, look) if wanted else Found([], None)


def find_lines(
    tx: Connection,
    logid: int,
    hints: Sequence[bytes],
    wanted: Callable[[str], bool],
    span: Span,
) -> Found:
    """Find lines of output, not of headers, for which a function says yes.

    :param hints: in lower case: only lines with one of them are asked about. A newline at the
        begin of a hint is the begin of a line.
    """

    def look(letter: str, text: bytes) -> Iterator[int]:
        if letter == "h":
            return
        text = _shown(text)
        low = b"\n" + text.lower()  # so places are one further on than in the text
        places = sorted(set(_lines_of(low, hints)))
        if not places:
            return
        lines = text.split(b"\n")
        for place in places:
            if wanted(lines[place].decode("utf-8", "replace")):
                yield place

    return _scan(tx, logid, span, look)


def _lines_of(text: bytes, hints: Sequence[bytes]) -> Iterator[int]:
    """The lines, of a text that begins with a newline, in which there is one of the hints."""
    for hint in hints:
        at, line, counted = text.find(hint), -1, 0
        while at >= 0:
            begin = at + 1 if hint.startswith(b"\n") else at
            line += text.count(b"\n", counted, begin)
            counted = begin
            yield line
            end = text.find(b"\n", begin)
            at = text.find(hint, end) if end >= 0 else -1


def _lines_with(text: bytes, wanted: bytes) -> Iterator[int]:
    """The line of each place where there is a text."""
    at, line, counted = text.find(wanted), 0, 0
    while at >= 0:
        line += text.count(b"\n", counted, at)
        counted = at
        yield line
        at = text.find(wanted, at + len(wanted))


def _shown(text: bytes) -> bytes:
    """Lines as they are shown; there are as many as before."""
    if b"\x1b" in text:
        text = _ESCAPE.sub(b"", text)
    if b"\r" in text:
        text = b"\n".join(
            line.rstrip(b"\r").rpartition(b"\r")[2] if b"\r" in line else line
            for line in text.split(b"\n")
        )
    return text


def _scan(
    tx: Connection, logid: int, span: Span, look: Callable[[str, bytes], Iterator[int]]
) -> Found:
    found: list[int] = []
    line, begun = span.first, time.monotonic()
    while line < span.end:
        at = line
        for letter, count, text in logchunks.runs_of(tx, logid, line, min(_PIECE, span.end - line)):
            found += [at + place for place in look(letter, text)]
            at += count
        line += _PIECE
        if line < span.end and (
            len(found) >= span.most or time.monotonic() - begun >= span.seconds
        ):
            return Found(found, line)
    return Found(found, None)


def tail(tx: Connection, log: LogLine, count: int, whole: int = 0) -> list[tuple[str, str]]:
    """The last lines of a log; all of them if it has at most ``whole``."""
    count = log.num_lines if log.num_lines <= whole else count
    return window(tx, log.id, max(0, log.num_lines - count), count)


def header_lines(tx: Connection, logid: int, *, most: int = 500) -> int:
    """With how many header lines (command and environment) a log begins. One statement."""
    found = 0
    for letter, count, _text in logchunks.runs_of(tx, logid, 0, most):
        if letter != "h":
            break
        found += count
    return found


def block(tx: Connection, logid: int, from_line: int) -> tuple[bytes, int | None]:
    """About a megabyte of raw text, and the line to go on from; None at the end."""
    return logchunks.blocks(tx, logid, from_line, 1 << 20)
