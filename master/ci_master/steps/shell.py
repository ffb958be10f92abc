"""Steps that run a command on the worker."""

from collections.abc import Callable
from typing import Any

from ci_common.aio import call_override
from ci_common.results import CANCELLED, SUCCESS
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.faults import configFault

__all__ = ["Configure", "SetPropertyFromCommand", "ShellCommand"]

#: What ``extract_fn`` is: exit code, stdout and stderr to properties.
Extract = Callable[[int | None, str, str], dict[str, Any]]


class ShellCommand(ShellMixin, BuildStep):
    """Run a command on the worker; its exit code decides the result.

    It takes the arguments of every step that runs a command.
    """

    name = "shell"

    def __init__(self, **kwargs: Any) -> None:
        kwargs = self.setupShellMixin(kwargs)
        if type(self)._made_as_itself(ShellCommand) and not self.command:
            configFault(
                "ShellCommand's 'command' argument is not specified",
                'write for example command=["make", "all"]',
            )
        super().__init__(**kwargs)

    @classmethod
    def _made_as_itself(cls, exact: type) -> bool:
        return getattr(cls, "_made_as", cls) is exact

    async def run(self) -> int:
        """Run it."""
        command = await self.makeRemoteShellCommand()
        await self.runCommand(command)
        if self.stopped:
            return CANCELLED
        return int(command.results())


class Configure(ShellCommand):
    """Run ``./configure``."""

    name = "configure"
    haltOnFailure = True
    flunkOnFailure = True
    description = "configuring"
    descriptionDone = "configure"
    command: Any = ["./configure"]


class SetPropertyFromCommand(ShellMixin, BuildStep):
    """Run a command and set properties from what it prints.

    :param property: name of the property that gets the output. A command that fails sets
        nothing.
    :type property: string or None
    :param extract_fn: used in place of ``property``: gets (exit code, stdout, stderr), and
        returns a dictionary of properties.
    :type extract_fn: function or None
    :param strip: take white space off both ends of the output; used with ``property``.
    :param includeStdout: put standard output into the value; used with ``property``.
    :param includeStderr: put standard error into the value; used with ``property``.
    """

    name = "setproperty"
    renderables = ("property",)

    def __init__(
        self,
        property: Any = None,
        extract_fn: Extract | None = None,
        strip: bool = True,
        includeStdout: bool = True,
        includeStderr: bool = False,
        **kwargs: Any,
    ) -> None:
        if (property is None) == (extract_fn is None):
            configFault(
                "SetPropertyFromCommand needs exactly one of 'property' and 'extract_fn'",
                "write property='name', or extract_fn=a function of (rc, stdout, stderr)",
            )
        self.property = property
        self.extract_fn = extract_fn
        self.strip = strip
        self.includeStdout = includeStdout
        self.includeStderr = includeStderr
        kwargs = self.setupShellMixin(kwargs)
        super().__init__(**kwargs)
        self.property_changes: dict[str, Any] = {}

    async def run(self) -> int:
        """Run it, and set what it says."""
        keep_stderr = self.extract_fn is not None or self.includeStderr
        command = await self.makeRemoteShellCommand(collectStdout=True, collectStderr=keep_stderr)
        await self.runCommand(command)
        if self.stopped:
            return CANCELLED
        result = int(command.results())
        changes: dict[str, Any] = {}
        if self.extract_fn is not None:
            told = (command.rc, command.stdout, command.stderr)
            changes = await call_override(self.extract_fn, *told) or {}
        elif result == SUCCESS:
            changes = {self.property: self._value(command)}
        for name, value in changes.items():
            self.setProperty(name, value, "SetPropertyFromCommand Step", runtime=True)
        self.property_changes = changes
        if changes:
            text = "\n".join(f"{name}: {value!r}" for name, value in changes.items())
            await self.addCompleteLog("property changes", text)
        return result

    def _value(self, command: Any) -> str:
        value = ""
        if self.includeStdout:
            value += command.stdout
        if self.includeStderr:
            value += command.stderr
        return value.strip() if self.strip else value

    def getResultSummary(self) -> Any:
        """Names the properties that were set."""
        if self.property_changes:
            names = sorted(self.property_changes)
            if len(names) == 1:
                return {"step": f"property '{names[0]}' set"}
            return {"step": f"{len(names)} properties set"}
        return super().getResultSummary()
