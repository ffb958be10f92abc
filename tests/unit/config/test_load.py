"""Running a configuration file: what stops it, and what stays untouched."""

import sys
from pathlib import Path

import pytest

from ci_common.faults import ConfigError
from ci_master.config.load import load_config
from tests.unit.config.minimal import MINIMAL, faults_of, load


def test_a_small_configuration_loads(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert [worker.name for worker in config.workers] == ["w"]
    assert list(config.schedulers) == ["s"]
    assert config.builders[0].config_where == "master.cfg:5"


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """\
c['title'] = 3
c['builders'].append(util.BuilderConfig(name='_x', workernames=['wx'],
    factory=util.BuildFactory()))
c['caches'] = {'Builds': 0}
"""
    )
    where = [fault.partition(": ")[0] for fault in faults_of(tmp_path, text)]
    assert where == [
        "master.cfg:7",
        "master.cfg:8, builder '_x'",
        "master.cfg:8, builder '_x'",
        "master.cfg:8",
        "master.cfg:10",
    ]


def test_a_syntax_error_names_its_line_and_shows_it(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "c = {}\nx = (1\n") == [
        "master.cfg:2: SyntaxError: '(' was never closed\n    x = (1"
    ]


def test_an_exception_names_the_line_that_raised_it(tmp_path: Path) -> None:
    assert faults_of(tmp_path, MINIMAL + "x = 1 / 0\n") == [
        "master.cfg:7: ZeroDivisionError: division by zero\n    x = 1 / 0"
    ]


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    assert faults_of(tmp_path, MINIMAL + "shedulers.AnyBranchScheduler()\n") == [
        "master.cfg:7: NameError: name 'shedulers' is not defined\n"
        "    shedulers.AnyBranchScheduler()\n    did you mean 'schedulers'?"
    ]


def test_an_unknown_plugin_gets_the_nearest_one(tmp_path: Path) -> None:
    assert faults_of(tmp_path, MINIMAL + "util.BuilderConfg()\n") == [
        "master.cfg:7: AttributeError: there is no util.BuilderConfg;"
        " did you mean util.BuilderConfig?\n    util.BuilderConfg()"
    ]


def test_an_exception_in_a_module_of_the_author_names_that_module(tmp_path: Path) -> None:
    (tmp_path / "helpers_x.py").write_text("def f():\n    return [][1]\n")
    assert faults_of(tmp_path, "import helpers_x\nhelpers_x.f()\n") == [
        "helpers_x.py:2: IndexError: list index out of range\n    return [][1]"
    ]


def test_faults_before_an_exception_are_told_with_it(tmp_path: Path) -> None:
    lines = "util.BuilderConfig(name='', workernames=['w'], factory=util.BuildFactory())\n1 / 0\n"
    told = faults_of(tmp_path, MINIMAL + lines)
    assert [fault.partition(": ")[0] for fault in told] == [
        "master.cfg:7, builder ''",
        "master.cfg:8",
    ]


def test_leaving_by_exit_is_a_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, "import sys\nsys.exit('enough')\n") == [
        "master.cfg:2: SystemExit: enough\n    sys.exit('enough')"
    ]


def test_a_fault_raised_by_the_author_gets_its_line(tmp_path: Path) -> None:
    lines = "from buildbot.config import ConfigErrors\nraise ConfigErrors(['no disk', 'no net'])\n"
    assert faults_of(tmp_path, lines) == ["master.cfg:2: no disk", "master.cfg:2: no net"]


def test_a_fault_reported_by_the_author_gets_its_line(tmp_path: Path) -> None:
    lines = "from buildbot.config import error\nerror('no disk')\n"
    assert faults_of(tmp_path, MINIMAL + lines) == ["master.cfg:8: no disk"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1\n", "does not define 'BuildmasterConfig'\n    begin it with:"),
        ("BuildMasterConfig = {}\n", "'BuildmasterConfig'\n    it defines 'BuildMasterConfig'"),
        ("BuildmasterConfig = []\n", "BuildmasterConfig must be a dictionary, not [] (list)"),
    ],
)
def test_the_dictionary_must_be_there(tmp_path: Path, text: str, fault: str) -> None:
    (told,) = faults_of(tmp_path, text)
    assert fault in told


def test_a_missing_file_points_to_the_sample(tmp_path: Path) -> None:
    (tmp_path / "master.cfg.sample").touch()
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, "master.cfg")
    assert "copy master.cfg.sample to master.cfg" in str(caught.value)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the base directory does not exist"):
        load_config(tmp_path / "away", "master.cfg")


def test_modules_beside_the_file_are_read_anew_at_each_load(tmp_path: Path) -> None:
    text = MINIMAL + "import names_x\nc['title'] = names_x.TITLE\n"
    (tmp_path / "names_x.py").write_text("TITLE = 'one'\n")
    assert load(tmp_path, text).title == "one"
    (tmp_path / "names_x.py").write_text("TITLE = 'another'\n")
    assert load(tmp_path, text).title == "another"


def test_a_load_that_fails_puts_the_modules_and_the_path_back(tmp_path: Path) -> None:
    (tmp_path / "parts_x.py").write_text("VALUE = 1\n")
    load(tmp_path, MINIMAL + "import parts_x\n")
    running, path = sys.modules["parts_x"], list(sys.path)
    lines = "import sys; sys.path.insert(0, basedir); import parts_x; 1 / 0\n"
    assert faults_of(tmp_path, MINIMAL + lines)
    assert sys.modules["parts_x"] is running
    assert sys.path == path
    del sys.modules["parts_x"]


def test_a_refused_configuration_puts_the_modules_back_too(tmp_path: Path) -> None:
    (tmp_path / "parts_y.py").write_text("VALUE = 1\n")
    load(tmp_path, MINIMAL + "import parts_y\n")
    running = sys.modules["parts_y"]
    assert faults_of(tmp_path, MINIMAL + "import parts_y\nc['title'] = 3\n")
    assert sys.modules["parts_y"] is running
    del sys.modules["parts_y"]


def test_a_directory_of_the_author_stays_on_the_path_once(tmp_path: Path) -> None:
    lines = "import os, sys\nsys.path.insert(0, os.path.join(basedir, 'lib'))\n"
    before = list(sys.path)
    try:
        load(tmp_path, MINIMAL + lines)
        load(tmp_path, MINIMAL + lines)
        assert sys.path == [str(tmp_path / "lib"), *before]
    finally:
        sys.path[:] = before


def test_the_file_sees_its_directory_and_its_own_name(tmp_path: Path) -> None:
    lines = "c['properties'] = {'basedir': basedir, 'file': __file__}\n"
    config = load(tmp_path, MINIMAL + lines)
    assert config.properties == {
        "basedir": str(tmp_path),
        "file": str(tmp_path / "master.cfg"),
    }
