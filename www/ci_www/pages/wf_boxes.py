"""The boxes and bands of a waterfall's column: where they are and what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_www.pages import urls
from ci_www.pages.times import duration
from ci_www.pages.wf_time import Axis
from ci_www.pages.words import BROKEN, WORDS, Kind, kind_of

#: Height of a line of text or of a step, and the gap between boxes.
LINE, GAP = 15.0, 2.0
#: Boxes lower than this have no text.
LEAST_WITH_TEXT = 12.0
#: Least width of a column.
COLUMN = 140
#: More boxes than this: runs of equal results are merged.
MOST_BOXES = 1500

_CHARACTER = 6.4

#: Builds that one box stands for, newest first: usually one.
Run = list[Any]


@dataclass(slots=True)
class StepBox:
    """A step within a box."""

    y: float
    height: float
    kind: Kind
    text: str
    label: str


@dataclass(slots=True)
class Box:
    """A build, or a run of builds that were merged."""

    y: float
    height: float
    kind: Kind
    url: str
    label: str  # for those who do not see it
    lines: list[str]
    stamps: str
    running: bool
    lane: int = 0  # builds of a builder that ran at the same time are side by side
    lanes: int = 1
    steps: list[StepBox] = field(default_factory=list)


@dataclass(slots=True)
class Band:
    """A stretch of time in which the column could not work."""

    y: float
    height: float
    kind: str  # off, pau
    label: str


def fit(text: str, width: float) -> str:
    """As much of a text as has room."""
    room = int(width / _CHARACTER)
    if len(text) <= room:
        return text
    return text[: room - 1] + "\u2026" if room > 3 else ""


def span(run: Run, now: float) -> tuple[float, float]:
    """When a run began and ended; at least a second, for times are stored in seconds."""
    begin = min(build.started_at for build in run)
    end = max(build.complete_at if build.complete_at is not None else now for build in run)
    return begin, max(end, begin + 1.0)


def least_height(run: Run, *, steps: bool, line: float) -> float:
    """The height that a box needs, with the gap below it.

    :param steps: whether each step is to have a line.
    :param line: the height of a box without steps.
    """
    if steps and len(run) == 1 and len(run[0].steps) > 1:
        return LINE * (len(run[0].steps) + 1) + 1 + GAP
    return line + GAP


def lanes_of(spans: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """(lane, number of lanes) for each span, so that those at the same time are side by side."""
    found = [(0, 1)] * len(spans)
    group: list[tuple[int, int]] = []  # (index, lane) of what overlaps
    ends: list[float] = []

    def close() -> None:
        for index, lane in group:
            found[index] = (lane, len(ends))
        group.clear()
        ends.clear()

    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        begin, end = spans[index]
        if ends and begin >= max(ends):
            close()
        lane = next((i for i, last in enumerate(ends) if last <= begin), len(ends))
        ends[lane : lane + 1] = [end]
        group.append((index, lane))
    close()
    return found


def column_boxes(
    runs: Sequence[Run],
    axis: Axis,
    segment: str,
    name: str,
    *,
    now: float,
    steps: str,
    width: float = COLUMN,
    zoom: str = "",
) -> list[Box]:
    """The boxes of one builder, newest on top, none over another.

    :param runs: of :class:`ci_master.data.views.BoxBuild`.
    :param steps: ``0`` never shows steps; else they are shown where they have room.
    :param width: of the column, for what text fits.
    :param zoom: URL to which the range of a run of several builds is added.
    """
    spans = [span(run, now) for run in runs]
    boxes: list[Box] = []
    for run, (begin, end), (lane, lanes) in zip(runs, spans, lanes_of(spans), strict=True):
        top = axis.y(end)
        height = max(4.0, round(axis.y(begin) - top - GAP, 1))
        room = width / lanes - 32
        if len(run) > 1:
            box = _run_box(run, top, height, name, zoom)
        else:
            box = _box(run[0], top, height, segment, name, now, room)
            tall = height >= LINE * (len(run[0].steps) + 1)
            if tall and steps != "0" and len(run[0].steps) > 1:
                box.steps = _step_boxes(run[0], top, height, now, room)
        box.lane, box.lanes = lane, lanes
        boxes.append(box)
    return sorted(boxes, key=lambda box: box.y)


def _box(
    build: Any, top: float, height: float, segment: str, name: str, now: float, room: float
) -> Box:
    running = build.complete_at is None
    kind = kind_of(build.results, complete=not running)
    took = duration((now if running else build.complete_at) - build.started_at)
    failing = next((step.name for step in build.steps if kind_of(step.results) in BROKEN), "")
    if running and not failing:
        failing = next((step.name for step in build.steps if step.complete_at is None), "")
    lines: list[str] = []
    if height >= LEAST_WITH_TEXT:
        full = f"#{build.number} {failing} \u00b7 {took}" if failing else f"#{build.number} {took}"
        if len(full) * _CHARACTER > room and failing:
            lines.append(fit(f"#{build.number} {failing}", room))
            if height >= 2 * LINE:
                lines.append(fit(took, room))
        else:
            lines.append(fit(full, room))
    label = f"{name} #{build.number} {WORDS[kind]}, {took}"
    if failing:
        label += f", {failing}"
    return Box(
        y=round(top, 1),
        height=height,
        kind=kind,
        url=urls.build(segment, build.number),
        label=label,
        lines=lines,
        stamps=" ".join(map(str, build.stampids)),
        running=running,
    )


def _run_box(run: Run, top: float, height: float, name: str, zoom: str) -> Box:
    """One box for a run of builds with equal results; a click zooms in."""
    first, last = run[-1], run[0]
    kind = kind_of(last.results)
    text = f"{len(run)} {WORDS[kind]}"
    return Box(
        y=round(top, 1),
        height=height,
        kind=kind,
        url=f"{zoom}&from={first.started_at}&to={(last.complete_at or last.started_at) + 60}",
        label=f"{name}: {len(run)} builds, {WORDS[kind]}",
        lines=[text] if height >= LEAST_WITH_TEXT else [],
        stamps="",
        running=False,
    )


def _step_boxes(build: Any, top: float, height: float, now: float, room: float) -> list[StepBox]:
    """The steps below the line with the build's number, the last one on top."""
    spans = [
        max(0.0, (step.complete_at if step.complete_at is not None else now) - step.started_at)
        for step in build.steps
    ]
    spare = height - 1 - LINE * (len(spans) + 1)
    weights = [took or 0.1 for took in spans]  # steps of no second share what is left
    whole = sum(weights)
    boxes = []
    y = top + LINE
    for step, took, weight in reversed(list(zip(build.steps, spans, weights, strict=True))):
        tall = LINE + spare * weight / whole
        kind = kind_of(step.results, complete=step.complete_at is not None)
        time = duration(took)
        text = f"{step.name} \u00b7 {time}"
        if len(text) * _CHARACTER > room + 12:
            text = fit(step.name, room + 12)
        boxes.append(
            StepBox(round(y, 1), round(tall, 1), kind, text, f"{step.name}: {WORDS[kind]}, {time}")
        )
        y += tall
    return boxes


