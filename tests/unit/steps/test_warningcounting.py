"""Steps that count warnings: Compile, Test and their base."""

import re
from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, FAILURE, SUCCESS, WARNINGS
from ci_master.steps.warningcounting import Compile, Test, WarningCountingShellCommand
from tests.fakes.builds import Ran, StepHarness

GCC = r"^(\S+?):(\d+): warning: (.*)$"


def compiled(output: str, rc: int = 0, **arguments: Any) -> Ran:
    harness = StepHarness()
    harness.expect("shell", command=["make", "all"]).stdout(output).rc(rc)
    return harness.run(Compile(**arguments))


@pytest.mark.parametrize(
    ("output", "rc", "arguments", "count", "result"),
    [
        ("fine\n", 0, {}, 0, SUCCESS),
        ("fine\n", 2, {}, 0, FAILURE),
        ("a.c:1: warning: x\nWarning y\nok\n", 0, {}, 2, WARNINGS),
        ("a.c:1: warning: x\n", 2, {}, 1, FAILURE),
        ("a.c:1: warning: x\n", 0, {"maxWarnCount": 1}, 1, WARNINGS),
        ("a.c:1: warning: x\nwarning: y\n", 0, {"maxWarnCount": 1}, 2, FAILURE),
        ("warning: x\n", 0, {"maxWarnCount": 0}, 1, FAILURE),
        ("warning: x\nW1 y\n", 0, {"warningPattern": r"W\d"}, 1, WARNINGS),
        ("warning: x\n", 0, {"warningPattern": None}, 0, SUCCESS),
        ("x warning", 0, {}, 0, SUCCESS),
        ("x warning: without a line end", 0, {}, 1, WARNINGS),
    ],
)
def test_warnings_are_counted(
    output: str, rc: int, arguments: dict[str, Any], count: int, result: int
) -> None:
    ran = compiled(output, rc, **arguments)
    assert ran.result == result
    assert ran.properties["warnings-count"] == count
    assert ran.sources["warnings-count"] == "WarningCountingShellCommand"
    assert ran.step.getStatistic("warnings") == count
    assert ran.step.warnCount == count


def test_they_are_shown_in_a_log_of_their_own() -> None:
    ran = compiled("a\nwarning: 1\nb\nwarning: 2\n")
    assert ran.logs == ["stdio", "warnings (2)"]
    assert ran.log("warnings (2)").text == "warning: 1\nwarning: 2\n"
    assert ran.state == "compile (warnings)"


def test_the_count_of_all_steps_adds_up() -> None:
    harness = StepHarness(properties={"warnings-count": 3})
    harness.expect("shell").stderr("warning: 1\n")
    ran = harness.run(Compile(command="make"))
    assert ran.properties["warnings-count"] == 4


@pytest.mark.parametrize(
    ("suppression", "left"),
    [
        ((None, None, None, None), 0),
        (("a", None, None, None), 1),
        (("b", None, None, None), 2),
        ((r".*b\.c$", None, None, None), 1),
        ((None, "unused", None, None), 1),
        ((None, "unu", None, None), 1),
        ((None, "nonsense", None, None), 2),
        ((None, None, 1, 10), 1),
        ((None, None, 10, 20), 0),
        ((None, None, 11, 19), 2),
        (("a", "shadow", None, None), 2),
    ],
)
def test_suppressions_of_a_list(suppression: Any, left: int) -> None:
    ran = compiled(
        "a.c:10: warning: unused x\nsub/b.c:20: warning: shadowed y\n",
        warningPattern=GCC,
        warningExtractor=Compile.warnExtractFromRegexpGroups,
        suppressionList=[suppression],
    )
    assert ran.step.warnCount == left


@pytest.mark.parametrize(
    ("suppression", "left"),
    [(("a.c", None, None, None), 0), (("a.c", "y", None, None), 1), ((None, None, 1, 9), 1)],
)
def test_a_warning_of_no_known_place_may_be_of_any_file(suppression: Any, left: int) -> None:
    ran = compiled("b.c:3: warning: x\n", suppressionList=[suppression])
    assert ran.step.warnCount == left


