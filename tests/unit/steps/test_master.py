"""Steps that set properties, write logs and check conditions on the master."""

from typing import Any

import pytest

from ci_common.results import FAILURE, SUCCESS
from ci_master.builds.properties import Interpolate, Property
from ci_master.builds.renderables import renderer
from ci_master.steps.master import (
    Assert,
    LogRenderable,
    SetProperties,
    SetPropertiesFromEnv,
    SetProperty,
)
from tests.fakes.builds import StepHarness


def test_a_property_is_set_to_what_is_filled_in() -> None:
    harness = StepHarness(properties={"a": "1"})
    step = SetProperty(property=Interpolate("p%(prop:a)s"), value=[Property("a"), {"k": 2}])
    ran = harness.run(step)
    assert (ran.result, ran.state) == (SUCCESS, "Set")
    assert ran.properties["p1"] == ["1", {"k": 2}]
    assert ran.sources["p1"] == "SetProperty"


@renderer
def _made(props: Any) -> dict[str, Any]:
    return {"b": props.getProperty("a") + "!"}


@pytest.mark.parametrize(
    ("given", "found"),
    [({"b": Property("a"), "c": 2}, {"b": "1", "c": 2}), (_made, {"b": "1!"}), (None, {})],
)
def test_several_are_set_at_once(given: Any, found: dict[str, Any]) -> None:
    ran = StepHarness(properties={"a": "1"}).run(SetProperties(properties=given))
    assert (ran.result, ran.state) == (SUCCESS, "Properties Set")
    assert {name: ran.properties.get(name) for name in found} == found


@pytest.mark.parametrize(
    ("system", "variables", "found"),
    [
        ("posix", ["HOME", "Path", "EMPTY", "MISSING"], {"HOME": "/h"}),
        ("posix", "HOME", {"HOME": "/h"}),
        ("nt", ["home", "PATH"], {"home": "/h", "PATH": "C:"}),
    ],
)
def test_properties_from_the_workers_environment(
    system: str, variables: Any, found: dict[str, str]
) -> None:
    environ = {"HOME": "/h", "PaTh": "C:", "EMPTY": ""}
    harness = StepHarness(system=system, worker_info={"environ": environ})
    ran = harness.run(SetPropertiesFromEnv(variables=variables))
    set_now = {name for name, source in ran.sources.items() if source == "WorkerEnvironment"}
    assert {name: ran.properties[name] for name in set_now} == found


def test_a_value_is_written_to_a_log_nicely() -> None:
    ran = StepHarness(properties={"a": "x"}).run(LogRenderable(content={"k": Property("a")}))
    assert (ran.result, ran.state) == (SUCCESS, "Logged")
    assert ran.log("Output").text == "{'k': 'x'}"


@pytest.mark.parametrize(("value", "result"), [("yes", SUCCESS), ("no", FAILURE)])
def test_a_condition_that_does_not_hold_fails_the_step(value: str, result: int) -> None:
    ran = StepHarness(properties={"a": value}).run(Assert(Property("a") == "yes"))
    assert ran.result == result
    assert ran.state.startswith("checked")
