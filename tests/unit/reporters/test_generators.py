"""Which builds are reported, and what the reports say."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from ci_common.faults import ConfigError
from ci_common.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
)
from ci_master.data.recorded import same
from ci_master.reporters.generators.build import (
    BuildStartEndStatusGenerator,
    BuildStatusGenerator,
)
from ci_master.reporters.generators.buildrequest import BuildRequestGenerator
from ci_master.reporters.generators.buildset import (
    BuildSetCombinedStatusGenerator,
    BuildSetStatusGenerator,
)
from ci_master.reporters.generators.worker import WorkerMissingGenerator
from ci_master.reporters.message import MessageFormatter, MessageFormatterRenderable
from tests.fakes.reporters import FakeMaster, build

FINISHED = ("builds", "102", "finished")


def result_of(deferred: Deferred[Any]) -> Any:
    """What a Deferred that has fired already fired with."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


def report(generator: Any, row: dict[str, Any], event: str = "finished", **stamp: Any) -> Any:
    master = FakeMaster()
    master.add(row, **stamp)
    return result_of(generator.generate(master, None, ("builds", "102", event), row))


@pytest.mark.parametrize(
    ("mode", "reported"),
    [
        ("failing", {FAILURE}),
        ("passing", {SUCCESS}),
        ("warnings", {FAILURE, WARNINGS}),
        (("warnings",), {WARNINGS}),
        (("exception", "cancelled"), {EXCEPTION, CANCELLED}),
        ("all", {SUCCESS, WARNINGS, FAILURE, EXCEPTION, CANCELLED}),
        (("failing", "passing", "warnings"), {SUCCESS, WARNINGS, FAILURE}),
        ("change", set()),
        ("problem", set()),
    ],
)
def test_the_mode_chooses_results(mode: Any, reported: set[int]) -> None:
    generator = BuildStatusGenerator(mode=mode)
    every = (SUCCESS, WARNINGS, FAILURE, SKIPPED, EXCEPTION, RETRY, CANCELLED)
    assert {r for r in every if report(generator, build(results=r)) is not None} == reported


@pytest.mark.parametrize(
    ("mode", "before", "now", "reported"),
    [
        ("change", SUCCESS, FAILURE, True),
        ("change", FAILURE, FAILURE, False),
        ("change", FAILURE, SUCCESS, True),
        ("problem", SUCCESS, FAILURE, True),
        ("problem", FAILURE, FAILURE, False),
        ("problem", FAILURE, SUCCESS, False),
        ("change", SUCCESS, EXCEPTION, False),
        ("change", SUCCESS, RETRY, False),
        ("change", FAILURE, CANCELLED, False),
        ("change", SUCCESS, SKIPPED, False),
        ("change", EXCEPTION, SUCCESS, False),
        (("change", "exception"), SUCCESS, EXCEPTION, True),
    ],
)
def test_some_modes_look_at_the_build_before(
    mode: Any, before: int, now: int, reported: bool
) -> None:
    master = FakeMaster()
    master.add(build(1, before))
    row = master.add(build(3, now))
    master.add(build(2, RETRY))  # was built again, and so does not count
    generator = BuildStatusGenerator(mode=mode)
    made = result_of(generator.generate(master, None, FINISHED, row))
    assert (made is not None) is reported


@pytest.mark.parametrize(
    ("choice", "reported"),
    [
        ({"builders": ["linux"]}, True),
        ({"builders": ["mac"]}, False),
        ({"tags": ["fast", "big"]}, True),
        ({"tags": ["big"]}, False),
        ({"schedulers": ["all"]}, True),
        ({"schedulers": ["nightly"]}, False),
        ({"branches": ["main"]}, True),
        ({"branches": ["next"]}, False),
    ],
)
def test_builds_are_chosen_by_what_they_are_of(choice: dict[str, Any], reported: bool) -> None:
    generator = BuildStatusGenerator(**choice)
    assert (report(generator, build()) is not None) is reported


def test_a_report_carries_what_was_asked_for() -> None:
    patch = {"body": "--- a\n", "author": "eve"}
    generator = BuildStatusGenerator(add_logs=["shell.stdio"], add_patch=True)
    made = report(generator, build(), patch=patch)
    assert made["users"] == ["ann", "eve"]
    assert made["patches"] == [patch]
    (log,) = made["logs"]
    assert log["content"]["content"] == "oone\netwo\n"
    assert log["url"].endswith("#/builders/7/builds/2/steps/0/logs/stdio")
    assert made["results"] == SUCCESS
    assert made["builds"][0]["builder"]["name"] == "linux"
    assert made["buildset"]["reason"] == "a push"


