"""Steps that count warnings in what a command prints."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from ci_common.aio import call_override
from ci_common.numbers import whole_number
from ci_common.results import CANCELLED, FAILURE, WARNINGS, worst_status
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.composite import CompositeStepMixin
from ci_master.builds.faults import configFault
from ci_master.builds.logobserver import LogLineObserver

__all__ = ["Compile", "Test", "WarningCountingShellCommand"]

#: (file or None, line number or None, text) of a warning.
Warned = tuple[str | None, int | None, str]
#: What ``warningExtractor`` is: (step, line, match) -> Warned.
Extractor = Callable[[Any, str, "re.Match[str]"], Warned]
#: (pattern of the file, pattern of the text, first line, last line).
Suppression = tuple[str | None, str | None, int | None, int | None]


class WarningCountingShellCommand(ShellMixin, BuildStep, CompositeStepMixin):
    """Run a command; the lines of its output that match a pattern are warnings.

    :param warningPattern: regular expression, matched at the start of each line of the output;
        None counts nothing.
    :type warningPattern: string, pattern or None
    :param warningExtractor: gets (step, line, match), and returns the (file, line number, text)
        of a warning.
    :type warningExtractor: function or None
    :param maxWarnCount: most warnings with which the step does not fail; None: any number.
    :type maxWarnCount: whole number or None
    :param directoryEnterPattern: regular expression of lines that tell that make enters a
        directory, which is its group 1.
    :type directoryEnterPattern: string, pattern or None
    :param directoryLeavePattern: regular expression of lines that tell that make leaves that
        directory.
    :type directoryLeavePattern: string, pattern or None
    :param suppressionFile: file on the worker with warnings that do not count, in lines ``file
        : text [: first[-last]]``.
    :type suppressionFile: string, renderable or None
    :param suppressionList: warnings that do not count, as tuples (file, text, first line, last
        line).
    :type suppressionList: list or None
    """

    name = "generic"
    renderables = (
        "directoryEnterPattern",
        "directoryLeavePattern",
        "maxWarnCount",
        "suppressionFile",
        "suppressionList",
        "warningPattern",
    )

    warnCount = 0
    warningPattern: Any = "(?i).*warning[: ].*"
    directoryEnterPattern: Any = (
        "make.*: Entering directory [\N{RIGHT SINGLE QUOTATION MARK}\"`'](.*)"
        "[\N{RIGHT SINGLE QUOTATION MARK}'`\"]"
    )
    directoryLeavePattern: Any = "make.*: Leaving directory"
    suppressionFile: Any = None
    maxWarnCount: Any = None

    commentEmptyLineRe = re.compile(r"^\s*(#.*)?$")
    suppressionLineRe = re.compile(r"^\s*(.+?)\s*:\s*(.+?)\s*(?:[:]\s*([0-9]+)(?:-([0-9]+))?\s*)?$")

    def __init__(
        self,
        warningPattern: Any = ...,
        warningExtractor: Extractor | None = None,
        maxWarnCount: Any = None,
        directoryEnterPattern: Any = None,
        directoryLeavePattern: Any = None,
        suppressionFile: Any = None,
        suppressionList: Any = None,
        **kwargs: Any,
    ) -> None:
        if warningPattern is not ...:
            self.warningPattern = warningPattern
        if directoryEnterPattern is not None:
            self.directoryEnterPattern = directoryEnterPattern
        if directoryLeavePattern is not None:
            self.directoryLeavePattern = directoryLeavePattern
        if suppressionFile is not None:
            self.suppressionFile = suppressionFile
        if maxWarnCount is not None:
            self.maxWarnCount = maxWarnCount
        self.suppressionList = suppressionList
        self.warningExtractor: Extractor = warningExtractor or type(self).warnExtractWholeLine
        for name in ("warningPattern", "directoryEnterPattern", "directoryLeavePattern"):
            _check_pattern(name, getattr(self, name))
        kwargs = self.setupShellMixin(kwargs)
        if type(self)._made_as_itself(WarningCountingShellCommand) and not self.command:
            configFault(
                "WarningCountingShellCommand's 'command' argument is not specified",
                'write for example command=["make", "all"]',
            )
        super().__init__(**kwargs)
        self.suppressions: list[tuple[Any, Any, int | None, int | None]] = []
        self.directoryStack: list[str] = []
        self.loggedWarnings: list[str] = []

    @classmethod
    def _made_as_itself(cls, exact: type) -> bool:
        return getattr(cls, "_made_as", cls) is exact

    # -- which lines are warnings

    def addSuppression(self, suppressionList: Sequence[Suppression]) -> None:
        """Let warnings that match any of these not count."""
        for file_re, text_re, start, end in suppressionList:
            self.suppressions.append(
                (
                    re.compile(file_re) if file_re else None,
                    re.compile(text_re) if text_re else None,
                    start,
                    end,
                )
            )

    @staticmethod
    def warnExtractWholeLine(step: Any, line: str, match: "re.Match[str]") -> Warned:
        """The warning is the whole line, of no known place."""
        return None, None, line

    @staticmethod
    def warnExtractFromRegexpGroups(step: Any, line: str, match: "re.Match[str]") -> Warned:
        """The pattern's groups 1, 2 and 3 are file, line number and text."""
        file, number, text = match.group(1), match.group(2), match.group(3)
        directories = step.directoryStack
        if file is not None and directories and directories[-1]:
            file = step.build.path_module.join(directories[-1], file)
        return file, whole_number(number), text or ""

    def warningLogged(self, line: str) -> None:
        """Look at one line of the output."""
        if self._enter is not None and (entered := self._enter.search(line)):
            self.directoryStack.append(entered.group(1))
            return
        if self._leave is not None and self._leave.search(line):
            if self.directoryStack:
                self.directoryStack.pop()
            return
        match = self._pattern.match(line) if self._pattern is not None else None
        if match:
            self.maybeAddWarning(self.loggedWarnings, line, match)

    def maybeAddWarning(self, warnings: list[str], line: str, match: "re.Match[str]") -> None:
        """Count a warning, unless it is suppressed."""
        if self.suppressions:
            file, number, text = self.warningExtractor(self, line, match)
            if any(_covers(one, file, number, text) for one in self.suppressions):
                return
        warnings.append(line)
        self.warnCount += 1

    async def setup_suppression(self) -> None:
        """Read the suppressions, from the list and from the worker's file."""
        if self.suppressionList is not None:
            self.addSuppression(self.suppressionList)
        if self.suppressionFile is None:
            return
        text = await self.getFileContentFromWorker(self.suppressionFile, abandonOnFailure=True)
        found: list[Suppression] = []
        for line in (text or "").splitlines():
            if self.commentEmptyLineRe.match(line):
                continue
            match = self.suppressionLineRe.match(line)
            if match:
                file, message, start, end = match.groups()
                first = whole_number(start)
                last = whole_number(end) if end else first
                found.append((file, message, first, last))
        self.addSuppression(found)

    # -- running

    async def run(self) -> int:
        """Run it, count, and say so."""
        self._pattern = _compiled(self.warningPattern)
        self._enter = _compiled(self.directoryEnterPattern)
        self._leave = _compiled(self.directoryLeavePattern)
        if self.suppressionFile is not None:
            await self.addLogForRemoteCommands("suppression")
        await call_override(self.setup_suppression)
        self.addLogObserver("stdio", _Lines(self))
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await call_override(self.finish_logs)
        await call_override(self.createSummary)
        if self.stopped:
            return CANCELLED
        return int(await call_override(self.evaluateCommand, command))

    async def finish_logs(self) -> None:
        """Have all lines of the output looked at."""
        if "stdio" in self.logs:
            await self.getLog("stdio").finish()

    async def createSummary(self) -> None:
        """Show the warnings in a log of their own, and count them."""
        if self.warnCount:
            text = "\n".join(self.loggedWarnings) + "\n"
            await self.addCompleteLog(f"warnings ({self.warnCount})", text)
        self.setStatistic("warnings", self.getStatistic("warnings", 0) + self.warnCount)
        total = self.getProperty("warnings-count", 0) + self.warnCount
        self.setProperty("warnings-count", total, "WarningCountingShellCommand")

    def evaluateCommand(self, cmd: Any) -> int:
        """The result: of the command, and of the warnings."""
        result = int(cmd.results())
        if self.maxWarnCount is not None and self.warnCount > int(self.maxWarnCount):
            result = worst_status(result, FAILURE)
        elif self.warnCount:
            result = worst_status(result, WARNINGS)
        return result


