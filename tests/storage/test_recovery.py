"""The pass over what is stored: lost work is found, work under way is left alone."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, select, update
from twisted.internet.defer import ensureDeferred, gatherResults

from ci_common.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS
from ci_master.data.builders import BuilderSpec
from ci_master.data.model import BuildRow, Request
from ci_master.queue import recovery
from ci_master.queue.recovery import Recovery
from ci_master.storage import schema, unowned
from tests.storage.harness import Desk

STAMP = {"branch": "main", "revision": "abc", "repository": "r"}
r, b = schema.buildrequests, schema.builds


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("b1"), BuilderSpec("b2")]))
    desk.run(desk.data.workers.sync({"w1": [1, 2]}))
    return desk


class Passes:
    """Makes passes; knows what was put in line."""

    def __init__(self, desk: Desk, active: Collection[int] = ()) -> None:
        self.desk = desk
        self.arrived: list[int] = []
        self.recovery = Recovery(
            desk.data, active=lambda: active, arrive=lambda one: self.arrived.append(one.id)
        )

    def run(self) -> None:
        self.desk.settle()
        self.arrived.clear()
        self.desk.run(self.recovery.run())
        self.desk.settle()


def asked(desk: Desk, *builderids: int) -> list[Request]:
    _, ids = desk.run(
        desk.data.buildsets.add(
            builderids=builderids or [1],
            sourcestamps=[STAMP],
            properties={"p": ([1], "Scheduler")},
            priority=3,
        )
    )
    return [desk.data.requests.open[id] for id in ids.values()]


def claimed(desk: Desk) -> Request:
    (request,) = asked(desk)
    assert desk.run(desk.data.requests.claim([request.id]))
    return request


def change(desk: Desk, statement: Any) -> None:
    """Change rows behind the master's back."""
    desk.run(desk.store.write(lambda tx: tx.execute(statement)))


def forget(desk: Desk, *requests: Request) -> None:
    """Lose them from memory, with their buildsets."""
    for request in requests:
        desk.data.requests.open.pop(request.id)
        desk.data.requests.waiting.pop(request.id, None)
        desk.data.buildsets.open.pop(request.buildset.id, None)


def row(desk: Desk, table: Any, id: int) -> Any:
    desk.settle()
    return desk.run(desk.store.read(lambda tx: tx.execute(select(table).where(table.c.id == id))
                                    .one()))  # fmt: skip


def test_a_request_that_memory_has_lost_waits_again(desk: Desk) -> None:
    (request,) = asked(desk)
    forget(desk, request)
    passes = Passes(desk)
    passes.run()
    found = desk.data.requests.waiting[request.id]
    assert passes.arrived == [request.id]
    assert (found.priority, found.builderid, found.submitted_at) == (3, 1, request.submitted_at)
    assert found.buildset.sourcestamps[0]["revision"] == "abc"
    assert found.buildset.properties == {"p": ([1], "Scheduler")}
    desk.data.requests.complete([request.id], FAILURE)
    assert row(desk, schema.buildsets, request.buildset.id).results == FAILURE


def test_one_of_several_requests_of_a_buildset_is_found(desk: Desk) -> None:
    first, second = asked(desk, 1, 2)
    desk.data.requests.open.pop(second.id)
    desk.data.requests.waiting.pop(second.id)
    first.buildset.open_requests.discard(second.id)
    Passes(desk).run()
    assert desk.data.requests.open[first.id] is first
    assert desk.data.requests.waiting[second.id].buildset is first.buildset
    assert first.buildset.open_requests == {first.id, second.id}


def test_a_request_of_a_buildset_that_is_complete_is_found(desk: Desk) -> None:
    first, second = asked(desk, 1, 2)
    desk.data.requests.open.pop(second.id)
    desk.data.requests.waiting.pop(second.id)
    first.buildset.open_requests.discard(second.id)
    desk.data.requests.complete([first.id], SUCCESS)
    Passes(desk).run()
    assert list(desk.data.requests.waiting) == [second.id]
    desk.data.requests.complete([second.id], FAILURE)
    assert row(desk, schema.buildsets, first.buildset.id).results == FAILURE


