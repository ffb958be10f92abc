"""The geometry of the waterfall."""

import gzip
import random
import re
from datetime import UTC
from itertools import combinations, pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci_master.data.views import BoxBuild, BoxStep, WorkerMoment
from ci_www.pages.assets import Assets
from ci_www.pages.farm import BuilderNow
from ci_www.pages.page import Page, Viewer
from ci_www.pages.render import Renderer
from ci_www.pages.shell import Shell
from ci_www.pages.site import STATIC
from ci_www.pages.times import span_text
from ci_www.pages.waterfall import (
    WaterfallView,
    change_dots,
    column_width,
    waterfall_view,
)
from ci_www.pages.wf_boxes import Box, ColumnFacts, column_bands, column_boxes, places_of, span
from ci_www.pages.wf_layout import fitting_axis
from ci_www.pages.wf_time import FOLD_PX, Axis
from ci_www.pages.wf_wanted import wanted_from
from ci_www.pages.words import mark_of

T = 1_763_640_000


def axis(busy: list[tuple[float, float]] | None = None, **more: Any) -> Axis:
    return Axis(T - 7200, T, busy or [(T - 7200, T)], **{"scale": 4, **more})


def build(number: int, start: int, end: int | None, results: int | None = 0) -> BoxBuild:
    return BoxBuild(number, number, 1, 1, T + start, None if end is None else T + end, results, "")


def test_time_runs_down_at_the_scale() -> None:
    one = axis()
    assert one.y(T) == 0
    assert one.y(T - 60) == 4
    assert one.height == 480


def test_a_long_stretch_without_events_is_folded() -> None:
    one = axis([(T - 7200, T - 7000), (T - 300, T)])
    assert [s.folded for s in one.stretches] == [False, True, False]
    folded = one.stretches[1]
    assert folded.bottom - folded.top == FOLD_PX
    assert one.y(T - 3600) > one.y(T - 300)


def test_a_stretch_is_not_folded_where_that_is_not_wanted() -> None:
    assert axis([(T - 300, T)], fold=False).height == 480


def test_a_range_without_any_event_is_one_fold() -> None:
    assert [s.folded for s in Axis(T - 7200, T, [], scale=4).stretches] == [True]


def test_labels_are_apart_and_at_round_times() -> None:
    ticks = axis().ticks(UTC)
    assert [tick.text for tick in ticks][:3] == ["11:50", "11:40", "11:30"]
    assert [tick.day for tick in ticks[:2]] == ["Nov 20", ""]
    assert all(b.y - a.y >= 18 for a, b in pairwise(ticks))


def test_a_new_day_and_a_changed_clock_are_named_on_the_axis() -> None:
    zone = ZoneInfo("Europe/Berlin")
    begin, end = 1_761_429_600, 1_761_447_600  # 2025-10-26 00:00 CEST to 04:00 CET
    ticks = Axis(begin - 3600, end, [(begin - 3600, end)], scale=2).ticks(zone)
    named = {(tick.text, tick.day) for tick in ticks if tick.day}
    assert {("23:30", "Oct 25"), ("02:30", "CEST")} <= named
    assert [tick.text for tick in ticks].count("02:30") == 2


def test_a_range_says_its_dates() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert span_text(T - 7200, T, UTC) == "Thu Nov 20, 10:00 \u2013 12:00 UTC"
    assert span_text(T - 86400, T, UTC) == "Wed Nov 19, 12:00 \u2013 Thu Nov 20, 12:00 UTC"
    assert (
        span_text(1_761_429_600, 1_761_447_600, berlin) == "Sun Oct 26, 00:00 CEST \u2013 04:00 CET"
    )
    assert "2024" in span_text(T - 366 * 86400, T, UTC)


