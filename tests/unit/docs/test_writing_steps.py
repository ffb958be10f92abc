"""The steps of the manual's chapter about writing steps do what the chapter says."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from tests.documentation.blocks import ROOT
from tests.documentation.completion import examples_of
from tests.fakes.builds import BuildHarness, StepHarness

CHAPTER = ROOT / "docs" / "manual" / "writing-steps.rst"


@cache
def examples() -> dict[str, Any]:
    _, alone = examples_of(CHAPTER)
    return {type(one).name: one for one in alone}


def test_every_example_of_the_chapter_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in examples() if f'examples()["{name}"]' not in source] == []


@pytest.mark.parametrize(
    ("printed", "code", "result"),
    [("150\n", 0, SUCCESS), ("250\n", 0, WARNINGS), ("", 2, FAILURE), ("no number", 0, EXCEPTION)],
)
def test_count_lines(printed: str, code: int, result: int) -> None:
    harness = StepHarness()
    harness.expect("shell", command="cat *.py | wc -l").stdout(printed).rc(code)
    ran = harness.start(examples()["count lines"])
    assert ran.result == result
    if result in (SUCCESS, WARNINGS):
        assert ran.properties["lines"] == int(printed)
    if result == EXCEPTION:
        assert {"err.text", "err.html"} <= set(ran.logs)


def test_count_lines_fills_its_limit_in_from_a_property() -> None:
    harness = StepHarness(properties={"limit": 300})
    harness.expect("shell").stdout("250\n")
    assert harness.run(examples()["count lines"]).result == SUCCESS


def test_wait_waits_by_the_masters_clock() -> None:
    harness = StepHarness()
    ran = harness.start(examples()["wait"])
    assert not ran.done
    harness.clock.advance(2)
    assert ran.result == SUCCESS


def test_build_and_measure_runs_two_commands() -> None:
    harness = StepHarness()
    harness.expect("shell", command=["make", "app"], maxTime=1800).rc(0)
    harness.expect("shell", command=["wc", "-c", "app"], timeout=60).stdout("4711 app\n")
    ran = harness.run(examples()["build and measure"])
    assert ran.result == SUCCESS
    assert ran.step.getStatistic("bytes") == 4711
    assert ran.logs == ["stdio", "size"]


def test_build_and_measure_measures_nothing_after_a_failure() -> None:
    harness = StepHarness()
    harness.expect("shell", command=["make", "app"]).rc(2)
    assert harness.run(examples()["build and measure"]).result == FAILURE


def test_a_command_that_was_too_slow_is_said_to_be() -> None:
    harness = StepHarness()
    harness.expect("shell").failure_reason("timeout").rc(-1)
    ran = harness.run(examples()["build and measure"])
    assert ran.result == FAILURE
    assert "(timed out)" in ran.state


def test_version_reads_and_writes_files() -> None:
    harness = StepHarness()
    harness.expect("stat", file="build/VERSION").stat()
    harness.expect("uploadFile", workersrc="VERSION", workdir="build").upload("1.2\n")
    harness.expect("mkdir", dir="release")
    written = harness.expect("downloadFile", workerdest="../release/VERSION").download()
    ran = harness.run(examples()["version"])
    assert ran.result == SUCCESS
    assert ran.properties["version"] == "1.2"
    assert written.downloaded == b"1.2\n"


def test_version_is_skipped_without_the_file() -> None:
    harness = StepHarness()
    harness.expect("stat").rc(2)
    ran = harness.run(examples()["version"])
    assert (ran.result, ran.state) == (SKIPPED, "no file VERSION (skipped)")


def test_version_fails_at_once_if_the_directory_cannot_be_made() -> None:
    harness = StepHarness()
    harness.expect("stat").stat()
    harness.expect("uploadFile").upload("1.2\n")
    harness.expect("mkdir").rc(1)
    assert harness.run(examples()["version"]).result == FAILURE


def test_list_artifacts_uses_a_command_of_the_worker() -> None:
    harness = StepHarness()
    harness.expect("listdir", dir="build/out").files("b.tar", "a.tar")
    ran = harness.run(examples()["list artifacts"])
    assert (ran.result, ran.state) == (SUCCESS, "2 artifacts")
    assert ran.log("artifacts").text == "a.tar\nb.tar\n"


def test_deploy_tells_where_it_deploys() -> None:
    harness = StepHarness(properties={"host": "staging"})
    harness.expect("shell", command=["./deploy"]).hangs()
    ran = harness.start(examples()["deploy"])
    harness.clock.advance(1)
    assert ran.states[-1] == "deploying to staging"
    assert ran.urls == {"the application": "http://staging/"}
    sent = ran.commands[0]
    sent.sink.updates([{"rc": 0}])
    sent.sink.complete(None)
    assert ran.state == "deployed to staging"
    assert ran.build_state.endswith("runs on staging")


def test_deploy_tells_that_it_failed() -> None:
    harness = StepHarness(properties={"host": "staging"})
    harness.expect("shell").rc(1)
    ran = harness.run(examples()["deploy"])
    assert ran.state == "not deployed to staging"
    assert "deployment failed" in ran.build_state


def test_report_makes_logs_of_three_kinds() -> None:
    ran = StepHarness().run(examples()["report"])
    assert ran.log("summary").text == "3 files checked\n"
    assert (ran.log("table.html").type, ran.log("summary").type) == ("h", "t")
    assert "<td>3</td>" in ran.log("table.html").text
    progress = ran.log("progress")
    assert (progress.stdout, progress.stderr) == ("first\n", "second\n")
    assert "another colour" in progress.header


def test_count_tests_reads_lines_as_they_come() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("test_a ... ok\ntest_b ... ok\ntest_c ... FAIL\n").hangs()
    ran = harness.start(examples()["tests"])
    harness.clock.advance(1)
    assert ran.states[-1] == "testing: 2 passed"
    sent = ran.commands[0]
    sent.sink.updates([{"rc": 0}])
    sent.sink.complete(None)
    assert ran.result == FAILURE
    assert ran.state == "1 failed, 2 passed"
    assert "1 failed, 2 passed" in ran.build_state
    total = ran.build.getSummaryStatistic("failed", lambda one, other: one + other, 0)
    assert total == 1


def test_junit_stores_each_test() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("test_a ok 12\ntest_b failed 3\n")
    ran = harness.run(examples()["junit"])
    assert ran.result == SUCCESS
    (found,) = ran.data.test_results.results.values()
    assert [(one["test_name"], one["value"], one["duration_ns"]) for one in found] == [
        ("test_a", "1", 12_000_000),
        ("test_b", "0", 3_000_000),
    ]
    assert ran.data.test_results.completed == list(ran.data.test_results.sets)


def test_find_packages_adds_a_step_for_each() -> None:
    harness = BuildHarness()
    harness.expect("glob", path="build/packages/*/Makefile").files(
        "/home/worker/b1dir/build/packages/two/Makefile",
        "/home/worker/b1dir/build/packages/one/Makefile",
    )
    harness.expect("shell", command=["make", "test"], workdir="build/packages/one")
    harness.expect("shell", command=["make", "test"], workdir="build/packages/two")
    ran = harness.run([examples()["find packages"]])
    assert ran.build_result == SUCCESS
    assert [step.name for step in ran.steps][1:] == ["find packages", "test one", "test two"]


def test_find_packages_fails_where_there_are_none() -> None:
    harness = BuildHarness()
    harness.expect("glob").files()
    assert harness.run([examples()["find packages"]]).build_result == FAILURE


def test_a_step_that_waits_is_stopped_with_its_build() -> None:
    harness = StepHarness()
    ran = harness.start(examples()["wait for approval"])
    assert not ran.done
    ran.build.stop("enough")
    assert ran.result == CANCELLED
