"""CMake, Sphinx, PyFlakes and other steps that know a program."""

from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import FAILURE, SUCCESS, WARNINGS
from ci_master.builds.properties import Interpolate, Property
from ci_master.steps.cmake import CMake
from ci_master.steps.python import PyFlakes, RemovePYCs, Sphinx
from ci_master.steps.trial import Trial
from tests.fakes.builds import StepHarness


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (CMake(), ["cmake"]),
        (
            CMake(
                path=Property("x"),
                generator="Ninja",
                definitions={"A": Property("x"), "B": 1},
                options=["--trace", Property("x")],
                cmake="cmake3",
            ),
            ["cmake3", "-G", "Ninja", "y", "-DA=y", "-DB=1", "--trace", "y"],
        ),
        (Sphinx(sphinx_builddir="_b"), ["sphinx-build", ".", "_b"]),
        (
            Sphinx(
                sphinx_sourcedir="doc",
                sphinx_builddir=Property("x"),
                sphinx_builder="html",
                sphinx="sphinx",
                tags=["a"],
                defines={"v": Interpolate("1.%(prop:x)s"), "b": False, "t": None},
                strict_warnings=True,
                mode="full",
            ),
            [
                *["sphinx", "-t", "a", "-D", "b=0", "-D", "t=1", "-D", "v=1.y", "-b", "html"],
                *["-E", "-W", "doc", "y"],
            ],
        ),
        (RemovePYCs(), ["find", ".", "-name", "*.pyc", "-exec", "rm", "{}", ";"]),
        (PyFlakes(), ["make", "pyflakes"]),
    ],
)
def test_the_command_of_each(step: Any, command: list[str]) -> None:
    harness = StepHarness(properties={"x": "y"})
    harness.expect("shell", command=command)
    assert harness.run(step).result == SUCCESS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CMake(definitions=["A=1"]), "write a dict"),
        (lambda: CMake(options="-x"), "write a list"),
        (lambda: CMake(generater="Ninja"), "did you mean 'generator'?"),
        (lambda: Sphinx(), "write sphinx_builddir='_build'"),
        (lambda: Sphinx(sphinx_builddir="b", mode="fast"), "write 'incremental' or 'full'"),
    ],
)
def test_wrong_arguments_are_faults(make: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("output", "rc", "result", "state"),
    [
        ("done\n", 0, SUCCESS, "sphinx 0 warnings"),
        ("a.rst:3: WARNING: x\nb: ERROR: y\n", 0, WARNINGS, "sphinx 2 warnings (warnings)"),
        ("broken\n", 2, FAILURE, "sphinx 0 warnings (failure)"),
    ],
)
def test_warnings_of_sphinx_are_counted(output: str, rc: int, result: int, state: str) -> None:
    harness = StepHarness()
    harness.expect("shell").stderr(output).rc(rc)
    ran = harness.run(Sphinx(sphinx_builddir="_b"))
    assert (ran.result, ran.state) == (result, state)
    if result == WARNINGS:
        assert ran.log("warnings").text == output


@pytest.mark.parametrize(
    ("output", "rc", "result", "state"),
    [
        ("pyflakes src\n", 0, SUCCESS, "pyflakes"),
        (
            "a.py:1:1: 'os' imported but unused\na.py:9: unable to detect x\n",
            1,
            WARNINGS,
            "pyflakes unused=1 misc=1 (warnings)",
        ),
        ("a.py:1:2 undefined name 'x'\n", 1, FAILURE, "pyflakes undefined=1 (failure)"),
        ("make: *** no rule\n", 2, FAILURE, "pyflakes (failure)"),
    ],
)
def test_what_pyflakes_finds_is_counted(output: str, rc: int, result: int, state: str) -> None:
    harness = StepHarness()
    harness.expect("shell").stdout(output).rc(rc)
    ran = harness.run(PyFlakes())
    assert (ran.result, ran.state) == (result, state)
    assert ran.properties["pyflakes-undefined"] == output.count("undefined name")
    assert ran.properties["pyflakes-total"] == output.count("a.py")


# -- Trial

PASSED = """pkg.test
  Case
    test_a ... [OK]
x.py:1: DeprecationWarning: old
-------
Ran 8 tests in 0.100s

PASSED (skips=1, successes=7)
"""

FAILED = """test_a ... [FAIL]
===============================================================================
[FAIL]
Traceback (most recent call last):
pkg.test.Case.test_a
-------------------------------------------------------------------------------
Ran 3 tests in 0.1s

FAILED (failures=1, errors=1, successes=1)
"""


@pytest.mark.parametrize(
    ("output", "rc", "result", "state", "logs"),
    [
        (PASSED, 0, SUCCESS, "8 tests 1 skips 7 successes", ["warnings"]),
        (
            FAILED,
            1,
            FAILURE,
            "3 tests 1 failures 1 errors 1 successes (failure)",
            ["problems"],
        ),
        ("no module\n", 1, FAILURE, "no summary of tests (failure)", []),
        ("", 0, FAILURE, "no summary of tests (failure)", []),
    ],
)
def test_what_trial_says_is_read(
    output: str, rc: int, result: int, state: str, logs: list[str]
) -> None:
    harness = StepHarness()
    logfiles = {"test.log": "_trial_temp/test.log"}
    command = ["trial", "--reporter=bwverbose", "pkg"]
    harness.expect("shell", command=command, logfiles=logfiles).stdout(output).rc(rc)
    ran = harness.run(Trial(tests="pkg"))
    assert (ran.result, ran.state) == (result, state)
    assert ran.logs == ["stdio", "test.log", *logs]
    if result == SUCCESS:
        assert ran.step.getStatistic("tests-total") == 8
        assert ran.log("warnings").text == "x.py:1: DeprecationWarning: old\n"


def test_the_options_of_trial() -> None:
    harness = StepHarness(properties={"x": "y"})
    harness.expect(
        "shell",
        command=[
            *["python3", "-W", "all", "mytrial", "--quiet", "--reactor=poll", "--recurse"],
            *["--random=0", "-u", "--jobs=2", "y", "z"],
        ],
        env={"PYTHONPATH": ["lib", "before"]},
    ).stdout(PASSED)
    step = Trial(
        python=["python3", "-W", "all"], trial="mytrial", trialMode=["--quiet"], reactor="poll",
        recurse=True, randomly=True, trialArgs=["-u"], jobs=2, tests=[Property("x"), "z"],
        testpath="lib", env={"PYTHONPATH": "before"},
    )  # fmt: skip
    assert harness.run(step).result == SUCCESS


def test_a_subclass_may_set_the_options_of_trial_and_test_what_changed() -> None:
    class Mine(Trial):
        testChanges = True
        trialMode = ("--reporter=verbose",)

    change = {"author": "me", "comments": "", "files": ["a.py", "b.py"], "changeid": 1}
    harness = StepHarness(changes={1: [change]})
    command = ["trial", "--reporter=verbose", "--testmodule=a.py", "--testmodule=b.py"]
    harness.expect("shell", command=command).stdout(PASSED)
    assert harness.run(Mine()).result == SUCCESS


def test_trial_without_tests_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="testChanges=True"):
        Trial()
