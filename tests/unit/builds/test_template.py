"""Steps in a configuration, and the fresh ones made from them."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.locks import MasterLock
from ci_master.builds.properties import Property
from ci_master.builds.recorded import record_of, same
from ci_master.builds.template import (
    create_step_from_step_or_factory,
    get_factory_from_step_or_factory,
)
from tests.unit.builds.plain_steps import Doing, Shell


def test_each_build_gets_a_step_of_its_own() -> None:
    factory = Shell(command=["x"], name="n").get_step_factory()
    first, second = factory.buildStep(), factory.buildStep()
    assert first is not second
    assert type(first) is Shell
    assert (first.command, first.name) == (["x"], "n")
    assert first != second


def test_a_template_looks_like_its_class() -> None:
    template = Shell(command=["x"])
    assert isinstance(template, Shell)
    assert type(template).__name__ == "Shell"
    assert template.command == ["x"]


def test_a_step_of_a_class_without_name_is_called_generic() -> None:
    step = Doing().get_step_factory().buildStep()
    assert step.name == "generic"


def test_an_attribute_set_on_a_template_is_a_fault() -> None:
    template = Shell(command=["x"])
    with pytest.raises(ConfigError, match="set_step_arg"):
        template.command = ["y"]


def test_steps_of_builds_may_be_changed() -> None:
    step: Any = Shell(command=["x"]).get_step_factory().buildStep()
    step.command = ["y"]
    step.whatever = 1
    assert step.command == ["y"]


def test_recorded_arguments_can_be_changed_before_the_step_is_added() -> None:
    template = Shell(command=["x"])
    template.set_step_arg("command", ["y"])
    step: Any = template.get_step_factory().buildStep()
    assert step.command == ["y"]


def test_templates_compare_by_what_they_were_made_with() -> None:
    assert Shell(command=["x"]) == Shell(command=["x"])
    assert Shell(command=["x"]) != Shell(command=["y"])
    assert Shell(command=["x"]) != Doing()
    assert same(Shell(command=["x"]), Shell(command=["x"]))
    assert hash(record_of(Shell(command=["x"]))) == hash(record_of(Shell(command=["x"])))


def test_an_unknown_argument_is_a_fault_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigError) as raised:
        Doing(haltonFailure=True)
    text = str(raised.value)
    assert "Doing.__init__ got unexpected keyword argument(s) ['haltonFailure']" in text
    assert "did you mean 'haltOnFailure'" in text


@pytest.mark.parametrize("locks", [MasterLock("l"), ["l"], 3])
def test_locks_that_are_none_are_a_fault(locks: Any) -> None:
    with pytest.raises(ConfigError, match="must be a list of locks"):
        Doing(locks=locks)


def test_bare_locks_and_placeholders_are_locks() -> None:
    lock = MasterLock("l")
    Doing(locks=[lock, lock.access("exclusive"), Property("lock")])
    Doing(locks=Property("locks"))


def test_a_name_that_does_not_fit_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="50 characters"):
        Doing(name="x" * 51)


def test_a_description_becomes_a_list() -> None:
    step = Doing(description="a b", descriptionDone=["c"])
    assert (step.description, step.descriptionDone) == (["a b"], ["c"])


def test_classes_may_set_attributes_before_and_after_the_base_constructor() -> None:
    class Mine(BuildStep):
        def __init__(self, what: str, **kwargs: Any) -> None:
            self.before = what
            super().__init__(**kwargs)
            self.after = what

    step: Any = Mine("x").get_step_factory().buildStep()
    assert (step.before, step.after) == ("x", "x")


def test_factories_pass_for_steps() -> None:
    factory = Doing().get_step_factory()
    assert get_factory_from_step_or_factory(factory) is factory
    assert isinstance(create_step_from_step_or_factory(factory), Doing)
    with pytest.raises(TypeError):
        get_factory_from_step_or_factory("step")
