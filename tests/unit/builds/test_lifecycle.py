"""The life of a step: what decides whether it runs, and what it comes to."""

from collections.abc import Generator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
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
from ci_master.builds.buildstep import BuildStep, BuildStepCancelled, BuildStepFailed
from ci_master.builds.logobserver import LogObserver
from ci_master.builds.properties import Property, Secret, renderer
from ci_master.builds.remotecommand import RemoteCommand
from tests.fakes.builds import BuildHarness, StepHarness
from tests.unit.builds.plain_steps import Doing


async def coroutine(step: Any) -> int:
    return WARNINGS


@inlineCallbacks
def decorated(step: Any) -> Generator[Any, Any, int]:
    yield succeed(None)
    return WARNINGS


def generator(step: Any) -> Generator[Any, Any, int]:
    yield succeed(None)
    return WARNINGS


@pytest.mark.parametrize(
    "act", [coroutine, decorated, generator, lambda step: succeed(WARNINGS), lambda step: WARNINGS]
)
def test_run_may_give_its_result_in_any_way(act: Any) -> None:
    ran = StepHarness().run(Doing(act))
    assert ran.result == WARNINGS
    assert ran.state == "finished (warnings)"


def test_an_override_with_inlineCallbacks_may_yield_to_a_coroutine() -> None:
    class Base(Doing):
        async def run(self) -> int:
            return WARNINGS

        async def getResultSummary(self) -> dict[str, str]:
            return {"step": "base"}

    class Derived(Base):
        @inlineCallbacks
        def run(self) -> Generator[Any, Any, int]:  # type: ignore[override]  # as users do
            result = yield super().run()
            yield self.addLog("x")
            return result

        @inlineCallbacks
        def getResultSummary(self) -> Generator[Any, Any, dict[str, str]]:  # type: ignore[override]  # as users do
            summary = yield super().getResultSummary()
            return {"step": summary["step"] + " and more"}

    ran = StepHarness().run(Derived())
    assert (ran.result, ran.state) == (WARNINGS, "base and more")


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (BuildStepFailed(), FAILURE),
        (BuildStepCancelled(), CANCELLED),
        (ConnectionLost(), RETRY),
        (ValueError("oops"), EXCEPTION),
        (SystemExit(3), EXCEPTION),
        (KeyboardInterrupt(), EXCEPTION),
    ],
)
def test_exceptions_stand_for_results(error: BaseException, result: int) -> None:
    def fail(step: Any) -> int:
        raise error

    ran = StepHarness().run(Doing(fail))
    assert ran.result == result
    assert ("err.text" in ran.logs) == (result == EXCEPTION)


def test_an_exception_quarantines_the_worker() -> None:
    harness = StepHarness()
    ran = harness.run(Doing(lambda step: 1 / 0))
    assert ran.build_result == EXCEPTION
    assert harness.slot.quarantined == 1
    assert "ZeroDivisionError" in ran.log("err.text").text


def test_a_result_that_is_none_is_an_exception() -> None:
    ran = StepHarness().run(Doing(lambda step: None))
    assert ran.result == EXCEPTION
    assert "which is no result code" in ran.log("err.text").text


@pytest.mark.parametrize(
    "decision",
    [
        False,
        lambda step: False,
        lambda step: succeed(False),
        Property("wanted"),
        renderer(lambda props: False),
    ],
)
def test_doStepIf_false_skips_the_step(decision: Any) -> None:
    ran = StepHarness(properties={"wanted": False}).run(
        Doing(lambda step: FAILURE, doStepIf=decision)
    )
    assert ran.result == SKIPPED
    assert ran.state == "finished (skipped)"
    assert ran.build_result == SUCCESS


def test_an_error_in_doStepIf_is_an_exception() -> None:
    assert StepHarness().run(Doing(doStepIf=lambda step: 1 / 0)).result == EXCEPTION


