"""A step of several commands, one after the other."""

from typing import Any

from ci_common.aio import call_override
from ci_common.faults import nearest
from ci_common.results import CANCELLED, EXCEPTION, SUCCESS, computeResultAndTermination
from ci_master.builds.buildstep import BuildStep, ShellMixin
from ci_master.builds.faults import configFault
from ci_master.builds.recorded import Recorded
from ci_master.builds.rendering import render

__all__ = ["ShellArg", "ShellSequence"]


class ShellArg(Recorded):
    """One command of a :class:`ShellSequence`.

    :param command: the program and its arguments as a list, or one string for the worker's
        shell.
    :type command: string, list or renderable
    :param logname: the log that gets its output; None: ``stdio``.
    :type logname: string, renderable or None
    """

    flunkOnFailure = True
    flunkOnWarnings = False
    haltOnFailure = False
    warnOnFailure = False
    warnOnWarnings = False

    publicAttributes = (
        "haltOnFailure",
        "flunkOnWarnings",
        "flunkOnFailure",
        "warnOnWarnings",
        "warnOnFailure",
        "command",
        "logname",
    )

    def __init__(self, command: Any = None, logname: Any = None, **kwargs: Any) -> None:
        self.command = command
        self.logname = logname
        self.flunkOnFailure = kwargs.pop("flunkOnFailure", self.flunkOnFailure)
        self.flunkOnWarnings = kwargs.pop("flunkOnWarnings", self.flunkOnWarnings)
        self.haltOnFailure = kwargs.pop("haltOnFailure", self.haltOnFailure)
        self.warnOnFailure = kwargs.pop("warnOnFailure", self.warnOnFailure)
        self.warnOnWarnings = kwargs.pop("warnOnWarnings", self.warnOnWarnings)
        for name in kwargs:
            near = nearest(name, self.publicAttributes)
            configFault(
                f"ShellArg got unexpected keyword argument '{name}'",
                f"did you mean '{near}'?" if near else f"known: {', '.join(self.publicAttributes)}",
            )

    def validateAttributes(self) -> None:
        """Check what rendering made of the arguments.

        :raises TypeError: if the command is neither a string nor a list.
        """
        if not isinstance(self.command, str | list):
            raise TypeError(f"the command of a ShellArg is {self.command!r}: no string or list")

    async def rendered(self, properties: Any) -> "ShellArg":
        """A copy with everything filled in."""
        values = {
            name: await render(getattr(self, name), properties) for name in self.publicAttributes
        }
        return ShellArg(**values)


class ShellSequence(ShellMixin, BuildStep):
    """Run commands one after the other; each has flags that say what its failure means.

    :param commands: the commands, as ``ShellArg`` objects.
    :type commands: list or renderable
    """

    name = "generic"
    last_command: str | list[str] | None = None
    renderables = ("commands",)

    def __init__(self, commands: Any = None, **kwargs: Any) -> None:
        self.commands = commands
        kwargs = self.setupShellMixin(kwargs, prohibitArgs=["command"])
        super().__init__(**kwargs)

    def shouldRunTheCommand(self, cmd: Any) -> Any:
        """Whether a command is to be run; by default, if it is not empty."""
        return bool(cmd)

    def getFinalState(self) -> Any:
        """What is shown at the end."""
        return self.describe(True)

    def describe(self, done: bool = False) -> Any:
        """What is shown."""
        return self.descriptionDone if done else self.description

    async def runShellSequence(self, commands: Any) -> int:
        """Run these commands."""
        overall = SUCCESS
        if commands is None:
            return await self._broken("commands is None")
        for argument in commands:
            if not isinstance(argument, ShellArg):
                return await self._broken(f"{argument!r} is no ShellArg")
            one = await argument.rendered(self.build)
            try:
                one.validateAttributes()
            except TypeError as error:
                return await self._broken(str(error))
            if not await call_override(self.shouldRunTheCommand, one.command):
                continue
            self.last_command = one.command
            command = await self.makeRemoteShellCommand(
                command=one.command, stdioLogName=one.logname or "stdio"
            )
            await self.runCommand(command)
            if self.stopped:
                return CANCELLED
            overall, terminate = computeResultAndTermination(one, command.results(), overall)
            if terminate:
                break
        return overall

    async def _broken(self, why: str) -> int:
        await self.addCompleteLog("err.text", f"ShellSequence: {why}\n")
        return EXCEPTION

    async def run(self) -> int:
        """Run them all."""
        return await self.runShellSequence(self.commands)