def placed(builds: list[BoxBuild], **more: Any) -> tuple[list[Box], Axis]:
    """The boxes of builds in one column, on the axis that suits them."""
    facts = {"now": float(T), "width": 160.0, **more.pop("facts", {})}
    spans = [span(one, T) for one in builds]
    if more.get("steps") == "1":
        spans += [span(step, T) for one in builds for step in one.steps]
    facts["steps"] = more.pop("steps", "")
    one = fitting_axis(T - 7200, T, spans, [], **more)
    return column_boxes(builds, places_of(builds, one, T), one, ColumnFacts("b", "b", **facts)), one


def with_steps(one: BoxBuild, count: int) -> BoxBuild:
    begin, end = one.started_at, one.complete_at or T
    each = (end - begin) / count
    one.steps = [
        BoxStep(n, f"s{n}", int(begin + n * each), int(begin + (n + 1) * each), 0)
        for n in range(count)
    ]
    return one


#: (how long after the last one began, how long it took) of the builds of a column.
HISTORIES = st.lists(
    st.tuples(st.integers(0, 900), st.one_of(st.integers(0, 20), st.integers(0, 5000))),
    min_size=1,
    max_size=40,
)


def history(drawn: list[tuple[int, int]]) -> list[BoxBuild]:
    """Builds that begin one after the other and end by ``T``, newest first."""
    builds, at = [], T - 7200
    for number, (after, took) in enumerate(drawn, 1):
        at = min(at + after, T)
        builds.append(build(number, at - T, min(at + took, T) - T))
    return builds[::-1]


@settings(deadline=None)
@given(
    st.lists(HISTORIES, min_size=1, max_size=4),
    st.sampled_from([None, 0.5, 4.0, 64.0, 256.0]),
    st.booleans(),
)
def test_a_box_is_as_tall_as_its_build_took_on_one_scale_and_none_lies_over_another(
    drawn: list[list[tuple[int, int]]], scale: float | None, fold: bool
) -> None:
    columns = [history(one) for one in drawn]
    spans = [span(one, T) for column in columns for one in column]
    one = fitting_axis(T - 7200, T, spans, [], scale=scale, fold=fold)
    folds = [s for s in one.stretches if s.folded]
    for builds in columns:
        places = places_of(builds, one, T)
        assert sorted(n for place in places for n in place.members) == list(range(len(builds)))
        for place in places:
            assert place.bottom - place.top >= 0.9
            for fold_ in folds:
                assert place.top >= fold_.bottom - 1 or place.bottom <= fold_.top + 1
            if len(place.members) == 1:
                begin, end = span(builds[place.members[0]], T)
                assert abs(place.bottom - place.top - (end - begin) / 60 * one.scale) <= 1.01
                assert abs(place.top - one.exact(end)) <= 1.01
        for place, other in combinations(places, 2):
            over = min(place.bottom, other.bottom) - max(place.top, other.top)
            beside = place.lanes == other.lanes > 1 and place.lane != other.lane
            assert over <= 1e-6 or beside
            later = max(builds[n].started_at for n in other.members)
            if over <= 0 and not beside and place.top < other.top:
                assert max(builds[n].started_at for n in place.members) >= later


def test_builds_of_one_length_are_equally_tall_beside_much_shorter_and_longer_ones() -> None:
    lengths = (245, 245, 3, 245, 1800)
    builds, at = [], 0
    for number, took in enumerate(lengths):
        builds.append(build(9 - number, at - took, at))
        at -= took + 90
    boxes, one = placed(builds, scale=4)
    heights = [box.height for box in boxes]
    assert heights == pytest.approx([16.3, 16.3, 1.0, 16.3, 120.0], abs=0.15)
    assert one.scale == 4


def test_a_box_is_where_its_time_is() -> None:
    boxes, one = placed([build(2, -600, -300), build(1, -1200, -1190)], scale=4)
    assert [box.y for box in boxes] == [one.y(T - 300), one.y(T - 1190)]
    assert boxes[0].y + boxes[0].height == one.y(T - 600)


