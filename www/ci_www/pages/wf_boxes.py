"""The boxes and bands of a waterfall's column: where they are and what they say."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from ci_www.pages import urls
from ci_www.pages.bits import shorten_text
from ci_www.pages.times import duration, rough
from ci_www.pages.wf_layout import LEAST_PX, Place, arrange
from ci_www.pages.wf_time import Axis
from ci_www.pages.words import BROKEN, URGENCY, WORDS, Kind, kind_of

#: Height of a line of text.
LINE = 14.0
#: Boxes lower than this have no text in them; it stands below, if nothing else does.
LEAST_WITH_TEXT, _BESIDE_PX = 12.0, 13.0
#: Where a box shows its steps, its own text has this width.
_NAME_PX, _LEAST_STEP_PX = 64.0, 12.0

#: Bands lower than this have no text.
_LEAST_BAND_PX = 40.0

#: Room for less than this is not enough for the name of a step.
_WORD_PX = 50.0

_CHARACTER = 6.4
#: Characters of what failed and of the reason in a card.
_FAILURE, _REASON = 160, 90


@dataclass(slots=True)
class StepBox:
    """A step within a box."""

    y: float
    height: float
    kind: Kind
    text: str  # empty where there is no room for it
    label: str


@dataclass(slots=True)
class Box:
    """A build, or several that are too short and too close together to be drawn apart."""

    y: float
    height: float
    kind: Kind
    url: str
    label: str  # who, what came out and how long it took; more lines say why, where and what failed
    lines: list[str]
    stamps: str
    running: bool
    beside: str = ""  # the text of a low box, below it
    lane: int = 0  # builds of a builder that ran at the same time are side by side
    lanes: int = 1
    count: int = 1
    earlier: bool = False  # it began before the range
    later: bool = False  # it ended after the range
    expected_y: float | None = None  # where a running build is expected to end
    steps: list[StepBox] = field(default_factory=list)


@dataclass(slots=True)
class Band:
    """A stretch of time in which the column could not work."""

    y: float
    height: float
    kind: str  # off, pau
    label: str
    text: str  # as much of that as has room
    now: bool = False  # it still is so


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What the boxes of a column need to know of their builder and of the page."""

    segment: str
    name: str
    now: float
    width: float  # of the column in pixels, for what text fits
    steps: str = ""  # 0: never shown; else where they have room
    usual_s: int | None = None  # what builds of this builder took
    worker_name: Callable[[int | None], str | None] = lambda _id: None
    zoom: Callable[[int, int], str] = lambda _start, _end: ""  # URL of a range


def fit(text: str, width: float) -> str:
    """As much of a text as has room."""
    room = int(width / _CHARACTER)
    if len(text) <= room:
        return text
    return text[: room - 1] + "\u2026" if room > 3 else ""


def span(build: Any, now: float) -> tuple[float, float]:
    """When a build began and ended; one that runs ends now."""
    end = build.complete_at if build.complete_at is not None else now
    return build.started_at, max(end, build.started_at)


def places_of(builds: Sequence[Any], axis: Axis, now: float) -> list[Place]:
    """Where the builds of one builder are, newest on top, none over another."""
    spans = [span(build, now) for build in builds]
    return arrange([(axis.exact(end), axis.exact(begin)) for begin, end in spans])


def column_boxes(
    builds: Sequence[Any], places: Sequence[Place], axis: Axis, facts: ColumnFacts
) -> list[Box]:
    """The boxes of one builder at their places.

    :param builds: of :class:`ci_master.data.views.BoxBuild`.
    """
    boxes: list[Box] = []
    for place in places:
        room = facts.width / place.lanes - 14
        if len(place.members) > 1:
            box = _box_of_many([builds[one] for one in place.members], place, facts, room)
        else:
            box = _box(builds[place.members[0]], place, axis, facts, room)
        box.lane, box.lanes = place.lane, place.lanes
        boxes.append(box)
    _texts_beside(boxes, axis)
    return boxes


def failing_text(build: Any) -> str:
    """What a build failed with, or which step it is at; empty if there is nothing to say."""
    failing = next((step.name for step in build.steps if kind_of(step.results) in BROKEN), "")
    if build.complete_at is None and not failing:
        failing = next((step.name for step in build.steps if step.complete_at is None), "")
    return str(failing)


def _y_and_height(place: Place) -> tuple[float, float]:
    top, bottom = round(place.top, 1), round(place.bottom, 1)
    return top, round(bottom - top, 1)


def _box(build: Any, place: Place, axis: Axis, facts: ColumnFacts, room: float) -> Box:
    running = build.complete_at is None
    kind = kind_of(build.results, complete=not running)
    took_s = (facts.now if running else build.complete_at) - build.started_at
    took = duration(took_s)
    failing = failing_text(build)
    top, height = _y_and_height(place)
    box = Box(
        y=top,
        height=height,
        kind=kind,
        url=urls.build(facts.segment, build.number),
        label=_label(build, kind, took, failing, facts),
        lines=[],
        stamps=" ".join(map(str, build.stampids)),
        running=running,
        beside=next(
            (
                one
                for one in (f"#{build.number} {took}", f"#{build.number}")
                if len(one) * _CHARACTER <= room + 6
            ),
            "",
        ),
        earlier=build.started_at < axis.start,
        later=not running and build.complete_at > axis.end,
    )
    if running and facts.usual_s:
        ends = build.started_at + facts.usual_s
        above = (max(ends, facts.now) - facts.now) / 60 * axis.scale
        box.expected_y = round(max(1.0, top - above), 1)
        if ends > facts.now:
            took = f"{min(99, int(100 * took_s / facts.usual_s))} % \u00b7 {took}"
    if facts.steps != "0" and place.lanes == 1 and room > 2 * _NAME_PX and len(build.steps) > 1:
        steps = _step_boxes(build, axis, facts, room - _NAME_PX)
        if facts.steps == "1" or any(step.text for step in steps):
            box.steps = steps
            room = _NAME_PX
    if len(took) * _CHARACTER > room:
        took = rough(took_s)
    box.lines = _lines(build.number, failing if room >= _WORD_PX else "", took, height, room)
    return box


