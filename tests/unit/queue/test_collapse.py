"""Which older requests a new one makes superfluous."""

from typing import Any

import pytest
from sqlalchemy import select
from twisted.internet.defer import Deferred

from ci_common.results import SKIPPED
from ci_master.data.model import Buildset, Request
from ci_master.queue.collapse import (
    at_least_as_new,
    buildbot_likeness,
    is_newer,
    same_work,
    stamps_agree,
)
from ci_master.storage import schema
from tests.unit.queue.desk import Desk, now


def request(id: int, **stamp: Any) -> Request:
    properties = stamp.pop("properties", {})
    more = {key: stamp.pop(key) for key in ("rebuilt_buildid", "external_idstring") if key in stamp}
    waited_for = stamp.pop("waited_for", False)
    whole = {
        "ssid": id,
        "codebase": "",
        "repository": "r",
        "branch": "main",
        "project": "p",
        "revision": None,
        "patch": None,
    } | stamp
    buildset = Buildset(id, "", id, sourcestamps=[whole], properties=properties, **more)
    return Request(id, buildset, 1, 0, id, waited_for)


#: older, newer, whether they are alike by default, and by Buildbot's rule
ALIKE: list[tuple[dict[str, Any], dict[str, Any], bool, bool]] = [
    ({}, {}, True, True),
    ({"revision": "a"}, {"revision": "b"}, True, True),
    ({"branch": "other"}, {}, False, False),
    ({"branch": None}, {"branch": ""}, False, False),
    ({"repository": "other"}, {}, False, False),
    ({"project": "other"}, {}, False, False),
    ({"codebase": "other"}, {}, False, False),
    ({"patch": {"body": b""}}, {}, False, False),
    ({"patch": {"body": b"x"}}, {"patch": {"body": b"x"}}, False, False),
    ({}, {"patch": {"body": b"x"}}, False, False),
    ({"properties": {"x": (1, "Scheduler")}}, {}, False, False),
    ({"properties": {"x": (1, "Trigger")}}, {"properties": {"x": (2, "Trigger")}}, False, True),
    ({"properties": {"x": (1, "Trigger")}}, {"properties": {"x": (1, "Trigger")}}, True, True),
    ({"properties": {"x": (1, "Change")}}, {"properties": {"x": ([1], "Change")}}, False, True),
    ({"properties": {"x": (1, "Trigger")}}, {"properties": {"x": (True, "Trigger")}}, False, True),
    ({"properties": {"scheduler": ("s", "Scheduler")}}, {}, True, True),
    ({"properties": {"scheduler": ("s", "Mine")}}, {}, False, True),
    ({"properties": {"owner": ("ana", "Force Build Form")}}, {}, False, True),
    (
        {"properties": {"owner": ("ana", "Force Build Form")}},
        {"properties": {"owner": ("ana", "Force Build Form")}},
        False,
        True,
    ),
    ({"rebuilt_buildid": 7}, {"rebuilt_buildid": 7}, False, True),
    ({"waited_for": True}, {"waited_for": True}, False, True),
    ({"waited_for": True}, {}, False, True),
    ({"external_idstring": "t1"}, {}, False, True),
]


@pytest.mark.parametrize(("older", "newer", "by_default", "by_buildbot"), ALIKE)
def test_requests_are_alike_that_do_the_same_work(
    older: dict[str, Any], newer: dict[str, Any], by_default: bool, by_buildbot: bool
) -> None:
    for likeness, wanted in ((same_work, by_default), (buildbot_likeness, by_buildbot)):
        old, new = likeness(request(1, **older)), likeness(request(2, **newer))
        assert (old is not None and old == new) is wanted


def test_an_older_request_never_stands_for_a_newer_one() -> None:
    assert is_newer(request(2), request(1))
    assert not is_newer(request(1), request(2)) and not is_newer(request(1), request(1))


@pytest.mark.parametrize(
    ("older", "newer", "changes", "wanted"),
    [
        ({"revision": "a"}, {"revision": "a"}, {}, True),
        ({"revision": "a"}, {"revision": "b"}, {1: 5, 2: 6}, True),
        ({"revision": "a"}, {"revision": "b"}, {1: 6, 2: 5}, False),
        ({"revision": "a"}, {"revision": "b"}, {2: 5}, False),
        ({"revision": "a"}, {"revision": "b"}, {1: 5}, False),
        ({"revision": "a"}, {"revision": "b"}, {}, False),
        ({"revision": "a"}, {"revision": None}, {}, False),
        ({"revision": None}, {"revision": None}, {}, True),
    ],
)
def test_by_default_the_sources_are_the_same_or_newer(
    older: dict[str, Any], newer: dict[str, Any], changes: dict[int, int], wanted: bool
) -> None:
    assert at_least_as_new(request(2, **newer), request(1, **older), changes) is wanted


@pytest.mark.parametrize(
    ("older", "newer", "changes", "wanted"),
    [
        ({"revision": "a"}, {"revision": "b"}, {1: 5, 2: 6}, True),
        ({"revision": "a"}, {"revision": "a"}, {1: 5}, False),
        ({"revision": "a"}, {"revision": "a"}, {2: 5}, False),
        ({"revision": "a"}, {"revision": "a"}, {}, True),
        ({"revision": "a"}, {"revision": "b"}, {}, False),
        ({"revision": "a"}, {"revision": None}, {}, False),
    ],
)
def test_by_buildbots_rule_both_have_changes_or_equal_revisions(
    older: dict[str, Any], newer: dict[str, Any], changes: dict[int, int], wanted: bool
) -> None:
    assert stamps_agree(request(2, **newer), request(1, **older), changes) is wanted


