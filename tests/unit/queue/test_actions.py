"""What people may do to builds and requests."""

from typing import Any

import pytest

from ci_common.faults import Refused
from ci_common.results import CANCELLED
from tests.unit.queue.desk import Desk, now


def call(desk: Desk, kind: str, key: Any, method: str, **args: Any) -> Any:
    return now(desk.data.actions.call(kind, key, method, args))


def test_a_rebuild_is_of_the_same_sources_for_that_builder_alone() -> None:
    desk = Desk({"a": {}, "b": {}}, {"w": {}})
    desk.attach()
    desk.ask(
        "a",
        sourcestamps=[{"codebase": "", "branch": "main", "revision": "r1"}],
        properties={"x": (1, "Force Build Form")},
        reason="because",
        external_idstring="e",
    )
    build = desk.builds[0]
    build.end()
    bsid, requests = call(desk, "builds", build.row.id, "rebuild")
    [request_id] = requests.values()
    buildset = desk.data.requests.open[request_id].buildset
    assert buildset.id == bsid and list(requests) == [build.row.builderid]
    assert (buildset.reason, buildset.scheduler) == ("rebuild", "rebuild")
    assert (buildset.external_idstring, buildset.rebuilt_buildid) == ("e", build.row.id)
    assert buildset.sourcestamps[0]["revision"] == "r1"
    assert buildset.properties == {"x": (1, "Force Build Form")}
    desk.turn()
    again = desk.builds[0]
    again.end()
    _, requests = call(desk, "builds", again.row.id, "rebuild")
    [request_id] = requests.values()
    assert desk.data.requests.open[request_id].buildset.rebuilt_buildid == build.row.id


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("builds", "stop"),
        ("builds", "rebuild"),
        ("buildrequests", "cancel"),
        ("buildrequests", "set_priority"),
        ("workers", "pause"),
    ],
)
@pytest.mark.parametrize("key", ["77", "nonsense"])
def test_what_is_not_there_is_refused(kind: str, method: str, key: str) -> None:
    desk = Desk({"a": {}}, {"w": {}})
    with pytest.raises(Refused, match="there is no") as refused:
        call(desk, kind, key, method, priority=1)
    assert refused.value.status == 404


def test_a_waiting_request_is_cancelled_at_once_and_only_once() -> None:
    desk = Desk({"a": {}}, {"w": {}})
    request = desk.ask("a")
    call(desk, "buildrequests", request.id, "cancel")
    call(desk, "buildrequests", request.id, "cancel")
    assert desk.completed == [(request.id, CANCELLED)]
    desk.attach()
    assert desk.running() == []


def test_stopping_a_build_that_has_ended_is_harmless() -> None:
    desk = Desk({"a": {}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    build = desk.builds[0]
    build.end()
    call(desk, "builds", build.row.id, "stop")
    assert build.stopped is None


@pytest.mark.parametrize("priority", ["high", None])
def test_a_priority_is_a_number(priority: Any) -> None:
    desk = Desk({"a": {}}, {"w": {}})
    request = desk.ask("a")
    with pytest.raises(Refused, match="whole number") as refused:
        call(desk, "buildrequests", request.id, "set_priority", priority=priority)
    assert refused.value.status == 400


def test_a_killed_worker_ends_at_once() -> None:
    desk = Desk({"a": {}}, {"w": {}})
    desk.attach()
    session: Any = desk.registry.slots["w"].session
    call(desk, "workers", "w", "kill", reason="x")
    assert session.did == ["shutdown"]
