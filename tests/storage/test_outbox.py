"""Events that reporters tell of are stored with what they tell of, or neither is."""

from typing import Any

import pytest
from sqlalchemy import select

from ci_common.results import RETRY, SUCCESS
from ci_master.data.builders import BuilderSpec
from ci_master.data.model import BuildRow
from ci_master.data.outbox import OutboxEvent
from ci_master.storage import outbox as rows
from ci_master.storage import schema
from tests.storage.harness import Desk

WANTED = {("builds", "new"), ("builds", "finished"), ("buildsets", "complete")}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("b1")]))
    return desk


def begin(desk: Desk) -> BuildRow:
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[{}]))
    desk.run(desk.data.requests.claim([requests[1]]))
    build = desk.data.builds.start(1, desk.data.requests.open[requests[1]], None)
    desk.data.builds.announce(build)
    desk.settle()
    return build


def finish(desk: Desk, build: BuildRow) -> None:
    desk.data.builds.finish(build, SUCCESS)
    desk.data.requests.complete([build.request.id], SUCCESS)
    desk.settle()


def stored(desk: Desk) -> list[OutboxEvent]:
    return list(desk.run(desk.data.outbox.read(0, 1000)))


def test_events_are_stored_in_order_as_they_were_when_they_happened(desk: Desk) -> None:
    heard: list[OutboxEvent] = []
    desk.data.outbox.join("r", "d", WANTED)
    desk.data.outbox.subscribe(heard.append)
    build = begin(desk)
    finish(desk, build)
    found = stored(desk)
    assert [event.key for event in found] == [
        ("builds", "1", "new"),
        ("builds", "1", "finished"),
        ("buildsets", "1", "complete"),
    ]
    assert [event.message.get("complete") for event in found] == [False, True, True]
    assert [(event.id, event.key) for event in heard] == [(one.id, one.key) for one in found]
    assert found[1].message == build.as_json()


def test_without_reporters_nothing_is_stored(desk: Desk) -> None:
    finish(desk, begin(desk))
    desk.data.outbox.join("r", "d", {("workers", "missing")})
    finish(desk, begin(desk))
    assert stored(desk) == []


def test_builds_that_were_cut_off_by_a_crash_have_an_end(desk: Desk) -> None:
    desk.data.outbox.join("r", "d", WANTED)
    begin(desk)
    desk.crash()
    desk.open()
    last = stored(desk)[-1]
    assert last.key == ("builds", "1", "finished")
    assert (last.message["results"], last.message["complete"]) == (RETRY, True)
    # What happens next has an id of its own, though the reporter is not there yet.
    begin(desk)
    assert [event.key for event in stored(desk)[-2:]] == [last.key, ("builds", "2", "new")]


def test_reporters_are_known_after_a_restart(desk: Desk) -> None:
    row = desk.data.outbox.join("r", "d", WANTED)
    begin(desk)
    row.cursor, row.pending = 1, [1]
    desk.data.outbox.save(row)
    desk.settle()
    desk.crash()
    desk.open()
    again = desk.data.outbox.join("r", "d", WANTED)
    assert (again.cursor, again.pending, again.done) == (1, [1], 0)
    assert [one.id for one in desk.run(desk.data.outbox.read_again([1]))] == [1]


def test_the_newest_event_stays_so_that_its_id_is_not_used_again(desk: Desk) -> None:
    row = desk.data.outbox.join("r", "d", WANTED)
    finish(desk, begin(desk))
    desk.run(desk.store.write(lambda tx: rows.trim(tx, 3)))
    assert [event.id for event in stored(desk)] == [3]
    row.cursor = 3
    desk.data.outbox.save(row)
    desk.settle()
    desk.crash()
    desk.open()
    desk.data.outbox.join("r", "d", WANTED)
    begin(desk)
    assert [event.id for event in stored(desk)] == [3, 4]


def test_reporters_gone_for_long_are_forgotten(desk: Desk) -> None:
    desk.data.outbox.join("r", "d", WANTED)
    desk.data.outbox.keep_only([])
    desk.reactor.advance(10 * 24 * 3600)
    desk.data.outbox.keep_only([])
    desk.settle()
    found: Any = desk.run(
        desk.store.read(lambda tx: tx.execute(select(schema.reporters.c.name)).all())
    )
    assert found == []
    assert desk.bus.recorder is None
