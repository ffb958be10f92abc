"""What a build triggers and waits for lives and ends with it."""

from typing import Any

import pytest

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from tests.unit.queue.desk import Desk, FakeBuild, now


def a_desk(**builders: dict[str, Any]) -> Desk:
    given = builders or {"top": {}, "child": {}}
    desk = Desk(given, {"w": {}}, collapseRequests=None)
    desk.attach()
    return desk


def build_of(desk: Desk, builder: str) -> FakeBuild:
    [build] = [one for one in desk.builds if one.builder.name == builder]
    return build


def trigger(desk: Desk, parent: FakeBuild, builder: str = "child", **given: Any) -> int:
    """What a Trigger step does; gives the id of the request."""
    builderid = desk.data.builders.by_name[builder].id
    asked = {"waited_for": True, "sourcestamps": [{"codebase": ""}], "scheduler": "s"} | given
    added = desk.data.buildsets.add(builderids=[builderid], parent_buildid=parent.row.id, **asked)
    request_id: int = now(added)[1][builderid]
    desk.turn()
    return request_id


def retry(desk: Desk) -> FakeBuild:
    """Let the build of 'top' lose its worker, and be built again."""
    build_of(desk, "top").end(RETRY)
    desk.clock.advance(60)
    desk.turn()
    return build_of(desk, "top")


def results(desk: Desk) -> dict[int, int]:
    return dict(desk.completed)


def test_a_child_is_built_while_its_parent_waits() -> None:
    desk = a_desk()
    desk.ask("top")
    trigger(desk, build_of(desk, "top"))
    assert desk.running() == [("child", "w"), ("top", "w")]


def test_a_child_that_waits_is_begun_only_once_the_next_attempt_asks_for_it() -> None:
    desk = a_desk()
    desk.ask("top")
    first = build_of(desk, "top")
    desk.ask("child")  # keeps the worker busy
    child = trigger(desk, first)
    second = retry(desk)
    build_of(desk, "child").end()
    assert desk.running() == [("top", "w")]
    reason = desk.why(desk.data.requests.open[child])
    assert reason == ("held", "The build that waits for it was cut off; that is built again first")
    assert trigger(desk, second) == child
    assert desk.running() == [("child", "w"), ("top", "w")]
    assert desk.data.requests.open[child].buildset.parent_buildid == second.row.id


def test_a_child_that_runs_goes_on_and_is_taken_over() -> None:
    desk = a_desk()
    desk.ask("top")
    child = trigger(desk, build_of(desk, "top"))
    second = retry(desk)
    assert build_of(desk, "child").stopped is None
    assert trigger(desk, second) == child
    third = retry(desk)
    assert trigger(desk, third) == child


def test_a_child_that_has_ended_is_not_built_again() -> None:
    desk = a_desk()
    desk.ask("top")
    child = trigger(desk, build_of(desk, "top"))
    build_of(desk, "child").end(FAILURE)
    assert trigger(desk, retry(desk)) == child
    assert desk.running() == [("top", "w")] and results(desk) == {child: FAILURE}


def test_equal_triggers_of_one_attempt_are_taken_over_one_by_one() -> None:
    desk = a_desk()
    desk.ask("top")
    asked = [trigger(desk, build_of(desk, "top")) for _ in range(2)]
    assert asked[0] != asked[1]
    second = retry(desk)
    again = [trigger(desk, second) for _ in range(3)]
    assert again[:2] == asked and again[2] not in asked


@pytest.mark.parametrize(
    "other",
    [
        {"properties": {"k": (1, "Trigger")}},
        {"sourcestamps": [{"codebase": "", "branch": "x"}]},
        {"scheduler": "t"},
        {"waited_for": False},
        {"builder": "top"},
        {"rebuilt_buildid": 1},
    ],
)
def test_what_differs_is_asked_for_anew_and_the_old_one_ends_with_its_parent(
    other: dict[str, Any],
) -> None:
    desk = a_desk()
    parent = desk.ask("top")
    desk.ask("child")
    old = trigger(desk, build_of(desk, "top"))
    second = retry(desk)
    assert trigger(desk, second, **other) != old
    second.end()
    assert results(desk)[parent.id] == SUCCESS and results(desk)[old] == CANCELLED


def test_a_child_that_somebody_cancelled_is_asked_for_anew() -> None:
    desk = a_desk()
    desk.ask("top")
    child = trigger(desk, build_of(desk, "top"))
    now(desk.data.actions.call("buildrequests", child, "cancel", {}))
    desk.turn()
    assert trigger(desk, retry(desk)) != child


def test_what_nobody_waits_for_stays_and_is_not_asked_for_twice() -> None:
    desk = a_desk()
    desk.ask("top")
    child = trigger(desk, build_of(desk, "top"), waited_for=False)
    second = retry(desk)
    assert trigger(desk, second, waited_for=False) == child
    second.end(FAILURE)
    assert desk.running() == [("child", "w")] and build_of(desk, "child").stopped is None


@pytest.mark.parametrize("how", [SUCCESS, FAILURE, EXCEPTION, CANCELLED])
def test_whatever_ends_the_parent_ends_its_children(how: int) -> None:
    desk = a_desk(top={}, child={}, other={})
    desk.ask("top")
    top = build_of(desk, "top")
    desk.ask("other")
    running, waiting = trigger(desk, top), trigger(desk, top, "other")
    top.end(how)
    assert results(desk)[waiting] == CANCELLED and results(desk)[running] == CANCELLED


def test_a_parent_that_is_cancelled_before_its_next_attempt_takes_its_children_along() -> None:
    desk = a_desk()
    request = desk.ask("top")
    desk.ask("child")
    child = trigger(desk, build_of(desk, "top"))
    build_of(desk, "top").end(RETRY)
    now(desk.data.actions.call("buildrequests", request.id, "cancel", {}))
    desk.turn()
    assert results(desk) == {request.id: CANCELLED, child: CANCELLED}


def test_children_of_children_end_too() -> None:
    desk = a_desk(top={}, child={}, grandchild={})
    desk.ask("top")
    child = trigger(desk, build_of(desk, "top"))
    grandchild = trigger(desk, build_of(desk, "child"), "grandchild")
    build_of(desk, "top").end(CANCELLED)
    assert results(desk)[child] == results(desk)[grandchild] == CANCELLED
    assert desk.running() == []


def test_builds_under_way_get_what_they_wait_for_before_a_clean_stop() -> None:
    desk = a_desk()
    desk.ask("top")
    desk.queue.hold()
    waiting = desk.ask("child")
    child = trigger(desk, build_of(desk, "top"))
    assert build_of(desk, "child").request_rows[0].id == child
    build_of(desk, "child").end()
    assert desk.running() == [("top", "w")] and not waiting.claimed
    desk.queue.release()
    desk.turn()
    assert build_of(desk, "child").request_rows == [waiting]
