"""A build that only waits for others lends them its place."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS
from ci_master.builds.locks import MasterLock
from tests.unit.queue.desk import Desk, FakeBuild, now

ONE = {"max_builds": 1}


def build_of(desk: Desk, builder: str) -> FakeBuild:
    return [one for one in desk.builds if one.builder.name == builder][-1]


def trigger(desk: Desk, parent: FakeBuild, *builders: str, **given: Any) -> list[int]:
    """What a Trigger step does that waits; gives the ids of the requests."""
    ids = []
    for number, builder in enumerate(builders):
        builderid = desk.data.builders.by_name[builder].id
        asked = {"waited_for": True, "sourcestamps": [{"codebase": ""}], "scheduler": "s"} | given
        asked["properties"] = {"n": (number, "Trigger")}
        asked["parent_buildid"] = parent.row.id
        added = now(desk.data.buildsets.add(builderids=[builderid], **asked))
        ids.append(added[1][builderid])
    if parent.lending is None:
        parent.lend()
    desk.turn()
    return ids


def a_desk(workers: dict[str, Any] | None = None, **builders: dict[str, Any]) -> Desk:
    desk = Desk(builders or {"top": {}, "child": {}}, workers or {"w": ONE}, collapseRequests=None)
    desk.attach()
    return desk


def test_the_only_worker_builds_what_its_build_waits_for() -> None:
    desk = a_desk()
    desk.ask("top")
    [child] = trigger(desk, build_of(desk, "top"), "child")
    assert desk.running() == [("child", "w"), ("top", "w")]
    build_of(desk, "child").end()
    build_of(desk, "top").go_on()
    build_of(desk, "top").end()
    assert dict(desk.completed)[child] == SUCCESS
    assert desk.registry.slots["w"].places.used == 0


def test_nobody_else_gets_a_place_that_is_lent() -> None:
    desk = a_desk(top={}, child={}, other={})
    desk.ask("top")
    stranger = desk.ask("other", priority=9)
    trigger(desk, build_of(desk, "top"), "child")
    build_of(desk, "child").end()
    assert desk.running() == [("top", "w")]
    text = "w is busy with top #1, which waits for builds of its own"
    assert desk.why(stranger) == ("busy", text)
    build_of(desk, "top").go_on()
    assert desk.running() == [("top", "w")]
    build_of(desk, "top").end()
    assert desk.running() == [("other", "w")]


def test_three_shards_run_on_as_many_workers_as_are_free() -> None:
    for number, running in ((1, 1), (2, 1), (3, 2), (4, 3), (5, 3)):
        desk = Desk({"top": {}, "shard": {}}, {f"w{n}": ONE for n in range(number)})
        desk.attach()
        desk.ask("top")
        trigger(desk, build_of(desk, "top"), "shard", "shard", "shard")
        shards = [worker for name, worker in desk.running() if name == "shard"]
        # the parent's own is one more
        assert len(shards) == min(3, running + 1 if number > 1 else 1), number
        done = 0
        while any(one.builder.name == "shard" for one in desk.builds):
            build_of(desk, "shard").end()
            done += 1
        assert done == 3


def test_children_of_children_use_the_place_too() -> None:
    desk = a_desk(top={}, middle={}, leaf={})
    desk.ask("top")
    trigger(desk, build_of(desk, "top"), "middle", "middle")
    trigger(desk, build_of(desk, "middle"), "leaf")
    assert Counter(desk.running()) == Counter([("top", "w"), ("middle", "w"), ("leaf", "w")])
    assert desk.registry.slots["w"].places.used == 1
    for name in ("leaf", "middle", "middle", "top"):
        if build_of(desk, name).lending is not None:
            build_of(desk, name).go_on()
        build_of(desk, name).end()
    assert desk.running() == [] and desk.registry.slots["w"].places.used == 0


def test_a_builder_may_trigger_itself() -> None:
    desk = a_desk({"w": {}}, top={})
    desk.ask("top")
    first = build_of(desk, "top")
    trigger(desk, first, "top", "top")
    assert len(desk.builds) == 2
    second = build_of(desk, "top")
    trigger(desk, second, "top")
    assert len(desk.builds) == 3
    build_of(desk, "top").end()
    second.go_on()
    second.end()
    assert len(desk.builds) == 2 and build_of(desk, "top") is not first
    build_of(desk, "top").end()
    first.go_on()
    first.end()
    assert desk.running() == [] and desk.registry.slots["w"].seats == {}


def test_a_build_that_does_not_wait_yet_lends_nothing() -> None:
    desk = a_desk()
    desk.ask("top")
    top = build_of(desk, "top")
    top.lending = top.slot.lending([])  # as if it were waiting, so that trigger() does nothing
    top.lending.__enter__()
    [child] = trigger(desk, top, "child")
    assert desk.running() == [("top", "w")]
    text = "Waits for a free worker, or for top #1 to lend its place on w"
    assert desk.why(desk.data.requests.open[child]) == ("busy", text)


def test_the_reason_names_the_place_and_who_has_it() -> None:
    desk = a_desk()
    desk.ask("top")
    desk.ask("child")  # gives the builder a median
    [first, second] = trigger(desk, build_of(desk, "top"), "child", "child")
    assert desk.why(desk.data.requests.open[second]) == (
        "busy",
        "Waits for a place that its parent top #1 lends on w; child #1 has it now",
    )
    desk.clock.advance(60)
    build_of(desk, "child").end()
    assert dict(desk.completed) == {first: SUCCESS}
    [third] = trigger(desk, build_of(desk, "top"), "child")
    desk.clock.advance(20)
    reason = desk.why(desk.data.requests.open[third])
    assert reason is not None
    assert reason[1].endswith("child #2 has it now; it is expected free in 40 s")


def test_locks_stay_with_the_parent_and_that_is_said() -> None:
    lock = MasterLock("db")
    locked = {"locks": [lock.access("exclusive")]}
    desk = a_desk(top=locked, child=locked)
    desk.ask("top")
    top = build_of(desk, "top")
    real = desk.locks.real(lock)
    real.claim(top, lock.access("exclusive"))
    [child] = trigger(desk, top, "child")
    assert desk.running() == [("top", "w")]
    text = 'Needs lock "db", which top #1 holds while it waits for this: neither can go on'
    assert desk.why(desk.data.requests.open[child]) == ("lock", text)


def test_a_child_that_waits_for_a_lock_gets_the_place_when_the_lock_is_free() -> None:
    lock = MasterLock("db")
    desk = a_desk(top={}, child={"locks": [lock.access("exclusive")]})
    real = desk.locks.real(lock)
    real.claim("somebody", lock.access("exclusive"))
    desk.ask("top")
    trigger(desk, build_of(desk, "top"), "child")
    assert desk.running() == [("top", "w")]
    real.release("somebody", lock.access("exclusive"))
    desk.turn()
    assert desk.running() == [("child", "w"), ("top", "w")]


def test_a_parent_that_is_stopped_leaves_its_place_to_the_child_until_that_ends() -> None:
    desk = a_desk(top={}, child={}, other={})
    desk.ask("top")
    desk.ask("other")
    trigger(desk, build_of(desk, "top"), "child")
    child = build_of(desk, "child")
    child.stop = lambda reason: None  # type: ignore[method-assign]  # it takes its time
    build_of(desk, "top").end(CANCELLED)
    assert desk.running() == [("child", "w")]
    assert desk.registry.slots["w"].places.used == 1
    child.end(CANCELLED)
    assert desk.running() == [("other", "w")]


def test_a_parent_that_goes_on_beside_its_child_counts_for_two() -> None:
    desk = a_desk({"w": {"max_builds": 2}}, top={}, child={}, other={})
    desk.ask("top")
    desk.ask("other")
    top = build_of(desk, "top")
    trigger(desk, top, "child")
    slot = desk.registry.slots["w"]
    assert slot.places.used == 2
    top.go_on()
    assert slot.places.used == 3  # stopped: its last steps run while the child is being ended
    build_of(desk, "other").end()
    assert slot.places.used == 2 and slot.full
    build_of(desk, "child").end()
    assert slot.places.used == 1


def test_a_worker_that_is_to_leave_builds_what_its_builds_wait_for() -> None:
    desk = a_desk()
    desk.ask("top")
    slot = desk.registry.slots["w"]
    now(desk.data.actions.call("workers", slot.row.id, "stop", {}))
    trigger(desk, build_of(desk, "top"), "child")
    assert desk.running() == [("child", "w"), ("top", "w")]


def test_the_authors_functions_are_asked_about_lent_places_too() -> None:
    asked: list[str] = []

    def may(builder: Any, worker: Any, request: Any) -> bool:
        asked.append(worker.worker.workername)
        return len(asked) > 1

    desk = a_desk(top={}, child={"canStartBuild": may})
    desk.ask("top")
    trigger(desk, build_of(desk, "top"), "child")
    assert desk.running() == [("top", "w")] and asked == ["w"]
    desk.clock.advance(30)
    desk.turn()
    assert desk.running() == [("child", "w"), ("top", "w")]


def test_parents_that_hold_all_workers_all_get_on() -> None:
    desk = a_desk({name: ONE for name in "uvw"})
    for _ in "uvw":
        desk.ask("top")
    tops = list(desk.builds)
    for top in tops:
        trigger(desk, top, "child", "child")
    ended = 0
    while any(one.builder.name == "child" for one in desk.builds):
        build_of(desk, "child").end()
        ended += 1
    assert ended == 6


def test_a_parent_whose_worker_is_lost_takes_its_child_over_on_another_worker() -> None:
    desk = a_desk({"v": ONE, "w": ONE})
    desk.ask("top")
    top = build_of(desk, "top")
    other = "v" if top.slot.name == "w" else "w"
    [child] = trigger(desk, top, "child", properties={"n": (0, "Trigger")})
    assert ("child", other) in desk.running()
    top.end(RETRY)
    desk.clock.advance(60)
    desk.turn()
    again = build_of(desk, "top")
    assert trigger(desk, again, "child") == [child]
    build_of(desk, "child").end()
    again.go_on()
    again.end()
    assert [slot.places.used for slot in desk.registry] == [0, 0]


def test_builds_that_wait_for_each_others_workers_get_on() -> None:
    on_v, on_w = {"workernames": ["v"]}, {"workernames": ["w"]}
    desk = a_desk(
        {"v": ONE, "w": ONE},
        **{"top v": on_v, "top w": on_w, "child v": on_v, "child w": on_w, "other": on_v},
    )
    desk.ask("top v")
    desk.ask("top w")
    stranger = desk.ask("other")
    for here, there in ("vw", "wv"):
        trigger(desk, build_of(desk, f"top {here}"), f"child {there}")
    assert desk.running() == [("top v", "v"), ("top w", "w")]
    desk.clock.advance(5)
    desk.turn()
    assert len(desk.builds) == 3 and not stranger.claimed
    [first] = [one for one in desk.builds if one.builder.name.startswith("child")]
    first.end()
    there = first.slot.name
    here = "w" if there == "v" else "v"
    build_of(desk, f"top {here}").go_on()
    build_of(desk, f"top {here}").end()
    assert (f"child {here}", here) in desk.running()


def test_a_build_that_has_only_to_wait_a_while_is_no_deadlock() -> None:
    on_v, on_w = {"workernames": ["v"]}, {"workernames": ["w"]}
    desk = a_desk(
        {"v": ONE, "w": ONE}, **{"top v": on_v, "top w": on_w, "child w": on_w, "leaf w": on_w}
    )
    desk.ask("top v")
    desk.ask("top w")
    trigger(desk, build_of(desk, "top w"), "leaf w")
    trigger(desk, build_of(desk, "top v"), "child w")
    for _ in range(10):
        desk.clock.advance(5)
        desk.turn()
    assert ("child w", "w") not in desk.running() and len(desk.builds) == 3


# -- whatever happens, in any order

_EVENTS = st.lists(
    st.tuples(st.sampled_from("aadetgswl"), st.integers(0, 40), st.integers(0, 2)), max_size=40
)


def active(slot: Any) -> int:
    """Builds on a worker that do something themselves."""
    return sum(one.lending is None for one in slot.running)


@settings(deadline=None, max_examples=60)
@given(
    max_builds=st.sampled_from([1, 2, None]),
    workers=st.integers(1, 3),
    pinned=st.booleans(),  # each builder has one worker only, so that builds may be deadlocked
    events=_EVENTS,
)
def test_places_are_counted_right_whatever_ends_first(
    max_builds: int | None, workers: int, pinned: bool, events: list[tuple[str, int, int]]
) -> None:
    names = ["a", "b", "c"]
    desk = Desk(
        {
            name: {"workernames": [f"w{n % workers}"]} if pinned else {}
            for n, name in enumerate(names)
        },
        {f"w{n}": {"max_builds": max_builds} for n in range(workers)},
    )
    desk.attach()
    strict = not pinned  # no build goes on before what it waits for has ended
    for event, which, builder in events:
        if event == "a":
            desk.ask(names[builder])
        elif desk.builds:
            build = desk.builds[which % len(desk.builds)]
            if event == "t":
                trigger(desk, build, *names[: builder + 1])
            elif event == "g" and build.lending is not None:
                below = desk.queue.children.of(build.request_rows[0].id)
                strict = strict and not any(child.claimed for child in below)
                build.go_on()
            elif event in "ed" and build.lending is None:
                build.end(FAILURE if event == "d" else SUCCESS)
            elif event == "s":
                build.stop("so it be")
                desk.turn()
            elif event == "l":
                build.end(RETRY)
            elif event == "w":
                desk.clock.advance(2)
                desk.turn()
        for slot in desk.registry:
            seats = list(slot.places)
            places = {id(seat.place): seat.place for seat in seats}
            assert slot.places.used == sum(place.taken for place in places.values())
            assert sum(len(place.seats) for place in places.values()) == len(seats)
            assert {seat.builder_name for seat in seats} == set(slot.seats)
            assert set(slot.places.waiting) == {seat for seat in seats if seat.waits}
            if max_builds is not None and strict:
                assert active(slot) <= max_builds
            per_builder = Counter(one.builder.name for one in slot.running if not one.lending)
            if strict:
                assert all(count == 1 for count in per_builder.values())
    rounds = 0
    while desk.builds or desk.data.requests.waiting:  # everything comes to its end
        rounds += 1
        assert rounds < 500, "nothing gets on any more"
        leaf = next((one for one in reversed(desk.builds) if one.lending is None), None)
        if leaf is not None:
            leaf.end()
            continue
        done = [
            one
            for one in desk.builds
            if not any(True for _ in desk.queue.children.of(one.request_rows[0].id))
        ]
        if not done:
            desk.clock.advance(60)
            desk.turn()
            continue
        done[-1].go_on()
    for slot in desk.registry:
        assert slot.places.used == len(slot.places) == 0 and slot.seats == {}