def test_short_builds_that_cannot_be_drawn_apart_are_one_box_that_says_so() -> None:
    builds = [build(n, -600 + 2 * n, -599 + 2 * n, 2 if n == 3 else 0) for n in range(5, 0, -1)]
    boxes, _axis = placed(builds, scale=4)
    assert [(box.count, box.kind, box.beside) for box in boxes] == [(5, "failure", "5 builds")]
    assert "1 failed, 4 success" in boxes[0].label and "#1 to #5" in boxes[0].label
    assert len(placed(builds, scale=256)[0]) == 5


def test_the_text_of_a_low_box_stands_below_it_if_nothing_else_does() -> None:
    builds = [build(3, -300, -295), build(2, -600, -595), build(1, -660, -655)]
    boxes, _axis = placed(builds, scale=4)
    assert [(box.lines, box.beside) for box in boxes] == [
        ([], "#3 5 s"), ([], ""), ([], "#1 5 s")
    ]  # fmt: skip


def test_builds_at_the_same_time_are_side_by_side() -> None:
    boxes, _axis = placed(
        [build(4, -60, -20), build(3, -150, -90), build(2, -200, -110), build(1, -260, -195)],
        scale=64,
    )
    assert [(box.lane, box.lanes) for box in boxes] == [(0, 1), (0, 2), (1, 2), (0, 2)]


def test_a_running_build_ends_now_and_shows_when_it_is_expected_to_end() -> None:
    running = [build(1, -300, None, None)]
    boxes, one = placed(running, scale=4, room_px=40, facts={"usual_s": 420})
    box = boxes[0]
    assert (box.y, box.height, box.kind, box.lines) == (40, 20, "running", ["#1 71 % \u00b7 5 min"])
    assert box.expected_y == 40 - 8
    late = placed(running, scale=4, room_px=40, facts={"usual_s": 60})[0][0]
    assert late.expected_y == 40 and late.lines == ["#1 5 min"]
    assert one.y(T) == 40


def test_a_build_that_began_before_the_range_is_cut_at_its_end_and_says_so() -> None:
    boxes, one = placed([build(1, -90_000, None, None)], scale=4)
    assert (boxes[0].y, boxes[0].height) == (0, one.height)
    assert boxes[0].earlier and not boxes[0].later
    assert "1 d 1 h" in boxes[0].label or "25 h 00 min" in boxes[0].label


def test_the_scale_is_chosen_so_that_the_usual_build_can_be_read() -> None:
    assert placed([build(1, -30, -29)])[1].scale == 256
    slow = [build(n, -7000 + 300 * n, -6760 + 300 * n) for n in range(20, 0, -1)]
    boxes, one = placed(slow)
    assert one.scale == 8 and all(box.lines for box in boxes)
    assert placed(slow, scale=2)[1].scale == 2


def test_a_tall_box_shows_its_steps_at_their_times_and_a_low_one_names_the_failing_one() -> None:
    tall = build(1, -3600, -600, 2)
    tall.steps = [
        BoxStep(0, "compile", T - 3600, T - 2000, 0),
        BoxStep(1, "test", T - 2000, T - 600, 2),
    ]
    boxes, one = placed([tall], scale=4)
    assert [(s.kind, s.y, s.height) for s in boxes[0].steps] == [
        ("failure", one.y(T - 600), round(1400 / 15, 1)),
        ("success", one.y(T - 2000), round(1600 / 15, 1)),
    ]
    box = placed([tall], scale=4, steps="0")[0][0]
    assert box.steps == [] and box.lines == ["#1 test \u00b7 50 min"]


def test_steps_are_readable_where_they_are_asked_for() -> None:
    boxes, one = placed([with_steps(build(1, -600, 0), 10)], steps="1", usual_px=14.0)
    assert one.scale == 64 and all(step.text for step in boxes[0].steps)


def test_25_columns_fit_a_window_of_1440_pixels() -> None:
    assert 25 * column_width(25) <= 1440 - 48 - 2 - 281 - 56
    assert column_width(3) == 160
    assert all(column_width(n) * n <= 1440 - 48 - 2 - 281 for n in range(1, 26))


