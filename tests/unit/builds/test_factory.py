"""Recipes."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_master.builds.factory import BuildFactory, NamedStep
from ci_master.builds.properties import Secret
from ci_master.data.faults import collecting_faults
from ci_master.data.recorded import Recorded, same


class StepFactory:
    def __init__(self, name: str) -> None:
        self.name = name

    def config_record(self) -> Any:
        return self.name


class Template(Recorded):
    """What a step in a configuration looks like from here."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get_step_factory(self) -> StepFactory:
        return StepFactory(self.name)


def names(factory: BuildFactory) -> list[str]:
    return [
        step.name if isinstance(step, StepFactory) else step.class_path.rpartition(".")[2]
        for step in factory.steps
    ]


def test_steps_are_kept_in_order() -> None:
    factory = BuildFactory([Template("a")])
    factory.addStep(Template("b"))
    factory.addSteps([Template("c"), Template("d")])
    factory.addStep(NamedStep("ci_master.builds.factory.BuildFactory"))
    assert names(factory) == ["a", "b", "c", "d", "BuildFactory"]
    assert isinstance(factory.steps[-1].buildStep(), BuildFactory)


def test_secrets_are_on_the_worker_around_the_steps_inside() -> None:
    factory = BuildFactory()
    with factory.withSecrets([("/key", Secret("key"))]):
        factory.addStep(Template("a"))
    factory.addSteps([Template("b")], withSecrets=[("/key", Secret("key"))])
    around = ["DownloadSecretsToWorker", "{}", "RemoveWorkerFileSecret"]
    assert names(factory) == [*around[:1], "a", *around[2:], *around[:1], "b", *around[2:]]


@pytest.mark.parametrize("wrong", [3, "step", Template, None])
def test_what_is_no_step_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be an instance of a BuildStep"):
        BuildFactory([wrong])


def test_during_a_load_it_is_a_fault(tmp_path: Path) -> None:
    with collecting_faults(str(tmp_path / "master.cfg")) as faults:
        factory = BuildFactory([Template, Template("a")])
        factory.addSteps(3)  # type: ignore[arg-type]
        factory.setSkipBuildIf(3)  # type: ignore[arg-type]
    assert names(factory) == ["a"]
    assert [fault.hint for fault in faults] == ["write Template(...)", "", ""]


def test_factories_are_compared_by_what_is_in_them() -> None:
    one, other = BuildFactory([Template("a")]), BuildFactory()
    other.addStep(Template("a"))
    assert same(one, other)
    other.workdir = "elsewhere"
    assert not same(one, other)
    other = BuildFactory([Template("b")])
    assert not same(one, other)
    other = BuildFactory([Template("a")])
    other.setSkipBuildIf(bool)
    assert not same(one, other)


def test_a_single_step_is_not_taken_for_a_list() -> None:
    with pytest.raises(ConfigError, match="a list of steps"):
        BuildFactory().addSteps("abc")
