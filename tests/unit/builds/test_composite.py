"""Steps of several remote commands, and of single file operations."""

from collections.abc import Callable
from typing import Any

import pytest

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep, CommandMixin
from ci_master.builds.composite import CompositeStepMixin
from tests.fakes.builds import StepHarness


class Composite(CompositeStepMixin, BuildStep):
    logEnviron = False

    def __init__(self, act: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.act = act

    async def run(self) -> int:
        await self.addLogForRemoteCommands("stdio")
        self.got = await self.act(self)
        return SUCCESS


class Single(CommandMixin, BuildStep):
    def __init__(self, act: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.act = act

    async def run(self) -> int:
        self.got = await self.act(self)
        return SUCCESS


@pytest.mark.parametrize("kind", [Composite, Single])
@pytest.mark.parametrize(
    ("act", "name", "args"),
    [
        (lambda step: step.runMkdir("d"), "mkdir", {"dir": "d", "logEnviron": False}),
        (lambda step: step.runRmdir("d"), "rmdir", {"dir": "d", "logEnviron": False}),
        (lambda step: step.pathExists("f"), "stat", {"file": "f", "logEnviron": False}),
    ],
)
def test_file_operations_say_whether_they_succeeded(
    kind: Any, act: Any, name: str, args: dict[str, Any]
) -> None:
    harness = StepHarness()
    harness.expect(name, **args).rc(0)
    assert harness.run(kind(act)).step.got is True


@pytest.mark.parametrize("kind", [Composite, Single])
def test_a_failed_operation_abandons_the_step_unless_told_otherwise(kind: Any) -> None:
    harness = StepHarness()
    harness.expect("mkdir").rc(1)
    assert harness.run(kind(lambda step: step.runMkdir("d"))).result == FAILURE
    harness.expect("mkdir").rc(1)
    ran = harness.run(kind(lambda step: step.runMkdir("d", abandonOnFailure=False)))
    assert (ran.result, ran.step.got) == (SUCCESS, False)


@pytest.mark.parametrize("kind", [Composite, Single])
def test_a_missing_path_does_not_exist(kind: Any) -> None:
    harness = StepHarness()
    harness.expect("stat").rc(2)
    assert harness.run(kind(lambda step: step.pathExists("f"))).step.got is False


@pytest.mark.parametrize("kind", [Composite, Single])
def test_glob_lists_files(kind: Any) -> None:
    harness = StepHarness()
    harness.expect("glob", path="*.c").files("a.c").rc(0)
    assert harness.run(kind(lambda step: step.runGlob("*.c"))).step.got == ["a.c"]


@pytest.mark.parametrize("kind", [Composite, Single])
def test_an_interrupted_question_has_no_answer(kind: Any) -> None:
    harness = StepHarness()
    harness.expect("stat").hangs()
    ran = harness.start(kind(lambda step: step.pathExists("f")))
    ran.build.stop("enough")
    assert ran.result == CANCELLED
    assert not hasattr(ran.step, "got")


def test_timeouts_are_passed_on() -> None:
    harness = StepHarness()
    harness.expect("rmdir", dir="d", timeout=5)
    harness.expect("rmfile", path="f", timeout=6)

    async def act(step: Any) -> None:
        await step.runRmdir("d", timeout=5)
        await step.runRmFile("f", timeout=6)

    assert harness.run(Composite(act)).logs == ["stdio"]


def test_a_file_of_the_worker_can_be_read() -> None:
    harness = StepHarness()
    harness.expect("uploadFile", workersrc="f", workdir="build", maxsize=None).upload("täxt")
    ran = harness.run(Composite(lambda step: step.getFileContentFromWorker("f")))
    assert ran.step.got == "täxt"


def test_a_file_that_cannot_be_read_is_none() -> None:
    harness = StepHarness()
    harness.expect("uploadFile").rc(1)
    ran = harness.run(Composite(lambda step: step.getFileContentFromWorker("f")))
    assert (ran.result, ran.step.got) == (SUCCESS, None)


def test_a_text_can_be_written_to_the_worker() -> None:
    harness = StepHarness()
    there = harness.expect("downloadFile", workerdest="f", mode=0o600, workdir="d").download()
    ran = harness.run(
        Composite(
            lambda step: step.downloadFileContentToWorker("f", "täxt", mode=0o600, workdir="d")
        )
    )
    assert ran.step.got is True
    assert there.downloaded == "täxt".encode()


def test_a_stopped_step_is_cancelled_between_its_commands() -> None:
    harness = StepHarness()

    async def act(step: Any) -> None:
        step.interrupt("stop")
        await step.runMkdir("d")

    assert harness.run(Composite(act)).result == CANCELLED
