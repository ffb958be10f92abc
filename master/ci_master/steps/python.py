"""Steps for Python projects: Sphinx, pyflakes and removing compiled files."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ci_common.results import CANCELLED, FAILURE, SUCCESS, WARNINGS, worst_status
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.faults import configFault
from ci_master.builds.logobserver import LogLineObserver
from ci_master.builds.rendering import is_renderable
from ci_master.steps.shell import ShellCommand

__all__ = ["PyFlakes", "RemovePYCs", "Sphinx"]


class RemovePYCs(ShellCommand):
    """Remove compiled Python files, which may outlive their sources."""

    name = "remove_pyc"
    command: Any = ["find", ".", "-name", "*.pyc", "-exec", "rm", "{}", ";"]
    description: Any = "removing .pyc files"
    descriptionDone: Any = "remove .pycs"


class _Lines(LogLineObserver):
    """Gives each line of the output to a function."""

    def __init__(self, take: Any) -> None:
        self._take = take

    def outLineReceived(self, line: str) -> None:
        self._take(line.rstrip())

    errLineReceived = outLineReceived


class Sphinx(ShellMixin, BuildStep):
    """Make documentation with Sphinx, and count its warnings.

    :param sphinx_sourcedir: the directory of the documents.
    :type sphinx_sourcedir: string or renderable
    :param sphinx_builddir: the directory of the result; it has to be given.
    :type sphinx_builddir: string or renderable
    :param sphinx_builder: the kind of result (``-b``); None leaves it to Sphinx.
    :type sphinx_builder: string, renderable or None
    :param sphinx: the program.
    :type sphinx: string, list or renderable
    :param tags: tags of Sphinx (``-t``).
    :type tags: list or None
    :param defines: settings of ``conf.py`` (``-D``); a value of None sets the setting to 1.
    :type defines: dictionary or None
    :param strict_warnings: let warnings count as errors (``-W``).
    :param mode: ``incremental``, or ``full`` to read all documents again.
    """

    name = "sphinx"
    description: Any = "running sphinx"
    descriptionDone: Any = "sphinx"
    haltOnFailure = True

    def __init__(
        self,
        sphinx_sourcedir: Any = ".",
        sphinx_builddir: Any = None,
        sphinx_builder: Any = None,
        sphinx: Any = "sphinx-build",
        tags: Sequence[str] | None = None,
        defines: Mapping[str, Any] | None = None,
        strict_warnings: bool = False,
        mode: str = "incremental",
        **kwargs: Any,
    ) -> None:
        if not sphinx_builddir:
            configFault("a Sphinx step has no 'sphinx_builddir'", "write sphinx_builddir='_build'")
        if mode not in ("incremental", "full"):
            configFault(f"'mode' of a Sphinx step is {mode!r}", "write 'incremental' or 'full'")
        super().__init__(**self.setupShellMixin(kwargs, prohibitArgs=["command"]))
        command = [sphinx]
        for tag in tags or ():
            command += ["-t", tag]
        for name, value in sorted((defines or {}).items()):
            command += ["-D", _define(name, value)]
        if sphinx_builder is not None:
            command += ["-b", sphinx_builder]
        if mode == "full":
            command.append("-E")
        if strict_warnings:
            command.append("-W")
        self.command = [*command, sphinx_sourcedir, sphinx_builddir]
        self.warnings = 0
        self._warned: list[str] = []

    async def run(self) -> int:
        """Run it."""
        self.addLogObserver("stdio", _Lines(self._line))
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        self.warnings = len(self._warned)
        if self._warned:
            await self.addCompleteLog("warnings", "\n".join(self._warned) + "\n")
        self.setStatistic("warnings", self.warnings)
        if self.stopped:
            return CANCELLED
        result = int(command.results())
        return worst_status(result, WARNINGS) if self.warnings else result

    def _line(self, line: str) -> None:
        if re.search(r"\b(WARNING|ERROR|SEVERE)\b: |^(Warning|Error): ", line):
            self._warned.append(line)

    def getResultSummary(self) -> Any:
        """The number of warnings."""
        self.descriptionDone = [*self.descriptionDone, f"{self.warnings} warnings"]
        return super().getResultSummary()


def _define(name: str, value: Any) -> Any:
    if is_renderable(value):
        return name + "=" + value
    if value is None or value is True:
        value = 1
    return f"{name}={0 if value is False else value}"


class PyFlakes(ShellMixin, BuildStep):
    """Run pyflakes, and count what it finds by kind.

    An undefined name fails the step, all else are warnings. The numbers are statistics, and
    properties ``pyflakes-<kind>`` and ``pyflakes-total``.
    """

    name = "pyflakes"
    command: Any = ["make", "pyflakes"]
    description: Any = "running pyflakes"
    descriptionDone: Any = "pyflakes"
    flunkOnFailure = False

    #: kind -> what a line of it contains; the first that fits counts
    kinds = (
        ("unused", re.compile(r"imported but unused|unused variable|never used")),
        ("undefined", re.compile(r"undefined name|referenced before assignment")),
        ("redefs", re.compile(r"redefinition of|shadowed by")),
        ("import*", re.compile(r"import \*")),
    )
    flunkingIssues = ("undefined",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **self.setupShellMixin(kwargs))
        self._found: dict[str, list[str]] = {}

    async def run(self) -> int:
        """Run it."""
        self._found = {kind: [] for kind in (*(kind for kind, _ in self.kinds), "misc")}
        self.addLogObserver("stdio", _Lines(self._line))
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        await self.getLog("stdio").finish()
        for kind, lines in self._found.items():
            self._count(kind, len(lines))
            if lines:
                await self.addCompleteLog(kind, "\n".join(lines) + "\n")
        total = sum(map(len, self._found.values()))
        self._count("total", total)
        if self.stopped:
            return CANCELLED
        if any(self._found[kind] for kind in self.flunkingIssues):
            return FAILURE
        if total:
            return WARNINGS
        return SUCCESS if command.rc in (0, 1) else FAILURE

    def _line(self, line: str) -> None:
        if not re.match(r".+?:\d+", line):
            return  # make, or the program itself, says something
        kind = next((kind for kind, pattern in self.kinds if pattern.search(line)), "misc")
        self._found[kind].append(line)

    def _count(self, kind: str, count: int) -> None:
        self.setStatistic(f"pyflakes-{kind}", count)
        self.setProperty(f"pyflakes-{kind}", count, "pyflakes")

    def getResultSummary(self) -> Any:
        """The numbers that are not zero."""
        counts = [f"{kind}={len(lines)}" for kind, lines in self._found.items() if lines]
        self.descriptionDone = [*self.descriptionDone, *counts]
        return super().getResultSummary()
