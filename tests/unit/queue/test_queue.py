"""The queue: what starts when, and where."""

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from ci_common.faults import Refused
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from ci_master.builds.locks import MasterLock, WorkerLock
from ci_master.builds.properties import Interpolate, renderer
from tests.unit.queue.desk import Desk, now


@pytest.fixture
def make() -> Iterator[Any]:
    desks: list[Desk] = []

    def make_desk(*args: Any, **kwargs: Any) -> Desk:
        desks.append(Desk(*args, **kwargs))
        return desks[-1]

    yield make_desk
    for desk in desks:
        stopped = desk.queue.stopService()
        for build in list(desk.builds):
            build.end()
        now(stopped)
        now(desk.registry.stopService())
        assert desk.clock.getDelayedCalls() == []


def test_a_request_starts_as_soon_as_there_is_a_worker(make: Any) -> None:
    desk = make({"b": {}}, {"w": {}})
    request = desk.ask("b")
    assert desk.running() == [] and not request.claimed
    desk.attach()
    assert desk.running() == [("b", "w")] and request.claimed
    desk.builds[0].end(FAILURE)
    assert desk.completed == [(request.id, FAILURE)] and desk.running() == []


def test_a_worker_runs_one_build_of_each_builder_at_a_time(make: Any) -> None:
    desk = make({"a": {}, "b": {}}, {"w": {}})
    desk.attach()
    for builder in ("a", "a", "b"):
        desk.ask(builder)
    assert desk.running() == [("a", "w"), ("b", "w")]
    next(build for build in desk.builds if build.builder.name == "a").end()
    assert desk.running() == [("a", "w"), ("b", "w")]


def test_max_builds_counts_the_builds_of_all_builders(make: Any) -> None:
    desk = make({"a": {}, "b": {}, "c": {}}, {"w": {"max_builds": 2}})
    desk.attach()
    for builder in ("a", "b", "c"):
        desk.ask(builder)
    assert desk.running() == [("a", "w"), ("b", "w")]
    desk.builds[0].end()
    assert desk.running() == [("b", "w"), ("c", "w")]


def test_the_highest_priority_goes_first_then_the_oldest(make: Any) -> None:
    desk = make({"a": {}, "b": {}}, {"w": {"max_builds": 1}})
    old = desk.ask("a")
    desk.clock.advance(5)
    urgent, newer = desk.ask("b", priority=3), desk.ask("b")
    order = []
    desk.attach()
    while desk.builds:
        order.append(desk.builds[0].request_rows[0].id)
        desk.builds[0].end()
    assert order == [urgent.id, old.id, newer.id]


