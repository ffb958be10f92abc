"""The log viewer: a window of lines rendered by the server, more of them as JSON."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ci_common.failures import how_it_ended
from ci_master.data.views import Span
from ci_www.pages import urls
from ci_www.pages.logtext import ERROR_HINTS, FOLD_ABOVE, LogRow, is_error, log_rows
from ci_www.pages.lookup import find_builder
from ci_www.pages.page import Ask, NotThere, Page, Raw, Stream
from ci_www.pages.words import BROKEN, Mark, mark_of

#: Lines in the first answer; at most that many in one window; lines of a page without script.
FIRST, MOST, PLAIN_PAGE = 200, 2000, 1000
#: Seconds of a search before it answers with what it has.
_LOOK_S = 0.5

_FRAME_CSP = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


@dataclass(slots=True)
class LogView:
    """The page."""

    builder: str
    segment: str
    number: int
    build_url: str
    step_url: str
    step: str
    step_mark: Mark
    how: str  # how the step's program ended
    why: str  # the line that tells why the step failed
    name: str
    url: str
    logid: int
    type: str
    total: int
    num_bytes: int
    complete: bool
    first: int  # number of the first line shown, from 1
    header: int  # lines of command and environment at the start of the log
    folded: list[LogRow]  # those of them that are on this page
    rows: list[LogRow]
    error: int | None  # number of the first error, from 1
    older: str
    newer: str


async def _find(ask: Ask, name: str, number: str, step: str, slug: str) -> tuple[Any, Any]:
    row = find_builder(ask.data, name)
    place = await ask.views.log(row.id, int(number), step, slug)
    if place is None:
        segment = urls.builder_segment(row.id, row.name)
        raise NotThere(
            f"{row.name} #{number} has no log \u201c{slug}\u201d of a step \u201c{step}\u201d.",
            [(f"{row.name} #{number}", urls.build(segment, int(number)))],
        )
    return row, place


def log_view(
    row: Any, place: Any, rows: list[LogRow], *, first: int, error: int | None, header: int = 0
) -> LogView:
    """Make the view.

    :param first: number of the first line, from 0.
    :param header: number of lines of command and environment.
    """
    header = header if header >= FOLD_ABOVE else 0
    segment = urls.builder_segment(row.id, row.name)
    url = urls.log(segment, place.number, place.step_number, place.log.slug)
    after = first + len(rows)
    return LogView(
        builder=row.name,
        segment=segment,
        number=place.number,
        build_url=urls.build(segment, place.number),
        step_url=urls.step(segment, place.number, place.step_number),
        step=place.step_name,
        step_mark=mark_of(place.step_results, complete=place.step_complete),
        how=how_it_ended(place.exit_code, place.ending),
        why=place.error_line,
        name=place.log.name,
        url=url,
        logid=place.log.id,
        type=place.log.type,
        total=place.log.num_lines,
        num_bytes=place.log.num_bytes,
        complete=place.log.complete,
        first=first + 1,
        header=header,
        folded=rows[: max(0, header - first)],
        rows=rows[max(0, header - first) :],
        error=None if error is None else error + 1,
        older=f"{url}?from={max(1, first + 1 - PLAIN_PAGE)}" if first else "",
        newer=f"{url}?from={after + 1}" if after < place.log.num_lines else "",
    )


async def log(ask: Ask, name: str, number: str, step: str, slug: str) -> Page:
    """``.../logs/<slug>``"""
    seq = ask.data.bus.seq
    row, place = await _find(ask, name, number, step, slug)
    lines: list[tuple[str, str]] = []
    start = ask.number("from")
    first, error, header = 0, None, 0
    if place.log.type in "st" and start is not None:
        first = max(0, start - 1)
        lines = await ask.views.log_window(place.log.id, first, PLAIN_PAGE)
        header = next((i for i, (s, _text) in enumerate(lines) if s != "h"), 0) if not first else 0
    elif place.log.type in "st":
        failed = mark_of(place.step_results).kind in BROKEN
        line = ask.number("line")
        if line is None and place.log.complete and not failed:
            line = 1
        first, lines, error, header = await ask.views.log_opening(
            place.log, FIRST, line=None if line is None else line - 1,
            error=(ERROR_HINTS, is_error) if failed else None,
        )  # fmt: skip
    rows = await ask.parts.in_thread(log_rows, lines, first)
    view = log_view(row, place, rows, first=first, error=error, header=header)
    return Page(
        "log.html",
        f"{view.name} of {view.step}, {row.name} #{number}",
        view,
        kind=view.step_mark.kind,
        nav="builders",
        topics=() if place.log.complete else (f"logs/{view.logid}/*",),
        modules=("log.mjs",),
        wide=True,
        seq=seq,
    )


async def log_lines(ask: Ask, name: str, number: str, step: str, slug: str) -> Raw:
    """``/lines?from=&count=``: JSON with lines as [stream, HTML, looks], numbered from 1."""
    _row, place = await _find(ask, name, number, step, slug)
    first = max(1, ask.number("from") or 1)
    count = min(MOST, ask.number("count") or 500)
    lines = await ask.views.log_window(place.log.id, first - 1, count)

    def work() -> bytes:
        rows = log_rows(lines, first - 1)
        answer = {
            "first": first,
            "total": max(place.log.num_lines, first - 1 + len(rows) if rows else 0),
            "complete": place.log.complete,
            "lines": [[row.stream, str(row.html), row.looks] for row in rows],
        }
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()

    return Raw(await ask.parts.in_thread(work), "application/json")


async def log_search(ask: Ask, name: str, number: str, step: str, slug: str) -> Raw:
    """``/search?q=&case=1&from=``: JSON with the lines that contain a text, as often as they do.

    What takes long is answered in parts: ``next`` is the line to go on from.
    """
    _row, place = await _find(ask, name, number, step, slug)
    found = await ask.views.log_text_found(
        place.log.id, ask.arg("q"), _span(ask, place), case=ask.arg("case") == "1"
    )
    return _as_json({"q": ask.arg("q"), **found.as_json()})


async def log_errors(ask: Ask, name: str, number: str, step: str, slug: str) -> Raw:
    """``/errors?from=``: JSON with the lines that tell of an error; ``next`` as in a search."""
    _row, place = await _find(ask, name, number, step, slug)
    found = await ask.views.log_lines_found(place.log.id, ERROR_HINTS, is_error, _span(ask, place))
    return _as_json(found.as_json())


def _span(ask: Ask, place: Any) -> Span:
    """The part of a log that is to be looked through for one answer."""
    return Span(max(1, ask.number("from") or 1) - 1, place.log.num_lines, seconds=_LOOK_S)


def _as_json(answer: Any) -> Raw:
    return Raw(json.dumps(answer, separators=(",", ":")).encode(), "application/json")


async def log_text(ask: Ask, name: str, number: str, step: str, slug: str, how: str) -> Any:
    """``/raw`` and ``/download``: the whole log, as it was printed."""
    row, place = await _find(ask, name, number, step, slug)
    logid = place.log.id
    if place.log.type == "h" and how == "raw":
        content_type = "text/html; charset=utf-8"
        headers = [("Content-Security-Policy", _FRAME_CSP)]
    else:
        content_type = "text/plain; charset=utf-8"
        headers = [("Content-Security-Policy", "default-src 'none'; sandbox")]
    if how == "download":
        stem = f"{urls.builder_segment(row.id, row.name)}-{number}-{place.step_name}-{slug}"
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem)
        suffix = "html" if place.log.type == "h" else "txt"
        headers.append(("Content-Disposition", f'attachment; filename="{plain}.{suffix}"'))

    async def pieces() -> AsyncIterator[bytes]:
        line: int | None = 0
        while line is not None:
            block, line = await ask.views.log_block(logid, line)
            if block:
                yield block

    return Stream(pieces, content_type, tuple(headers))
