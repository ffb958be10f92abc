"""Log text for pages: one log's place, a window of lines, a search through all of them."""

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import Connection

from ci_common.numbers import MOST_32, whole_number
from ci_master.storage import logchunks
from ci_master.storage.schema import builds, logs, steps
from ci_master.storage.views_builds import LogLine

_ESCAPE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_ALL = 1 << 40


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


def search(
    tx: Connection, logid: int, needle: str, *, case: bool, limit: int = 10_000
) -> tuple[int, list[int]]:
    """Find the lines that contain a text, escapes taken out before.

    :param case: whether upper and lower case differ (of ASCII letters).
    :returns: how many lines match, and the numbers (from 0) of the first ``limit``.
    """
    wanted = needle.encode() if case else needle.encode().lower()
    total, line = 0, 0
    hits: list[int] = []
    for _letter, count, text in logchunks.runs_of(tx, logid, 0, _ALL):
        if b"\x1b" in text:
            text = _ESCAPE.sub(b"", text)
        if not case:
            text = text.lower()
        at, counted, here = text.find(wanted), 0, line
        while at >= 0:
            here += text.count(b"\n", counted, at)
            counted = at
            total += 1
            if len(hits) < limit:
                hits.append(here)
            end = text.find(b"\n", at)
            at = text.find(wanted, end) if end >= 0 else -1
        line += count
    return total, hits


def first_match(
    tx: Connection, logid: int, pattern: "re.Pattern[bytes]", *, within: int
) -> int | None:
    """The first line (from 0) of the first ``within`` lines of a log that a pattern finds."""
    line = 0
    for letter, count, text in logchunks.runs_of(tx, logid, 0, within):
        if letter != "h":
            bare = _ESCAPE.sub(b"", text) if b"\x1b" in text else text
            match = pattern.search(bare)
            if match is not None:
                return line + bare.count(b"\n", 0, match.start())
        line += count
    return None


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