def test_a_request_whose_priority_is_raised_overtakes(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.ask("a")
    second = desk.ask("a")
    now(desk.data.actions.call("buildrequests", second.id, "set_priority", {"priority": "5"}))
    desk.attach()
    assert desk.builds[0].request_rows == [second]


@pytest.mark.parametrize("how", ["paused", "graceful", "quarantined"])
def test_a_worker_that_is_held_back_gets_nothing(make: Any, how: str) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    slot = desk.registry.slots["w"]
    if how == "paused":
        now(desk.data.actions.call("workers", "w", "pause", {"reason": "disk"}))
    elif how == "graceful":
        slot.take("other", [])
        now(desk.data.actions.call("workers", slot.row.id, "stop", {}))
    else:
        slot.quarantine()
    request = desk.ask("a")
    assert desk.running() == [] and desk.why(request) is not None
    if how == "paused":
        assert desk.why(request) == ("paused", 'w is paused: "disk"')
        now(desk.data.actions.call("workers", "w", "unpause", {}))
        desk.turn()
        assert desk.running() == [("a", "w")]
    elif how == "quarantined":
        desk.clock.advance(10)
        desk.turn()
        assert desk.running() == [("a", "w")]


def test_a_build_that_was_cut_off_is_tried_again_after_a_rest_that_grows(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    for rest_s in (1, 2, 4):
        desk.builds[0].end(RETRY)
        assert desk.running() == [] and not request.claimed and not request.complete
        reason = desk.why(request)
        assert reason is not None and reason[0] == "retry"
        desk.clock.advance(rest_s - 0.5)
        assert desk.running() == []
        desk.clock.advance(0.5)
        desk.turn()
        assert desk.running() == [("a", "w")]
    desk.builds[0].end(SUCCESS)
    assert desk.completed == [(request.id, SUCCESS)]


def test_a_build_that_fails_to_run_at_all_ends_its_request(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    desk.builds[0].done.errback(ValueError("our bug"))
    desk.turn()
    desk.builds.clear()
    assert desk.completed == [(request.id, EXCEPTION)]


def test_builder_locks_keep_builds_apart_and_say_who_holds_them(make: Any) -> None:
    lock = MasterLock("db")
    exclusive = {"locks": [lock.access("exclusive")]}
    desk = make({"a": exclusive, "b": exclusive}, {"w": {}})
    desk.attach()
    desk.ask("a", turn=False)
    waiting = desk.ask("b")
    assert desk.running() == [("a", "w")]
    real, build = desk.locks.real(lock), desk.builds[0]
    real.claim(build, lock.access("exclusive"))
    assert desk.why(waiting) == ("lock", 'Waits for lock "db" (1 of 1 held by a #1)')
    real.release(build, lock.access("exclusive"))
    build.end()
    assert desk.running() == [("b", "w")]


def test_counting_locks_are_promised_up_to_their_limit(make: Any) -> None:
    lock = MasterLock("db", maxCount=2)
    counting = {"locks": [lock.access("counting")]}
    desk = make({name: counting for name in "abc"}, {"w": {}})
    for name in "abc":
        desk.ask(name)
    desk.attach()
    assert desk.running() == [("a", "w"), ("b", "w")]


def test_a_worker_lock_leaves_other_workers_free(make: Any) -> None:
    lock = WorkerLock("disk")
    counting = {"locks": [lock.access("counting")]}
    desk = make({"a": counting, "b": counting}, {"w": {}, "v": {}})
    desk.attach()
    desk.ask("a")
    desk.ask("b")
    assert sorted(worker for _, worker in desk.running()) == ["v", "w"]


def test_rendered_locks_hold_only_the_requests_they_concern(make: Any) -> None:
    lock = MasterLock("db")

    @renderer
    def locks(props: Any) -> list[Any]:
        return [lock.access("exclusive")] if props.getProperty("deploy") else []

    desk = make({"a": {"locks": locks}}, {"w": {}})
    desk.locks.real(lock).claim("somebody", lock.access("exclusive"))
    desk.attach()
    held = desk.ask("a", properties={"deploy": (True, "Scheduler")})
    assert desk.running() == []
    free = desk.ask("a")
    assert desk.builds[0].request_rows == [free]
    desk.builds[0].end()
    desk.locks.real(lock).release("somebody", lock.access("exclusive"))
    desk.turn()
    assert desk.builds[0].request_rows == [held]


def test_the_author_chooses_request_and_worker(make: Any) -> None:
    seen: list[Any] = []

    def newest(builder: Any, requests: Any) -> Any:
        return requests[-1]

    async def by_name(builder: Any, workers: Any, request: Any) -> Any:
        seen.append((builder.name, request.properties.getProperty("x")))
        return max(workers, key=lambda one: one.worker.workername)

    desk = make({"a": {"nextBuild": newest, "nextWorker": by_name}}, {"v": {}, "w": {}, "u": {}})
    desk.ask("a")
    newer = desk.ask("a", properties={"x": (1, "t")})
    desk.attach()
    first = next(build for build in desk.builds if build.request_rows == [newer])
    assert seen[0] == ("a", 1) and len(desk.builds) == 2 and first.slot.name in "vwu"


def test_select_next_worker_serves_builders_without_a_choice_of_their_own(make: Any) -> None:
    desk = make({"a": {}}, {"v": {}, "w": {}}, select_next_worker=lambda b, workers, r: workers[-1])
    desk.attach()
    desk.ask("a")
    assert desk.running() == [("a", "w")]


def test_can_start_build_says_no_until_it_says_yes(make: Any) -> None:
    answers = {"yes": False}
    desk = make({"a": {"canStartBuild": lambda b, w, r: answers["yes"]}, "b": {}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    assert desk.running() == []
    assert desk.why(request) == ("held", "canStartBuild of a does not let it start yet")
    answers["yes"] = True
    desk.ask("b")
    desk.builds[0].end()
    assert desk.running() == [("a", "w")]


def test_what_is_possible_is_found_without_an_event_too(make: Any) -> None:
    answers = {"yes": False}
    desk = make({"a": {"canStartBuild": lambda b, w, r: answers["yes"]}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    answers["yes"] = True
    desk.clock.advance(30)
    desk.turn()
    assert desk.running() == [("a", "w")]


def test_a_choice_that_takes_its_time_does_not_start_what_has_gone_meanwhile(make: Any) -> None:
    chosen: Deferred[bool] = Deferred()
    desk = make({"a": {"canStartBuild": lambda b, w, r: chosen}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    now(desk.data.actions.call("buildrequests", request.id, "cancel", {}))
    chosen.callback(True)
    desk.turn()
    assert desk.running() == [] and desk.completed == [(request.id, CANCELLED)]


def test_an_author_s_function_that_fails_is_no_end_of_the_queue(make: Any) -> None:
    desk = make({"a": {"nextBuild": lambda b, r: 1 / 0}, "b": {}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    desk.ask("b")
    assert desk.running() == [("b", "w")]


def test_builders_go_in_the_order_that_the_author_gives(make: Any) -> None:
    desk = make(
        {"a": {}, "b": {}},
        {"w": {"max_builds": 1}},
        prioritizeBuilders=lambda master, builders: sorted(
            builders, key=lambda one: one.name, reverse=True
        ),
    )
    desk.ask("a")
    desk.ask("b")
    desk.attach()
    assert desk.running() == [("b", "w")]


def test_the_author_may_ask_builders_about_their_requests(make: Any) -> None:
    async def oldest_first(master: Any, builders: Any) -> Any:
        times = [(await one.getOldestRequestTime(), one.name, one) for one in builders]
        assert [await one.getHighestPriority() for one in builders] == [0, 0]
        assert [await one.getNewestCompleteTime() for one in builders] == [None, None]
        return [one for _, _, one in sorted(times)]

    desk = make({"a": {}, "b": {}}, {"w": {"max_builds": 1}}, prioritizeBuilders=oldest_first)
    desk.ask("b")
    desk.clock.advance(9)
    desk.ask("a")
    desk.attach()
    assert desk.running() == [("b", "w")]


def test_a_worker_without_what_is_required_gets_nothing(make: Any) -> None:
    desk = make(
        {"a": {"requires": {"numcpus": ">=4"}}}, {"v": {}, "w": {"properties": {"numcpus": 8}}}
    )
    request = desk.ask("a")
    desk.attach("v")
    assert desk.why(request) == ("capability", "v does not report numcpus, >=4 is required")
    desk.attach("w")
    assert desk.running() == [("a", "w")]


def test_stopping_a_build_stops_it_with_the_reason(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    build = desk.builds[0]
    now(desk.data.actions.call("builds", build.row.id, "stop", {"reason": "no use"}))
    assert build.stopped == "no use" and desk.completed == [(request.id, CANCELLED)]


def test_cancelling_a_claimed_request_stops_its_build(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    request = desk.ask("a")
    now(desk.data.actions.call("buildrequests", str(request.id), "cancel", {"reason": "x"}))
    assert desk.completed == [(request.id, CANCELLED)]


def test_draining_lets_builds_end_and_starts_none(make: Any) -> None:
    desk = make({"a": {}, "b": {}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    drained: list[Any] = []
    desk.queue.drain().addBoth(drained.append)
    waiting = desk.ask("b")
    assert desk.running() == [("a", "w")] and drained == []
    assert desk.why(waiting) is not None
    desk.builds[0].end()
    assert drained == [None] and desk.running() == []
    desk.queue.release()
    desk.turn()
    assert desk.running() == [("b", "w")]


def test_requests_of_builders_that_are_gone_say_so_and_start_when_they_are_back(make: Any) -> None:
    desk = make({"a": {}, "b": {}}, {"w": {}})
    request = desk.ask("a")
    desk.configure({"b": {}})
    desk.attach()
    assert desk.running() == []
    assert desk.why(request) == ("builder", 'Builder "a" is not configured any more')
    desk.configure({"a": {}, "b": {}})
    desk.turn()
    assert desk.running() == [("a", "w")]


def test_a_claimed_request_that_nobody_works_on_waits_again(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    request = desk.ask("a")
    assert now(desk.data.requests.claim([request.id]))
    desk.attach()
    desk.turn()
    assert desk.running() == []
    desk.clock.advance(30)
    desk.turn()
    assert desk.running() == [("a", "w")]


def test_a_lost_worker_tells_the_build(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    desk.registry.slots["w"].session.lose()
    assert desk.builds[0].lost


@pytest.mark.parametrize(
    ("workers", "wanted"),
    [
        ({"w": {}}, "No worker of this builder is online (w, never seen)"),
        ({"v": {}, "w": {}}, "No worker of this builder is online (v, w)"),
    ],
)
def test_a_request_without_workers_names_them(make: Any, workers: Any, wanted: str) -> None:
    desk = make({"a": {}}, workers)
    assert desk.why(desk.ask("a")) == ("offline", wanted)


def test_busy_workers_say_when_the_first_is_expected_free(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    desk.clock.advance(60)
    desk.builds[0].end()
    desk.ask("a")
    desk.clock.advance(20)
    request = desk.ask("a")
    text = "w is busy with a #2; it runs one build of a builder at a time"
    assert desk.why(request) == ("busy", f"{text}; it is expected free in 40 s")
    desk.clock.advance(45)
    assert desk.why(request) == ("busy", f"{text}; it was expected free 5 s ago")


def test_reasons_are_told_once_without_being_asked_for(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    told: list[Any] = []
    desk.data.bus.subscribe(("buildrequests", None, "waits"), lambda key, m: told.append(m))
    request = desk.ask("a")
    desk.clock.advance(1)
    assert [one["waits"]["kind"] for one in told] == ["offline"]
    assert request.waits is not None
    desk.clock.advance(60)
    assert len(told) == 1


def test_what_changes_the_reason_is_told_within_a_second_and_nothing_else_is(make: Any) -> None:
    lock = MasterLock("db")
    desk = make({"a": {"locks": [lock.access("exclusive")]}, "b": {}}, {"w": {}})
    real = desk.locks.real(lock)
    first, second = "first", "second"
    real.claim(first, lock.access("exclusive"))
    told: list[Any] = []
    desk.data.bus.subscribe(("builders", None, "waits"), lambda key, m: told.append(m["waits"]))
    for _ in range(50):
        desk.ask("a", turn=False)
    desk.clock.advance(1)
    assert [one["kind"] for one in told] == ["offline"]
    desk.attach()
    desk.clock.advance(1)
    assert told[-1]["text"] == 'Waits for lock "db" (1 of 1 held by first)' and len(told) == 2
    real.release(first, lock.access("exclusive"))
    real.claim(second, lock.access("exclusive"))
    desk.clock.advance(1)
    assert told[-1]["text"] == 'Waits for lock "db" (1 of 1 held by second)' and len(told) == 3
    desk.ask("b")
    desk.builds[0].end()
    desk.clock.advance(60)
    assert len(told) == 3
    real.release(second, lock.access("exclusive"))


def test_the_reason_of_an_answer_is_that_of_its_moment(make: Any) -> None:
    lock = MasterLock("db")
    desk = make({"a": {"locks": [lock.access("exclusive")]}}, {"w": {}})
    desk.attach()
    real = desk.locks.real(lock)
    real.claim("first", lock.access("exclusive"))
    request = desk.ask("a")
    real.release("first", lock.access("exclusive"))
    real.claim("second", lock.access("exclusive"))
    reason = now(desk.data.requests.reasons()).of(request)
    assert reason is not None and "held by second" in reason.text
    real.release("second", lock.access("exclusive"))


def test_the_words_fit_workers_of_several_builds(make: Any) -> None:
    two = {"max_builds": 2}
    desk = make({name: {} for name in "abcde"}, {"v": two, "w": two})
    desk.attach()
    for name in "abcd":
        desk.ask(name)
    request = desk.ask("e")
    text = "2 of 2 workers are busy (4 builds, as many as they may run at once)"
    assert desk.why(request) == ("busy", text)
    alone = make({"a": {}, "b": {}, "c": {"workernames": ["w"]}}, {"w": two})
    alone.attach()
    alone.ask("a")
    alone.ask("b")
    text = "w is busy with 2 builds, as many as it may run at once"
    assert alone.why(alone.ask("c")) == ("busy", text)


def test_interpolated_properties_do_not_matter_to_plain_locks(make: Any) -> None:
    desk = make({"a": {"properties": {"x": Interpolate("%(prop:y)s")}}}, {"w": {}})
    desk.attach()
    desk.ask("a")
    assert desk.running() == [("a", "w")]


def test_the_pass_starts_what_memory_had_lost(make: Any) -> None:
    desk = make({"a": {}, "b": {}}, {"w": {}})
    out_of_line, forgotten = desk.ask("a"), desk.ask("b")
    desk.queue.board.remove(out_of_line)
    desk.data.requests.open.pop(forgotten.id)
    desk.data.requests.waiting.pop(forgotten.id)
    desk.data.buildsets.open.pop(forgotten.buildset.id)
    desk.queue.board.remove(forgotten)
    desk.attach()
    assert desk.running() == []
    desk.clock.advance(30)
    desk.turn()
    assert desk.running() == [("a", "w"), ("b", "w")]


def test_the_pass_finds_a_worker_of_which_no_event_told(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.attach()
    slot = desk.registry.slots["w"]
    slot.row.paused = True
    slot.changed()
    desk.ask("a")
    slot.row.paused = False
    desk.turn()
    assert desk.running() == []
    desk.clock.advance(30)
    desk.turn()
    assert desk.running() == [("a", "w")]


def test_a_pass_while_the_database_is_away_looks_at_the_workers_all_the_same(make: Any) -> None:
    desk = make({"a": {}}, {"w": {}})
    desk.ask("a")

    def away(function: Any) -> Any:
        raise Refused(503, "the database does not answer")

    desk.store.read = away
    desk.attach()
    desk.builds[0].end()
    desk.clock.advance(30)
    desk.turn()