def builder(id: int, **more: Any) -> BuilderNow:
    return BuilderNow(
        id=id, name=f"builder-{id}", segment=f"builder-{id}", url=f"/builders/builder-{id}",
        active=True, tags=[], description="", projectid=None, mark=mark_of(0), latest=None,
        recent=[], streak=0, streak_since=None, last_success_at=None, median_s=240, **more,
    )  # fmt: skip


def view_of(builds: list[BoxBuild], builders: int, args: Any = None, **past: Any) -> WaterfallView:
    wanted = wanted_from(args or {}, T)
    happened = {"changes": [], "moments": [], "last_active": None, "start": wanted.start}
    past = {**happened, "cut": False, **past}
    return waterfall_view(
        [builder(n) for n in range(1, builders + 1)], [], {},
        SimpleNamespace(builds=builds, **past), wanted,
        now=T, zone=UTC, total=builders, worker_name={1: "linux-a"}.get,
    )  # fmt: skip


def html_of(view: WaterfallView) -> str:
    page = Page("waterfall.html", "Waterfall", view, modules=("waterfall.mjs",), wide=True)
    return Renderer(Assets(STATIC)).page(page, Shell("CI", "/", 0, 0, 0), Viewer(), T).decode()


def farm_of(builders: int, each: int, took: int) -> list[BoxBuild]:
    found = []
    for n in range(1, builders + 1):
        for k in range(each):
            end = -k * 43200 // each - n
            one = BoxBuild(
                n * 1000 + k, each - k, n, 1, T + end - took, T + end, 2 if k % 9 == 4 else 0, "",
                "The SingleBranchScheduler scheduler named 'push' triggered this build",
            )  # fmt: skip
            one.stampids = [k]
            if one.results:
                one.steps = [BoxStep(1, "test", T + end - 60, T + end, 2)]
            found.append(one)
    return sorted(found, key=lambda one: -one.started_at)


@pytest.mark.parametrize("args", [{}, {"scale": ["2"]}, {"to": ["2025-11-20T08:00:00Z"]}])
def test_the_scale_and_the_range_that_the_page_states_are_those_drawn(args: Any) -> None:
    html = html_of(view_of(farm_of(3, 20, 245), 3, args))
    stated = re.search(r"wfrange[^>]*>([^<]*), newest on top, <span[^>]*>([\d.]+) px/min", html)
    assert stated is not None
    scale = float(stated[2])
    boxes = re.findall(r'<title>builder-\d #(\d+) [^<]*?, 4 min 5 s.*?rect class="wide" x="5" '
                       r'y="([\d.]+)" height="([\d.]+)"', html, re.S)  # fmt: skip
    assert len(boxes) > 30
    whole = [float(height) for _number, _y, height in boxes]
    cut = [height for height in whole if abs(height - 245 / 60 * scale) > 1]
    assert len(cut) <= 6  # those that lie across an end of the range
    end = "08:00" if "to" in args else "12:00"
    begin = "Wed Nov 19, 20:00 \u2013 Thu Nov 20" if "to" in args else "Thu Nov 20, 00:00 \u2013"
    assert stated[1].startswith(begin) and f"{end} UTC" in stated[1]


@pytest.mark.parametrize("took", [20, 200, 1000])
def test_many_builds_keep_the_budget_of_bytes(took: int) -> None:
    """60 KB with style sheet and scripts, for as many builds as storage gives."""
    assets = Assets(STATIC)
    static = sum(map(assets.gzipped_size, ("app.css", "base.mjs", "waterfall.mjs")))
    rng = random.Random(took)
    builds = farm_of(25, 28, took)
    for one in builds:
        one.started_at -= rng.randrange(took)
        one.reason += f" after change {rng.getrandbits(160):040x}"
    view = view_of(builds, 25)
    assert len(gzip.compress(html_of(view).encode(), 6)) + static <= 60 * 1024
    boxes = [box for column in view.columns for box in column.boxes]
    assert sum(box.count for box in boxes) == len(builds)
    assert len(boxes) >= 25 * 20  # the picture is not lost in boxes of many builds


