"""Trigger: other schedulers' builds, waited for or not."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from ci_common.faults import ConfigError, Refused
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from ci_master.builds.properties import Interpolate, Properties, Property
from ci_master.steps.trigger import Trigger
from tests.fakes.builds import Ran, StepHarness


class Schedulers:
    """What a master does for a Trigger: each scheduler has one builder."""

    def __init__(self, **options: Any) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.waiting: dict[str, Deferred[Any]] = {}
        self.brids: dict[str, int] = {}
        self.ended: dict[int, int] = {}
        self.cancelled: list[int] = []
        self.adding: Deferred[Any] | None = None
        self.harness = StepHarness(trigger=self.trigger, **options)
        self.harness.master.data = SimpleNamespace(get=self.get)
        self.harness.data.actions.register("buildrequests", "cancel", self.cancel)
        self.harness.data.sourcestamps = self  # type: ignore[attr-defined]  # it has one more room

    def trigger(self, name: str, **kwargs: Any) -> tuple[Deferred[Any], Deferred[Any]]:
        if name == "missing":
            raise Refused(404, "there is no scheduler named 'missing'")
        self.asked.append((name, kwargs))
        brid = self.brids[name] = 100 + len(self.brids)
        self.waiting[name] = Deferred()
        ids = self.adding or succeed((50, {7: brid}))
        return ids, self.waiting[name]

    def end(self, name: str, result: int) -> None:
        self.ended[self.brids[name]] = result
        self.waiting[name].callback((result, {7: self.brids[name]}))

    async def get(self, path: tuple[Any, ...]) -> Any:
        if path[0] == "builders":
            return {"name": f"builder{path[1]}"}
        result = self.ended[path[1]]
        if path[2:] == ("builds",):
            old = {"buildid": 1, "number": 3, "builderid": 7, "results": 5}
            return [{"buildid": 2, "number": 4, "builderid": 7, "results": result}, old]
        return {"results": result}

    async def cancel(self, brid: int, args: Mapping[str, Any]) -> None:
        self.cancelled.append(brid)

    async def patch_body(self, patchid: int) -> bytes:
        return b"patch %d" % patchid

    def start(self, step: Any) -> Ran:
        return self.harness.start(step)


def test_without_waiting_it_is_done_at_once_with_links_to_the_requests() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"]))
    assert (ran.result, ran.state) == (SUCCESS, "triggered a, b")
    assert ran.urls == {
        "a #100": "http://localhost:8010/#/buildrequests/100",
        "b #101": "http://localhost:8010/#/buildrequests/101",
    }
    name, kwargs = schedulers.asked[0]
    assert (name, kwargs["waited_for"]) == ("a", False)
    assert kwargs["parent_buildid"] == ran.build.buildid
    assert kwargs["parent_relationship"] == "Triggered from"


@pytest.mark.parametrize(
    ("results", "unimportant", "overall"),
    [
        ((SUCCESS, SUCCESS), [], SUCCESS),
        ((SUCCESS, WARNINGS), [], WARNINGS),
        ((FAILURE, WARNINGS), [], FAILURE),
        ((FAILURE, EXCEPTION), [], EXCEPTION),
        ((FAILURE, SUCCESS), ["a"], SUCCESS),
        ((SUCCESS, FAILURE), ["a"], FAILURE),
        ((FAILURE, FAILURE), ["a", "b"], SUCCESS),
        ((SKIPPED, SUCCESS), [], SUCCESS),
        ((SKIPPED, SKIPPED), [], SKIPPED),
        ((SKIPPED, SUCCESS), ["b"], SKIPPED),
    ],
)
def test_waiting_takes_the_worst_result_of_those_that_matter(
    results: tuple[int, int], unimportant: list[str], overall: int
) -> None:
    schedulers = Schedulers()
    ran = schedulers.start(
        Trigger(
            schedulerNames=["a", "b"], waitForFinish=True, unimportantSchedulerNames=unimportant
        )
    )
    assert schedulers.asked[0][1]["waited_for"] is True
    schedulers.end("b", results[1])
    assert not ran.done
    schedulers.end("a", results[0])
    assert ran.result == overall


def test_each_build_gets_a_link_with_its_result_as_soon_as_it_ends() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"], waitForFinish=True))
    schedulers.end("b", FAILURE)
    url = "http://localhost:8010/#/builders/7/builds/4"
    assert ran.urls["failure: builder7 #4"] == url
    schedulers.harness.clock.advance(1)
    assert ran.state == "triggered a, b, 1 failure"
    schedulers.end("a", SUCCESS)
    assert ran.urls["success: builder7 #4"] == url
    assert ran.state == "triggered a, b, 1 success, 1 failure"


def test_properties_are_filled_in_copied_and_marked() -> None:
    schedulers = Schedulers(properties={"x": "1", "y": "2"})
    step = Trigger(
        schedulerNames=[Property("x")],
        set_properties={"p": Interpolate("%(prop:x)s!"), "q": 3},
        copy_properties=["y", "missing"],
    )
    schedulers.start(step)
    name, kwargs = schedulers.asked[0]
    assert name == "1"
    assert kwargs["properties"].asDict() == {
        "p": ("1!", "Trigger"),
        "q": (3, "Trigger"),
        "y": ("2", "Trigger"),
        "missing": (None, "Trigger"),
    }


STAMPS = [
    {"codebase": "app", "branch": "main", "revision": "r1", "repository": "u"},
    {"codebase": "lib", "branch": "dev"},
]


def stamp(codebase: str, branch: str, revision: str | None, repository: str = "") -> dict[str, Any]:
    return {
        "codebase": codebase,
        "branch": branch,
        "revision": revision,
        "repository": repository,
        "project": "",
    }


@pytest.mark.parametrize(
    ("arguments", "properties", "stamps"),
    [
        ({}, {}, [stamp("app", "main", "r1", "u"), stamp("lib", "dev", None)]),
        (
            {},
            {"got_revision": {"lib": "r9"}},
            [stamp("app", "main", "r1", "u"), stamp("lib", "dev", "r9")],
        ),
        (
            {},
            {"got_revision": "r9"},
            [stamp("app", "main", "r9", "u"), stamp("lib", "dev", "r9")],
        ),
        (
            {"updateSourceStamp": False},
            {"got_revision": "r9"},
            [stamp("app", "main", "r1", "u"), stamp("lib", "dev", None)],
        ),
        ({"alwaysUseLatest": True}, {}, []),
        ({"sourceStamp": {"branch": "b"}}, {}, [{"branch": "b"}]),
        (
            {"sourceStamps": [{"codebase": "app", "branch": Property("z")}]},
            {"z": "b"},
            [{"codebase": "app", "branch": "b"}],
        ),
    ],
)
def test_what_is_built(
    arguments: dict[str, Any], properties: dict[str, Any], stamps: list[dict[str, Any]]
) -> None:
    schedulers = Schedulers(stamps=STAMPS, properties=properties)
    schedulers.start(Trigger(schedulerNames=["a"], **arguments))
    assert schedulers.asked[0][1]["sourcestamps"] == stamps


def test_a_patch_goes_along_with_its_text() -> None:
    patch = {"patchid": 5, "level": 1, "body": None, "subdir": "s", "author": "me", "comment": "c"}
    schedulers = Schedulers(stamps=[{"branch": "main", "patch": patch}])
    schedulers.start(Trigger(schedulerNames=["a"]))
    assert schedulers.asked[0][1]["sourcestamps"][0]["patch"] == {
        "level": 1,
        "body": b"patch 5",
        "subdir": "s",
        "author": "me",
        "comment": "c",
    }


class Own(Trigger):
    """An author's own list."""

    def getSchedulersAndProperties(self) -> Any:
        props = Properties()
        props.setProperty("n", 2, "x")
        return [
            {"sched_name": "a", "props_to_set": {"n": 1, "m": Property("x")}, "unimportant": True},
            {"sched_name": "b", "props_to_set": props, "unimportant": False},
            ("c", None),
        ]

    async def createTriggerProperties(self, properties: Any) -> Any:
        made = super().createTriggerProperties(properties)
        made.setProperty("own", True, "Own")
        return made


