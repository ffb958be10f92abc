"""The waterfall: time downwards, a column for each builder, one SVG."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ci_www.pages import times, urls
from ci_www.pages.bits import person, short, shorten_text
from ci_www.pages.farm import BuilderNow, Farm
from ci_www.pages.page import Ask, Page
from ci_www.pages.wf_boxes import (
    Band,
    Box,
    ColumnFacts,
    column_bands,
    column_boxes,
    failing_text,
    places_of,
    span,
)
from ci_www.pages.wf_layout import LEAST_SCALE, MOST_SCALE, fitting_axis
from ci_www.pages.wf_time import Axis, AxisTick, Stretch
from ci_www.pages.wf_wanted import DEFAULT_S, Wanted, wanted_from
from ci_www.pages.words import BROKEN, WORDS, Kind, Mark, kind_of, mark_of

COLUMNS = 25
_NEAR_PX = 18
#: Room for columns in a window of 1440 pixels, without that for the end of a slanted name.
_WIDTH, _SLANT_PX = 1108, 56
#: The widths of a column, and that below which the names of the builders are slanted.
_NARROWEST, _WIDEST, _SLANTED = 42, 160, 96
_SLANTED_CHARACTERS = 16
#: The width of a column where steps are asked for.
_WITH_STEPS = 190
#: Above "now" is this much room: for what runs to grow, and to show when it is expected to end.
_ROOM_PX = 40
#: So many pixels for the usual step where steps are asked for, and how tall that may be.
_STEP_PX, _STEPS_MOST_PX = 14.0, 12_000.0


@dataclass(slots=True)
class ChangeDot:
    """A change, or several that lie together."""

    y: float
    text: str
    label: str
    url: str
    stamps: str
    count: int


@dataclass(slots=True)
class Column:
    """A builder."""

    builder: BuilderNow
    name: str  # of the builder; its middle is left out where it is too long for a slanted name
    x: float  # in percent of all columns
    boxes: list[Box]
    bands: list[Band]


@dataclass(slots=True)
class TwinRow:
    """A build in the table that says the same as the picture."""

    mark: Mark
    builder: str
    number: int
    url: str
    started_at: int
    took_s: float
    worker: str
    failing: str
    reason: str


@dataclass(slots=True)
class WaterfallView:
    """The page."""

    wanted: Wanted
    columns: list[Column]
    total: int
    ticks: list[AxisTick]
    folds: list[tuple[Stretch, str, str]]  # how long it is, and from when to when
    dots: list[ChangeDot]
    height: int
    width: int  # the least of all columns together
    slanted: bool  # whether columns are too narrow for names beside each other
    start: float  # what is drawn begins then
    range_text: str
    cut: int  # so many builds are shown, where the range holds more; else 0
    now_y: float | None  # where "now" is
    share: float  # of a column, in percent
    scale: float
    legend: list[Mark]
    bands: set[str]
    twin: list[TwinRow]
    tags: list[tuple[str, str, str]]  # tag, in/out/empty, URL
    older: str
    newer: str
    permalink: str
    zoom_in: str
    zoom_out: str
    last_active: str
    left: str
    right: str
    any_build: bool


def choose_builders(
    builders: list[BuilderNow], wanted: Wanted, projects: Mapping[int, str]
) -> list[BuilderNow]:
    """The builders that get a column, in order."""
    include = {tag for tag in wanted.tags if tag[0] != "-"}
    exclude = {tag[1:] for tag in wanted.tags if tag[0] == "-"}
    names = set(wanted.builders)
    found = []
    for one in builders:
        if names and not names.intersection((one.name, one.segment, str(one.id))):
            continue
        if not one.active and not names:
            continue
        if not include.issubset(one.tags) or exclude.intersection(one.tags):
            continue
        project = projects.get(one.projectid, "") if one.projectid is not None else ""
        if wanted.project and project != wanted.project:
            continue
        found.append((project, one.name.lower(), one))
    return [one for _project, _name, one in sorted(found, key=lambda item: item[:2])]


def _wanted_builds(past: Any, wanted: Wanted) -> list[Any]:
    builds = past.builds
    if wanted.branch:
        builds = [b for b in builds if wanted.branch in b.branches]
    if wanted.committer:
        needle = wanted.committer.lower()
        stamps = {c.stampid for c in past.changes if needle in c.author.lower()}
        builds = [b for b in builds if stamps.intersection(b.stampids)]
    return list(builds)


def waterfall_view(
    chosen: list[BuilderNow],
    all_tags: list[str],
    worker_rows: Mapping[int, Any],
    past: Any,
    wanted: Wanted,
    *,
    now: float,
    zone: Any,
    total: int,
    worker_name: Callable[[int | None], str | None] = lambda _id: None,
) -> WaterfallView:
    """Make the view from the builders of this page and what happened in the range."""
    builds = _wanted_builds(past, wanted)
    changes = [
        c
        for c in past.changes
        if (not wanted.branch or c.branch == wanted.branch)
        and (not wanted.committer or wanted.committer.lower() in c.author.lower())
    ]
    of: dict[int, list[Any]] = {one.id: [] for one in chosen}
    for build in builds:
        if build.builderid in of:
            of[build.builderid].append(build)
    if wanted.failures:
        bad = {b.builderid for b in builds if kind_of(b.results) in BROKEN}
        chosen = [one for one in chosen if one.id in bad]
    if not wanted.empty:
        chosen = [one for one in chosen if of[one.id]]
    axis = _axis([b for one in chosen for b in of[one.id]], changes, past.start, wanted, now)
    share = round(100 / max(1, len(chosen)), 4)
    width = max(column_width(len(chosen)), _WITH_STEPS if wanted.steps == "1" else 0)

    def zoom(start: int, end: int) -> str:
        spare = max(30, (end - start) // 10)
        return wanted.url(start=start - spare, end=end + spare, frozen=True, scale=None)

    columns = []
    for number, one in enumerate(chosen):
        rows = [worker_rows[w.id] for w in one.workers if w.id in worker_rows]
        facts = ColumnFacts(
            one.segment,
            one.name,
            now=now,
            width=width,
            steps=wanted.steps,
            usual_s=one.median_s,
            worker_name=worker_name,
            zoom=zoom,
        )
        boxes = column_boxes(of[one.id], places_of(of[one.id], axis, now), axis, facts)
        bands = column_bands(rows, past.moments, axis, now=now, width=width)
        columns.append(
            Column(one, _column_name(one.name, width), round(number * share, 4), boxes, bands)
        )
    lowest = max((b.y + b.height for c in columns for b in c.boxes), default=0.0)
    kinds: set[Kind] = {box.kind for column in columns for box in column.boxes}
    kinds |= {step.kind for column in columns for box in column.boxes for step in box.steps}
    names = {one.id: one for one in chosen}
    return WaterfallView(
        wanted=wanted,
        columns=columns,
        total=total,
        ticks=axis.ticks(zone),
        folds=[
            (s, times.stretch(s.high - s.low), times.span_text(s.low, s.high, zone))
            for s in axis.stretches
            if s.folded
        ],
        dots=change_dots(changes, axis),
        height=int(max(axis.height, lowest, 60)) + 16,
        width=max(1, len(columns)) * width,
        slanted=width < _SLANTED,
        start=axis.start,
        range_text=times.span_text(axis.start, axis.end, zone),
        cut=len(past.builds) if past.cut else 0,
        now_y=None if wanted.frozen else axis.y(axis.end),
        share=share,
        scale=axis.scale,
        legend=[Mark(kind, word) for kind, word in WORDS.items() if kind in kinds],
        bands={band.kind for column in columns for band in column.bands},
        twin=_twin(builds, names, now, worker_name),
        tags=[(tag, _side(tag, wanted), wanted.toggle(tag)) for tag in all_tags],
        older=wanted.before(axis.start) if past.cut else wanted.shifted(-1),
        newer=wanted.shifted(1) if wanted.end < now - 60 else "",
        permalink=wanted.url(start=int(axis.start), end=wanted.end, frozen=True),
        zoom_in=wanted.url(scale=axis.scale * 2) if axis.scale * 2 <= MOST_SCALE else "",
        zoom_out=wanted.url(scale=axis.scale / 2) if axis.scale / 2 >= LEAST_SCALE else "",
        last_active=_around(wanted, past.last_active),
        left=wanted.url(col=max(0, wanted.col - COLUMNS)) if wanted.col else "",
        right=wanted.url(col=wanted.col + COLUMNS) if wanted.col + COLUMNS < total else "",
        any_build=bool(builds),
    )


def column_width(count: int) -> int:
    """The least width of each of so many columns, so that 25 fit a window of 1440 pixels."""
    width = _WIDTH // max(1, count)
    if width < _SLANTED:
        width = (_WIDTH - _SLANT_PX) // count
    return min(_WIDEST, max(_NARROWEST, width))


def _column_name(name: str, width: int) -> str:
    """Slanted names have one length: both ends of a long one, which is where names differ."""
    if width >= _SLANTED or len(name) <= _SLANTED_CHARACTERS:
        return name
    begin = _SLANTED_CHARACTERS // 2 - 3
    return f"{name[:begin]}\u2026{name[begin + 1 - _SLANTED_CHARACTERS :]}"


def _axis(
    builds: Sequence[Any], changes: Sequence[Any], start: float, wanted: Wanted, now: float
) -> Axis:
    """The axis of what is shown. Where steps are asked for, the usual step can be read."""
    spans = [span(build, now) for build in builds]
    end = wanted.end if wanted.frozen else max(now, wanted.end)
    more: dict[str, Any] = {}
    if wanted.steps == "1":
        spans += [span(step, now) for build in builds for step in build.steps]
        more = {"usual_px": _STEP_PX, "most_px": _STEPS_MOST_PX}
    return fitting_axis(
        start,
        end,
        [(max(start, a), min(end, b)) for a, b in spans if b >= start and a <= end],
        [(c.when, c.when) for c in changes],
        scale=wanted.scale,
        fold=wanted.fold,
        room_px=0 if wanted.frozen else _ROOM_PX,
        **more,
    )


def _side(tag: str, wanted: Wanted) -> str:
    return "in" if tag in wanted.tags else "out" if f"-{tag}" in wanted.tags else ""


def _around(wanted: Wanted, at: int | None) -> str:
    if at is None:
        return ""
    return wanted.url(start=at - DEFAULT_S // 2, end=at + DEFAULT_S // 2, frozen=True)


def _twin(
    builds: list[Any],
    names: Mapping[int, BuilderNow],
    now: float,
    worker_name: Callable[[int | None], str | None],
) -> list[TwinRow]:
    return [
        TwinRow(
            mark_of(b.results, complete=b.complete_at is not None),
            names[b.builderid].name,
            b.number,
            urls.build(names[b.builderid].segment, b.number),
            b.started_at,
            (b.complete_at if b.complete_at is not None else now) - b.started_at,
            worker_name(b.workerid) or "",
            shorten_text(b.failure or failing_text(b), 80),
            shorten_text(str(b.reason), 60),
        )
        for place, b in enumerate(builds)
        if b.builderid in names and (place < 300 or b.complete_at is None)
    ]


def change_dots(changes: list[Any], axis: Axis) -> list[ChangeDot]:
    """Dots for changes, newest on top; those nearer than 18 pixels become one.

    :param changes: newest first.
    """
    groups: list[tuple[float, list[Any]]] = []
    for change in changes:
        y = axis.y(change.when)
        if groups and y - groups[-1][0] < _NEAR_PX:
            groups[-1][1].append(change)
        else:
            groups.append((y, [change]))
    dots = []
    for y, group in groups:
        one = group[0]
        name = short(one.revision) or f"change {one.id}"
        if len(group) == 1:
            text = f"{name} {person(one.author).split(' ')[0]}: {one.subject}"
            url = urls.change(one.id)
            label = f"{name} by {person(one.author)}: {one.subject}"
        else:
            text = f"{len(group)} changes, {name} \u2026"
            label = "; ".join(f"{short(c.revision)} {c.subject}" for c in group[:8])
            url = f"/changes?before={max(c.id for c in group) + 1}"
        stamps = " ".join(str(c.stampid) for c in group)
        text = shorten_text(text, 28)
        dots.append(ChangeDot(y, text, label, url, stamps, len(group)))
    return dots


async def waterfall(ask: Ask) -> Page:
    """``/waterfall``"""
    data = ask.data
    seq = data.bus.seq
    wanted = wanted_from(ask.args, ask.now)
    farm = Farm(data, await data.requests.reasons())
    builders = await ask.parts.in_thread(farm.builders)
    names = {row.id: row.name for row in data.projects.by_id.values()}
    chosen = choose_builders(builders, wanted, names)
    shown = chosen[wanted.col : wanted.col + COLUMNS]
    worker_rows = {w.id: data.workers.by_id[w.id] for one in shown for w in one.workers}
    past = await ask.views.past(
        [one.id for one in shown],
        list(worker_rows),
        start=wanted.start,
        end=wanted.end,
        steps=wanted.steps,
    )
    worker_names = {row.id: row.name for row in data.workers.by_id.values()}
    tags = sorted({tag for one in builders if one.active for tag in one.tags})
    view = await ask.parts.in_thread(
        lambda: waterfall_view(
            shown,
            tags,
            worker_rows,
            past,
            wanted,
            now=ask.now,
            zone=ask.viewer.zone,
            total=len(chosen),
            worker_name=worker_names.get,
        )
    )
    kinds = {one.mark.kind for one in shown}
    topics = () if wanted.frozen else ("builds/*/*", "changes/*/new", "workers/*/*")
    return Page(
        "waterfall.html",
        "Waterfall",
        view,
        kind="failure" if "failure" in kinds else "success" if "success" in kinds else "none",
        nav="waterfall",
        topics=topics,
        modules=("waterfall.mjs",),
        wide=True,
        seq=seq,
    )
