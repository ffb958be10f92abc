"""A step that runs tests with Trial, and reads what it says."""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.faults import configFault
from ci_master.builds.logobserver import LogLineObserver

__all__ = ["Trial"]

_COUNTS = ("skips", "expectedFailures", "failures", "errors", "unexpectedSuccesses", "successes")
_WARNING = re.compile(r"\b\w*Warning: ")


class Trial(ShellMixin, BuildStep):
    """Run tests with Twisted's Trial.

    Arguments that are None leave it to the class attribute of the same name.

    :param python: the interpreter, or a list of it and its options; None runs ``trial`` itself.
    :type python: string, list or None
    :param trial: the program; None: ``trial``.
    :type trial: string or None
    :param testpath: the directory that is put into PYTHONPATH; None: none.
    :type testpath: string or None
    :param tests: names of modules, packages or test cases.
    :type tests: string, list or None
    :param testChanges: run the tests that the changed files name in place of ``tests``.
    :type testChanges: True, False or None
    :param reactor: the reactor to use.
    :type reactor: string or None
    :param recurse: look for tests in packages below, too.
    :type recurse: True, False or None
    :param randomly: run the tests in random order.
    :type randomly: True, False or None
    :param trialMode: arguments that set the form of Trial's output; the step has to understand
        it.
    :type trialMode: list or None
    :param trialArgs: further arguments.
    :type trialArgs: list or None
    :param jobs: number of processes that run tests at once; None: one.
    :type jobs: whole number or None
    """

    name = "trial"
    description: Any = "testing"
    descriptionDone: Any = "tests"
    renderables = ("jobs", "tests")
    progressMetrics = ("output", "tests", "test.log")
    logfiles: Any = {"test.log": "_trial_temp/test.log"}

    python: Any = None
    trial: Any = "trial"
    testpath: Any = ()
    tests: Any = None
    testChanges: Any = False
    reactor: Any = None
    recurse: Any = False
    randomly: Any = False
    trialMode: Any = ("--reporter=bwverbose",)
    trialArgs: Any = ()
    jobs: Any = None

    #: arguments that override class attributes
    _OWN: ClassVar[Sequence[str]] = (
        "python", "trial", "tests", "testChanges", "recurse", "randomly", "trialMode",
        "trialArgs", "jobs",
    )  # fmt: skip

    def __init__(
        self,
        reactor: Any = (),
        python: Any = None,
        trial: Any = None,
        testpath: Any = (),
        tests: Any = None,
        testChanges: Any = None,
        recurse: Any = None,
        randomly: Any = None,
        trialMode: Any = None,
        trialArgs: Any = None,
        jobs: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        given = locals()
        for name in self._OWN:
            if given[name] is not None:
                setattr(self, name, given[name])
        if reactor != ():
            self.reactor = reactor
        if testpath != ():
            self.testpath = testpath
        if not self.tests and not self.testChanges:
            configFault("a Trial step has no tests", "write tests='package', or testChanges=True")
        self._told = _Told()

    def _words(self) -> list[Any]:
        python = self.python or []
        words = [*python] if isinstance(python, list | tuple) else [python]
        words += [self.trial, *self.trialMode]
        if self.reactor:
            words.append(f"--reactor={self.reactor}")
        if self.recurse:
            words.append("--recurse")
        if self.randomly:
            words.append("--random=0")
        words += self.trialArgs
        if self.jobs is not None:
            words.append(f"--jobs={self.jobs}")
        if self.testChanges:
            words += [f"--testmodule={name}" for name in self.build.allFiles()]
        else:
            words += [self.tests] if isinstance(self.tests, str) else self.tests
        return words

    async def run(self) -> int:
        """Run them."""
        if self.testpath:
            path = (self.env or {}).get("PYTHONPATH") or []
            before = [path] if isinstance(path, str) else list(path)
            self.env = {**(self.env or {}), "PYTHONPATH": [self.testpath, *before]}
        self.command = self._words()
        self.addLogObserver("stdio", self._told)
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        told = self._told
        for name, lines in (("problems", told.problems), ("warnings", told.warnings)):
            if lines:
                await self.addCompleteLog(name, "\n".join(lines) + "\n")
        self.setStatistic("tests-total", told.total or 0)
        self.setStatistic("tests-failed", told.failed)
        self.setStatistic("tests-passed", told.counts.get("successes", 0))
        self.setStatistic("tests-warnings", len(told.warnings))
        if self.stopped:
            return CANCELLED
        if command.results() != SUCCESS:
            return int(command.results())
        return FAILURE if told.total is None or told.failed else SUCCESS

    def getResultSummary(self) -> Any:
        """How many tests there were, and what became of them."""
        told = self._told
        if told.total is None:
            words = ["no summary of tests"]
        else:
            words = [f"{told.total} tests"] if told.total != 1 else ["1 test"]
            words += [f"{count} {name}" for name, count in told.counts.items() if count]
        self.descriptionDone = words
        return super().getResultSummary()


class _Told(LogLineObserver):
    """Reads the output: the numbers, and the parts worth a log of their own."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.counts: dict[str, int] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._in_problems = False

    @property
    def failed(self) -> int:
        """Tests that did not do what they should."""
        return sum(
            self.counts.get(name, 0) for name in ("failures", "errors", "unexpectedSuccesses")
        )

    def outLineReceived(self, line: str) -> None:
        line = line.rstrip("\r")
        if ran := re.match(r"Ran ([0-9]{1,9}) tests? in ", line):
            self.total = int(ran.group(1))
            self._in_problems = False
        elif line.startswith(("PASSED", "FAILED")) and self.total is not None:
            for name, count in re.findall(r"(\w+)=([0-9]{1,9})(?![0-9])", line):
                if name in _COUNTS:
                    self.counts[name] = int(count)
        elif re.fullmatch("={20,}", line):
            self._in_problems = True
        if self._in_problems:
            self.problems.append(line)
        elif _WARNING.search(line):
            self.warnings.append(line)

    errLineReceived = outLineReceived