def test_authors_may_say_themselves_what_is_triggered_with_what() -> None:
    schedulers = Schedulers(properties={"x": "y"})
    ran = schedulers.start(Own(schedulerNames=["dummy"], waitForFinish=True))
    given = {name: kwargs["properties"] for name, kwargs in schedulers.asked}
    assert {name: props.getProperty("n") for name, props in given.items()} == {
        "a": 1,
        "b": 2,
        "c": None,
    }
    assert given["a"].getProperty("m") == "y"
    assert all(props.getProperty("own") for props in given.values())
    schedulers.end("a", FAILURE)
    schedulers.end("b", SUCCESS)
    schedulers.end("c", SUCCESS)
    assert ran.result == SUCCESS


def test_a_stop_cancels_what_has_not_ended() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"], waitForFinish=True))
    schedulers.end("a", SUCCESS)
    ran.build.stop("enough")
    assert schedulers.cancelled == [101]
    schedulers.end("b", CANCELLED)
    assert ran.result == CANCELLED


def test_a_stop_while_requests_are_added_cancels_them_too() -> None:
    schedulers = Schedulers()
    schedulers.adding = Deferred()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"], waitForFinish=True))
    ran.build.stop("enough")
    assert schedulers.cancelled == []
    schedulers.adding.callback((50, {7: 100}))
    assert schedulers.cancelled == [100]
    assert [name for name, _ in schedulers.asked] == ["a"]
    schedulers.end("a", CANCELLED)
    assert ran.result == CANCELLED


