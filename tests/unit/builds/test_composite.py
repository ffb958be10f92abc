"""Steps of several remote commands, and of single file operations."""

from collections.abc import Callable
from typing import Any

import pytest

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep, CommandMixin
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.shellmixin import ShellMixin
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


@pytest.mark.parametrize(
    ("kind", "success", "failure", "act", "name", "args"),
    [
        (Composite, False, True, lambda s, **k: s.runMkdir("d", **k), "mkdir", {"dir": "d"}),
        (Composite, False, True, lambda s, **k: s.runRmdir("d", **k), "rmdir", {"dir": "d"}),
        (Composite, False, True, lambda s, **k: s.runRmFile("f", **k), "rmfile", {"path": "f"}),
        (
            Composite,
            False,
            True,
            lambda s, **k: s.runRemoteCommand("cpdir", {"logEnviron": False}, **k),
            "cpdir",
            {},
        ),
        (Single, True, False, lambda s, **k: s.runMkdir("d", **k), "mkdir", {"dir": "d"}),
        (Single, True, False, lambda s, **k: s.runRmdir("d", **k), "rmdir", {"dir": "d"}),
    ],
)
def test_the_two_mixins_say_that_it_failed_in_opposite_ways_as_in_buildbot(
    kind: Any, success: bool, failure: bool, act: Any, name: str, args: dict[str, Any]
) -> None:
    harness = StepHarness()
    harness.expect(name, logEnviron=False, **args).rc(0)
    assert harness.run(kind(act)).step.got is success
    harness.expect(name).rc(1)
    assert harness.run(kind(act)).result == FAILURE  # abandoned
    harness.expect(name).rc(1)
    ran = harness.run(kind(lambda step: act(step, abandonOnFailure=False)))
    assert (ran.result, ran.step.got) == (SUCCESS, failure)


@pytest.mark.parametrize("kind", [Composite, Single])
def test_a_path_that_is_there_exists(kind: Any) -> None:
    harness = StepHarness()
    harness.expect("stat", file="f", logEnviron=False).rc(0)
    assert harness.run(kind(lambda step: step.pathExists("f"))).step.got is True


def test_an_evaluation_of_ones_own_is_what_is_given() -> None:
    harness = StepHarness()
    harness.expect("mkdir").rc(20)
    ran = harness.run(
        Composite(
            lambda step: step.runRemoteCommand(
                "mkdir", {}, abandonOnFailure=False, evaluateCommand=lambda command: command.rc
            )
        )
    )
    assert ran.step.got == 20


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
    assert ran.step.got is not None
    assert there.downloaded == "täxt".encode()


def test_a_text_that_cannot_be_written_gives_none() -> None:
    harness = StepHarness()
    harness.expect("downloadFile").rc(1)
    ran = harness.run(Composite(lambda step: step.downloadFileContentToWorker("f", "text")))
    assert (ran.result, ran.step.got) == (SUCCESS, None)
    harness.expect("downloadFile").rc(1)
    ran = harness.run(
        Composite(lambda step: step.downloadFileContentToWorker("f", "text", abandonOnFailure=True))
    )
    assert ran.result == FAILURE


class Everything(ShellMixin, CommandMixin, CompositeStepMixin, BuildStep):
    """Runs commands by all the methods that there are."""

    async def run(self) -> int:
        await self.addLogForRemoteCommands("stdio")
        await self.runMkdir("d")
        await self.runCommand(await self.makeRemoteShellCommand(command=["a"]))
        await self.runRmFile("f")
        await self.runMkdir("e")
        return SUCCESS


def test_one_step_has_one_log_by_whichever_methods_it_runs_commands() -> None:
    harness = StepHarness()
    for name, said in (("mkdir", "1\n"), ("shell", "2\n"), ("rmfile", "3\n"), ("mkdir", "4\n")):
        harness.expect(name).stdout(said).rc(0)
    ran = harness.run(Everything())
    assert ran.result == SUCCESS and ran.logs == ["stdio"]
    assert ran.log("stdio").stdout == "1\n2\n3\n4\n" and ran.log("stdio").finished


class Again(BuildStep):
    async def run(self) -> int:
        first = await self.addLog("x")
        await self.addLog("x")
        await first.addStdout("late\n")
        return SUCCESS


def test_a_log_whose_name_was_taken_by_another_one_ends_too() -> None:
    ran = StepHarness().run(Again())
    assert ran.logs == ["x", "x"]
    assert [log.finished for log in ran.row.logs] == [True, True]  # type: ignore[attr-defined]


def test_a_stopped_step_is_cancelled_between_its_commands() -> None:
    harness = StepHarness()

    async def act(step: Any) -> None:
        step.interrupt("stop")
        await step.runMkdir("d")

    assert harness.run(Composite(act)).result == CANCELLED
