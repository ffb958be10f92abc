"""Acts of the data room: memory at once, rows in order, events after the commit."""

import time
from typing import Any

import pytest
from sqlalchemy import select

from ci_common.results import CANCELLED, FAILURE, RETRY, SKIPPED, SUCCESS
from ci_master.data.builders import BuilderSpec, ProjectSpec
from ci_master.data.codebases import CodebaseSpec
from ci_master.data.endpoints.reader import Reader
from ci_master.data.model import Request
from ci_master.data.views import Views
from ci_master.storage import schema
from tests.storage.harness import Desk
from tests.storage.test_leases import ANA, Another

STAMP = {"branch": "main", "revision": "abc", "repository": "r"}


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("b1", tags=("x",)), BuilderSpec("b2")]))
    desk.run(desk.data.workers.sync({"w1": [1, 2]}))
    return desk


def a_request(desk: Desk, **more: Any) -> Request:
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[STAMP], **more))
    return desk.data.requests.open[requests[1]]


def rows(desk: Desk, table: Any) -> list[Any]:
    desk.settle()
    return list(desk.run(desk.store.read(lambda tx: tx.execute(select(table)).all())))


def test_a_change_is_stored_and_told_as_one(desk: Desk) -> None:
    changeid = desk.run(
        desk.data.changes.add(
            author="ana", comments="fix\0it", revision="abc", branch="main", files=["b", "a"],
            properties={"p": 1, "q": (2, "Mine")},
        )
    )  # fmt: skip
    found = desk.run(desk.data.changes.get(changeid))
    assert found == desk.messages[desk.events.index(("changes", "1", "new"))]
    assert found is not None
    assert found["files"] == ["a", "b"]
    assert found["properties"] == {"p": [1, "Change"], "q": [2, "Mine"]}
    assert "\0" not in found["comments"]


def test_a_change_knows_the_one_before_it_on_its_branch(desk: Desk) -> None:
    for branch in ("main", "other", "main"):
        desk.run(desk.data.changes.add(author="a", comments="", branch=branch))
    found = desk.run(desk.data.changes.get_many([1, 2, 3]))
    assert [change["parent_changeids"] for change in found] == [[], [], [1]]


def test_equal_source_stamps_share_a_row(desk: Desk) -> None:
    first, second = a_request(desk), a_request(desk)
    assert first.buildset.sourcestamps == second.buildset.sourcestamps
    assert len(rows(desk, schema.sourcestamps)) == 1


def test_a_patch_makes_a_stamp_of_its_own(desk: Desk) -> None:
    patched = {**STAMP, "patch": {"body": b"--- a\n", "level": 1, "author": "x", "comment": ""}}
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[patched]))
    stamp = desk.data.requests.open[requests[1]].buildset.sourcestamps[0]
    assert stamp["patch"]["level"] == 1
    body = desk.run(desk.data.sourcestamps.patch_body(stamp["patch"]["patchid"]))
    assert body == b"--- a\n"


def test_a_request_is_claimed_once(desk: Desk) -> None:
    request = a_request(desk)
    assert desk.run(desk.data.requests.claim([request.id]))
    assert not desk.run(desk.data.requests.claim([request.id]))
    assert request.id not in desk.data.requests.waiting
    assert rows(desk, schema.buildrequests)[0].claimed_by_masterid == desk.data.master_id


def test_a_request_that_another_master_took_stays_theirs(desk: Desk) -> None:
    request = a_request(desk)
    taken = {"claimed_by_masterid": 77, "claimed_at": 1}
    desk.update(schema.buildrequests, request.id, taken)
    assert not desk.run(desk.data.requests.claim([request.id]))
    assert rows(desk, schema.buildrequests)[0].claimed_by_masterid == 77


def test_all_requests_are_claimed_or_none(desk: Desk) -> None:
    first, second = a_request(desk), a_request(desk)
    desk.update(schema.buildrequests, second.id, {"claimed_by_masterid": 77})
    assert not desk.run(desk.data.requests.claim([first.id, second.id]))
    assert rows(desk, schema.buildrequests)[0].claimed_by_masterid is None
    assert first.id in desk.data.requests.waiting


