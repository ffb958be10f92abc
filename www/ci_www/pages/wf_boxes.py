"""The boxes and bands of a waterfall's column: where they are and what they say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_www.pages import urls
from ci_www.pages.times import duration
from ci_www.pages.wf_time import Axis
from ci_www.pages.words import BROKEN, WORDS, Kind, kind_of

#: The least height of a box: when a minute has few pixels, and else (room for its number).
LEAST, LEAST_WITH_TEXT = 8.0, 12.0
#: Height of a line of text or of a step, and the gap between boxes.
LINE, GAP = 14.0, 1.0
COLUMN = 140
#: More boxes than this: runs of equal results are merged.
MOST_BOXES = 1500

_CHARACTER = 6.4


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

    x: int
    y: float
    height: float
    kind: Kind
    url: str
    label: str  # for those who do not see it
    lines: list[str]
    true_y: float | None  # where its start really is, if the box was pushed away from it
    stamps: str
    started_at: int
    running: bool
    steps: list[StepBox] = field(default_factory=list)


@dataclass(slots=True)
class Band:
    """A stretch of time in which the column could not work."""

    x: int
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


def column_boxes(
    builds: Iterable[Any], axis: Axis, x: int, segment: str, name: str, *, now: float, steps: str
) -> list[Box]:
    """The boxes of one builder, newest on top, none over another.

    :param builds: :class:`ci_master.data.views.BoxBuild`.
    :param steps: ``1`` always shows steps, ``0`` never, empty where they have room.
    """
    boxes: list[Box] = []
    below = 0.0
    least = LEAST_WITH_TEXT if axis.scale >= 2 else LEAST
    ordered = sorted(builds, key=lambda b: (-(b.complete_at or now), -b.number))
    for build in ordered:
        end = build.complete_at if build.complete_at is not None else now
        top, bottom = axis.y(end), axis.y(build.started_at)
        true_y = None
        if top < below:
            true_y, top = bottom, below
        height = max(least, bottom - top)
        if steps == "1" and build.steps:
            height = max(height, LINE * len(build.steps))
        box = _box(build, x, top, height, segment, name, end)
        if true_y is not None and abs(true_y - (top + height)) > 2:
            box.true_y = true_y
        if build.steps and steps != "0" and (
            height >= LINE * len(build.steps) and len(build.steps) > 1
        ):  # fmt: skip
            box.steps = _step_boxes(build, top, height, now)
        boxes.append(box)
        below = round(top + height + GAP, 1)
    return boxes


def _box(build: Any, x: int, top: float, height: float, segment: str, name: str, end: float) -> Box:
    running = build.complete_at is None
    kind = kind_of(build.results, complete=not running)
    took = duration(end - build.started_at)
    failing = next((step.name for step in build.steps if kind_of(step.results) in BROKEN), "")
    lines: list[str] = []
    if height >= LEAST_WITH_TEXT:
        lines.append(fit(f"#{build.number} {failing or took}", COLUMN - 30))
    if height >= 2 * LINE and failing:
        lines.append(fit(took, COLUMN - 30))
    label = f"{name} #{build.number} {WORDS[kind]}, {took}"
    if failing:
        label += f", {failing}"
    return Box(
        x=x,
        y=round(top, 1),
        height=round(height, 1),
        kind=kind,
        url=urls.build(segment, build.number),
        label=label,
        lines=lines,
        true_y=None,
        stamps=" ".join(map(str, build.stampids)),
        started_at=build.started_at,
        running=running,
    )


def _step_boxes(build: Any, top: float, height: float, now: float) -> list[StepBox]:
    """The steps, the last one on top; each has room for its name."""
    spans = [
        max(0.0, (step.complete_at if step.complete_at is not None else now) - step.started_at)
        for step in build.steps
    ]
    spare = height - LINE * len(spans)
    whole = sum(spans) or 1
    boxes = []
    y = top
    for step, span in reversed(list(zip(build.steps, spans, strict=True))):
        tall = LINE + spare * span / whole
        kind = kind_of(step.results, complete=step.complete_at is not None)
        text = f"#{build.number} {step.name}" if y == top else step.name
        boxes.append(
            StepBox(
                round(y, 1),
                round(tall, 1),
                kind,
                fit(text, COLUMN - 30),
                f"{step.name}: {WORDS[kind]}, {duration(span)}",
            )
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


def run_box(run: list[Any], axis: Axis, x: int, name: str, here: str) -> Box:
    """One box for a run of builds with equal results; a click zooms in."""
    first, last = run[-1], run[0]
    top, bottom = axis.y(last.complete_at or last.started_at), axis.y(first.started_at)
    kind = kind_of(last.results)
    height = max(LINE, bottom - top)
    return Box(
        x=x,
        y=top,
        height=height,
        kind=kind,
        url=f"{here}&from={first.started_at}&to={(last.complete_at or last.started_at) + 60}",
        label=f"{name}: {len(run)} builds, {WORDS[kind]}",
        lines=[f"{len(run)} {WORDS[kind]}"],
        true_y=None,
        stamps="",
        started_at=first.started_at,
        running=False,
    )


def column_bands(
    workers: Sequence[Any], moments: Iterable[Any], axis: Axis, x: int, *, now: float
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
            bands.append(Band(x, top, max(2.0, round(axis.y(at) - top, 1)), kind, label))
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
