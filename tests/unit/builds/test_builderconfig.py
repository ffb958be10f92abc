"""What a configuration may say about builders, recipes, projects and codebases."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_master.builds.builderconfig import BuilderConfig, always_build
from ci_master.builds.configchecks import safeTranslate
from ci_master.builds.factory import BuildFactory
from ci_master.builds.locks import LockAccess, MasterLock
from ci_master.builds.project import Codebase, Project
from ci_master.builds.properties import Interpolate, renderer
from ci_master.data.faults import collecting_faults
from ci_master.data.recorded import same

LOCK = MasterLock("l")


def config(**changes: Any) -> BuilderConfig:
    given: dict[str, Any] = {"name": "b", "workernames": ["w"], "factory": BuildFactory()}
    given.update(changes)
    return BuilderConfig(**{name: value for name, value in given.items() if value is not ...})


def test_what_is_not_said_has_its_default() -> None:
    builder = config(name="a b/c")
    assert builder.builddir == builder.workerbuilddir == "a_b_c"
    assert (builder.tags, builder.locks, builder.env, builder.properties) == ([], [], {}, {})
    assert builder.collapseRequests is None
    assert builder.do_build_if is always_build and builder.do_build_if(None)
    assert config(builddir="x").workerbuilddir == "x"
    assert config(builddir="x", workerbuilddir="y").workerbuilddir == "y"


@pytest.mark.parametrize(
    ("changes", "attribute", "wanted"),
    [
        ({"name": b"ascii"}, "name", "ascii"),
        ({"name": "__Janitor"}, "name", "__Janitor"),
        ({"workername": "a", "workernames": ...}, "workernames", ["a"]),
        ({"workername": "a", "workernames": ["b"]}, "workernames", ["b", "a"]),
        ({"workernames": "a"}, "workernames", ["a"]),
        ({"workernames": ("a",)}, "workernames", ["a"]),
        ({"tags": ["x", "y"]}, "tags", ["x", "y"]),
        ({"env": []}, "env", {}),
        ({"locks": [LOCK]}, "locks", [LockAccess(LOCK, "counting")]),
        ({"locks": [LOCK.access("exclusive")]}, "locks", [LockAccess(LOCK, "exclusive")]),
        ({"collapseRequests": False}, "collapseRequests", False),
        ({"project": "p"}, "project", "p"),
        ({"description_format": "markdown"}, "description_format", "markdown"),
        ({"requires": {"system": "Linux"}}, "requires", {"system": "Linux"}),
    ],
)
def test_what_is_said_is_kept(changes: dict[str, Any], attribute: str, wanted: Any) -> None:
    assert getattr(config(**changes), attribute) == wanted


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ...}, "builder's name is required"),
        ({"name": ""}, "builder's name is required"),
        ({"name": 3}, "builder's name is required"),
        ({"name": "_x"}, "must not start with an underscore"),
        ({"name": b"\xff"}, "must be ASCII"),
        ({"factory": ...}, "it has no factory"),
        ({"factory": 3}, "must be a BuildFactory"),
        ({"workernames": ...}, "at least one workername"),
        ({"workernames": []}, "at least one workername"),
        ({"workernames": ..., "workername": ""}, "at least one workername"),
        ({"workernames": ..., "workername": 3}, "workername is 3, but must be a string"),
        ({"workernames": ["w", 3]}, "contains 3"),
        ({"workernames": {"w": 1}}, "must be a list of strings"),
        ({"builddir": 3}, "builddir is 3"),
        ({"workerbuilddir": 3}, "workerbuilddir is 3"),
        ({"tags": "x"}, r"write \['x'\]"),
        ({"tags": [3]}, "contains 3"),
        ({"tags": ["a", "b", "a"]}, "duplicates: a"),
        ({"env": 3}, "env is 3, but must be a dict"),
        ({"properties": 3}, "properties is 3"),
        ({"properties": {3: 1}}, "name 3 is not a string"),
        ({"properties": {"a": object()}}, "'a' cannot be stored"),
        ({"defaultProperties": {"a": {1}}}, "'a' cannot be stored"),
        ({"locks": LOCK}, "must be a list"),
        ({"locks": ["x"]}, "'x' is no lock"),
        ({"nextWorker": 3}, "nextWorker is 3, but must be a function"),
        ({"nextBuild": 3}, "nextBuild is 3"),
        ({"canStartBuild": 3}, "canStartBuild is 3"),
        ({"do_build_if": 3}, "do_build_if is 3"),
        ({"collapseRequests": 3}, "must be True, False or a function"),
        ({"description": 3}, "description is 3"),
        ({"description_format": "rst"}, "must be None or 'markdown'"),
        ({"project": 3}, "project is 3"),
        ({"requires": []}, None),
        ({"requires": 3}, "requires is 3"),
        ({"workers": ["w"]}, "there is no argument 'workers'"),
        ({"worker_names": ["w"]}, "did you mean 'workernames'"),
    ],
)
def test_what_is_wrong_is_a_fault_that_names_the_builder(
    changes: dict[str, Any], said: str | None
) -> None:
    if said is None:
        config(**changes)
        return
    with pytest.raises(ConfigError, match=said) as caught:
        config(**changes)
    assert ", builder " in caught.value.faults[0].where


def test_all_faults_of_a_builder_are_found_at_once(tmp_path: Path) -> None:
    with collecting_faults(str(tmp_path / "master.cfg")) as faults:
        builder = BuilderConfig(name="_x", tags="t", envv={})
    assert [fault.what.split(" ")[0] for fault in faults] == [
        "there",
        "builder",
        "it",
        "at",
        "tags",
    ]
    assert {fault.where for fault in faults} == {"master.cfg, builder '_x'"}
    assert builder.tags == ["t"]


def test_placeholders_are_left_for_the_build() -> None:
    chosen = renderer(lambda props: [LOCK.access("counting")])
    text = Interpolate("%(prop:a)s")
    builder = config(locks=chosen, env={"A": text}, properties={"p": text})
    assert builder.locks is chosen
    assert builder.env["A"] is text and builder.properties["p"] is text


def test_a_copy_differs_only_in_what_is_changed() -> None:
    builder = config(tags=["x"], nextBuild=max)
    other = builder.copy(name="c", tags=["y"])
    assert (other.name, other.tags, other.nextBuild) == ("c", ["y"], max)
    assert builder.name == "b"


def test_builders_are_compared_by_their_settings() -> None:
    assert same(config(tags=["x"], nextBuild=max), config(tags=["x"], nextBuild=max))
    assert same(config(), config(workernames=..., workername="w"))
    assert not same(config(), config(env={"A": "1"}))
    changed = config()
    changed.properties["late"] = 1
    assert not same(config(), changed)


def test_only_settings_that_are_not_empty_are_shown() -> None:
    shown = config(env={"A": "1"}).getConfigDict()
    assert sorted(shown) == ["builddir", "env", "factory", "name", "workerbuilddir", "workernames"]
    assert "do_build_if" in config(do_build_if=bool).getConfigDict()


def test_positional_arguments_are_in_the_old_order() -> None:
    builder = BuilderConfig("b", "w", ["v"], "dir", "wdir", BuildFactory(), ["t"])
    assert builder.workernames == ["v", "w"]
    assert (builder.builddir, builder.workerbuilddir, builder.tags) == ("dir", "wdir", ["t"])


def test_a_name_becomes_a_directory() -> None:
    assert safeTranslate("a b.c/d:e(f)é%&~#-_") == "a_b_c_d_e_f_é____-_"


def test_projects_and_codebases() -> None:
    assert Project("x").slug == "x"
    assert Project("x", slug="y", description="d") == Project("x", "y", "d")
    assert same(Project("x"), Project("x", slug="x"))
    assert Codebase("lib", "x").slug == "lib"
    assert not same(Codebase("lib", "x"), Codebase("lib", "y"))
    wrong: Any = 3
    for make in (
        lambda: Project(wrong),
        lambda: Project("x", description=wrong),
        lambda: Project("x", description_format="rst"),
        lambda: Codebase("x", wrong),
    ):
        with pytest.raises(ConfigError):
            make()
