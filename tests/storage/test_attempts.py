"""What a build had triggered when its master was killed."""

from typing import Any

import pytest
from sqlalchemy import select

from ci_common.results import CANCELLED, SUCCESS
from ci_master.data.builders import BuilderSpec
from ci_master.data.model import BuildRow
from ci_master.storage import schema
from tests.storage.harness import Desk

STAMP = {"branch": "main", "revision": "abc", "repository": "r"}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("top"), BuilderSpec("child")]))
    desk.run(desk.data.workers.sync({"w1": [1, 2]}))
    return desk


def started(desk: Desk, request_id: int) -> BuildRow:
    assert desk.run(desk.data.requests.claim([request_id]))
    return desk.data.builds.start(1, desk.data.requests.open[request_id], 1)


def trigger(desk: Desk, parent: BuildRow, **given: Any) -> int:
    asked = {"properties": {"p": ([1, {"a": None}], "Trigger")}, "waited_for": True} | given
    _, ids = desk.run(
        desk.data.buildsets.add(
            builderids=[2],
            sourcestamps=[STAMP],
            scheduler="s",
            parent_buildid=parent.id,
            **asked,
        )
    )
    return ids[2]


@pytest.mark.parametrize("ended", [False, True])
def test_the_next_attempt_goes_on_with_it_after_a_kill(desk: Desk, ended: bool) -> None:
    _, ids = desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[STAMP]))
    child = trigger(desk, started(desk, ids[1]))
    if ended:
        desk.data.requests.complete([child], SUCCESS)
    desk.settle()
    desk.crash()
    desk.open()
    if not ended:
        assert desk.data.requests.open[child].buildset.parent_requestid == ids[1]
    again = started(desk, ids[1])
    assert trigger(desk, again, properties={"p": (2, "Trigger")}) != child
    assert trigger(desk, again) == child
    assert trigger(desk, again) != child
    desk.settle()
    sets, requests = schema.buildsets.c, schema.buildrequests.c
    parent = select(sets.parent_buildid).where(sets.id == requests.buildsetid, requests.id == child)
    assert desk.run(desk.store.read(lambda tx: tx.execute(parent).scalar())) == again.id


def test_what_was_cancelled_is_asked_for_anew(desk: Desk) -> None:
    _, ids = desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[STAMP]))
    child = trigger(desk, started(desk, ids[1]))
    desk.data.requests.complete([child], CANCELLED)
    desk.settle()
    desk.crash()
    desk.open()
    assert trigger(desk, started(desk, ids[1])) != child


def test_the_build_of_another_request_takes_nothing_over(desk: Desk) -> None:
    first, second = (
        desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[STAMP]))[1][1]
        for _ in range(2)
    )
    child = trigger(desk, started(desk, first))
    assert trigger(desk, started(desk, second)) != child
