"""Which older requests a new one makes superfluous."""

from typing import Any

import pytest

from ci_common.results import SKIPPED
from ci_master.data.model import Buildset, Request
from ci_master.queue.collapse import may_stand_for, stamps_agree
from tests.unit.queue.desk import Desk, now


def request(id: int, **stamp: Any) -> Request:
    properties = stamp.pop("properties", {})
    whole = {
        "ssid": id,
        "codebase": "",
        "repository": "r",
        "branch": "main",
        "project": "p",
        "revision": None,
        "patch": None,
    } | stamp
    return Request(id, Buildset(id, "", id, sourcestamps=[whole], properties=properties), 1, 0, id)


@pytest.mark.parametrize(
    ("older", "newer", "wanted"),
    [
        ({}, {}, True),
        ({"branch": "other"}, {}, False),
        ({"repository": "other"}, {}, False),
        ({"project": "other"}, {}, False),
        ({"codebase": "other"}, {}, False),
        ({"patch": {"body": b""}}, {}, False),
        ({}, {"patch": {"body": b"x"}}, False),
        ({"properties": {"x": (1, "Scheduler")}}, {}, False),
        ({"properties": {"x": (1, "Force Build Form")}}, {}, True),
        ({"properties": {"scheduler": ("s", "Scheduler")}}, {}, True),
    ],
)
def test_requests_that_agree_may_be_merged(
    older: dict[str, Any], newer: dict[str, Any], wanted: bool
) -> None:
    assert may_stand_for(request(2, **newer), request(1, **older)) is wanted


def test_an_older_request_never_stands_for_a_newer_one() -> None:
    assert not may_stand_for(request(1), request(2))


@pytest.mark.parametrize(
    ("older", "newer", "with_changes", "wanted"),
    [
        ({"revision": "a"}, {"revision": "b"}, {1, 2}, True),
        ({"revision": "a"}, {"revision": "a"}, {1}, False),
        ({"revision": "a"}, {"revision": "a"}, {2}, False),
        ({"revision": "a"}, {"revision": "a"}, set(), True),
        ({"revision": "a"}, {"revision": "b"}, set(), False),
        ({"revision": "a"}, {"revision": None}, set(), False),
    ],
)
def test_changes_on_both_sides_or_equal_revisions_are_wanted(
    older: dict[str, Any], newer: dict[str, Any], with_changes: set[int], wanted: bool
) -> None:
    assert stamps_agree(request(2, **newer), request(1, **older), with_changes) is wanted


def test_a_new_request_ends_the_older_ones_it_stands_for() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=None)
    older = [desk.ask("a"), desk.ask("a"), desk.ask("a")]
    assert desk.completed == [(older[0].id, SKIPPED), (older[1].id, SKIPPED)]
    desk.attach()
    assert desk.builds[0].request_rows == [older[2]]


def test_requests_of_changes_are_merged() -> None:
    desk = Desk({"a": {}}, {"w": {}}, collapseRequests=True)
    asked = []
    for revision in ("r1", "r2"):
        changeid = now(desk.data.changes.add(author="ana", comments="", revision=revision))
        change = now(desk.data.changes.get(changeid))
        asked.append(desk.ask("a", sourcestamps=[change["sourcestamp"]["ssid"]]))
    assert desk.completed == [(asked[0].id, SKIPPED)]


def test_a_builder_s_own_rule_goes_before_the_global_one() -> None:
    desk = Desk({"a": {"collapseRequests": False}}, {"w": {}}, collapseRequests=True)
    desk.ask("a")
    desk.ask("a")
    assert desk.completed == []


def test_an_author_s_function_gets_both_requests_as_rest_dicts() -> None:
    seen: list[Any] = []

    async def rule(master: Any, builder: Any, new: Any, old: Any) -> bool:
        seen.append((builder.name, new["buildrequestid"], old["buildrequestid"]))
        return bool(old["buildrequestid"] == 1)

    desk = Desk({"a": {"collapseRequests": rule}}, {"w": {}})
    for _ in range(3):
        desk.ask("a")
    assert seen == [("a", 2, 1), ("a", 3, 2)] and desk.completed == [(1, SKIPPED)]
