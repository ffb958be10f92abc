"""Buildbot's import paths lead to our classes."""

import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from ci_master.compat import Finder, install
from ci_master.compat.paths import PACKAGES, TARGETS

install()

pytestmark = pytest.mark.skipif(
    "site-packages" in str(getattr(find_spec("buildbot"), "origin", "")),
    reason="a real Buildbot is installed here, and wins",
)


def test_every_mapped_name_is_there() -> None:
    missing = []
    for module, targets in TARGETS.items():
        for names in targets.values():
            for name in names.split():
                if not hasattr(import_module(module), name):
                    missing.append(f"{module}.{name}")
    assert missing == []


def test_a_class_is_the_same_by_both_paths() -> None:
    from buildbot.process.factory import BuildFactory  # type: ignore[import-not-found]

    from ci_master.builds.factory import BuildFactory as Ours

    assert BuildFactory is Ours


def test_modules_can_be_taken_from_their_packages() -> None:
    names: dict[str, object] = {}
    exec("from buildbot.process import results\nfrom buildbot.plugins import *", names)
    assert names["results"].FAILURE == 2  # type: ignore[attr-defined]
    assert "util" in names


def test_an_unknown_name_gets_the_nearest_one() -> None:
    results = import_module("buildbot.process.results")
    with pytest.raises(AttributeError, match="has no SUCESS in this version; did you mean SUCCESS"):
        _ = results.SUCESS
    with pytest.raises(ImportError):
        exec("from buildbot.process.results import SUCESS", {})


def test_an_unknown_module_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("buildbot.nothing")


def test_the_parents_of_all_modules_are_packages() -> None:
    for module in TARGETS:
        parent = module.rpartition(".")[0]
        assert not parent or parent in PACKAGES


def test_installing_twice_adds_one_finder() -> None:
    install()
    assert sum(isinstance(finder, Finder) for finder in sys.meta_path) == 1


def test_other_names_are_none_of_its_business() -> None:
    assert Finder().find_spec("json") is None