def test_a_buildset_ends_with_its_last_request_and_its_worst_result(desk: Desk) -> None:
    bsid, ids = desk.run(desk.data.buildsets.add(builderids=[1, 2], sourcestamps=[STAMP]))
    desk.data.requests.complete([ids[1]], FAILURE)
    assert bsid in desk.data.buildsets.open
    desk.data.requests.complete([ids[2]], SUCCESS)
    row = rows(desk, schema.buildsets)[0]
    assert (row.complete, row.results) == (True, FAILURE)
    assert desk.events[-1] == ("buildsets", str(bsid), "complete")
    assert not desk.data.requests.open


@pytest.mark.parametrize(("result", "combined"), [(SKIPPED, SKIPPED), (CANCELLED, CANCELLED)])
def test_a_request_may_end_without_a_build(desk: Desk, result: int, combined: int) -> None:
    request = a_request(desk)
    desk.data.requests.complete([request.id], result)
    assert rows(desk, schema.buildsets)[0].results == combined


@pytest.mark.parametrize(
    ("results", "combined"),
    [((SKIPPED, SKIPPED), SKIPPED), ((SKIPPED, SUCCESS), SUCCESS), ((SKIPPED, FAILURE), FAILURE)],
)
def test_a_buildset_of_which_nothing_ran_is_skipped_also_after_a_restart(
    desk: Desk, results: tuple[int, int], combined: int
) -> None:
    _, ids = desk.run(desk.data.buildsets.add(builderids=[1, 2], sourcestamps=[STAMP]))
    desk.data.requests.complete([ids[1]], results[0])
    desk.settle()
    desk.crash()
    desk.open()
    desk.data.requests.complete([ids[2]], results[1])
    assert rows(desk, schema.buildsets)[0].results == combined


def test_a_buildset_without_requests_is_no_success(desk: Desk) -> None:
    desk.run(desk.data.buildsets.add(builderids=[], sourcestamps=[STAMP]))
    row = rows(desk, schema.buildsets)[0]
    assert (row.complete, row.results) == (True, SKIPPED)


@pytest.mark.parametrize(("result", "told"), [(SKIPPED, "claimed"), (CANCELLED, "cancel")])
def test_who_ends_a_waiting_request_has_claimed_it(desk: Desk, result: int, told: str) -> None:
    request = a_request(desk)
    desk.data.requests.complete([request.id], result)
    row = rows(desk, schema.buildrequests)[0]
    assert (row.claimed_by_masterid, row.claimed_at) == (desk.data.master_id, row.complete_at)
    messages = [
        (key[2], message)
        for key, message in zip(desk.events, desk.messages, strict=True)
        if key[:2] == ("buildrequests", str(request.id))
    ]
    assert [event for event, _ in messages] == ["new", told, "complete"]
    assert [message["claimed"] for _, message in messages] == [False, True, True]
    assert messages[-1][1]["claimed_by_masterid"] == desk.data.master_id


def test_a_request_that_ended_unclaimed_in_an_earlier_version_reads_as_claimed(desk: Desk) -> None:
    request = a_request(desk)
    desk.data.requests.complete([request.id], CANCELLED)
    unclaimed = {"claimed_by_masterid": None, "claimed_at": None}
    desk.update(schema.buildrequests, request.id, unclaimed)
    desk.settle()
    reader = Reader(desk.data)
    (found,) = desk.run(reader.plain("buildrequests"))
    assert (found["claimed"], found["claimed_at"]) == (True, found["complete_at"])
    for claimed, ids in (("1", [request.id]), ("0", [])):
        answer = desk.run(reader.ask(["buildrequests"], [("claimed", [claimed])]))
        assert [one["buildrequestid"] for one in answer.items or ()] == ids


def test_a_step_that_is_skipped_never_had_locks(desk: Desk) -> None:
    build = desk.data.builds.start(1, a_request(desk), 1)
    step = desk.data.steps.add(build, "test")
    desk.data.steps.start(step, locks_acquired=True)
    desk.data.steps.skip(step)
    desk.data.steps.finish(step, SKIPPED, False)
    row = rows(desk, schema.steps)[0]
    assert (row.started_at, row.locks_acquired_at) == (row.complete_at, None)