@pytest.mark.parametrize(
    ("hide", "hidden"),
    [
        (True, True),
        (lambda results, step: results == SUCCESS, True),
        (lambda results, step: succeed(results == FAILURE), False),
        (Property("nothing"), False),
    ],
)
def test_hideStepIf_hides_the_step(hide: Any, hidden: bool) -> None:
    assert StepHarness().run(Doing(hideStepIf=hide)).hidden is hidden


def test_an_error_in_hideStepIf_is_an_exception_and_shows_the_step() -> None:
    ran = StepHarness().run(Doing(hideStepIf=lambda results, step: 1 / 0))
    assert (ran.result, ran.hidden) == (EXCEPTION, False)


def test_renderables_of_all_classes_are_rendered() -> None:
    class Base(Doing):
        renderables = ["one"]
        one: Any = Property("buildername")

    class Derived(Base):
        renderables = ["two"]
        two: Any = [Property("workername")]

    seen: list[Any] = []

    def look(step: Any) -> int:
        seen.append((step.one, step.two, step.workdir))
        return SUCCESS

    step = Derived(look, workdir=Property("buildername"))
    StepHarness().run(step)
    assert seen == [("b1", ["w1"], "b1")]


def test_a_placeholder_that_cannot_be_rendered_is_an_exception() -> None:
    ran = StepHarness().run(Doing(description=Secret("unknown")))
    assert ran.result == EXCEPTION
    assert "unknown" in ran.log("err.text").text


def test_summaries_may_be_coroutines_and_go_to_the_build() -> None:
    class Told(Doing):
        async def getCurrentSummary(self) -> dict[str, str]:
            return {"step": "at it"}

        def getResultSummary(self) -> Any:
            return succeed({"step": "done", "build": "5 things"})

    ran = StepHarness().run(Told())
    assert ran.states == ["at it", "done"]
    assert ran.build_state == "build successful 5 things"


def ends(*args: Any) -> Any:
    raise SystemExit(3)


def test_functions_that_would_end_the_program_are_exceptions() -> None:
    assert StepHarness().run(Doing(doStepIf=ends)).result == EXCEPTION
    assert StepHarness().run(Doing(hideStepIf=ends)).result == EXCEPTION

    class Ends(Doing):
        getResultSummary = ends

    assert StepHarness().run(Ends()).result == EXCEPTION


def test_a_broken_summary_is_an_exception() -> None:
    class Broken(Doing):
        def getResultSummary(self) -> Any:
            return "text"

    assert StepHarness().run(Broken()).result == EXCEPTION


@pytest.mark.parametrize(
    ("result", "arguments", "told"),
    [
        (SUCCESS, {}, False),
        (FAILURE, {}, True),
        (WARNINGS, {}, False),
        (WARNINGS, {"warnOnWarnings": True}, True),
        (FAILURE, {"flunkOnFailure": False}, False),
        (SUCCESS, {"updateBuildSummaryPolicy": True}, True),
        (FAILURE, {"updateBuildSummaryPolicy": False}, False),
        (SUCCESS, {"updateBuildSummaryPolicy": [SUCCESS]}, True),
    ],
)
def test_the_text_of_a_step_goes_to_the_build_by_policy(
    result: int, arguments: dict[str, Any], told: bool
) -> None:
    ran = StepHarness().run(Doing(lambda step: result, descriptionDone="MINE", **arguments))
    assert ("MINE" in ran.build_state) is told


def test_updateSummary_shows_the_text_once_a_second_at_most() -> None:
    waits: Deferred[int] = Deferred()

    class Counts(Doing):
        count = 0

        def getCurrentSummary(self) -> dict[str, str]:
            return {"step": f"count {self.count}"}

    harness = StepHarness()
    ran = harness.start(Counts(lambda step: waits))
    for ran.step.count in range(1, 6):
        ran.step.updateSummary()
    assert ran.states == ["count 0"]
    harness.clock.advance(1)
    assert ran.states == ["count 0", "count 5"]
    ran.step.updateSummary()
    waits.callback(SUCCESS)
    assert ran.states == ["count 0", "count 5", "finished"]
    assert harness.clock.getDelayedCalls() == []


