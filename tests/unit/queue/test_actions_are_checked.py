"""Every action, with anything as its arguments: refused with nothing done, or done and stored."""

import sqlite3
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from ci_common.faults import Refused
from ci_master.data.actions import ForceRefused
from ci_master.data.data import Data
from ci_master.events.bus import Bus
from ci_master.schedulers.actions import register_actions
from ci_master.schedulers.forcesched import (
    AnyPropertyParameter,
    BaseParameter,
    BooleanParameter,
    ChoiceStringParameter,
    CodebaseParameter,
    FileParameter,
    FixedParameter,
    ForceScheduler,
    InheritBuildParameter,
    IntParameter,
    NestedParameter,
    PatchParameter,
    StringParameter,
    TextParameter,
    WorkerChoiceParameter,
)
from tests.fakes.schedulers import FakeSite
from tests.fakes.store import InstantStore
from tests.unit.queue.desk import Desk, now

PROPERTIES = [
    StringParameter("text"),
    TextParameter("lines"),
    IntParameter("count"),
    BooleanParameter("flag"),
    ChoiceStringParameter("choice", choices=["a", "b"]),
    ChoiceStringParameter("several", choices=["a", "b"], multiple=True, strict=False),
    FileParameter("file"),
    FixedParameter("fixed", default="f"),
    NestedParameter("group", fields=[StringParameter("inner"), IntParameter("number")]),
    AnyPropertyParameter("any"),
    InheritBuildParameter("inherit"),
    WorkerChoiceParameter(),
    BaseParameter("plain"),
]
FIELDS = [
    "username", "reason", "priority", "x_branch", "x_revision", "x_repository", "x_project",
    "x_patch_body", "x_patch_level", "x_patch_author", "x_patch_comment", "x_patch_subdir",
    "text", "lines", "count", "flag", "choice", "several", "file", "fixed", "group_inner",
    "group_number", "any_name", "any_value", "inherit", "workername", "plain", "nobody_s",
]  # fmt: skip


class World:
    """A queue with a worker, a running build, a waiting request and a force scheduler."""

    def __init__(self) -> None:
        self.desk = desk = Desk({"a": {}, "b": {}}, {"w": {"max_builds": 1}})
        desk.attach()
        desk.ask("a")
        self.waiting = desk.ask("b").id
        self.build = desk.builds[0].row.id
        fake = FakeSite()
        now(desk.data.schedulers.sync(["f"]))
        scheduler = ForceScheduler(
            "f",
            ["a", "b"],
            codebases=[CodebaseParameter("x", patch=PatchParameter())],
            properties=PROPERTIES,
        )
        fake.site = replace(fake.site, data=desk.data, bus=desk.data.bus, clock=desk.clock)
        fake.schedulers = SimpleNamespace(know=lambda _: None)  # type: ignore[assignment]
        fake.start(scheduler)
        register_actions(desk.data, lambda: [scheduler])
        self.copy = InstantStore()

    def key(self, kind: str) -> Any:
        return {
            "builds": self.build,
            "buildrequests": self.waiting,
            "workers": "w",
            "schedulers": 1,
            "forceschedulers": "f",
        }[kind]

    def switch_on(self) -> None:
        """Let the force scheduler work, whatever was done to it before."""
        now(self.desk.data.actions.call("schedulers", 1, "enable", {"enabled": True}))

    def rows(self) -> list[str]:
        """All that is stored."""
        connection: sqlite3.Connection = self.desk.store._connection.connection.dbapi_connection
        return list(connection.iterdump())

    def after_a_restart(self) -> Data:
        """What another master would find in a copy of the database."""
        copy = self.copy
        copy._next = dict(self.desk.store._next)
        raw: Any = self.desk.store._connection.connection.dbapi_connection
        raw.backup(copy._connection.connection.dbapi_connection)
        store: Any = copy
        data = Data(store, Bus(), Clock())
        now(data.open("test"))
        return data


def told(data: Data) -> dict[str, Any]:
    """What actions change, as programs are told it."""
    return {
        "workers": [
            {key: row.as_json()[key] for key in ("name", "paused", "pause_reason", "graceful")}
            for row in data.workers.by_id.values()
        ],
        "schedulers": {row.name: row.enabled for row in data.schedulers.by_id.values()},
        "requests": {
            row.id: (row.priority, row.buildset.reason, row.buildset.properties)
            for row in data.requests.open.values()
        },
        "stamps": {row.id: row.buildset.sourcestamps for row in data.requests.open.values()},
    }


JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**31, -(2**31) - 1, 2**63, 10**400]),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(
            ["5", "²", "1_0", "a\0b", "\ud800", "-any-", "a/1", "true", "x" * 300, "9" * 5000]
        ),
        st.binary(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
GOOD = st.sampled_from(["why", "é", 3, True, False, "a", "me <me@example.org>"])
ACTIONS = [
    ("builds", "stop", ["reason", "owner"]),
    ("builds", "rebuild", ["reason", "owner"]),
    ("buildrequests", "cancel", ["reason", "owner"]),
    ("buildrequests", "set_priority", ["priority", "owner"]),
    ("workers", "pause", ["reason", "owner"]),
    ("workers", "unpause", ["reason", "owner"]),
    ("workers", "stop", ["reason", "owner"]),
    ("workers", "kill", ["reason", "owner"]),
    ("schedulers", "enable", ["enabled", "owner"]),
    ("forceschedulers", "force", ["builderid", "builderNames", "owner", *FIELDS]),
]


@pytest.fixture(scope="module")
def world() -> World:
    """One for all: what is refused leaves no trace, and what is done does not hinder the next."""
    return World()


def test_no_action_is_left_out(world: World) -> None:
    kinds = ("builds", "buildrequests", "workers", "schedulers", "forceschedulers")
    actions = world.desk.data.actions
    names = {(kind, method) for kind in kinds for method in actions.methods(kind)}
    assert names == {(kind, method) for kind, method, _ in ACTIONS}


@settings(max_examples=20, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(("kind", "method", "known"), ACTIONS)
def test_what_is_refused_changes_nothing_and_what_is_acknowledged_outlives_a_restart(
    world: World, kind: str, method: str, known: list[str], data: Any
) -> None:
    arguments = data.draw(
        st.dictionaries(st.sampled_from([*known, "zzz"]), GOOD | JUNK, max_size=4)
    )
    if kind == "forceschedulers":
        world.switch_on()
    before = world.rows()
    call = world.desk.data.actions.call(kind, world.key(kind), method, arguments)
    try:
        now(call)
    except (Refused, ForceRefused) as refused:
        assert world.rows() == before
        assert 400 <= getattr(refused, "status", 400) < 500
        if getattr(refused, "status", 400) == 409:
            return  # the request is complete by now
        errors = getattr(refused, "errors", {})
        assert errors and all(len(text) < 1000 for text in errors.values())
        return
    assert told(world.after_a_restart()) == told(world.desk.data)


@pytest.mark.parametrize(
    ("kind", "method"), [(kind, method) for kind, method, names in ACTIONS if "reason" in names]
)
@pytest.mark.parametrize(
    "reason", [{"a": [1]}, [["x"]], True, float("nan"), "x" * 3_000_000, "a\0b", "\ud800"]
)
def test_a_reason_is_text_of_some_length(world: World, kind: str, method: str, reason: Any) -> None:
    world.switch_on()
    before = world.rows()
    with pytest.raises((Refused, ForceRefused)) as refused:
        now(world.desk.data.actions.call(kind, world.key(kind), method, {"reason": reason}))
    assert list(refused.value.errors) == ["reason"]  # type: ignore[union-attr]
    assert world.rows() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 2**31),
        ("priority", "9" * 5000),
        ("priority", float("nan")),
        ("priority", True),
        ("count", 2**64),
        ("count", 1.0),
        ("count", {"a": 1}),
        ("flag", 1),
        ("flag", {"a": 1}),
        ("text", "x" * 200_000),
        ("text", True),
        ("text", float("inf")),
        ("lines", ["\ud800"]),
        ("choice", ["zz"]),
        ("choice", {"a": 1}),
        ("file", 7),
        ("file", "\ud800"),
        ("group_number", "1_0"),
        ("inherit", {"a": 1}),
        ("inherit", "a/²"),
        ("workername", ["\0"]),
        ("plain", {"a": float("nan")}),
        ("several", ["a"] * 1001),
        ("x_branch", "b" * 256),
        ("x_revision", "r" * 256),
        ("x_repository", "r" * 513),
        ("x_patch_level", -1),
        ("x_patch_level", 2**40),
        ("x_patch_body", {"a": 1}),
        ("builderid", "²"),
        ("builderid", 10**400),
        ("builderid", True),
        ("builderNames", {"a": 1}),
    ],
)
def test_a_wrong_field_of_a_force_is_named(world: World, field: str, value: Any) -> None:
    world.switch_on()
    before = world.rows()
    with pytest.raises((Refused, ForceRefused)) as refused:
        now(world.desk.data.actions.call("forceschedulers", "f", "force", {field: value}))
    assert list(refused.value.errors) == [field]  # type: ignore[union-attr]
    assert world.rows() == before


def test_a_thing_that_does_not_exist_is_told_before_its_arguments(world: World) -> None:
    for kind in ("builds", "buildrequests", "workers", "schedulers", "forceschedulers"):
        for method in world.desk.data.actions.methods(kind):
            with pytest.raises(Refused) as refused:
                call = {"reason": {}, "priority": {}, "enabled": {}}
                now(world.desk.data.actions.call(kind, "77", method, call))
            assert refused.value.status == 404