FILE = """# a comment

src/a.c : unused
.*b.c : shadow : 20
c.c: odd: 1-5
nonsense
"""


def test_suppressions_of_a_file_on_the_worker() -> None:
    harness = StepHarness()
    harness.expect("uploadFile", workersrc="supp", workdir="build").upload(FILE)
    harness.expect("shell").stdout(
        "src/a.c:3: warning: unused\n"
        "src/b.c:20: warning: shadow\n"
        "src/b.c:21: warning: shadow\n"
        "c.c:5: warning: odd\n"
        "c.c:6: warning: odd\n"
    )
    step = Compile(
        warningPattern=GCC,
        warningExtractor=Compile.warnExtractFromRegexpGroups,
        suppressionFile="supp",
    )
    ran = harness.run(step)
    assert ran.step.loggedWarnings == ["src/b.c:21: warning: shadow", "c.c:6: warning: odd"]


def test_without_the_file_of_suppressions_the_step_fails() -> None:
    harness = StepHarness()
    harness.expect("uploadFile").rc(1)
    assert harness.run(Compile(suppressionFile="supp")).result == FAILURE


def test_directories_that_make_enters_are_followed() -> None:
    ran = compiled(
        "make[1]: Entering directory `/src/one'\n"
        "a.c:1: warning: x\n"
        "make[2]: Entering directory '/src/one/two'\n"
        "b.c:1: warning: x\n"
        "/abs/c.c:1: warning: x\n"
        "make[2]: Leaving directory '/src/one/two'\n"
        "d.c:1: warning: x\n"
        "make[1]: Leaving directory `/src/one'\n"
        "make[1]: Leaving directory `/src'\n"
        "e.c:1: warning: x\n",
        warningPattern=GCC,
        warningExtractor=Compile.warnExtractFromRegexpGroups,
        suppressionList=[
            ("/src/one/a.c$", None, None, None),
            ("/src/one/two/b.c$", None, None, None),
            ("/abs/c.c$", None, None, None),
            ("e.c$", None, None, None),
        ],
    )
    assert ran.step.loggedWarnings == ["d.c:1: warning: x"]


def test_subclasses_may_override_what_is_made_of_the_output() -> None:
    class Mine(Compile):
        def createSummary(self) -> None:
            self.said = self.warnCount

        def evaluateCommand(self, cmd: Any) -> int:
            return SUCCESS if super().evaluateCommand(cmd) == WARNINGS else FAILURE

    harness = StepHarness()
    harness.expect("shell").stdout("warning: x\n")
    ran = harness.run(Mine())
    assert (ran.result, ran.step.said) == (SUCCESS, 1)


def test_a_stopped_compilation_is_cancelled() -> None:
    harness = StepHarness()
    harness.expect("shell").stdout("warning: x\n").hangs()
    ran = harness.start(Compile())
    ran.build.stop("enough")
    assert ran.result == CANCELLED


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'command' argument is not specified"),
        ({"command": "x", "warningPattern": "("}, "'warningPattern' is no regular expression"),
        ({"command": "x", "maxWarnCnt": 1}, "did you mean 'maxWarnCount'?"),
    ],
)
def test_wrong_arguments_are_faults(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        WarningCountingShellCommand(**arguments)


# -- Test


class Counting(Test):
    numbers: dict[str, int] = {}

    def createSummary(self) -> None:
        self.setTestResults(**self.numbers)


@pytest.mark.parametrize(
    ("numbers", "state"),
    [
        ({}, "test (failure)"),
        ({"total": 4, "passed": 4}, "test 4 tests 4 passed (failure)"),
        (
            {"failed": 1, "passed": 2, "warnings": 3},
            "test 6 tests 2 passed 3 warnings 1 failed (failure)",
        ),
    ],
)
def test_the_numbers_of_tests_are_shown(numbers: dict[str, int], state: str) -> None:
    harness = StepHarness()
    harness.expect("shell", command=["make", "test"]).rc(1)
    step_class = type("Mine", (Counting,), {"numbers": numbers})
    ran = harness.run(step_class())
    assert ran.state == state
    assert ran.step.getStatistic("tests-total") == numbers.get("total", 0)
    assert Test.warnOnFailure