@pytest.mark.parametrize(("ended", "results"), [(True, FAILURE), (True, RETRY), (False, None)])
def test_a_claimed_request_that_memory_has_lost_ends_as_its_build_did_or_waits_again(
    desk: Desk, ended: bool, results: int | None
) -> None:
    request = claimed(desk)
    build = desk.data.builds.start(1, request, 1)
    if ended:
        assert results is not None
        desk.data.builds.finish(build, results)
    else:
        desk.data.builds.running.pop(build.id)
    forget(desk, request)
    Passes(desk).run()
    stored = row(desk, r, request.id)
    if results == FAILURE:
        assert (stored.complete, stored.results) == (True, FAILURE)
        assert row(desk, schema.buildsets, request.buildset.id).results == FAILURE
    else:
        assert (stored.complete, stored.claimed_by_masterid) == (False, None)
        assert request.id in desk.data.requests.waiting
    assert row(desk, b, build.id).results == (FAILURE if results == FAILURE else RETRY)


def test_a_request_claimed_by_this_master_that_it_does_not_work_on_waits_again(desk: Desk) -> None:
    request = claimed(desk)
    Passes(desk).run()
    assert row(desk, r, request.id).claimed_by_masterid is None
    assert request.id in desk.data.requests.waiting


def test_a_claim_of_which_only_storage_knows_is_given_up(desk: Desk) -> None:
    (request,) = asked(desk)
    me = {"claimed_by_masterid": desk.data.master_id, "claimed_at": 1}
    change(desk, update(r).where(r.c.id == request.id).values(me))
    assert not desk.run(desk.data.requests.claim([request.id]))
    Passes(desk).run()
    assert desk.run(desk.data.requests.claim([request.id]))


def test_a_claim_of_which_only_memory_knows_is_stored_or_given_up(desk: Desk) -> None:
    active, idle = claimed(desk), claimed(desk)
    change(desk, update(r).values(claimed_by_masterid=None))
    Passes(desk, {active.id}).run()
    assert row(desk, r, active.id).claimed_by_masterid == desk.data.master_id
    assert row(desk, r, idle.id).claimed_by_masterid is None
    assert list(desk.data.requests.waiting) == [idle.id]


def test_what_somebody_else_ended_or_deleted_waits_no_more(desk: Desk) -> None:
    ended, deleted = asked(desk)[0], asked(desk)[0]
    change(desk, update(r).where(r.c.id == ended.id).values(complete=True, results=SKIPPED))
    change(desk, delete(r).where(r.c.id == deleted.id))
    Passes(desk).run()
    assert not desk.data.requests.open and not desk.data.buildsets.open
    assert row(desk, schema.buildsets, ended.buildset.id).results == SKIPPED
    assert row(desk, schema.buildsets, deleted.buildset.id).results == CANCELLED


@pytest.mark.parametrize("known", [True, False])
def test_a_buildset_whose_requests_are_all_complete_is_complete(desk: Desk, known: bool) -> None:
    requests = asked(desk, 1, 2)
    buildset = requests[0].buildset
    for request, results in zip(requests, (SUCCESS, FAILURE), strict=True):
        desk.data.requests.open.pop(request.id)
        desk.data.requests.waiting.pop(request.id)
        change(desk, update(r).where(r.c.id == request.id).values(complete=True, results=results))
    if known:
        buildset.open_requests.clear()
        buildset.worst = FAILURE
    else:
        desk.data.buildsets.open.pop(buildset.id)
    desk.events.clear()
    Passes(desk).run()
    stored = row(desk, schema.buildsets, buildset.id)
    assert (stored.complete, stored.results) == (True, FAILURE)
    assert ("buildsets", str(buildset.id), "complete") in desk.events
    assert buildset.id not in desk.data.buildsets.open


def begun(desk: Desk) -> BuildRow:
    build = desk.data.builds.start(1, claimed(desk), 1)
    desk.data.steps.start(desk.data.steps.add(build, "test"))
    return build


def test_a_stored_build_that_nobody_runs_ends(desk: Desk) -> None:
    build = begun(desk)
    desk.data.builds.running.pop(build.id)
    Passes(desk, {build.request.id}).run()
    stored = row(desk, b, build.id)
    assert stored.results == RETRY and stored.complete_at is not None
    assert row(desk, schema.steps, build.steps[0].id).results == RETRY
    assert ("builds", str(build.id), "finished") in desk.events


