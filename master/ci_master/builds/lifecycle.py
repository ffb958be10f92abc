"""The life of one step in a build: from its row in storage to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import USERS_ERRORS, spawn
from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    worst_status,
)
from ci_master.builds.endings import keep_failure
from ci_master.builds.errors import LOST, BuildStepCancelled, BuildStepFailed
from ci_master.builds.recorded import accumulated
from ci_master.builds.rendering import render_now, started

if TYPE_CHECKING:
    from ci_master.builds.buildstep import BuildStep

log = Logger()

_renderables: dict[type, tuple[str, ...]] = {}


def renderables_of(cls: type) -> tuple[str, ...]:
    """The attributes to be rendered of steps of a class, those of its bases included."""
    known = _renderables.get(cls)
    if known is None:
        known = _renderables[cls] = accumulated(cls, "renderables")
    return known


async def run_step(step: BuildStep) -> int:
    """Go through the whole life of a step; its result code."""
    data = step.build.services.data
    await _add(step)
    step._running = True
    try:
        result = await step.build.cuttable(_result_of(step))
    except BaseException as error:
        result = await _result_of_error(step, error)
    if step.stopped and result not in (RETRY, CANCELLED):
        result = EXCEPTION
    step.results = result
    hidden = await _is_hidden(step)
    for failure in await _finish_logs(step):
        await step.addLogWithFailure(failure)
        step.results = EXCEPTION
    if step.row.group.lost:
        step.results = worst_status(step.results, EXCEPTION)
    step._complete_result_sets()
    step._running = False
    if step._summary_call is not None:
        step._summary_call.cancel()
        step._summary_call = None
    await _show_result(step)
    keep_failure(step)
    step.build.release_step_locks(step)
    assert step.results is not None
    data.steps.finish(step.row, step.results, hidden)
    return step.results


async def _add(step: BuildStep) -> None:
    """Give the step its row, under a name of its own within the build."""
    name = step.name
    if type(name) is not str:
        try:
            name = await step.render(name)
        except USERS_ERRORS:
            log.failure("the name of a {step} could not be rendered", step=type(step).__name__)
            name = None
    steps = step.build.services.data.steps
    step.row = steps.add(step.build.row, str(name or type(step).__name__))
    step.name, step.number, step.stepid = step.row.name, step.row.number, step.row.id
    steps.start(step.row, locks_acquired=not step.locks)


async def _result_of(step: BuildStep) -> int:
    await _render(step)
    if not await _is_wanted(step):
        step.build.services.data.steps.skip(step.row)
        return SKIPPED
    await _show_current(step)
    if step.locks:
        await step.build.acquire_step_locks(step)
    if step.stopped:
        return RETRY if step.build.lost else CANCELLED
    pending = started(step.addTestResultSets())
    if isinstance(pending, Deferred):
        await pending
    result = started(step.run())
    if isinstance(result, Deferred):
        result = await result
    if not isinstance(result, int):
        raise TypeError(f"{type(step).__name__}.run() gave {result!r}, which is no result code")
    return result


async def _render(step: BuildStep) -> None:
    """Replace the placeholders in the attributes that may hold some by their values."""
    properties = step.build.getProperties()
    for name in renderables_of(type(step)):
        value = getattr(step, name, None)
        if value is None or value is True or value is False or type(value) in (str, int):
            continue
        rendered = render_now(value, properties)
        if isinstance(rendered, Deferred):
            rendered = await rendered
        if rendered is not value:
            setattr(step, name, rendered)
    step.rendered = True


async def _is_wanted(step: BuildStep) -> bool:
    wanted = step.doStepIf
    if wanted is True or wanted is False:
        return wanted
    if callable(wanted):
        wanted = started(wanted(step))
        if isinstance(wanted, Deferred):
            wanted = await wanted
    return bool(wanted)


async def _is_hidden(step: BuildStep) -> bool:
    """What ``hideStepIf`` says; an error in it counts as EXCEPTION, and shows the step."""
    hidden = step.hideStepIf
    if hidden is True or hidden is False:
        return hidden
    try:
        if callable(hidden):
            hidden = started(hidden(step.results, step))
        if isinstance(hidden, Deferred):
            hidden = await step.build.cuttable(hidden, soon=step.stopped)
    except USERS_ERRORS:
        step.results = EXCEPTION
        await step.addLogWithFailure(Failure(), "hidden-")
        return False
    return bool(hidden)


async def _result_of_error(step: BuildStep, error: BaseException) -> int:
    if isinstance(error, BuildStepCancelled | CancelledError) or (
        isinstance(error, GeneratorExit) and step.stopped
    ):
        return CANCELLED
    if isinstance(error, BuildStepFailed):
        return FAILURE
    if isinstance(error, LOST):
        return RETRY
    if isinstance(error, GeneratorExit):
        raise error
    failure = Failure(error)
    log.failure("step {name} raised", failure=failure, name=step.name)
    try:
        await step.addLogWithFailure(failure)
    except USERS_ERRORS:
        log.failure("the error of step {name} could not be stored", name=step.name)
    return EXCEPTION


async def _finish_logs(step: BuildStep) -> list[Failure]:
    try:
        return await step._finish_logs()
    except USERS_ERRORS:
        log.failure("logs of step {name} could not be ended", name=step.name)
        step.results = EXCEPTION
        return []


async def _summary(step: BuildStep, asked: Any, kind: str) -> dict[str, str]:
    """Check what a user's override of a summary gave."""
    summary = started(asked)
    if isinstance(summary, Deferred):
        summary = await step.build.cuttable(summary, soon=step.stopped)
    if not isinstance(summary, dict):
        raise TypeError(f"{kind} gave {summary!r}, which is no dict of texts")
    return summary


def _clean(step: BuildStep, text: Any) -> str:
    return step.build.getProperties().cleanupTextFromSecrets(str(text))


async def _show_current(step: BuildStep) -> None:
    summary = await _summary(step, step.getCurrentSummary(), "getCurrentSummary()")
    text = summary.get("step")
    if text and text != step.row.state_string:
        step.build.services.data.steps.set_state(step.row, _clean(step, text))


def refresh_summary(step: BuildStep) -> None:
    """Show the current summary of a step that may have ended meanwhile."""
    step._summary_call = None
    if step._running:
        spawn(_show_current(step), log, f"summing up step {step.name}")


async def _show_result(step: BuildStep) -> None:
    """Store the final text, and keep what goes into the text of the build."""
    try:
        summary = await _summary(step, step.getBuildResultSummary(), "getResultSummary()")
    except USERS_ERRORS:
        log.failure("step {name} could not be summed up", name=step.name)
        step.results = EXCEPTION
        summary = {"step": "finished (exception)", "build": "finished (exception)"}
    step.build.services.data.steps.set_state(
        step.row, _clean(step, summary.get("step", "finished"))
    )
    text = summary.get("build")
    step._build_text = _clean(step, text) if text else None