def test_a_build_that_loses_its_worker_leaves_what_it_triggered_to_its_next_attempt() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"], waitForFinish=True))
    schedulers.end("a", SUCCESS)
    ran.build.lose_worker()
    assert (ran.result, schedulers.cancelled) == (RETRY, [])
    before = dict(ran.urls)
    schedulers.end("b", SUCCESS)
    assert ran.urls == before


def test_a_build_that_loses_its_worker_while_requests_are_added_keeps_them() -> None:
    schedulers = Schedulers()
    schedulers.adding = Deferred()
    ran = schedulers.start(Trigger(schedulerNames=["a", "b"], waitForFinish=True))
    ran.build.lose_worker()
    schedulers.adding.callback((50, {7: 100}))
    assert (ran.result, schedulers.cancelled) == (RETRY, [])
    assert [name for name, _ in schedulers.asked] == ["a"]


def test_a_stop_stays_a_stop_when_the_worker_is_lost_after_it() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a"], waitForFinish=True))
    ran.build.stop("enough")
    ran.build.lose_worker()
    schedulers.end("a", CANCELLED)
    assert (ran.result, schedulers.cancelled) == (CANCELLED, [100])


def test_a_scheduler_that_does_not_exist_is_named_and_nothing_stays_triggered() -> None:
    schedulers = Schedulers()
    ran = schedulers.start(Trigger(schedulerNames=["a", "missing"]))
    assert ran.result == EXCEPTION
    assert ran.state == "there is no scheduler named 'missing' (exception)"
    assert ran.log("stderr").text == "there is no scheduler named 'missing'\n"
    assert schedulers.cancelled == [100]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "names no scheduler"),
        ({"schedulerNames": ["a"], "unimportantSchedulerNames": ["b"]}, "['b']"),
        ({"schedulerNames": ["a"], "sourceStamp": {"a": 1}, "sourceStamps": [{}]}, "give one"),
        (
            {"schedulerNames": ["a"], "sourceStamp": {"a": 1}, "alwaysUseLatest": True},
            "give one",
        ),
        (
            {"schedulerNames": ["a"], "updateSourceStamp": True, "alwaysUseLatest": True},
            "give one",
        ),
        ({"schedulerNames": ["a"], "set_properties": ["x"]}, "copy_properties"),
        ({"schedulerNames": ["a"], "waitForFinsh": True}, "'waitForFinish'"),
    ],
)
def test_wrong_arguments_are_faults(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Trigger(**arguments)
    assert words in str(raised.value)