def _lines(number: int, failing: str, took: str, height: float, room: float) -> list[str]:
    """As much of number, step and time as a box of this height and room has space for.

    The first line begins after the shape, which takes 16 pixels.
    """
    if height < LEAST_WITH_TEXT:
        return []
    name = f"#{number}"
    told = [failing, took] if failing else [took]
    texts = [" \u00b7 ".join([f"{name} {told[0]}", *told[1:count]]) for count in (2, 1)]
    fits = [count for count, text in ((2, texts[0]), (1, texts[1]), (0, name))
            if len(text) * _CHARACTER <= room - 14]  # fmt: skip
    inside = fits[0] if fits else 0
    first = {2: texts[0], 1: texts[1], 0: name if fits else ""}[inside]
    rest = told[inside:] if fits else [name, *told]
    if room < _WORD_PX:
        rest = [one for one in rest if len(one) * _CHARACTER <= room]
    lines = [first, *(fit(one, room) for one in rest)]
    return lines[: max(1, int((height - 1) // LINE))]


def _label(build: Any, kind: Kind, took: str, failing: str, facts: ColumnFacts) -> str:
    """Who, what and how long, and below it what failed, why it was built and where."""
    text = f"{facts.name} #{build.number} {WORDS[kind]}, {took}"
    told = build.failure if kind in BROKEN else ""
    if failing and not told:
        text += f", {failing}"
    worker = facts.worker_name(build.workerid)
    more = [shorten_text(told, _FAILURE)] if told else []
    more += [shorten_text(str(build.reason), _REASON)] if build.reason else []
    more += [f"on {worker}"] if worker else []
    return "\n".join([text, *more])


def _box_of_many(builds: list[Any], place: Place, facts: ColumnFacts, room: float) -> Box:
    """One box for builds that cannot be drawn apart; a click zooms in."""
    kinds = [kind_of(one.results, complete=one.complete_at is not None) for one in builds]
    kind = next(one for one in URGENCY if one in kinds)
    top, height = _y_and_height(place)
    first = min(one.started_at for one in builds)
    last = max(one.complete_at or one.started_at for one in builds)
    counts = ", ".join(f"{kinds.count(one)} {WORDS[one]}" for one in URGENCY if one in kinds)
    text = f"{len(builds)} builds"
    numbers = sorted(one.number for one in builds)
    return Box(
        y=top,
        height=height,
        kind=kind,
        url=facts.zoom(first, last),
        label=f"{facts.name}: {text} in {duration(last - first)}: {counts}\n"
        f"#{numbers[0]} to #{numbers[-1]}",
        lines=[fit(text, room - 16)] if height >= LEAST_WITH_TEXT else [],
        stamps=" ".join(sorted({str(stamp) for one in builds for stamp in one.stampids})),
        running=False,
        beside=fit(text, room),
        count=len(builds),
    )


def _texts_beside(boxes: list[Box], axis: Axis) -> None:
    """Leave the text of a low box only where it has room below, before the next box or fold."""
    edges = [one.top for one in axis.stretches if one.folded]
    for box, after in zip_longest(boxes, boxes[1:]):
        low = box.y + box.height
        if box.lanes > 1 or box.height >= LEAST_WITH_TEXT:
            box.beside = ""
            continue
        place = bisect_left(edges, low - 1)
        limits = [axis.height + _BESIDE_PX, *edges[place : place + 1]]
        limits += [after.y] if after is not None else []
        box.beside = box.beside if min(limits) - low >= _BESIDE_PX else ""


def _step_boxes(build: Any, axis: Axis, facts: ColumnFacts, room: float) -> list[StepBox]:
    """The steps at their times, the last one on top."""
    steps = [step for step in build.steps if (step.complete_at or facts.now) > axis.start]
    spans = [span(step, facts.now) for step in steps]
    boxes = []
    for place in arrange([(axis.exact(end), axis.exact(begin)) for begin, end in spans]):
        step = steps[place.members[0]]
        kinds = [
            kind_of(steps[one].results, complete=steps[one].complete_at is not None)
            for one in place.members
        ]
        kind = next(one for one in URGENCY if one in kinds)
        top, height = _y_and_height(place)
        begin, end = spans[place.members[0]]
        time = duration(end - begin)
        if len(place.members) > 1:
            label = ", ".join(steps[one].name for one in place.members)
            text = f"{len(place.members)} steps"
        else:
            label = f"{step.name}: {WORDS[kind]}, {time}"
            text = f"{step.name} \u00b7 {time}"
            if len(text) * _CHARACTER > room:
                text = fit(step.name, room)
        boxes.append(StepBox(top, height, kind, text if height >= _LEAST_STEP_PX else "", label))
    return boxes


def column_bands(
    workers: Sequence[Any], moments: Iterable[Any], axis: Axis, *, now: float, width: float = 160
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
            height = max(LEAST_PX, round(axis.y(at) - top, 1))
            text = fit(label, width - 14) if height >= _LEAST_BAND_PX else ""
            lasts = moment is None and now <= axis.end
            bands.append(Band(top, height, kind, label, text, lasts))
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