def a_result_set(desk: Desk, category: str, unit: str) -> int:
    build = desk.data.builds.start(1, a_request(desk), 1)
    step = desk.data.steps.add(build, "test")
    return desk.data.test_results.add_set(
        build, step, description="", category=category, value_unit=unit
    )


ODD = ["1", "0", "2", "x", "-1", " 1", "true", ""]


@pytest.mark.parametrize(
    ("category", "unit", "values", "counts"),
    [
        ("pass_fail", "boolean", ODD, (4, 1)),
        ("pass_fail", "boolean", [], (0, 0)),
        ("pass_fail", "message", ["1", "0"], (None, None)),
        ("pass_only", "message", ["0", "x"], (2, 0)),
        ("fail_only", "boolean", ["1", "0", "x"], (0, 3)),
        ("performance", "ms", ["12"], (None, None)),
    ],
)
def test_a_set_of_test_results_counts_them(
    desk: Desk, category: str, unit: str, values: list[str], counts: tuple[Any, Any]
) -> None:
    results = desk.data.test_results
    set_id = a_result_set(desk, category, unit)
    results.add(set_id, [{"value": value, "test_name": "t"} for value in values])
    results.complete_set(set_id)
    row = rows(desk, schema.test_result_sets)[0]
    assert (row.tests_passed, row.tests_failed, row.complete) == (*counts, True)
    assert desk.messages[-1]["tests_passed"] == counts[0]


def test_counts_that_a_step_gives_are_kept(desk: Desk) -> None:
    set_id = a_result_set(desk, "pass_fail", "boolean")
    desk.data.test_results.complete_set(set_id, tests_passed=7, tests_failed=8)
    row = rows(desk, schema.test_result_sets)[0]
    assert (row.tests_passed, row.tests_failed) == (7, 8)


def test_a_build_leaves_its_rows_and_its_builders_summary(desk: Desk) -> None:
    request = a_request(desk)
    desk.run(desk.data.requests.claim([request.id]))
    data = desk.data
    build = data.builds.start(1, request, 1)
    data.builds.announce(build)
    data.builds.set_properties(build, {"owner": ("ana", "Form")})
    step = data.steps.add(build, "test")
    again = data.steps.add(build, "test")
    data.steps.start(step, locks_acquired=True)
    data.steps.add_url(step, "report", "https://example.org/")
    data.steps.finish(step, SUCCESS, False)
    data.builds.set_state(build, "build successful")
    data.builds.finish(build, SUCCESS)
    data.requests.complete([request.id], SUCCESS)
    assert again.name == "test_1"
    stored = rows(desk, schema.builds)[0]
    assert (stored.number, stored.results, stored.state_string) == (1, 0, "build successful")
    assert rows(desk, schema.steps)[0].results == SUCCESS
    summary = data.builders.by_id[1].summary
    assert summary.recent == [(1, SUCCESS)]
    own = [key for key in desk.events if key[:2] == ("builds", "1") and key[2] != "steps"]
    assert own == [
        ("builds", "1", "new"),
        ("builds", "1", "properties", "update"),
        ("builds", "1", "update"),
        ("builds", "1", "finished"),
    ]


def test_a_restart_ends_what_was_running_and_asks_for_it_again(desk: Desk) -> None:
    request = a_request(desk, properties={"p": (1, "Scheduler")})
    desk.run(desk.data.requests.claim([request.id]))
    build = desk.data.builds.start(1, request, 1)
    step = desk.data.steps.add(build, "test")
    desk.data.steps.start(step)
    log = desk.data.logs.open(step, "stdio")
    log.append("o", b"one\ntwo\n")
    desk.data.logs.flush()
    desk.settle()
    desk.crash()
    desk.open()
    assert desk.data.abandoned_builds == [build.id]
    waiting = desk.data.requests.waiting[request.id]
    assert waiting.buildset.properties == {"p": (1, "Scheduler")}
    assert waiting.buildset.sourcestamps[0]["revision"] == "abc"
    assert rows(desk, schema.builds)[0].results == RETRY
    stored_log = rows(desk, schema.logs)[0]
    assert (stored_log.complete, stored_log.num_lines) == (True, 2)
    assert desk.data.builders.by_name["b1"].next_number == 2