def test_what_a_stopped_step_gives_becomes_an_exception() -> None:
    waits: Deferred[int] = Deferred()
    ran = StepHarness().start(Doing(lambda step: waits))
    ran.step.interrupt("stop it")
    waits.callback(SUCCESS)
    assert ran.result == EXCEPTION
    assert ran.log("cancelled").text == "stop it"


def test_a_stopped_step_starts_no_commands() -> None:
    async def act(step: Any) -> int:
        step.interrupt("stop it")
        result = await step.runCommand(RemoteCommand("shell", {}))
        assert result == CANCELLED
        return int(result)

    assert StepHarness().run(Doing(act)).result == CANCELLED


def test_an_error_in_an_observer_is_an_exception() -> None:
    class Broken(LogObserver):
        def outReceived(self, data: str) -> None:
            raise ValueError(data)

    async def act(step: Any) -> int:
        step.addLogObserver("stdio", Broken())
        log = await step.addLog("stdio")
        log.addStdout("hi\n")
        return SUCCESS

    ran = StepHarness().run(Doing(act))
    assert ran.result == EXCEPTION
    assert "ValueError: hi" in ran.log("err.text").text


def test_properties_urls_data_statistics_and_test_results_are_kept() -> None:
    async def act(step: Any) -> int:
        step.setProperty("found", [1], "my step")
        await step.addURL("docs", "http://docs/")
        await step.setBuildData("blob", b"x", "src")
        step.setStatistic("passed", 5)
        tests = await step.addTestResultSet("unit", "pass_fail", "boolean")
        step.addTestResult(tests, 1, test_name="t")
        return SUCCESS

    harness = StepHarness()
    ran = harness.run(Doing(act))
    assert (ran.properties["found"], ran.sources["found"]) == ([1], "my step")
    assert ran.urls == {"docs": "http://docs/"}
    assert harness.data.builds.attached == {"blob": (b"x", "src")}
    assert ran.build.getSummaryStatistic("passed", lambda a, b: a + b, 1) == 6
    (set_id,) = harness.data.test_results.completed
    assert harness.data.test_results.results[set_id][0]["test_name"] == "t"


def test_logs_of_all_kinds_can_be_made() -> None:
    async def act(step: Any) -> int:
        await step.addCompleteLog("text", "a\n")
        await step.addHTMLLog("page", "<p>")
        log = await step.addLog("mine", type="t")
        await log.addContent("b\n")
        assert step.getLog("mine") is log
        with pytest.raises(KeyError):
            step.getLog("other")
        return SUCCESS

    ran = StepHarness().run(Doing(act))
    assert [(name, ran.log(name).type, ran.log(name).text) for name in ran.logs] == [
        ("text", "t", "a\n"),
        ("page", "h", "<p>"),
        ("mine", "t", "b\n"),
    ]
    assert all(ran.log(name).finished for name in ran.logs)


def test_worker_features_can_be_asked_for() -> None:
    def act(step: BuildStep) -> int:
        assert step.workerVersion("shell") == "3.3"
        assert step.workerVersion("unheard") is None
        assert step.workerVersionIsOlderThan("shell", "3.10")
        assert not step.workerVersionIsOlderThan("shell", "2.16")
        assert step.getWorkerName() == "w1"
        step.checkWorkerHasCommand("unheard")
        return SUCCESS

    ran = StepHarness().run(Doing(act))
    assert ran.result == EXCEPTION
    assert "does not know the command 'unheard'" in ran.log("err.text").text


def test_a_name_may_be_a_placeholder_and_is_made_unique() -> None:
    running = BuildHarness().run([Doing(name=Property("buildername")), Doing(name="b1")])
    assert [step.name for step in running.steps[1:]] == ["b1", "b1_1"]