def merged(builds: Sequence[Any], most: int = MOST_BOXES) -> list[list[Any]]:
    """Runs of builds of one builder that are shown as one box; alone if there are few.

    :param builds: of one builder, newest first.
    """
    if len(builds) <= most:
        return [[build] for build in builds]
    runs: list[list[Any]] = []
    for build in builds:
        last = runs[-1][-1] if runs else None
        if last is not None and last.results == build.results and build.complete_at is not None:
            runs[-1].append(build)
        else:
            runs.append([build])
    return runs


def column_bands(
    workers: Sequence[Any], moments: Iterable[Any], axis: Axis, *, now: float
) -> list[Band]:
    """When all workers of a builder were away, or those that were there were paused.

    :param workers: rows of the builder's workers as they are now.
    :param moments: :class:`ci_master.data.views.WorkerMoment` of any workers, oldest first.
    """
    ids = {worker.id for worker in workers}
    mine = [moment for moment in moments if moment.workerid in ids]
    if not ids:
        return []
    there, paused, why = _states_at_start(workers, mine, axis.start)
    bands: list[Band] = []
    points: list[Any] = [m for m in mine if m.at >= axis.start]
    at = axis.start
    for moment in [*points, None]:
        until = min(now, axis.end) if moment is None else moment.at
        kind, label = _condition(there, paused, why)
        if kind and until > at:
            top = axis.y(until)
            bands.append(Band(top, max(2.0, round(axis.y(at) - top, 1)), kind, label))
        at = until
        if moment is not None:
            _apply(moment, there, paused, why)
    return bands


def _states_at_start(
    workers: Sequence[Any], moments: list[Any], start: float
) -> tuple[dict[int, bool], dict[int, bool], dict[int, str]]:
    there: dict[int, bool] = {}
    paused: dict[int, bool] = {}
    why: dict[int, str] = {}
    for moment in moments:
        if moment.at < start:
            _apply(moment, there, paused, why)
    for worker in workers:
        later = [m for m in moments if m.workerid == worker.id and m.at >= start]
        kinds = [m.kind for m in later]
        if worker.id not in there:
            first = next((k for k in kinds if k in ("connected", "disconnected")), None)
            there[worker.id] = worker.connected if first is None else first == "disconnected"
        if worker.id not in paused:
            first = next((k for k in kinds if k in ("paused", "unpaused")), None)
            paused[worker.id] = worker.paused if first is None else first == "unpaused"
            if paused[worker.id]:
                why[worker.id] = worker.pause_reason or ""
    return there, paused, why


def _apply(
    moment: Any, there: dict[int, bool], paused: dict[int, bool], why: dict[int, str]
) -> None:
    match moment.kind:
        case "connected" | "disconnected":
            there[moment.workerid] = moment.kind == "connected"
        case "paused" | "quarantined":
            paused[moment.workerid] = True
            why[moment.workerid] = moment.reason or moment.kind
        case "unpaused" | "released":
            paused[moment.workerid] = False


def _condition(
    there: dict[int, bool], paused: dict[int, bool], why: dict[int, str]
) -> tuple[str, str]:
    if not any(there.values()):
        return "off", "no worker online"
    if all(paused.get(worker, False) for worker, here in there.items() if here):
        reason = next((why[w] for w, here in there.items() if here and why.get(w)), "")
        return "pau", f"paused: {reason}" if reason else "paused"
    return "", ""