def ask_for_change(desk: Desk, revision: str, **given: Any) -> Request:
    changeid = now(desk.data.changes.add(author="ana", comments="", revision=revision))
    change = now(desk.data.changes.get(changeid))
    return desk.ask("a", sourcestamps=[change["sourcestamp"]["ssid"]], **given)


def test_a_new_request_ends_the_older_ones_it_stands_for() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    older = [desk.ask("a"), desk.ask("a"), desk.ask("a")]
    assert desk.completed == [(older[0].id, SKIPPED), (older[1].id, SKIPPED)]
    desk.attach()
    assert desk.builds[0].request_rows == [older[2]]


def test_the_request_that_does_their_work_is_recorded() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=True)
    older = [desk.ask("a"), desk.ask("a")]
    newest = desk.ask("a")
    t = schema.buildrequests
    query = select(t.c.id, t.c.collapsed_into).order_by(t.c.id)
    rows = now(desk.store.read(lambda tx: tx.execute(query).all()))
    expected = [(older[0].id, older[1].id), (older[1].id, newest.id), (newest.id, None)]
    assert [tuple(row) for row in rows] == expected


@pytest.mark.parametrize("rule", [None, True])
def test_requests_of_changes_are_merged(rule: Any) -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=rule)
    asked = [ask_for_change(desk, "r1"), ask_for_change(desk, "r2")]
    assert desk.completed == [(asked[0].id, SKIPPED)]


def test_by_default_no_request_for_an_older_change_ends_one_for_a_newer() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    first = ask_for_change(desk, "r1")
    newer = ask_for_change(desk, "r2")
    desk.completed.clear()
    late = desk.ask("a", sourcestamps=[first.buildset.sourcestamps[0]["ssid"]])
    assert desk.completed == [] and {newer.id, late.id} <= desk.data.requests.waiting.keys()


@pytest.mark.parametrize(("rule", "ended"), [(None, 0), (True, 4)])
def test_triggers_with_properties_of_their_own_are_all_built_by_default(
    rule: Any, ended: int
) -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=rule)
    for number in range(5):
        desk.ask("a", properties={"k": (number, "Trigger")})
    assert len(desk.completed) == ended


def test_by_default_a_request_of_higher_priority_is_not_ended_by_one_of_lower() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    urgent = desk.ask("a", priority=5)
    desk.ask("a")
    assert desk.completed == []
    desk.ask("a", priority=5)
    assert (urgent.id, SKIPPED) in desk.completed


def test_requests_made_by_hand_are_all_built_by_default() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    forced = {"owner": ("ana", "Force Build Form"), "reason": ("again", "Force Build Form")}
    for _ in range(2):
        desk.ask("a", properties=forced)
        desk.ask("a", rebuilt_buildid=1)
    assert desk.completed == []


def test_requests_that_come_while_others_are_compared_are_merged_too() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    first = ask_for_change(desk, "r1")
    reading: list[Deferred[None]] = []
    read = desk.store.read

    def slow(function: Any) -> Any:
        reading.append(Deferred())
        return reading[-1].addCallback(lambda _: read(function))

    desk.store.read = slow  # type: ignore[method-assign]
    second = ask_for_change_at_once(desk, "r2")
    third = ask_for_change_at_once(desk, "r3")
    while reading:
        reading.pop(0).callback(None)
    assert desk.completed == [(first.id, SKIPPED), (second.id, SKIPPED)]
    assert list(desk.data.requests.waiting) == [third.id]


def ask_for_change_at_once(desk: Desk, revision: str) -> Request:
    """The same without reading."""
    now(desk.data.changes.add(author="ana", comments="", revision=revision))
    return desk.ask("a", sourcestamps=[{"revision": revision, "codebase": ""}])


def test_a_builder_s_own_rule_goes_before_the_global_one() -> None:
    desk = Desk({"a": {"collapseRequests": False}}, {"w": {}}, collapseRequests=True)
    desk.ask("a")
    desk.ask("a")
    assert desk.completed == []


def test_a_rule_changed_by_a_reload_holds_for_what_waits_already() -> None:
    desk = Desk({"a": {"collapseRequests": False}}, {"w": {}}, collapseRequests=None)
    older = [desk.ask("a", properties={"k": (number, "Trigger")}) for number in range(2)]
    desk.configure({"a": {"collapseRequests": True}})
    desk.ask("a", properties={"k": (7, "Trigger")})
    assert desk.completed == [(one.id, SKIPPED) for one in older]


def test_an_author_s_function_gets_both_requests_as_rest_dicts() -> None:
    seen: list[Any] = []

    async def rule(master: Any, builder: Any, new: Any, old: Any) -> bool:
        seen.append((builder.name, new["buildrequestid"], old["buildrequestid"]))
        return bool(old["buildrequestid"] == 1)

    desk = Desk({"a": {"collapseRequests": rule}}, {"w": {}})
    for _ in range(3):
        desk.ask("a")
    assert seen == [("a", 2, 1), ("a", 3, 2)] and desk.completed == [(1, SKIPPED)]


def test_a_function_that_fails_ends_nothing_and_keeps_no_request_from_its_line() -> None:
    def rule(master: Any, builder: Any, new: Any, old: Any) -> bool:
        raise ValueError("the author's mistake")

    desk = Desk({"a": {"collapseRequests": rule}}, {"w": {}})
    asked = [desk.ask("a"), desk.ask("a")]
    assert desk.completed == []
    desk.attach()
    desk.builds[0].end()
    assert desk.builds[0].request_rows == [asked[1]]


def test_only_requests_that_are_alike_are_looked_at() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    for number in range(100):
        desk.ask("a", properties={"k": (number, "Trigger")}, turn=False)
    before = desk.queue.collapser.looks
    desk.ask("a", properties={"k": (50, "Trigger")})
    assert desk.queue.collapser.looks - before == 1
    assert len(desk.completed) == 1