def test_a_build_that_memory_holds_and_nobody_runs_ends_with_the_second_pass(desk: Desk) -> None:
    build = begun(desk)
    passes = Passes(desk)
    passes.run()
    assert row(desk, b, build.id).complete_at is None
    passes.run()
    assert row(desk, b, build.id).results == RETRY
    assert row(desk, schema.steps, build.steps[0].id).results == RETRY
    passes.run()
    assert list(desk.data.requests.waiting) == [build.request.id]


def test_work_under_way_is_left_alone(desk: Desk, monkeypatch: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr(Recovery.log, "warn", lambda text, **more: told.append(text))
    monkeypatch.setattr(recovery, "SLICE", 2)
    first = [asked(desk, 1, 2)[0] for _ in range(6)]
    active: set[int] = set()
    passes = Passes(desk, active)
    data = desk.data
    for number, request in enumerate(first):  # all that may be under way, not waited for
        adding = data.buildsets.add(builderids=[1, 2], sourcestamps=[STAMP])
        if number % 3 == 0:
            data.requests.complete([request.id], SKIPPED)
        elif number % 3 == 1:
            active.add(request.id)
            claiming = data.requests.claim([request.id])
            data.builds.start(1, request, 1)
        under_way = [ensureDeferred(adding)]
        if number % 3 == 1:
            under_way.append(ensureDeferred(claiming))
        pass_ = ensureDeferred(passes.recovery.run())
        desk.run(gatherResults([*under_way, pass_]))
    assert told == []
    passes.run()
    assert told == [] and sorted(passes.arrived) == sorted(data.requests.waiting)


def test_a_pass_reads_slices_by_an_index(desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr(recovery, "SLICE", 10)
    for _ in range(25):
        asked(desk)
    read, sizes = unowned.open_requests, []

    def open_requests(tx: Any, **given: Any) -> Any:
        found = read(tx, **given)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(unowned, "open_requests", open_requests)
    Passes(desk).run()
    assert sizes == [10, 10, 5, 0]


@pytest.mark.parametrize(
    ("read", "index"),
    [
        (lambda tx: unowned.open_requests(tx, after=7, limit=9), "buildrequests_complete"),
        (lambda tx: unowned.unfinished_builds(tx, 1, limit=9), "builds_complete_at"),
        (lambda tx: unowned.ended_buildsets(tx, limit=9), "buildrequests_complete"),
        (lambda tx: unowned.ended_buildsets(tx, limit=9), "LIST SUBQUERY"),
        (lambda tx: unowned.ended_buildsets(tx, limit=9), "buildsets_complete"),
        (lambda tx: unowned.final_results(tx, [1]), "builds_of_request"),
    ],
)
def test_the_queries_have_an_index(tmp_path: Path, read: Any, index: str) -> None:
    """As SQLite says, which tells it most plainly."""
    desk = Desk(f"sqlite:///{tmp_path}/state.sqlite", str(tmp_path))

    def plan(tx: Connection) -> str:
        asked: list[Any] = []

        def hear(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
            asked.append((statement, parameters))

        event.listen(tx, "before_cursor_execute", hear)
        read(tx)
        event.remove(tx, "before_cursor_execute", hear)
        *_, (statement, parameters) = asked
        return str(tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())

    assert index in desk.run(desk.store.read(plan))
    desk.close()


def test_a_start_takes_the_same_number_of_statements_however_much_waits(tmp_path: Path) -> None:
    def statements(waiting: int) -> int:
        desk = Desk(f"sqlite:///{tmp_path}/{waiting}.sqlite", str(tmp_path))
        desk.run(desk.data.builders.sync([BuilderSpec("b1")]))
        for number in range(waiting):
            stamp = {**STAMP, "revision": f"r{number}"}
            desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[stamp]))
        desk.crash()
        asked: list[str] = []

        def hear(*given: Any) -> None:
            asked.append(given[2])

        event.listen(Engine, "before_cursor_execute", hear)
        try:
            desk.open()
        finally:
            event.remove(Engine, "before_cursor_execute", hear)
        assert len(desk.data.requests.waiting) == waiting
        desk.close()
        return len(asked)

    assert statements(30) == statements(2)