def test_what_a_dead_master_had_claimed_waits_again(desk: Desk) -> None:
    request = a_request(desk)
    now = int(desk.reactor.seconds())
    other = {"id": 77, "name": "old:/srv", "active": True, "last_active": now}
    desk.insert(schema.masters, other)
    desk.insert(schema.builder_masters, {"id": 770, "builderid": 1, "masterid": 77})
    claim = {"claimed_by_masterid": 77, "claimed_at": now}
    desk.update(schema.buildrequests, request.id, claim)
    desk.settle()
    desk.crash()
    desk.open()
    assert request.id in desk.data.requests.waiting
    assert not desk.data.masters[77].active
    assert 77 not in desk.data.builders.by_id[1].masterids


def test_builders_that_are_no_longer_configured_stay_as_retired(desk: Desk) -> None:
    desk.run(desk.data.builders.sync([BuilderSpec("b2", description="new")]))
    assert not desk.data.builders.by_name["b1"].active
    assert desk.data.builders.by_name["b2"].description == "new"
    desk.crash()
    desk.open()
    assert not desk.data.builders.by_name["b1"].active
    assert desk.data.builders.by_name["b1"].tags == ["x"]


def test_syncing_what_has_not_changed_writes_nothing(desk: Desk) -> None:
    desk.settle()
    desk.events.clear()
    desk.run(desk.data.builders.sync([BuilderSpec("b1", tags=("x",)), BuilderSpec("b2")]))
    assert desk.events == []


def test_a_builder_belongs_to_its_project(desk: Desk) -> None:
    desk.run(desk.data.projects.sync([ProjectSpec("p", "p")]))
    desk.run(desk.data.builders.sync([BuilderSpec("b1", project="p")]))
    project = desk.data.projects.by_name["p"]
    assert desk.data.builders.by_name["b1"].projectid == project.id


def test_code_bases_of_the_configuration_are_stored_and_stay(desk: Desk) -> None:
    desk.run(desk.data.projects.sync([ProjectSpec("p", "p"), ProjectSpec("q", "q")]))
    specs = [CodebaseSpec("core", "p", "core"), CodebaseSpec("core", "q", "c")]
    desk.run(desk.data.codebases.sync(specs))
    desk.events.clear()
    desk.run(desk.data.codebases.sync(specs))
    assert desk.events == []  # nothing has changed
    desk.run(desk.data.codebases.sync([CodebaseSpec("core", "q", "d")]))
    assert desk.events == [("codebases", "2", "update")]
    desk.crash()
    desk.open()
    reader = Reader(desk.data)
    found = desk.run(reader.plain("codebases"))
    assert [(one["codebaseid"], one["projectid"], one["slug"]) for one in found] == [
        (1, 1, "core"),
        (2, 2, "d"),
    ]
    assert desk.run(reader.plain("projects/2/codebases")) == found[1:]
    assert desk.run(reader.plain("projects/1/codebases/core")) == found[0]
    desk.run(desk.data.codebases.sync([CodebaseSpec("lib", "p", "lib")]))
    assert desk.data.codebases.by_name[1, "lib"].id == 3


def test_workers_remember_what_people_said_of_them(desk: Desk) -> None:
    worker = desk.data.workers.by_name["w1"]
    desk.data.workers.connected(worker, {"admin": "ana", "version": "1"})
    desk.data.workers.set_paused(worker, True, "disk")
    desk.settle()
    desk.crash()
    desk.open()
    worker = desk.data.workers.by_name["w1"]
    assert (worker.paused, worker.pause_reason, worker.connected) == (True, "disk", False)
    assert worker.info["admin"] == "ana"
    assert worker.configured_on == [(1, 1), (2, 1)]
    kinds = [row.kind for row in rows(desk, schema.worker_events)]
    assert kinds == ["connected", "paused"]


