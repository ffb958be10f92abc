"""Stop, and time limits, whatever a worker or a user's code does: the build ends."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS
from ci_master.builds.course import CUT_S, TIDY_S
from ci_master.builds.remotecommand import ANSWER_S
from ci_master.builds.watchdog import GRACE_S
from tests.fakes.builds import BuildHarness, FakeSession, Running
from tests.unit.builds.plain_steps import Doing, Shell


async def waits_for_ever(step: Any) -> int:
    await Deferred()
    return SUCCESS


async def swallows(step: Any) -> int:
    while True:
        try:
            await Deferred()
        except CancelledError:
            continue


class Hung:
    """A worker that does not end what it is told to end; it may answer that it will."""

    def __init__(self, session: FakeSession, clock: Any, *, answers: bool) -> None:
        self.session = session
        self.clock = clock
        self.answers = answers
        self.asked = 0
        self.closed = 0
        session.interrupt_command = self.interrupt_command  # type: ignore[method-assign]
        session.close = self.close  # type: ignore[method-assign]

    def interrupt_command(self, *args: Any) -> Deferred[Any]:
        self.asked += 1
        answer: Deferred[Any] = Deferred()
        if self.answers:
            self.session.heard_at = self.clock.seconds()
            answer.callback(None)
        return answer

    def close(self) -> None:
        self.closed += 1
        for sent in self.session.sent:
            sent.sink.complete(Failure(ConnectionLost()))


def started(
    harness: BuildHarness, steps: list[Any], *, answers: bool = True
) -> tuple[Running, Hung]:
    hung = Hung(harness.session, harness.clock, answers=answers)
    return harness.start(steps), hung


def test_a_worker_that_does_not_answer_loses_its_connection_and_the_build_ends() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(harness, [Shell(command=["a"]), Shell(command=["b"], alwaysRun=True)],
                            answers=False)  # fmt: skip
    running.build.stop("enough")
    harness.clock.advance(ANSWER_S - 0.1)
    assert not running.done and not hung.closed
    harness.clock.advance(0.1)
    assert (running.build_result, hung.closed) == (CANCELLED, 1)
    assert len(harness.session.sent) == 1
    assert harness.slot.left == []
    assert harness.clock.getDelayedCalls() == []


def test_a_command_that_does_not_end_is_left_behind_and_nothing_follows() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(harness, [Shell(command=["a"]), Shell(command=["b"], alwaysRun=True)])
    running.build.stop("enough")
    harness.clock.advance(CUT_S)
    assert (running.build_result, hung.closed) == (CANCELLED, 0)
    assert running.step_row("shell").results == CANCELLED
    assert len(harness.session.sent) == 1
    (left,) = harness.slot.left
    assert not left.called
    harness.session.sent[0].sink.updates([{"stdout": "late\n"}])  # nobody is there to hear
    harness.session.sent[0].sink.complete(None)
    assert left.called
    assert harness.clock.getDelayedCalls() == []


@pytest.mark.parametrize("run", [waits_for_ever, swallows, lambda step: Deferred()])
@pytest.mark.parametrize("end", ["stop", "lose"])
def test_a_run_that_waits_for_something_else_is_cut_short(
    run: Callable[[Any], Any], end: str
) -> None:
    harness = BuildHarness()
    running, _ = started(harness, [Doing(run), Doing(name="after", alwaysRun=True)])
    if end == "stop":
        running.build.stop("enough")
    else:
        running.build.lose_worker()
    harness.clock.advance(CUT_S)
    harness.clock.advance(TIDY_S)
    assert running.build_result == (CANCELLED if end == "stop" else RETRY)
    names = [step.name for step in running.steps]
    assert names[-1] == ("after" if end == "stop" else "generic")
    assert all(step.complete_at is not None for step in running.steps)
    assert harness.clock.getDelayedCalls() == []


def test_a_step_that_does_not_listen_to_a_stop_is_cut_short() -> None:
    class Deaf(Shell):
        def interrupt(self, reason: Any) -> Any:
            return Deferred()

    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, _ = started(harness, [Deaf(command=["a"])])
    running.build.stop("enough")
    harness.clock.advance(CUT_S)
    assert running.build_result == CANCELLED
    assert len(harness.slot.left) == 1


class Summing(Doing):
    def getResultSummary(self) -> Any:
        return Deferred()


HANGING = {
    "doStepIf": lambda: Doing(doStepIf=lambda step: Deferred()),
    "hideStepIf": lambda: Doing(hideStepIf=lambda results, step: Deferred()),
    "summary": Summing,
}


@pytest.mark.parametrize("where", HANGING)
def test_other_code_of_users_in_a_step_is_cut_short_too(where: str) -> None:
    harness = BuildHarness()
    running, _ = started(harness, [HANGING[where]()])
    assert not running.done
    running.build.stop("enough")
    for _ in range(3):
        harness.clock.advance(CUT_S)
        harness.clock.advance(TIDY_S)
    assert running.build_result == CANCELLED
    assert running.steps[-1].complete_at is not None


@pytest.mark.parametrize("stage", ["doBuildIf", "ping"])
def test_a_stop_before_the_first_step_ends_the_build_at_once(stage: str) -> None:
    harness = BuildHarness()
    if stage == "ping":
        harness.session.heard_at -= 1000
        harness.session.ping_answer = Deferred
        running = harness.start([Doing()])
    else:
        build = harness.make([Doing()])
        build.config.do_build_if = lambda build: Deferred()
        running = Running(build, harness.data, harness.session)
        harness._go(running)
    assert not running.done
    running.build.stop("enough")
    assert running.build_result == CANCELLED
    assert ("build", "new") in [event[:2] for event in harness.data.events]
    assert harness.slot.running == set() and harness.slot.quarantined == 0


def test_a_second_stop_ends_what_runs_always() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running = harness.start([Doing(waits_for_ever), Shell(command=["b"], alwaysRun=True)])
    running.build.stop("enough")
    harness.clock.advance(CUT_S)
    assert not running.done and len(harness.session.sent) == 1
    harness.clock.advance(100)  # it has its time
    assert not running.done
    running.build.stop("really")
    assert running.build_result == CANCELLED


# -- time limits that the worker does not keep


def test_a_limit_that_the_worker_lets_pass_is_kept_by_the_master() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(
        harness, [Shell(command=["a"], timeout=None, maxTime=100), Doing(name="after")]
    )
    harness.clock.advance(100 + GRACE_S - 1)
    assert hung.asked == 0
    harness.clock.advance(1)
    assert hung.asked == 1
    harness.clock.advance(CUT_S)
    assert running.build_result == FAILURE
    assert running.step_row("shell").results == FAILURE
    assert running.build.executedSteps[0].timed_out
    assert "after" not in [step.name for step in running.steps]  # beside what still runs there
    assert len(harness.slot.left) == 1
    assert harness.clock.getDelayedCalls() == []


def test_output_renews_the_time_without_output() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(harness, [Shell(command=["a"], timeout=10)])
    sink = harness.session.sent[0].sink
    for _ in range(5):
        harness.clock.advance(GRACE_S + 5)
        sink.updates([{"stdout": "here\n"}])
    assert hung.asked == 0
    harness.clock.advance(GRACE_S + 10)
    assert hung.asked == 1
    sink.updates([{"rc": -1}])  # and now the worker ends it
    sink.complete(None)
    assert running.build_result == FAILURE
    assert harness.slot.left == []
    assert running.build.executedSteps[0].timed_out


def test_a_worker_that_has_time_for_its_signal_gets_it() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    _, hung = started(harness, [Shell(command=["a"], timeout=None, maxTime=10, sigtermTime=50)])
    harness.clock.advance(10 + GRACE_S + 49)
    assert hung.asked == 0
    harness.clock.advance(1)
    assert hung.asked == 1


def test_output_that_waits_for_our_own_storage_is_no_silence() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(harness, [Shell(command=["a"], timeout=10, maxTime=1000)])
    log: Any = running.step_row("shell").logs[0]
    log.has_room = False
    harness.session.sent[0].sink.updates([{"stdout": "much\n"}])
    harness.clock.advance(500)
    assert hung.asked == 0
    log.make_room()
    harness.clock.advance(9)
    assert hung.asked == 0


def test_a_hung_worker_that_lets_a_limit_pass_loses_its_connection() -> None:
    harness = BuildHarness()
    harness.expect("shell").hangs()
    running, hung = started(harness, [Shell(command=["a"], timeout=10)], answers=False)
    harness.clock.advance(10 + GRACE_S)
    harness.clock.advance(ANSWER_S)
    assert (running.build_result, hung.closed) == (RETRY, 1)


def test_commands_that_end_in_time_leave_no_timer() -> None:
    harness = BuildHarness()
    harness.expect("shell").rc(0)
    running = harness.start([Shell(command=["a"], timeout=10, maxTime=10)])
    assert running.build_result == SUCCESS
    assert harness.clock.getDelayedCalls() == []
