"""A build: all that happens between a claimed request and its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from ci_common.aio import USERS_ERRORS, call_override
from ci_common.errorline import shortened
from ci_common.failures import StepFailure
from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    Results,
    computeResultAndTermination,
    worst_status,
)
from ci_master.builds.buildenv import BuildEnv
from ci_master.builds.builder import Builder
from ci_master.builds.buildfacts import BuildFacts
from ci_master.builds.buildlocks import BuildLocks
from ci_master.builds.buildproperties import assemble, storable
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.buildstop import BuildStop
from ci_master.builds.endings import keep_failure
from ci_master.builds.lifecycle import run_step
from ci_master.builds.log import LogSettings
from ci_master.builds.preparation import prepare
from ci_master.builds.properties import Properties
from ci_master.builds.template import get_factory_from_step_or_factory
from ci_master.builds.workerview import WorkerView
from ci_master.data.model import BuildRow, Request

__all__ = ["Build", "BuildEnv"]

#: The text of a build that has ended.
#: Characters of an exception that a build shows as its state.
_LONGEST_CAUSE = 200

#: Text of a build whose worker was lost -> what it means.
_LOSSES = {
    "lost connection": "the connection to worker '{worker}' was lost",
    "worker not building": "worker '{worker}' did not start the build",
    "worker not pinged": "worker '{worker}' did not answer",
    "worker not available": "worker '{worker}' was gone before the build began",
}
_ENDED = {SUCCESS: "build successful", FAILURE: "failed"}


class Build(BuildFacts, BuildLocks, BuildStop):
    """One build. ``await build.run()`` does it all; users may subclass it (``buildClass``).

    :param requests: those that it answers; the first one is stored with it.
    :param slot: the worker, where a place has been taken for it.
    :param env: see :class:`BuildEnv`; steps find it as ``build.services``.

    :ivar results: the result so far. ``text``: what steps contribute to the final text.
    :ivar steps: those still to come. ``executedSteps``: those that have begun.
    :ivar row: what is stored of it, once it has begun; ``number``, ``buildid`` are from there.
    """

    row: BuildRow

    def __init__(
        self, builder: Builder, requests: Sequence[Request], slot: Any, env: BuildEnv
    ) -> None:
        self.builder = builder
        self.config = builder.config
        self.request_rows = list(requests)
        self.slot = slot
        self.services = env
        self.master = env.master
        self.results: int = SUCCESS
        self.text: list[str] = []
        self.steps: list[BuildStep] = []
        self.executedSteps: list[BuildStep] = []
        self.session = slot.session
        self._courses = {}
        self.worker = WorkerView(slot)
        self.env: Any = self.config.env
        self.properties = Properties()
        self.properties.build = self
        self.properties.master = env.master
        self.properties.secrets = env.secrets
        config = env.config
        self.log_settings = LogSettings(
            encoding=config.logEncoding,
            max_bytes=config.logMaxSize,
            max_tail_bytes=config.logMaxTailSize,
            redactor=self.properties.redactor,
        )

    # -- the whole course

    async def run(self) -> int:
        """Do the build, from its row in storage to its result, which is returned. Never raises.

        What then becomes of the requests (complete, or to be built again after RETRY) and of
        the place on the worker is the caller's business.
        """
        data = self.services.data
        self.slot.running.add(self)
        self.builder.building.append(self)
        try:
            self.row = data.builds.start(
                self.builder.row.id, self.request_rows[0], self.slot.row.id
            )
            await self._run()
        except CancelledError:  # stopped, or its worker lost, before there was anything to run
            self.results = CANCELLED
            data.builds.announce(self.row)
        except USERS_ERRORS:
            self._broke(Failure())
        try:
            await self._end()
        except USERS_ERRORS:
            self.results = EXCEPTION
            self.logger.failure("{build} could not be ended properly", build=self)
        return self.results

    async def _run(self) -> None:
        if not await self.cuttable(self._begin()):
            self.results = SKIPPED
            builds = self.services.data.builds
            properties = await storable(self.properties)
            builds.announce(self.row)
            builds.set_properties(self.row, properties)
        elif await prepare(self):
            await self._run_steps()

    async def _begin(self) -> bool:
        """Find out what it is about, and whether it is to be at all."""
        await self._find_sources()
        assemble(self)
        return await self._is_wanted()

    async def _is_wanted(self) -> bool:
        if not await call_override(self.config.do_build_if, self):
            return False
        skip = self.config.factory.skip_build_if
        return skip is None or not await call_override(skip, self)

    async def _run_steps(self) -> None:
        data = self.services.data
        while (step := await self._next_step()) is not None:
            self.currentStep = step
            self.executedSteps.append(step)
            try:
                result = await run_step(step)
            except USERS_ERRORS:
                result = await self._step_broke(step, Failure())
            self.currentStep = None
            before = self.results
            self.results, terminate = computeResultAndTermination(step, result, self.results)
            if self.results != before:
                self.note_failure(step)
            self.terminate = self.terminate or terminate
            if step._build_text:
                self.text.append(step._build_text)
            data.builds.set_properties(self.row, await storable(self.properties))

    def note_failure(self, step: BuildStep) -> None:
        """The build has become worse by a step: that one is told where it says what failed."""
        if self.results in (WARNINGS, FAILURE, EXCEPTION) and step.row is not None:
            self.row.failed_step = step.row.number if self.results != WARNINGS else None
            self.row.failure = StepFailure.of(step.row).line

    async def _next_step(self) -> BuildStep | None:
        """The next step that is to be run; None if there is none."""
        while self.steps and not self.lost and not self.abandoned:
            step = self.steps.pop(0)
            if not self.terminate and not self.stopped:
                return step
            always = step.alwaysRun
            if always is not True and always is not False:
                always = await self.cuttable(self.render(always), soon=self.stopped)
            if always:
                return step
        return None

    async def _step_broke(self, step: BuildStep, failure: Failure) -> int:
        """Our own code failed around a step: end it, with the traceback as its log."""
        self.logger.failure("{step} of {build} broke", failure=failure, step=step, build=self)
        self.release_step_locks(step)
        step._running = False
        if step.row is not None and step.row.complete_at is None:
            await step.addLogWithFailure(failure)
            await step._finish_logs()
            self.services.data.steps.set_state(step.row, "finished (exception)")
            step.results = EXCEPTION
            keep_failure(step)
            self.services.data.steps.finish(step.row, EXCEPTION, False)
        step._build_text = f"{step.name} (exception)"
        return EXCEPTION

    def _broke(self, failure: Failure) -> None:
        self.logger.failure("{build} broke", failure=failure, build=self)
        self.results = worst_status(self.results, EXCEPTION)
        what = failure.getErrorMessage().partition("\n")[0][:_LONGEST_CAUSE]  # without any SQL
        self.text.append(f"{type(failure.value).__name__}: {what}")
        if hasattr(self, "row"):
            self.row.failure = self.properties.cleanupTextFromSecrets(shortened(self.text[-1]))
            self.row.failed_step = None

    # -- the end

    async def _end(self) -> None:
        if self.stopped:  # by a person, who wants it no more, whatever the worker did then
            self.results = self._stop_results
        elif self.lost:
            self.results = RETRY
        self.finished = True
        try:
            self.release_locks()
        finally:
            self.slot.running.discard(self)
            self.builder.building.remove(self)
            self._tell_health()
        data = self.services.data
        if hasattr(self, "row"):
            if self.results not in (WARNINGS, FAILURE, EXCEPTION):
                self.row.failure, self.row.failed_step = self._why_ended(), None
            if self.row.group.lost:
                self.results = worst_status(self.results, EXCEPTION)
            try:
                data.builds.set_properties(self.row, await storable(self.properties))
            finally:
                data.builds.set_state(self.row, self._final_text())
                data.builds.finish(self.row, self.results)

    def _why_ended(self) -> str:
        """Why it was cancelled, or is built again, in a line; empty if neither is so."""
        if self.results == CANCELLED and self.stopped:
            return self._why_stopped()
        if self.results != RETRY:
            return ""
        told = next((text for text in self.text if text in _LOSSES), "")
        text = _LOSSES.get(told, "").format(worker=self.workername)
        if not text:
            text = self._stop_reason if self.stopped else ""
        step = self.executedSteps[-1] if told and self.executedSteps else None
        text = f"{text}, in step '{step.name}'" if step is not None else text
        return self.properties.cleanupTextFromSecrets(shortened(text))

    def _why_stopped(self) -> str:
        """The reason that somebody gave, and the step that ran then."""
        cut = next((step for step in self.executedSteps if step.results == CANCELLED), None)
        text = self._stop_reason or "stopped"
        text = f"{text}, in step '{cut.name}'" if cut is not None else text
        return self.properties.cleanupTextFromSecrets(shortened(text))

    def _tell_health(self) -> None:
        """What the result says about the worker."""
        if self.results == EXCEPTION:
            self.slot.quarantine()
        elif self.results != RETRY:
            self.slot.reset_quarantine()

    def _final_text(self) -> str:
        text = _ENDED.get(self.results, Results[self.results])
        if self.stopped and self._stop_reason:
            text += f" ({self._stop_reason})"
        text = " ".join([text, *self.text])
        return self.properties.cleanupTextFromSecrets(text)

    # -- steps

    def setupBuild(self) -> None:
        """Make the steps; called once the worker is ready. Overrides call the original."""
        self.steps = [self._make_step(factory) for factory in self.config.factory.steps]

    def _make_step(self, step_or_factory: Any) -> BuildStep:
        step: BuildStep = get_factory_from_step_or_factory(step_or_factory).buildStep()
        if hasattr(type(step), "_made_as"):  # a factory that made another template
            step = step.get_step_factory().buildStep()
        step.setBuild(self)
        return step

    def addStepsAfterCurrentStep(self, step_factories: Sequence[Any]) -> None:
        """Let these steps follow the one that is running."""
        self.steps[0:0] = [self._make_step(factory) for factory in step_factories]

    def addStepsAfterLastStep(self, step_factories: Sequence[Any]) -> None:
        """Let these steps follow all others."""
        self.steps += [self._make_step(factory) for factory in step_factories]

    def workdir_for_steps(self) -> Any:
        """Where steps work that name no directory of their own."""
        workdir = self.config.factory.workdir
        return (
            workdir(self.sources)
            if callable(workdir) and not isinstance(workdir, type)
            else workdir
        )

    def setUniqueStepName(self, step: BuildStep) -> None:
        """Give a step a name that no step of this build has yet."""
        taken = {other.name for other in [*self.executedSteps, *self.steps] if other is not step}
        name, number = step.name, 1
        while step.name in taken:
            step.name = f"{name}_{number}"
            number += 1

    def env_for_steps(self) -> Any:
        """Environment of the builder, which may hold placeholders."""
        return self.env or {}

    async def store_data(self, name: str, value: bytes, source: str) -> None:
        """Store bytes under a name on the build; what has that name already is replaced."""
        value = self.properties.redactor.redact_bytes(value)
        await self.services.data.builds.set_data(self.row, name, value, source)

    def getSummaryStatistic(
        self, name: str, summary_fn: Callable[[Any, Any], Any], initial_value: Any = None
    ) -> Any:
        """A statistic of all steps that have it, reduced by a function of two values."""
        values = [step.getStatistic(name) for step in self.executedSteps if step.hasStatistic(name)]
        total = initial_value
        for value in values:
            total = value if total is None else summary_fn(total, value)
        return total
