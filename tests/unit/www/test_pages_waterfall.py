"""The geometry of the waterfall."""

from datetime import UTC
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from ci_master.data.views import BoxBuild, BoxStep, WorkerMoment
from ci_www.pages.waterfall import change_dots
from ci_www.pages.wf_boxes import Box, column_bands, column_boxes, lanes_of, merged
from ci_www.pages.wf_layout import fitting_axis
from ci_www.pages.wf_time import FOLD_PX, Axis
from ci_www.pages.wf_wanted import wanted_from

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


def test_stretched_time_has_labels_of_seconds() -> None:
    least = [(T - 30, T - 29, 200.0)]
    ticks = axis([(T - 60, T)], scale=64, least=least).ticks(UTC)
    assert any(len(tick.text) == 8 for tick in ticks)
    assert all(b.y - a.y >= 32 for a, b in pairwise(ticks))


def test_labels_are_apart_and_at_round_times() -> None:
    ticks = axis().ticks(UTC)
    assert [tick.text for tick in ticks][:3] == ["11:50", "11:40", "11:30"]
    assert all(b.y - a.y >= 18 for a, b in pairwise(ticks))


def boxes_of(builds: list[BoxBuild], *, steps: str = "", **more: Any) -> tuple[list[Box], Axis]:
    runs = [[one] for one in builds]
    one = fitting_axis(T - 7200, T, [runs], [], now=T, steps=steps, **more)
    return column_boxes(runs, one, "b", "b", now=T, steps=steps), one


def with_steps(one: BoxBuild, count: int) -> BoxBuild:
    begin = one.started_at
    one.steps = [BoxStep(n, f"s{n}", begin, one.complete_at, 0) for n in range(count)]
    return one


def test_boxes_never_lie_over_each_other_nor_over_a_fold_and_can_be_read() -> None:
    builds = [build(n, -6000 + 2 * n, -5999 + 2 * n) for n in range(20)]
    builds += [build(n, -600 + n, -599 + n) for n in range(20, 40)]
    boxes, one = boxes_of(builds)
    assert len(boxes) == 40
    assert all(box.height >= 12 and box.lines for box in boxes)
    assert all(below.y >= above.y + above.height for above, below in pairwise(boxes))
    folds = [s for s in one.stretches if s.folded]
    assert folds
    for box in boxes:
        assert all(box.y >= f.bottom or box.y + box.height <= f.top for f in folds)


def test_a_box_is_where_its_time_is() -> None:
    boxes, one = boxes_of([build(1, -1200, -1190), build(2, -600, -599)], scale=4)
    assert [box.y for box in boxes] == [one.y(T - 599), one.y(T - 1190)]
    assert boxes[0].y + boxes[0].height == one.y(T - 600) - 2


def test_builds_at_the_same_time_are_side_by_side() -> None:
    assert lanes_of([(0, 10), (5, 15), (12, 20), (30, 31)]) == [(0, 2), (1, 2), (0, 2), (0, 1)]
    assert lanes_of([]) == []


def test_a_running_build_ends_now() -> None:
    boxes, _axis = boxes_of([build(1, -600, None, None)], scale=4)
    assert (boxes[0].y, boxes[0].height, boxes[0].kind) == (0, 38, "running")


def test_few_short_builds_are_drawn_with_their_steps_and_many_are_not() -> None:
    boxes, one = boxes_of([with_steps(build(1, -30, -29), 4)])
    assert (len(boxes[0].steps), one.scale) == (4, 64)
    many = [with_steps(build(n, -7000 + 50 * n, -6999 + 50 * n), 4) for n in range(120)]
    boxes, _axis = boxes_of(many)
    assert not any(box.steps for box in boxes)
    assert all(box.lines for box in boxes)


def test_the_scale_can_be_given() -> None:
    assert boxes_of([build(1, -30, -29)], scale=2)[1].scale == 2


def test_a_tall_box_is_split_into_its_steps_and_a_low_one_names_the_failing_one() -> None:
    tall = build(1, -3600, -600, 2)
    tall.steps = [
        BoxStep(0, "compile", T - 3600, T - 2000, 0),
        BoxStep(1, "test", T - 2000, T - 600, 2),
    ]
    box = boxes_of([tall])[0][0]
    assert [step.kind for step in box.steps] == ["failure", "success"]
    assert abs(15 + sum(step.height for step in box.steps) - box.height) < 2
    box = boxes_of([tall], steps="0")[0][0]
    assert box.steps == [] and box.lines == ["#1 test \u00b7 50 min"]


def test_runs_of_equal_results_are_merged_when_there_are_too_many() -> None:
    builds = [build(n, -n, -n + 1, 0 if n % 10 else 2) for n in range(1, 31)]
    assert [len(run) for run in merged(builds, 5)] == [9, 1, 9, 1, 9, 1]
    assert len(merged(builds, 100)) == 30


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
