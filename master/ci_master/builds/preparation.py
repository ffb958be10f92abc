"""Getting a worker ready for a build: the step that comes before all configured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import USERS_ERRORS
from ci_common.results import CANCELLED, EXCEPTION, RETRY, SUCCESS
from ci_master.builds.buildproperties import of_attached_worker, storable
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.endings import keep_failure
from ci_master.builds.errors import LOST, PreparationFailed
from ci_master.builds.template import StepFactory

if TYPE_CHECKING:
    from ci_master.builds.build import Build

log = Logger()

#: A worker that was heard of within so many seconds needs no ping.
HEARD_S = 10


class _Preparation(BuildStep):
    """Only shows what is going on; it is not run."""


def _begin(build: Build, name: str) -> BuildStep:
    step = StepFactory(_Preparation, (), {"name": name}).buildStep()
    step.setBuild(build)
    steps = build.services.data.steps
    step.row = steps.add(build.row, name)
    steps.start(step.row, locks_acquired=True)
    return step


async def prepare(build: Build) -> bool:
    """Make worker, locks and steps ready; False if the build has ended by that."""
    data = build.services.data
    step = _begin(build, "worker_preparation")
    of_attached_worker(build)
    data.builds.set_state(build.row, "starting")
    properties = await storable(build.properties)
    # Told first, and stored together: nothing may come between the two lines.
    data.builds.announce(build.row)
    data.builds.set_properties(build.row, properties)
    try:
        await build.cuttable(_prepare(build))
    except PreparationFailed as problem:
        return await _failed(build, step, problem)
    except CancelledError:
        return _ended(build, step, "cancelled", CANCELLED)
    except USERS_ERRORS as error:
        if isinstance(error, LOST):
            lost = PreparationFailed("worker_prepare", "worker not available", RETRY)
            return await _failed(build, step, lost)
        return await _broke(build, step, Failure())
    if build.stopped or build.lost:
        return _ended(build, step, "stopped", CANCELLED if build.stopped else RETRY)
    data.steps.set_state(step.row, f"worker {build.workername} ready")
    data.steps.finish(step.row, SUCCESS, False)
    data.builds.set_state(build.row, "building")
    return True


async def _prepare(build: Build) -> None:
    builds = build.services.data.builds
    builds.set_state(build.row, "preparing worker")
    if build.session is None or build.lost:
        raise PreparationFailed("worker_prepare", "worker not available", RETRY)
    builds.set_state(build.row, "pinging worker")
    await _ping(build)
    if not build.stopped and not build.lost:
        await _lock(build)
    if build.stopped or build.lost:
        return
    started = build.session.start_build(build.builder.name)
    _watch(build, started)
    build.setupBuild()


async def _ping(build: Build) -> None:
    if build.services.clock.seconds() - build.session.heard_at <= HEARD_S:
        return
    try:
        await build.session.ping()
    except CancelledError:
        raise
    except Exception as error:
        log.info("{build}: no answer to a ping: {error}", build=build, error=error)
        raise PreparationFailed("worker_ping", "worker not pinged", RETRY) from error


async def _lock(build: Build) -> None:
    claims = await build.wanted_locks()
    if not claims or build.claim_locks(claims):
        return
    data = build.services.data
    data.builds.set_state(build.row, "acquiring locks")
    step = _begin(build, "locks_acquire")
    assert step.row is not None
    try:
        with build.says_who_holds(claims, build, step.row):
            await build.wait_for_locks(claims)
    except CancelledError:
        _ended(build, step, "cancelled while waiting for locks", CANCELLED)
        raise
    data.steps.set_state(step.row, "locks acquired")
    data.steps.finish(step.row, SUCCESS, False)


def _watch(build: Build, started: Deferred[object]) -> None:
    """Go on without the worker's answer, which comes before that to any command."""

    def refused(failure: Failure) -> None:
        if build.finished:
            return
        if failure.check(*LOST):
            build.lose_worker()
            return
        log.failure("{build}: the worker did not start it", failure=failure, build=build)
        build.slot.quarantine()
        build.lose_worker("worker not building")

    started.addErrback(refused)


async def _failed(build: Build, step: BuildStep, problem: PreparationFailed) -> bool:
    build.slot.quarantine()
    build.results = problem.results
    if not build.lost:
        build.text.append(problem.text)
    return _ended(build, step, f"error while {problem.doing}", problem.results)


async def _broke(build: Build, step: BuildStep, failure: Failure) -> bool:
    """What the configuration gave us, or we ourselves, failed: tell how."""
    log.failure("{build} could not be set up", failure=failure, build=build)
    build.results = EXCEPTION
    build.text.append("Build.setupBuild failed")
    await step.addLogWithFailure(failure)
    return _ended(build, step, "Build.setupBuild failed", EXCEPTION)


def _ended(build: Build, step: BuildStep, text: str, results: int) -> bool:
    build.results = step.results = results
    steps = build.services.data.steps
    steps.set_state(step.row, text)
    keep_failure(step)
    build.note_failure(step)
    steps.finish(step.row, results, False)
    return False
