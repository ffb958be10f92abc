"""The namespaces that a configuration imports."""

import pytest

import ci_master.plugins
from ci_master.plugin_names import BUILT_IN, LATER
from ci_master.plugins import Namespace

EVERY = [(kind, name) for kind, names in BUILT_IN.items() for name in names]


def test_every_name_of_the_table_is_there() -> None:
    missing = []
    for kind, name in EVERY:
        found = getattr(ci_master.plugins, kind).get(name)
        is_value = name.isupper() or name == "Results" or hasattr(found, "getRenderingFor")
        if not (callable(found) or is_value):
            missing.append((kind, name))
    assert missing == []


def test_no_name_is_both_there_and_still_to_come() -> None:
    for kind, names in LATER.items():
        assert not set(names.split()) & set(BUILT_IN.get(kind, {}))


def test_an_attribute_is_the_class() -> None:
    from ci_master.builds.factory import BuildFactory

    assert ci_master.plugins.util.BuildFactory is BuildFactory


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = ci_master.plugins.util.BuildFactry
    assert str(caught.value) == ("there is no util.BuildFactry; did you mean util.BuildFactory?")


def test_a_name_that_is_still_to_come_is_told_so() -> None:
    space = Namespace("steps", {}, ["Bzr"])
    with pytest.raises(AttributeError, match=r"^steps\.Bzr is not available yet in this version$"):
        _ = space.Bzr


def test_names_with_a_dot_are_attributes_of_attributes() -> None:
    space = Namespace("util", {"paths.join": "posixpath:join"})
    assert space.paths.join("a", "b") == "a/b"
    with pytest.raises(AttributeError, match=r"util\.paths\.jion; did you mean"):
        _ = space.paths.jion


def test_info_tells_where_a_name_comes_from() -> None:
    assert ci_master.plugins.util.info("BuildFactory") == {
        "target": "ci_master.builds.factory:BuildFactory",
        "distribution": "ci-framework",
    }


def test_a_star_import_gives_the_namespaces() -> None:
    names: dict[str, object] = {}
    exec("from ci_master.plugins import *", names)
    wanted = {"changes", "reporters", "schedulers", "secrets", "steps", "util", "worker"}
    assert wanted <= names.keys()


def test_a_namespace_lists_its_names() -> None:
    assert "BuildFactory" in ci_master.plugins.util.names
    assert "BuildFactory" in dir(ci_master.plugins.util)
    assert "BuildFactory" in ci_master.plugins.util
    assert "Nothing" not in ci_master.plugins.util
