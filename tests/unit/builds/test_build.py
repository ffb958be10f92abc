"""Whole builds: preparation, the order of steps, locks, stopping, and the end."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost

from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
)
from ci_master.builds.build import Build
from ci_master.builds.factory import BuildFactory
from ci_master.builds.locks import MasterLock
from ci_master.builds.properties import Property, Secret, renderer
from tests.fakes.builds import BuildHarness
from tests.unit.builds.plain_steps import Doing, Shell


def results(running: Any) -> list[int | None]:
    return [step.results for step in running.steps[1:]]


def giving(result: int, **arguments: Any) -> Doing:
    return Doing(lambda step: result, **arguments)


def test_a_build_tells_what_it_does_in_order() -> None:
    harness = BuildHarness()
    harness.expect("shell").rc(0)
    harness.run([Shell(command=["true"])])
    events = [event for event in harness.data.events if event[:2] != ("build", "properties")]
    assert events == [
        ("build", "start"),
        ("step", "worker_preparation", "new"),
        ("step", "worker_preparation", "start"),
        ("build", "state", "starting"),
        ("build", "new"),
        ("build", "state", "preparing worker"),
        ("build", "state", "pinging worker"),
        ("step", "worker_preparation", "state", "worker w1 ready"),
        ("step", "worker_preparation", "finish", SUCCESS),
        ("build", "state", "building"),
        ("step", "shell", "new"),
        ("step", "shell", "start"),
        ("step", "shell", "state", "running"),
        ("log", "shell", "stdio"),
        ("step", "shell", "state", "'true'"),
        ("step", "shell", "finish", SUCCESS),
        ("build", "state", "build successful"),
        ("build", "finish", SUCCESS),
    ]
    assert harness.session.builds_started == ["b1"]
    assert harness.slot.running == set()
    assert harness.slot.resets == 1


@pytest.mark.parametrize("options", [{}, {"builder": {"do_build_if": lambda build: False}}])
def test_a_build_is_told_of_before_its_properties(options: dict[str, Any]) -> None:
    harness = BuildHarness(properties={"a": 1}, **options)
    harness.run([giving(SUCCESS)])
    told = [event[1] for event in harness.data.events if event[1] in ("new", "properties")]
    assert told[:2] == ["new", "properties"]


@pytest.mark.parametrize(
    ("steps", "ran", "overall"),
    [
        ([giving(SUCCESS), giving(WARNINGS)], [0, 1], SUCCESS),
        ([giving(WARNINGS, warnOnWarnings=True), giving(SUCCESS)], [1, 0], WARNINGS),
        ([giving(FAILURE), giving(SUCCESS)], [2, 0], FAILURE),
        ([giving(FAILURE, haltOnFailure=True), giving(SUCCESS)], [2], FAILURE),
        ([giving(FAILURE, haltOnFailure=True), giving(SUCCESS, alwaysRun=True)], [2, 0], FAILURE),
        ([giving(FAILURE, flunkOnFailure=False), giving(SUCCESS)], [2, 0], SUCCESS),
        ([giving(EXCEPTION), giving(SUCCESS)], [4], EXCEPTION),
        ([giving(SUCCESS, doStepIf=False)], [3], SUCCESS),
        (
            [giving(EXCEPTION), giving(SUCCESS, alwaysRun=Property("nothing", default=True))],
            [4, 0],
            EXCEPTION,
        ),
        ([], [], SUCCESS),
    ],
)
def test_results_of_steps_combine(steps: list[Any], ran: list[int], overall: int) -> None:
    running = BuildHarness().run(steps)
    assert results(running) == ran
    assert running.build_result == overall


def test_steps_can_be_added_while_the_build_runs() -> None:
    def add(step: Any) -> int:
        step.build.addStepsAfterLastStep([giving(SUCCESS, name="last")])
        step.build.addStepsAfterCurrentStep([giving(SUCCESS, name="a"), giving(SUCCESS, name="b")])
        return SUCCESS

    running = BuildHarness().run([Doing(add, name="first"), giving(SUCCESS, name="second")])
    assert [step.name for step in running.steps[1:]] == ["first", "a", "b", "second", "last"]


def test_do_build_if_false_skips_the_build_without_its_worker() -> None:
    harness = BuildHarness(builder={"do_build_if": lambda build: succeed(False)})
    running = harness.run([giving(FAILURE)])
    assert running.build_result == SKIPPED
    assert running.steps == []
    assert harness.session.builds_started == []
    told = [event for event in harness.data.events if event[:2] != ("build", "properties")]
    assert told[-3:] == [
        ("build", "new"),
        ("build", "state", "skipped"),
        ("build", "finish", SKIPPED),
    ]


def test_do_build_if_sees_the_properties() -> None:
    harness = BuildHarness(
        properties={"go": True}, builder={"do_build_if": lambda build: build.getProperty("go")}
    )
    assert harness.run([giving(SUCCESS)]).build_result == SUCCESS


# -- preparation


def test_a_worker_that_was_heard_of_lately_is_not_pinged() -> None:
    harness = BuildHarness()
    harness.run([])
    assert harness.session.pings == 0
    harness.clock.advance(11)
    harness.run([])
    assert harness.session.pings == 1


def test_a_worker_that_does_not_answer_is_quarantined_and_the_build_retried() -> None:
    harness = BuildHarness()
    harness.session.ping_answer = lambda: fail(ConnectionLost())
    harness.clock.advance(11)
    running = harness.run([giving(SUCCESS)])
    assert running.build_result == RETRY
    assert running.build_state == "retry worker not pinged"
    assert running.build.row.failure == "worker 'w1' did not answer"
    assert running.steps[0].state_string == "error while worker_ping"
    assert running.steps[0].results == RETRY
    assert harness.slot.quarantined == 1
    assert len(running.steps) == 1


def test_a_worker_that_is_gone_makes_the_build_be_retried() -> None:
    harness = BuildHarness()
    harness.slot.session = None
    running = harness.run([giving(SUCCESS)])
    assert running.build_state == "retry worker not available"
    assert running.steps[0].state_string == "error while worker_prepare"


def test_a_worker_that_refuses_to_start_makes_the_build_be_retried() -> None:
    harness = BuildHarness()
    answer: Deferred[None] = Deferred()
    harness.session.start_answer = lambda: answer
    harness.expect("shell").hangs()
    running = harness.start([Shell(command=["x"])])
    answer.errback(RuntimeError("no"))
    assert running.build_result == RETRY
    assert running.build_state.startswith("retry worker not building")
    assert harness.slot.quarantined == 1


def test_a_step_that_cannot_be_made_is_an_exception_of_the_build() -> None:
    class Moody(Doing):
        made = 0

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            Moody.made += 1
            if Moody.made > 1:
                raise ValueError("not today")

    harness = BuildHarness()
    running = harness.run([Moody()])
    assert running.build_result == EXCEPTION
    assert running.build_state == "exception Build.setupBuild failed"
    assert "not today" in running.steps[0].logs[0].text  # type: ignore[attr-defined]  # a fake
    assert harness.slot.running == set()


def test_an_error_in_do_build_if_ends_the_build_as_exception() -> None:
    harness = BuildHarness(builder={"do_build_if": lambda build: 1 / 0})
    running = harness.run([giving(SUCCESS)])
    assert running.build_result == EXCEPTION
    assert running.build_state == "exception ZeroDivisionError: division by zero"


def test_a_function_that_would_end_the_program_ends_its_build_alone() -> None:
    def ends(build: object) -> bool:
        raise SystemExit(3)

    harness = BuildHarness(builder={"do_build_if": ends})
    running = harness.run([giving(SUCCESS)])
    assert running.build_result == EXCEPTION
    assert harness.slot.running == set()


def test_a_build_ends_even_if_storing_its_properties_fails() -> None:
    harness = BuildHarness()
    running = harness.run([Doing(lambda step: step.setProperty("x", Property("y") + 1) or SUCCESS)])
    assert running.build_result == EXCEPTION
    assert running.build.row.complete_at is not None
    assert harness.slot.running == set()


# -- locks


def test_a_build_waits_for_its_locks_in_a_step_of_its_own() -> None:
    lock = MasterLock("db")
    harness = BuildHarness(builder={"locks": [lock.access("exclusive")]})
    real = harness.locks.real(lock)
    real.claim("someone", lock.access("exclusive"))
    running = harness.start([giving(SUCCESS)])
    assert running.build_state == "acquiring locks"
    assert running.steps[1].name == "locks_acquire"
    assert running.steps[1].state_string == "waiting: lock 'db' is held by someone"
    harness.clock.advance(5)
    real.release("someone", lock.access("exclusive"))
    assert running.build_result == SUCCESS
    assert running.build.row.locks_duration_s == 5
    assert running.steps[1].state_string == "locks acquired"
    assert real.idle


def test_a_build_that_waits_for_locks_can_be_stopped() -> None:
    lock = MasterLock("db")
    harness = BuildHarness(builder={"locks": [lock.access("exclusive")]})
    real = harness.locks.real(lock)
    real.claim("someone", lock.access("exclusive"))
    running = harness.start([giving(SUCCESS)])
    running.build.stop("no time")
    assert running.build_result == CANCELLED
    assert running.build_state == "cancelled (no time)"
    assert real.waiting == []
    assert [step.results for step in running.steps] == [CANCELLED, CANCELLED]


def test_locks_of_builders_may_depend_on_properties() -> None:
    lock = MasterLock("db")
    wanted = renderer(lambda props: [lock.access("counting")] if props["go"] else [])
    harness = BuildHarness(properties={"go": True}, builder={"locks": wanted})
    seen: list[int] = []

    def look(step: Any) -> int:
        seen.append(len(harness.locks.real(lock).holders))
        return SUCCESS

    harness.run([Doing(look)])
    assert seen == [1]
    assert harness.locks.real(lock).idle


def test_locks_of_the_worker_are_held_by_its_builds() -> None:
    lock = MasterLock("db")
    harness = BuildHarness(worker={"locks": [lock.access("counting")]})
    seen: list[Any] = []

    def look(step: Any) -> int:
        seen.extend(harness.locks.real(lock).holders)
        return SUCCESS

    harness.run([Doing(look)])
    assert seen == ["b1 #1"]


@pytest.mark.parametrize("whose", ["build", "step"])
def test_what_waits_for_a_lock_says_who_holds_it_by_now(whose: str) -> None:
    lock = MasterLock("db")
    mine = {"locks": [lock.access("exclusive")]}
    harness = BuildHarness(builder=mine if whose == "build" else {})
    real, access = harness.locks.real(lock), lock.access("exclusive")
    real.claim("someone", access)
    next_one = real.waitUntilMaybeAvailable("another", access)
    next_one.addCallback(lambda _: real.claim("another", access))
    running = harness.start([giving(SUCCESS, **(mine if whose == "step" else {}))])
    assert running.steps[1].state_string == "waiting: lock 'db' is held by someone"
    real.release("someone", access)
    assert running.steps[1].state_string == "waiting: lock 'db' is held by another"
    real.release("another", access)
    assert running.build_result == SUCCESS


def test_a_step_waits_for_its_locks() -> None:
    lock = MasterLock("db")
    harness = BuildHarness()
    real = harness.locks.real(lock)
    real.claim("someone", lock.access("exclusive"))
    running = harness.start([giving(SUCCESS, locks=[lock.access("exclusive")])])
    assert running.steps[1].state_string == "waiting: lock 'db' is held by someone"
    assert running.steps[1].locks_acquired_at is None
    harness.clock.advance(3)
    real.release("someone", lock.access("exclusive"))
    assert running.build_result == SUCCESS
    assert running.build.row.locks_duration_s == 3
    assert running.steps[1].locks_acquired_at is not None
    assert real.idle


def test_a_step_that_waits_for_locks_can_be_stopped() -> None:
    lock = MasterLock("db")
    harness = BuildHarness()
    real = harness.locks.real(lock)
    real.claim("someone", lock.access("exclusive"))
    running = harness.start([giving(SUCCESS, locks=[lock.access("exclusive")])])
    running.build.stop("no time")
    assert running.build_result == CANCELLED
    assert [log.name for log in running.steps[1].logs] == ["cancelled while waiting for locks"]
    assert real.waiting == []


def test_a_step_may_not_want_what_its_build_holds() -> None:
    lock = MasterLock("db")
    access = lock.access("exclusive")
    harness = BuildHarness(builder={"locks": [access]})
    running = harness.run([giving(SUCCESS, locks=[access])])
    assert running.build_result == EXCEPTION
    assert harness.locks.real(lock).idle


# -- stopping


def test_a_stopped_build_still_runs_what_always_runs() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running = harness.start(
        [Shell(command=["x"]), giving(SUCCESS), giving(SUCCESS, alwaysRun=True, name="cleanup")]
    )
    running.build.stopBuild("enough")
    assert [step.name for step in running.steps[1:]] == ["shell", "cleanup"]
    assert running.build_result == CANCELLED


def test_a_build_that_lost_its_worker_runs_nothing_more() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running = harness.start([Shell(command=["x"]), giving(SUCCESS, alwaysRun=True)])
    running.build.lose_worker()
    assert results(running) == [RETRY]
    assert running.build_result == RETRY


def test_a_command_that_lost_its_worker_is_the_last_one_of_its_build() -> None:
    harness = BuildHarness()
    harness.expect("shell").loses_connection()
    running = harness.run([Shell(command=["x"]), Shell(command=["y"], alwaysRun=True)])
    assert results(running) == [RETRY]


def test_a_build_stopped_before_it_begins_is_cancelled() -> None:
    harness = BuildHarness()
    build = harness.make([giving(SUCCESS)])
    build.stop("too late")
    found: list[int] = []
    from twisted.internet.defer import ensureDeferred

    ensureDeferred(build.run()).addCallback(found.append)
    assert found == [CANCELLED]
    assert build.row.state_string == "cancelled (too late)"


def test_a_stopped_build_does_not_begin_to_wait_for_locks() -> None:
    lock = MasterLock("db")
    harness = BuildHarness(builder={"locks": [lock.access("exclusive")]})
    harness.locks.real(lock).claim("someone", lock.access("exclusive"))
    pinged: Deferred[None] = Deferred()
    harness.session.ping_answer = lambda: pinged
    harness.clock.advance(11)
    running = harness.start([giving(SUCCESS)])
    running.build.stop("no")
    pinged.callback(None)
    assert running.build_result == CANCELLED


def test_names_of_steps_can_be_made_unique_before_they_run() -> None:
    def act(step: Any) -> int:
        other = giving(SUCCESS, name="a").get_step_factory().buildStep()
        step.build.setUniqueStepName(other)
        assert other.name == "a_1"
        return SUCCESS

    assert BuildHarness().run([Doing(act, name="a")]).build_result == SUCCESS


def test_stopping_twice_keeps_the_first_reason() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running = harness.start([Shell(command=["x"])])
    running.build.stop("first")
    running.build.stop("second")
    assert running.build_state.startswith("cancelled (first)")


# -- properties and sources


CHANGE = {
    "changeid": 1,
    "author": "ann",
    "files": ["a.c"],
    "comments": "",
    "properties": {"from_change": [1, "Change"], "who": ["change", "Change"]},
    "codebase": "",
    "revision": "r1",
}


def test_a_build_that_nobody_is_responsible_for_has_no_owners() -> None:
    running = BuildHarness(stamps=[{"branch": "main"}]).run([giving(SUCCESS)])
    assert "owners" not in running.properties
    assert running.properties["branch"] == "main"


def test_later_sources_of_properties_override_earlier_ones() -> None:
    harness = BuildHarness(
        properties={"who": "request", "owner": "bob"},
        stamps=[{"branch": "main", "revision": "r1", "project": "p"}],
        changes={1: [CHANGE]},
        config={"properties": {"who": "global", "g": 1}},
        builder={
            "properties": {"own": Property("branch")},
            "defaultProperties": {"own": 0, "d": 2},
        },
        worker={"properties": {"disk": "big"}, "machine_name": "m"},
    )
    running = harness.run([giving(SUCCESS)])
    assert running.properties == {
        "g": 1,
        "who": "request",
        "from_change": 1,
        "owner": "bob",
        "buildername": "b1",
        "builderid": 3,
        "own": "main",
        "d": 2,
        "workername": "w1",
        "machine_name": "m",
        "disk": "big",
        "buildnumber": 1,
        "owners": ["ann", "bob"],
        "branch": "main",
        "revision": "r1",
        "repository": "",
        "codebase": "",
        "project": "p",
        "basedir": "/home/worker",
        "builddir": "/home/worker/b1dir",
    }
    assert running.sources["who"] == "Scheduler"
    assert running.sources["own"] == "Builder"
    assert running.sources["disk"] == "Worker"
    assert running.sources["g"] == "master.cfg"


def test_paths_follow_the_system_of_the_worker() -> None:
    running = BuildHarness(system="nt", basedir="C:\\w").run([])
    assert running.properties["builddir"] == "C:\\w\\b1dir"


def test_several_codebases_leave_out_the_properties_of_a_single_one() -> None:
    harness = BuildHarness(stamps=[{"codebase": "a"}, {"codebase": "b", "revision": "r"}])
    running = harness.run([giving(SUCCESS)])
    assert "revision" not in running.properties
    stamp = running.build.getSourceStamp("b")
    assert stamp is not None and stamp.revision == "r"
    assert running.build.getSourceStamp("c") is None
    assert len(running.build.getAllSourceStamps()) == 2


def test_changes_and_those_who_made_them_can_be_asked_for() -> None:
    harness = BuildHarness(
        stamps=[{"patch": {"level": 1, "body": b"", "author": "zoe", "comment": ""}}],
        changes={1: [CHANGE]},
    )
    build = harness.run([]).build
    assert build.blamelist() == ["ann", "zoe"]
    assert build.allFiles() == ["a.c"]
    assert [change.who for change in build.allChanges()] == ["ann"]
    stamp = build.getSourceStamp()
    assert stamp is not None and stamp.patch == (1, b"", "")
    assert build.getUrl() == "http://localhost:8010/#/builders/3/builds/1"
    assert build.reason == "because"
    assert build.requests[0].properties.asDict() == {}


def test_properties_are_stored_when_a_step_changed_them() -> None:
    harness = BuildHarness()
    harness.run([Doing(lambda step: step.setProperty("x", 1) or SUCCESS), giving(SUCCESS)])
    stored = [event for event in harness.data.events if event[:2] == ("build", "properties")]
    assert [event[2] for event in stored[1:]] == [["x"]]


def test_secrets_in_properties_are_stored_masked() -> None:
    harness = BuildHarness(secrets={"pw": "hunter2"}, builder={"properties": {"url": Secret("pw")}})
    running = harness.run([Doing(lambda step: SUCCESS, description=Property("url"))])
    assert running.properties["url"] == "<pw>"


def test_factories_may_name_a_class_of_builds() -> None:
    class MyBuild(Build):
        def setupBuild(self) -> None:
            super().setupBuild()
            self.addStepsAfterLastStep([giving(SUCCESS, name="mine")])

    factory = BuildFactory([])
    factory.buildClass = MyBuild
    running = BuildHarness().run(factory)
    assert isinstance(running.build, MyBuild)
    assert running.steps[1].name == "mine"


def test_a_factory_workdir_that_is_a_function_gets_the_source_stamps() -> None:
    harness = BuildHarness(workdir=lambda stamps: f"w{len(stamps)}")
    harness.expect("shell", workdir="w1")
    harness.run([Shell(command=["x"])])


def test_with_secrets_surrounds_steps_by_files() -> None:
    factory = BuildFactory([])
    with factory.withSecrets([("f", Secret("pw"))]):
        factory.addStep(Shell(command=["use"]))
    harness = BuildHarness(secrets={"pw": "hunter2"})
    written = harness.expect("downloadFile", workerdest="f").download()
    harness.expect("shell", command=["use"]).stdout("hunter2\n")
    harness.expect("rmfile")
    running = harness.run(factory)
    assert written.downloaded == b"hunter2"
    assert running.build_result == SUCCESS