def test_services_remember_values_between_runs(desk: Desk) -> None:
    desk.run(desk.data.state.set("poller", "GitPoller", "lastRev", {"main": "abc"}))
    desk.run(desk.data.state.set("poller", "GitPoller", "lastRev", {"main": "def"}))
    desk.settle()
    desk.crash()
    desk.open()
    get = desk.data.state.get
    assert desk.run(get("poller", "GitPoller", "lastRev")) == {"main": "def"}
    assert desk.run(get("poller", "GitPoller", "other", None)) is None
    with pytest.raises(KeyError, match="has no state 'other'"):
        desk.run(get("poller", "GitPoller", "other"))


def test_changes_kept_for_a_scheduler_survive_a_restart(desk: Desk) -> None:
    desk.run(desk.data.schedulers.sync(["s"]))
    row = desk.data.schedulers.by_name["s"]
    for _ in range(3):
        changeid = desk.run(desk.data.changes.add(author="a", comments=""))
        desk.data.scheduler_changes.add(row.id, changeid, changeid != 2)
    desk.data.scheduler_changes.remove(row.id, [1])
    desk.settle()
    desk.crash()
    desk.open()
    assert desk.run(desk.data.scheduler_changes.pending(row.id)) == [(2, False), (3, True)]


def test_what_failed_is_stored_and_stays_with_the_builder(desk: Desk) -> None:
    data = desk.data
    build = data.builds.start(1, a_request(desk), 1)
    step = data.steps.add(build, "test")
    step.exit_code, step.ending, step.error_line = 3_221_225_477, "killed", "3 failed"
    data.steps.finish(step, FAILURE, False)
    build.failure, build.failed_step = "test: killed - 3 failed", step.number
    data.builds.finish(build, FAILURE)
    desk.settle()
    found = desk.run(Views(desk.store).build(build.builderid, build.number))
    assert found is not None
    line = found[0].build
    assert (line.failure, line.failed_step) == ("test: killed - 3 failed", step.number)
    assert line.failing is not None and line.failing.line == "test: killed - 3 failed"
    assert found[0].steps[-1].exit_code == 3_221_225_477
    summary = data.builders.by_id[build.builderid].summary
    for one in (summary, type(summary).from_text(summary.to_text())):
        assert one.latest is not None and one.latest["failure"] == "test: killed - 3 failed"


def test_a_build_that_was_retried_knows_why_and_what_replaced_it(desk: Desk) -> None:
    request = a_request(desk)
    desk.run(desk.data.requests.claim([request.id]))
    desk.data.builds.start(1, request, 1)
    desk.settle()
    stopped_at = desk.reactor.seconds()
    desk.crash()
    desk.reactor.advance(60)
    desk.open()
    again = desk.data.requests.open[request.id]
    second = desk.data.builds.start(1, again, 1)
    desk.settle()
    views = Views(desk.store)
    old, new = desk.run(views.build(1, 1)), desk.run(views.build(1, 2))
    assert old is not None and new is not None
    assert old[0].build.failure.startswith("the master stopped at ")
    shown = time.strftime("%H:%M:%S", time.localtime(stopped_at))
    assert shown in old[0].build.failure
    assert [one.id for one in old[0].tries] == [second.id]
    assert [(one.number, one.results) for one in new[0].tries] == [(1, RETRY)]
    assert old[0].children == new[0].children == []


def test_the_builds_of_a_killed_master_ended_when_it_did(desk: Desk) -> None:
    desk.data.builds.start(1, a_request(desk), 1)
    desk.settle()
    stopped_at = desk.reactor.seconds()
    desk.crash()
    desk.reactor.advance(60)
    second = Another(desk, ANA)
    second.open()
    found = desk.run(Views(second.store).build(1, 1))
    second.end()
    desk.open()
    shown = time.strftime("%H:%M:%S", time.localtime(stopped_at))
    assert found is not None and shown in found[0].build.failure
