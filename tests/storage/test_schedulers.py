"""Schedulers on real data: what they ask for is stored, and a restart forgets nothing."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from ci_common.results import SKIPPED, SUCCESS
from ci_master.data.builders import BuilderSpec
from ci_master.data.service import Site
from ci_master.schedulers.actions import register_actions
from ci_master.schedulers.basic import AnyBranchScheduler, SingleBranchScheduler
from ci_master.schedulers.dependent import Dependent
from ci_master.schedulers.desk import catch_up
from ci_master.schedulers.forcesched import CodebaseParameter, ForceScheduler, PatchParameter
from ci_master.schedulers.timed import Periodic
from ci_master.schedulers.triggerable import Triggerable
from ci_master.schedulers.triggering import TriggerBoard
from ci_master.storage import schema
from tests.storage.harness import Desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("b1"), BuilderSpec("b2")]))
    return desk


def start(desk: Desk, *schedulers: Any) -> None:
    """Run the schedulers, as the app does."""
    site = Site(
        data=desk.data,
        bus=desk.bus,
        clock=desk.reactor,
        store=desk.store,
        master=SimpleNamespace(data=None),
        in_thread=None,  # type: ignore[arg-type]  # nobody here asks it
        render=None,  # type: ignore[arg-type]  # as above
        pb=None,
        basedir=desk.basedir,
        config=SimpleNamespace(validation={}),
    )
    desk.run(desk.data.schedulers.sync([scheduler.name for scheduler in schedulers]))
    for scheduler in schedulers:
        desk.run(scheduler.enter(site))
        desk.run(scheduler.become_active())


def restart(desk: Desk) -> None:
    """Kill the master, timers included, and start it again."""
    desk.crash()
    for timer in desk.reactor.getDelayedCalls():
        timer.cancel()
    desk.open()


def change(desk: Desk, **fields: Any) -> int:
    fields = {"author": "a", "comments": "c", "branch": "main", "revision": "r", **fields}
    changeid = desk.run(desk.data.changes.add(**fields))
    desk.settle()
    return changeid


def requests(desk: Desk) -> list[tuple[str, int, list[str | None]]]:
    """(scheduler, builder, revisions) of all open requests."""
    for _ in range(4):  # finding source stamps, adding, telling, and what follows from that
        desk.settle()
    return [
        (
            str(request.buildset.scheduler),
            request.builderid,
            [stamp["revision"] for stamp in request.buildset.sourcestamps],
        )
        for request in desk.data.requests.open.values()
    ]


def test_a_change_becomes_a_request_with_its_source_stamp(desk: Desk) -> None:
    start(desk, SingleBranchScheduler("s", builderNames=["b1"], branch="main"))
    change(desk, properties={"p": 1})
    assert requests(desk) == [("s", 1, ["r"])]
    [request] = desk.data.requests.open.values()
    assert request.buildset.properties["p"] == (1, "Change")
    assert (
        len(desk.run(desk.store.read(lambda tx: tx.execute(select(schema.sourcestamps)).all())))
        == 1
    )


def test_a_tree_stable_timer_survives_a_crash(desk: Desk) -> None:
    def scheduler() -> AnyBranchScheduler:
        return AnyBranchScheduler("s", builderNames=["b1"], treeStableTimer=30)

    start(desk, scheduler())
    change(desk, revision="r1")
    change(desk, revision="r2")
    restart(desk)
    start(desk, scheduler())
    assert requests(desk) == []
    desk.reactor.advance(30)
    assert requests(desk) == [("s", 1, ["r2"])]
    assert desk.run(desk.data.changes.of_buildset(1)) == [1, 2]
    assert desk.run(desk.data.scheduler_changes.pending(1)) == []


def test_an_interval_survives_a_crash(desk: Desk) -> None:
    start(desk, Periodic("p", ["b1"], periodicBuildTimer=60))
    desk.reactor.advance(0)
    assert len(requests(desk)) == 1
    desk.reactor.advance(40)
    restart(desk)
    start(desk, Periodic("p", ["b1"], periodicBuildTimer=60))
    desk.reactor.advance(10)
    assert len(requests(desk)) == 1
    desk.reactor.advance(10)
    assert len(requests(desk)) == 2


def test_a_dependent_scheduler_follows_the_end_of_a_buildset(desk: Desk) -> None:
    upstream = SingleBranchScheduler("up", builderNames=["b1"], branch="main")
    start(desk, upstream, Dependent("down", upstream, ["b2"]))
    first = change(desk, revision="q")
    second = change(desk)
    for request in list(desk.data.requests.open.values()):
        desk.run(desk.data.requests.claim([request.id]))
    of_first, of_second = list(desk.data.requests.open)
    # The first request was collapsed into the second one, which stands for both changes.
    desk.data.requests.complete([of_second], SUCCESS)
    desk.data.requests.complete([of_first], SKIPPED, collapsed_into=of_second)
    for _ in range(1000):  # the scheduler reads before it asks
        if ("down", 2, ["r"]) in requests(desk):
            break
        desk.run(desk.store.read(lambda tx: None))
    (bsid,) = (
        request.buildset.id
        for request in desk.data.requests.open.values()
        if request.buildset.sourcestamps[0]["revision"] == "r"
    )
    assert desk.run(desk.data.changes.of_buildset(bsid)) == [first, second]


def test_a_trigger_hears_of_the_end(desk: Desk) -> None:
    triggerable = Triggerable("t", ["b1"])
    start(desk, triggerable)
    stamp = {"codebase": "", "revision": "x"}
    ids, results = TriggerBoard(lambda: [triggerable]).trigger(
        "t", waited_for=True, sourcestamps=[stamp]
    )
    bsid, brids = desk.run(ids)
    assert requests(desk) == [("t", 1, ["x"])]
    desk.run(desk.data.requests.claim(list(brids.values())))
    desk.data.requests.complete(list(brids.values()), SUCCESS)
    assert desk.run(results) == (SUCCESS, brids)
    assert bsid == 1


def test_a_forced_patch_is_stored(desk: Desk) -> None:
    codebases = [CodebaseParameter("", patch=PatchParameter())]
    scheduler = ForceScheduler("f", ["b1"], codebases=codebases)
    start(desk, scheduler)
    register_actions(desk.data, lambda: [scheduler])
    args = {"owner": "me", "patch_body": b"--- \xff", "patch_level": "2"}
    desk.run(desk.data.actions.call("forceschedulers", "f", "force", args))
    [patch] = desk.run(desk.store.read(lambda tx: tx.execute(select(schema.patches)).all()))
    assert patch.level == 2


def test_switching_a_scheduler_off_is_remembered(desk: Desk) -> None:
    def scheduler() -> SingleBranchScheduler:
        return SingleBranchScheduler("s", builderNames=["b1"], branch="main")

    running = scheduler()
    start(desk, running)
    register_actions(desk.data, lambda: [running])
    desk.run(desk.data.actions.call("schedulers", 1, "enable", {"enabled": False}))
    change(desk)
    restart(desk)
    start(desk, scheduler())
    change(desk)
    assert requests(desk) == []


def test_a_change_stored_just_before_a_crash_is_built_after_it(desk: Desk) -> None:
    def scheduler() -> SingleBranchScheduler:
        return SingleBranchScheduler("s", builderNames=["b1"], branch="main")

    running = scheduler()
    start(desk, running)
    change(desk, revision="r1")
    assert requests(desk) == [("s", 1, ["r1"])]
    running._stopConsumingChanges()  # it does not come to that any more
    desk.data.state.set_now = lambda *_: None
    change(desk, revision="r2")
    restart(desk)
    running = scheduler()
    start(desk, running)
    desk.run(catch_up(running.site))
    assert requests(desk) == [("s", 1, ["r1"]), ("s", 1, ["r2"])]
    restart(desk)
    running = scheduler()
    start(desk, running)
    desk.run(catch_up(running.site))
    assert len(requests(desk)) == 2