def test_the_event_is_left_as_it_was() -> None:
    row = build()
    known = dict(row)
    report(BuildStatusGenerator(), row)
    assert row == known


def test_new_builds_are_reported_if_asked_for() -> None:
    generator = BuildStatusGenerator(mode="failing", report_new=True)
    assert ("builds", None, "new") in generator.wanted_event_keys
    assert ("builds", None, "new") not in BuildStatusGenerator().wanted_event_keys
    assert report(generator, build(results=None), "new") is not None


def test_beginning_and_end_have_their_own_messages() -> None:
    generator = BuildStartEndStatusGenerator(
        end_formatter=MessageFormatterRenderable(lambda props: f"{props['workername'][0]} done")
    )
    assert report(generator, build(results=None), "new")["body"] == "Build started."
    assert report(generator, build(results=RETRY))["body"] == "w1 done"


def test_a_buildset_is_reported_once() -> None:
    master = FakeMaster()
    master.add(build(results=FAILURE))
    complete = {"bsid": 302, "results": FAILURE}
    key = ("buildsets", "302", "complete")
    generator = BuildSetStatusGenerator(mode="failing", subject="%(title)s: %(result)s")
    made = result_of(generator.generate(master, None, key, complete))
    assert made["subject"] == "Tea: failure"
    assert "linux #2: failure - failed make\n    http://ci.example.org/#/" in made["body"]
    made = result_of(BuildSetStatusGenerator().generate(master, None, key, complete))
    assert made["subject"] == "linux (main): failure - failed make"
    passing = BuildSetStatusGenerator(mode="passing")
    assert result_of(passing.generate(master, None, key, complete)) is None
    combined = BuildSetCombinedStatusGenerator(MessageFormatter())
    made = result_of(combined.generate(master, None, key, complete))
    assert (
        "linux #2: failure - failed make\n    http://ci.example.org/#/builders/7/builds/2"
        in made["body"]
    )
    assert made["users"] == ["ann", "dara"]


def test_a_request_is_reported_in_the_form_of_a_build() -> None:
    master = FakeMaster()
    master.add(build())
    request = master.data.things["buildrequests", 202]
    generator = BuildRequestGenerator(branches=["main"])
    made = result_of(generator.generate(master, None, ("buildrequests", "202", "new"), request))
    assert made["body"] == "Build pending."
    (row,) = made["builds"]
    assert row["results"] is None
    assert row["url"] == "http://ci.example.org/#/buildrequests/202"
    assert row["properties"]["buildername"][0] == "linux"
    key = ("buildrequests", "202", "cancel")
    assert result_of(generator.generate(master, None, key, request))["results"] == CANCELLED


def test_missing_workers_are_reported_to_whom_they_name() -> None:
    worker = {"name": "w1", "workerinfo": {"admin": "Ann"}, "last_connection": "noon"}
    generator = WorkerMissingGenerator(workers=["w1"])
    key = ("workers", "1", "missing")
    told = {**worker, "notify": ["ann@example.org"]}
    made = result_of(generator.generate(FakeMaster(), None, key, told))
    assert made["users"] == ["ann@example.org"]
    assert made["subject"] == "Tea: worker w1 is missing"
    assert "Its administrator is Ann." in made["body"]
    for other in ({**worker, "notify": []}, {**told, "name": "w2"}):
        assert result_of(generator.generate(FakeMaster(), None, key, other)) is None


@pytest.mark.parametrize(
    ("generator", "fault"),
    [
        (BuildStatusGenerator(mode="failling"), "did you mean 'failing'"),
        (BuildStatusGenerator(tags=["a"], builders=["b"]), "has both tags and builders"),
        (BuildStatusGenerator(builders="linux"), r"write builders=\['linux'\]"),
        (BuildStatusGenerator(add_logs="stdio"), "must be True or a list of names"),
        (BuildSetStatusGenerator(subject="a\nb"), "more than one line"),
        (WorkerMissingGenerator(workers=3), "write 'all' or a list of names"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_told(generator: Any, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        generator.check()


def test_generators_made_alike_are_the_same_to_a_reload() -> None:
    def made(**more: Any) -> BuildStatusGenerator:
        return BuildStatusGenerator(message_formatter=MessageFormatter(subject="x"), **more)

    assert same(made(), made())
    assert not same(made(), made(mode="all"))
    assert made(mode="all").generate_name() != made().generate_name()


def test_nothing_is_read_of_builds_whose_result_is_not_wanted() -> None:
    master = FakeMaster()  # has no such build: to look for it would fail
    for mode in ("failing", "problem"):
        generator = BuildStatusGenerator(mode=mode)
        assert result_of(generator.generate(master, None, FINISHED, build())) is None