def test_a_range_with_too_many_builds_says_where_what_is_shown_begins() -> None:
    view = view_of(farm_of(2, 10, 60), 2, start=T - 3600, cut=True)
    html = html_of(view)
    assert "Thu Nov 20, 11:00 \u2013 12:00 UTC (now)" in html
    assert "The newest 20 builds only" in html
    assert "to=2025-11-20T11%3A00%3A00Z" in view.older


def test_a_card_has_what_a_short_box_cannot_say() -> None:
    one = build(12, -300, -295, 2)
    one.reason, one.steps = "push to main", [BoxStep(0, "test", T - 300, T - 295, 2)]
    one.failure = "test: exit 1 - 3 failed, 77 passed"
    label = view_of([one], 1).columns[0].boxes[0].label
    assert label.split("\n") == [
        "builder-1 #12 failed, 5 s", one.failure, "push to main", "on linux-a"
    ]  # fmt: skip
    html = html_of(view_of([one], 1))
    for text in ("push to main", "linux-a", one.failure):
        assert f"<td>{text}</td>" in html  # the same for who has no scripts


def worker(**more: Any) -> Any:
    return SimpleNamespace(
        **{"id": 1, "connected": True, "paused": False, "pause_reason": None, **more}
    )


def test_bands_tell_when_no_worker_was_there() -> None:
    moments = [
        WorkerMoment(1, T - 3600, "disconnected", None),
        WorkerMoment(1, T - 1800, "connected", None),
    ]
    bands = column_bands([worker()], moments, axis(), now=T)
    assert [(band.kind, band.y, band.height) for band in bands] == [("off", 120, 120)]


def test_one_of_two_workers_is_enough() -> None:
    moments = [WorkerMoment(1, T - 3600, "disconnected", None)]
    both = [worker(connected=False), worker(id=2)]
    assert column_bands(both, moments, axis(), now=T) == []


def test_a_pause_before_the_range_goes_on_into_it() -> None:
    moments = [WorkerMoment(1, T - 90000, "paused", "disk")]
    bands = column_bands([worker(paused=True)], moments, axis(), now=T)
    assert [(band.kind, band.label) for band in bands] == [("pau", "paused: disk")]
    assert bands[0].height == 480


def test_changes_that_lie_together_become_one_dot() -> None:
    def change(id: int, when: int) -> Any:
        return SimpleNamespace(
            id=id, when=when, revision="a" * 40, author="Ana <a@b>", subject="s", stampid=id
        )

    dots = change_dots([change(3, T - 10), change(2, T - 20), change(1, T - 3000)], axis())
    assert [(dot.count, dot.stamps) for dot in dots] == [(2, "3 2"), (1, "1")]


def test_arguments_of_older_waterfalls_are_understood() -> None:
    wanted = wanted_from(
        {"category": ["linux"], "last_time": [str(T - 100)], "failures_only": ["true"]}, T
    )
    assert (wanted.tags, wanted.end, wanted.failures) == (["linux"], T - 100, True)


def test_a_permalink_names_both_ends_and_survives_being_followed() -> None:
    wanted = wanted_from({}, T)
    link = wanted.url(start=wanted.start, end=wanted.end, frozen=True)
    assert "from=2025-11-20T00%3A00%3A00Z" in link and "to=2025-11-20T12%3A00%3A00Z" in link
    again = wanted_from({"from": ["2025-11-20T00:00:00Z"], "to": ["2025-11-20T12:00:00Z"]}, T + 999)
    assert (again.start, again.end, again.frozen) == (wanted.start, wanted.end, True)


def test_a_tag_is_included_then_excluded_then_let_go() -> None:
    assert "tag=linux" in wanted_from({}, T).toggle("linux")
    assert "tag=-linux" in wanted_from({"tag": ["linux"]}, T).toggle("linux")
    assert "linux" not in wanted_from({"tag": ["-linux"]}, T).toggle("linux")
