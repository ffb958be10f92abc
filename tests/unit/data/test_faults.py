"""Faults name the author's line."""

from pathlib import Path
from typing import Any

import pytest

from ci_common.faults import ConfigError, Fault
from ci_master.builds.interpolate import Interpolate
from ci_master.data.faults import adopt_faults, collecting_faults, configFault, here, place


def load(path: Path, text: str, **names: Any) -> list[Fault]:
    """Run a configuration as the loader does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with collecting_faults(str(path)) as faults:
        exec(compile(text, str(path), "exec"), {"Interpolate": Interpolate, **names})
    return faults


def test_all_faults_of_a_load_are_collected_with_their_lines(tmp_path: Path) -> None:
    faults = load(
        tmp_path / "master.cfg",
        "Interpolate('%(a)s')\n\nx = [\n  Interpolate('%(foo:a)s'),\n]\nInterpolate('%(prop:a)s')",
    )
    assert [fault.where for fault in faults] == ["master.cfg:1", "master.cfg:4"]
    assert "no selector" in faults[0].what
    assert "%(prop:a)s" in faults[0].hint


def test_a_module_below_the_configuration_is_the_authors_too(tmp_path: Path) -> None:
    helper = tmp_path / "lib" / "helper.py"
    helper.parent.mkdir()
    helper.write_text("def make(Interpolate):\n    return Interpolate('%')\n")
    spaces: dict[str, Any] = {}
    exec(compile(helper.read_text(), str(helper), "exec"), spaces)
    faults = load(tmp_path / "master.cfg", "make(Interpolate)", make=spaces["make"])
    assert [fault.where for fault in faults] == [str(Path("lib", "helper.py")) + ":2"]


def test_installed_code_below_the_configuration_is_not_the_authors(tmp_path: Path) -> None:
    helper = tmp_path / "venv" / "site-packages" / "helper.py"
    spaces: dict[str, Any] = {}
    exec(compile("def make(I):\n    return I('%')\n", str(helper), "exec"), spaces)
    faults = load(tmp_path / "master.cfg", "\nmake(Interpolate)", make=spaces["make"])
    assert [fault.where for fault in faults] == ["master.cfg:2"]


def test_without_any_line_of_the_author_the_file_is_named(tmp_path: Path) -> None:
    with collecting_faults(str(tmp_path / "master.cfg")) as faults:
        configFault("no builders are configured")
    assert faults == [Fault("master.cfg", "no builders are configured")]


def test_outside_of_a_load_a_fault_is_raised_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        configFault("it is wrong", "do it right")
    (fault,) = caught.value.faults
    assert fault.where.startswith("test_faults.py:")
    assert (fault.what, fault.hint) == ("it is wrong", "do it right")


def test_a_place_is_only_looked_for_during_a_load(tmp_path: Path) -> None:
    assert place() == ""
    assert here().startswith("test_faults.py:")
    with collecting_faults(str(tmp_path / "master.cfg")):
        assert place() == "master.cfg"
    assert place() == ""


def test_the_faults_of_an_error_can_be_adopted(tmp_path: Path) -> None:
    error = ConfigError([Fault("", "a", "b"), Fault("x:1", "c")])
    with collecting_faults(str(tmp_path / "master.cfg")) as faults:
        adopt_faults(error)
    assert faults == [Fault("master.cfg", "a", "b"), Fault("x:1", "c")]
