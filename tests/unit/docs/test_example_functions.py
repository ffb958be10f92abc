"""The functions and classes that examples of the manual define do what the pages say."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import FAILURE, SKIPPED, SUCCESS
from tests.documentation.blocks import ROOT
from tests.documentation.completion import examples_of
from tests.fakes.builds import StepHarness

MANUAL = ROOT / "docs" / "manual"


@cache
def page(name: str) -> tuple[dict[str, Any], list[Any]]:
    return in_directory_with_secrets(MANUAL / name)


def in_directory_with_secrets(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """The examples of a page, made where a directory ``secrets`` is."""
    import os
    import tempfile

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "secrets").mkdir(mode=0o700)
        os.chdir(directory)
        try:
            return examples_of(path)
        finally:
            os.chdir(before)


def with_property(name: str) -> Any:
    """The step of the page about properties that sets this one."""
    return next(
        step for step in page("properties.rst")[1] if getattr(step, "property", None) == name
    )


@pytest.mark.parametrize(("properties", "word"), [({"jobs": 8}, "-j8"), ({}, "-j2")])
def test_a_placeholder_has_a_default(properties: dict[str, Any], word: str) -> None:
    harness = StepHarness(properties=properties)
    harness.expect("shell", command=["make", word])
    assert harness.run(page("properties.rst")[1][0]).result == SUCCESS


@pytest.mark.parametrize(("branch", "target"), [("main", "release"), ("next", "debug")])
def test_a_renderer_chooses_the_target(branch: str, target: str) -> None:
    names, alone = page("properties.rst")
    step = next(one for one in alone if getattr(one, "command", None) is names["target"])
    harness = StepHarness(stamps=[{"branch": branch}])
    harness.expect("shell", command=["make", target])
    assert harness.run(step).result == SUCCESS


def test_properties_are_set_as_the_page_says() -> None:
    ran = StepHarness(stamps=[{"branch": "main"}]).run(with_property("kind"))
    assert ran.properties["kind"] == "main build"
    harness = StepHarness()
    harness.expect("shell", command=["git", "describe"]).stdout("v1.2-3\n")
    assert harness.run(with_property("version")).properties["version"] == "v1.2-3"


def test_a_function_makes_properties_of_the_output() -> None:
    names, alone = page("properties.rst")
    step = next(one for one in alone if getattr(one, "extract_fn", None) is names["versions"])
    harness = StepHarness()
    harness.expect("shell", command=["cat", "VERSION"]).stdout("4.11\n")
    ran = harness.run(step)
    assert (ran.properties["major"], ran.properties["minor"]) == ("4", "11")


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = page("properties.rst")[0]["SecretInEnvironment"]()
    monkeypatch.setenv("CI_SECRET_token", "xyzzy")
    assert (provider.get("token"), provider.get("other")) == ("xyzzy", None)


def test_the_newest_request_is_chosen() -> None:
    assert page("order.rst")[0]["newest_first"](None, ["old", "new"]) == "new"


@pytest.mark.parametrize(("branch", "result"), [("main", SUCCESS), ("next", SKIPPED)])
def test_a_step_is_skipped_and_hidden_on_other_branches(branch: str, result: int) -> None:
    step = next(
        one for one in page("steps.rst")[1] if getattr(one, "command", None) == ["./publish"]
    )
    harness = StepHarness(stamps=[{"branch": branch}])
    if result == SUCCESS:
        harness.expect("shell", command=["./publish"])
    ran = harness.run(step)
    assert (ran.result, ran.hidden) == (result, result == SKIPPED)


def test_a_step_of_the_manual_fails_with_its_command() -> None:
    step = next(one for one in page("steps.rst")[1] if one.name == "compile")
    harness = StepHarness()
    harness.expect("shell", command=["make", "all"], workdir="build/src", timeout=600).rc(2)
    assert harness.run(step).result == FAILURE


def test_the_reporters_function_makes_the_post() -> None:
    _, alone = page("reporters.rst")
    push = next(one for one in alone if type(one).__name__ == "HttpStatusPush")
    formatter = push.recorded_kwargs["generators"][0].recorded_kwargs["message_formatter"]
    function = formatter.recorded_args[0]
    assert function({"build": {"builder": {"name": "linux"}}}) == {"text": "linux is broken"}
