"""The steps of a build as rows with a bar on a common time axis."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci_common.failures import StepFailure, how_it_ended
from ci_www.pages import urls
from ci_www.pages.logtext import LogRow, header_of, log_rows
from ci_www.pages.words import BROKEN, Kind, Mark, mark_of

#: Width of the time axis in the units of its SVG.
AXIS = 1000
#: Lines of a log that are shown within its step.
TAIL_LINES = 40
_SHOWN_OPEN = BROKEN | {"cancelled", "retry"}


@dataclass(slots=True)
class LogRef:
    """A log of a step."""

    id: int
    name: str
    url: str
    num_lines: int
    num_bytes: int
    complete: bool
    removed: bool


@dataclass(slots=True)
class StepView:
    """One row."""

    number: int
    name: str
    mark: Mark
    text: str
    how: str  # how its program ended, unless it did well
    why: str  # if it failed: the line that tells of it
    said: str  # what it says of itself; of a program that failed, without the command
    started_at: int | None
    took_s: float | None
    running: bool
    future: bool
    expected_s: int | None
    bar_x: int
    bar_width: int
    lock_x: int
    lock_width: int
    opened: bool
    links: list[tuple[str, str]]
    logs: list[LogRef] = field(default_factory=list)
    header: list[LogRow] = field(default_factory=list)  # command and environment, folded
    tail: list[LogRow] = field(default_factory=list)
    tail_of: LogRef | None = None
    first_error: int | None = None  # line number

    @property
    def told(self) -> str:
        """How it ended and why, or else what it says of itself."""
        return " - ".join(part for part in (self.how, self.why or self.said) if part) or self.text


def _mark(step: Any, build_complete: bool) -> Mark:
    if step.complete_at is not None:
        return mark_of(step.results)
    if step.started_at is None:
        return Mark("skipped", "not run") if build_complete else Mark("waiting", "not run yet")
    return mark_of(None, complete=False)


def step_views(
    detail: Any,
    tails: Mapping[int, list[tuple[str, str]]],
    segment: str,
    *,
    now: float,
    open_step: int | None = None,
) -> tuple[list[StepView], list[StepView]]:
    """The shown and the hidden steps of a build, in order; planned ones at the end."""
    build = detail.build
    begin = build.started_at
    end = build.complete_at if build.complete_at is not None else now
    planned = _still_to_come(detail)
    span = max(1.0, end - begin + sum(seconds for _name, seconds in planned))
    shown: list[StepView] = []
    hidden: list[StepView] = []
    for step in detail.steps:
        view = _step_view(step, build, segment, begin, span, now)
        view.opened = step.number == open_step or (
            not step.hidden and (view.mark.kind in _SHOWN_OPEN or view.running)
        )
        log = next((log for log in view.logs if log.id in tails), None)
        if log is not None:
            lines = tails[log.id]
            rows = log_rows(lines, log.num_lines - len(lines))
            header = next((i for i, row in enumerate(rows) if row.stream != "h"), len(rows))
            view.header = rows[: header_of(rows)]
            view.tail = rows[header:][-TAIL_LINES:] or rows[len(view.header) :]
            view.tail_of = log
            view.first_error = next((row.number for row in view.tail if row.looks == "err"), None)
        (hidden if step.hidden else shown).append(view)
    at = end - begin
    for name, seconds in planned:
        x, width = _place(at, at + seconds, span)
        at += seconds
        shown.append(
            StepView(
                number=-1,
                name=name,
                mark=Mark("waiting", "not run yet"),
                text="",
                how="",
                why="",
                said="",
                started_at=None,
                took_s=None,
                running=False,
                future=True,
                expected_s=seconds,
                bar_x=x,
                bar_width=width,
                lock_x=0,
                lock_width=0,
                opened=False,
                links=[],
            )
        )
    return shown, hidden


def _still_to_come(detail: Any) -> list[tuple[str, int]]:
    """The steps of the last good build that come after the last one started now."""
    done = {step.name for step in detail.steps}
    last = max((i for i, (name, _s) in enumerate(detail.planned) if name in done), default=-1)
    return [one for one in detail.planned[last + 1 :] if one[0] not in done]


def _place(begin: float, end: float, span: float) -> tuple[int, int]:
    x = int(AXIS * begin / span)
    return min(x, AXIS - 4), max(4, int(AXIS * (end - begin) / span))


def _step_view(
    step: Any, build: Any, segment: str, begin: int, span: float, now: float
) -> StepView:
    running = step.started_at is not None and step.complete_at is None
    took, bar, lock = None, (0, 0), (0, 0)
    if step.started_at is not None:
        ended = step.complete_at if step.complete_at is not None else now
        took = ended - step.started_at
        bar = _place(step.started_at - begin, ended - begin, span)
        if step.locks_acquired_at is not None and step.locks_acquired_at > step.started_at:
            lock = _place(step.started_at - begin, step.locks_acquired_at - begin, span)
    links = [
        (str(link.get("name") or link.get("url")), str(link["url"]))
        for link in step.urls
        if urls.web_link(link.get("url"))
    ]
    logs = [
        LogRef(
            log.id,
            log.name,
            urls.log(segment, build.number, step.number, log.slug),
            log.num_lines,
            log.num_bytes,
            log.complete,
            log.type == "d",
        )
        for log in step.logs
    ]
    return StepView(
        number=step.number,
        name=step.name,
        mark=_mark(step, build.complete_at is not None),
        text=step.state_string,
        how="" if step.exit_code == 0 else how_it_ended(step.exit_code, step.ending),
        why=step.error_line,
        said=StepFailure.of(step).said if step.exit_code else step.state_string,
        started_at=step.started_at,
        took_s=took,
        running=running,
        future=False,
        expected_s=None,
        bar_x=bar[0],
        bar_width=bar[1],
        lock_x=lock[0],
        lock_width=lock[1],
        opened=False,
        links=links,
        logs=logs,
    )


def kinds(steps: list[StepView]) -> set[Kind]:
    """The kinds of some steps."""
    return {step.mark.kind for step in steps}
