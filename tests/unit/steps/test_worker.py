"""Steps for files and directories on the worker."""

from typing import Any

import pytest

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, SUCCESS
from ci_master.builds.properties import Property
from ci_master.steps.worker import CopyDirectory, FileExists, MakeDirectory, RemoveDirectory
from tests.fakes.builds import StepHarness


@pytest.mark.parametrize(
    ("rc", "mode", "result", "state"),
    [
        (0, 0o100644, SUCCESS, "File found."),
        (0, 0o040755, FAILURE, "Not a file. (failure)"),
        (2, None, FAILURE, "File not found. (failure)"),
    ],
)
def test_a_file_is_looked_for(rc: int, mode: int | None, result: int, state: str) -> None:
    harness = StepHarness(properties={"f": "a.txt"})
    expected = harness.expect("stat", file="a.txt")
    if mode is not None:
        expected.stat(mode)
    expected.rc(rc)
    ran = harness.run(FileExists(file=Property("f")))
    assert (ran.result, ran.state) == (result, state)


@pytest.mark.parametrize(
    ("step", "command", "args", "states"),
    [
        (
            CopyDirectory(src="a", dest=Property("d")),
            "cpdir",
            {"fromdir": "a", "todir": "z", "timeout": 120},
            ["Copying", "Copied a to z", "Copying a to z failed. (failure)"],
        ),
        (
            CopyDirectory(src="a", dest="b", timeout=3, maxTime=9),
            "cpdir",
            {"fromdir": "a", "todir": "b", "timeout": 3, "maxTime": 9},
            ["Copying", "Copied a to b", "Copying a to b failed. (failure)"],
        ),
        (
            RemoveDirectory(dir=["a", Property("d")]),
            "rmdir",
            {"dir": ["a", "z"]},
            ["Deleting", "Deleted", "Delete failed. (failure)"],
        ),
        (
            MakeDirectory(dir=Property("d")),
            "mkdir",
            {"dir": "z"},
            ["Creating", "Created", "Create failed. (failure)"],
        ),
    ],
)
def test_directories_are_copied_removed_and_made(
    step: Any, command: str, args: dict[str, Any], states: list[str]
) -> None:
    for rc, result, texts in ((0, SUCCESS, states[:2]), (1, FAILURE, states[::2])):
        harness = StepHarness(properties={"d": "z"})
        harness.expect(command, **args).header("said\n").rc(rc)
        ran = harness.run(step)
        assert (ran.result, ran.states) == (result, texts)
        assert set(ran.commands[0].args) == set(args)
        assert ran.log("stdio").header.startswith("said\n")


def test_a_stopped_copy_is_cancelled() -> None:
    harness = StepHarness()
    harness.expect("cpdir").hangs()
    ran = harness.start(CopyDirectory(src="a", dest="b"))
    ran.build.stop("enough")
    assert ran.result == CANCELLED


def test_a_worker_without_the_command_is_told() -> None:
    ran = StepHarness(worker_commands={"shell": "3.3"}).run(MakeDirectory(dir="d"))
    assert ran.result == EXCEPTION
    assert "mkdir" in ran.log("err.text").text
