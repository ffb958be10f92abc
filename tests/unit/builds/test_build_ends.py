"""Whatever happens to a build at whatever moment: it ends, and lets go of what it held."""

from collections.abc import Callable
from typing import Any

import pytest

from ci_common.results import CANCELLED, RETRY, SUCCESS
from ci_master.builds.build import Build
from ci_master.builds.locks import MasterLock
from tests.fakes.builds import BuildHarness, Running
from tests.unit.builds.plain_steps import Doing, Shell

#: More than the build of these tests has events.
MOMENTS = range(1, 45)


def stop(build: Build) -> None:
    build.stop("enough")


def lose(build: Build) -> None:
    build.lose_worker()


def stop_and_lose(build: Build) -> None:
    build.stop("enough")
    build.lose_worker()


def fail(build: Build) -> None:
    raise RuntimeError("the data room is on fire")


class Moments:
    """Does something at the n-th event of a build."""

    def __init__(self, harness: BuildHarness, moment: int, act: Callable[[Build], None]) -> None:
        self.left = moment
        self.act = act
        self.build: Any = None
        self._note = harness.data.note
        harness.data.note = self.note  # type: ignore[method-assign]  # to be in the middle of it

    def note(self, *event: Any) -> None:
        self._note(*event)
        self.left -= 1
        if self.left == 0:
            self.act(self.build)


def go(moment: int, act: Callable[[Build], None]) -> tuple[BuildHarness, Running, MasterLock]:
    lock = MasterLock("db")
    access = lock.access("counting")
    harness = BuildHarness(worker={"locks": [MasterLock("disk").access("counting")]})
    for _ in range(3):
        harness.expect("shell").stdout("one\n").rc(0)
    moments = Moments(harness, moment, act)
    build = harness.make(
        [
            Shell(command=["a"], locks=[access]),
            Doing(lambda step: step.addCompleteLog("x", "y") and SUCCESS),
            Shell(command=["b"], logfiles={}),
            Shell(command=["c"], alwaysRun=True, locks=[access]),
        ]
    )
    moments.build = build
    running = Running(build, harness.data, harness.session)
    harness._go(running)
    return harness, running, lock


def check(harness: BuildHarness, running: Running, lock: MasterLock) -> None:
    assert running.done
    assert harness.slot.running == set()
    assert running.build.builder.building == []
    assert harness.locks.real(lock).idle
    assert harness.locks.real(MasterLock("disk")).idle
    assert harness.clock.getDelayedCalls() == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("act", "results"),
    [(stop, CANCELLED), (lose, RETRY), (stop_and_lose, CANCELLED)],
)
def test_a_build_that_is_ended_at_any_moment_ends(
    moment: int, act: Callable[[Build], None], results: int
) -> None:
    harness, running, lock = go(moment, act)
    check(harness, running, lock)
    row = running.build.row
    assert row.complete_at is not None
    assert running.build_result in (results, SUCCESS)
    assert running.build_result == results or moment > 35
    assert all(step.complete_at is not None for step in row.steps)
    assert all(log.finished for step in row.steps for log in step.logs)  # type: ignore[attr-defined]  # fakes


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_failure_of_our_own_at_any_moment_ends_the_build(moment: int) -> None:
    harness, running, lock = go(moment, fail)
    check(harness, running, lock)
    assert isinstance(running.build_result, int)