def _check_pattern(name: str, pattern: Any) -> None:
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error as error:
            configFault(f"'{name}' is no regular expression: {error}")


class _Lines(LogLineObserver):
    """Shows each line of the output to the step."""

    def __init__(self, step: WarningCountingShellCommand) -> None:
        super().__init__()
        self._step = step

    def outLineReceived(self, line: str) -> None:
        self._step.warningLogged(line)

    def errLineReceived(self, line: str) -> None:
        self._step.warningLogged(line)


def _compiled(pattern: Any) -> "re.Pattern[str] | None":
    if not pattern:
        return None
    return re.compile(pattern) if isinstance(pattern, str) else pattern


def _covers(
    suppression: tuple[Any, Any, int | None, int | None],
    file: str | None,
    number: int | None,
    text: str,
) -> bool:
    file_re, text_re, start, end = suppression
    if file_re is not None and file is not None and not file_re.match(file):
        return False  # a warning of no known place may be of this file
    if text_re is not None and not text_re.search(text):
        return False
    if start is None and end is None:
        return True
    return number is not None and (start or 0) <= number <= (end if end is not None else number)


class Compile(WarningCountingShellCommand):
    """Run ``make all``, counting warnings."""

    name = "compile"
    haltOnFailure = True
    flunkOnFailure = True
    description = ["compiling"]
    descriptionDone = ["compile"]
    command: Any = ["make", "all"]


class Test(WarningCountingShellCommand):
    """Run ``make test``; a subclass that reads the output calls :meth:`setTestResults`."""

    name = "test"
    warnOnFailure = True
    description = ["testing"]
    descriptionDone = ["test"]
    command: Any = ["make", "test"]

    def setTestResults(
        self, total: int = 0, failed: int = 0, passed: int = 0, warnings: int = 0
    ) -> None:
        """Add to the numbers of tests shown for the step."""
        for key, count in (
            ("tests-total", total),
            ("tests-failed", failed),
            ("tests-passed", passed),
            ("tests-warnings", warnings),
        ):
            self.setStatistic(key, self.getStatistic(key, 0) + count)

    def getResultSummary(self) -> Any:
        """The numbers of tests, if there are any."""
        if not self.hasStatistic("tests-total"):
            return super().getResultSummary()
        total, failed, passed, warnings = (
            self.getStatistic(f"tests-{key}", 0)
            for key in ("total", "failed", "passed", "warnings")
        )
        if not total:
            total = failed + passed + warnings
        words = [*(self.descriptionDone or ["test"])]
        if total:
            words.append(f"{total} tests")
        for count, word in ((passed, "passed"), (warnings, "warnings"), (failed, "failed")):
            if count:
                words.append(f"{count} {word}")
        summary = " ".join(words)
        return {"step": self._with_outcome(summary, " (max lines)")}
