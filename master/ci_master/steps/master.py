"""Steps that need no worker: they run on the master."""

import os
import pprint
import re
import signal
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault

__all__ = [
    "Assert",
    "LogRenderable",
    "MasterShellCommand",
    "SetProperties",
    "SetPropertiesFromEnv",
    "SetProperty",
]


class MasterShellCommand(BuildStep):
    """Run a command on the master.

    :param command: a list, or one string for the shell.
    :param env: added to the master's environment; lists are joined with the path separator,
        ``${NAME}`` is filled in from the master's environment, None removes a variable.
    :param usePTY: run it in a terminal.
    :param interruptSignal: signal by which it is stopped, without SIG.
    :param logEnviron: show the environment in the log.
    :param runtime_timeout: seconds after which it is killed, and the step fails.
    """

    name = "MasterShellCommand"
    description = "Running"
    descriptionDone = "Ran"
    descriptionSuffix = None
    renderables = ("command", "env")
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(self, command: Any, **kwargs: Any) -> None:
        self.env: Any = kwargs.pop("env", None)
        self.usePTY = kwargs.pop("usePTY", 0)
        self.interruptSignal = kwargs.pop("interruptSignal", "KILL")
        self.logEnviron = kwargs.pop("logEnviron", True)
        self.runtime_timeout = kwargs.pop("runtime_timeout", 3600)
        if not hasattr(signal, f"SIG{self.interruptSignal}"):
            configFault(
                f"there is no signal {self.interruptSignal!r}", "write 'KILL', 'TERM' or 'INT'"
            )
        super().__init__(**kwargs)
        self.command = command
        self.process: Any = None
        self._killed_why: str | None = None

    async def run(self) -> int:
        """Run it."""
        log = await self.addLog("stdio")
        argv = self._argv()
        env = _environment(self.env)
        shown = self.command if isinstance(self.command, str) else repr(list(self.command))
        workdir = self._workdir or os.getcwd()
        await log.addHeader(f"{shown}\n in dir {workdir}\n argv: {argv}\n")
        if self.logEnviron:
            lines = "".join(f"   {key}={value}\n" for key, value in sorted(env.items()))
            await log.addHeader(f" environment:\n{lines}")
        clock = self.build.services.clock
        ended: Deferred[BaseException] = Deferred()
        protocol = _Program(log, ended)
        try:
            self.process = clock.spawnProcess(
                protocol, argv[0], argv, path=workdir, usePTY=self.usePTY, env=env
            )
        except OSError as problem:
            await log.addStderr(f"{argv[0]}: {problem}\n")
            return FAILURE
        timer = None
        if self.runtime_timeout is not None:
            timer = clock.callLater(self.runtime_timeout, self._kill, "timed out")
        ending: Any = await ended
        if timer is not None and timer.active():
            timer.cancel()
        self.process = None
        if self._killed_why is not None:
            await log.addHeader(f"{self._killed_why}, killed\n")
        if self.stopped:
            return CANCELLED
        if isinstance(ending, error.ProcessDone):
            await log.addHeader("exit status 0\n")
            return SUCCESS
        status = f"signal {ending.signal}" if ending.signal else f"exit status {ending.exitCode}"
        await log.addHeader(f"{status}\n")
        return FAILURE

    def _argv(self) -> list[str]:
        if isinstance(self.command, str):
            if os.name == "nt":
                return [os.environ["COMSPEC"], "/c", self.command]
            return ["/bin/sh", "-c", self.command]
        return [str(part) for part in self.command]

    def _kill(self, why: str) -> None:
        if self.process is not None:
            self._killed_why = why
            try:
                self.process.signalProcess(self.interruptSignal)
            except error.ProcessExitedAlready:
                self._killed_why = None

    def interrupt(self, reason: Any) -> Any:
        """Stop it by its signal."""
        result = super().interrupt(reason)
        self._kill("interrupted")
        return result


class _Program(ProcessProtocol):
    """Copies what a program prints into a log."""

    def __init__(self, log: Any, ended: "Deferred[BaseException]") -> None:
        self._log = log
        self._ended = ended

    def outReceived(self, data: bytes) -> None:
        self._log.addStdout(data)

    def errReceived(self, data: bytes) -> None:
        self._log.addStderr(data)

    def processEnded(self, reason: Failure) -> None:
        self._ended.callback(reason.value)


def _environment(changes: dict[str, Any] | None) -> dict[str, str]:
    base = dict(os.environ)
    if not changes:
        return base
    filled = dict(base)
    for key, value in changes.items():
        if value is None:
            filled.pop(key, None)
            continue
        text = os.pathsep.join(value) if isinstance(value, list | tuple) else str(value)
        filled[key] = re.sub(r"\$\{(\w+)\}", lambda m: base.get(m.group(1), ""), text)
    return filled


class SetProperty(BuildStep):
    """Set one property.

    :param property: its name.
    :param value: its value; renderables are filled in.
    """

    name = "SetProperty"
    description = ["Setting"]
    descriptionDone = ["Set"]
    renderables = ("property", "value")

    def __init__(self, property: Any, value: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.property = property
        self.value = value

    async def run(self) -> int:
        """Set it."""
        self.setProperty(self.property, self.value, self.name, runtime=True)
        return SUCCESS


class SetProperties(BuildStep):
    """Set properties from a dict, or from a renderable that gives one."""

    name = "SetProperties"
    description = ["Setting Properties.."]
    descriptionDone = ["Properties Set"]
    renderables = ("properties",)

    def __init__(self, properties: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.properties = properties

    async def run(self) -> int:
        """Set them."""
        if self.properties is None:
            return SUCCESS
        for name, value in self.properties.items():
            self.setProperty(name, value, self.name, runtime=True)
        return SUCCESS


class SetPropertiesFromEnv(BuildStep):
    """Set properties from the worker's environment, as it was when the worker came.

    :param variables: a name or a list of names; on Windows their case does not matter.
    :param source: source of the properties.
    """

    name = "SetPropertiesFromEnv"
    description = ["Setting"]
    descriptionDone = ["Set"]

    def __init__(self, variables: Any, source: str = "WorkerEnvironment", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.variables = variables
        self.source = source

    async def run(self) -> int:
        """Set those that are there."""
        environ: dict[str, str] = self.worker.worker_environ
        if self.worker.worker_system == "win32" or self.worker.worker_system == "nt":
            environ = {key.upper(): value for key, value in environ.items()}
            fold = str.upper
        else:
            fold = str
        names = [self.variables] if isinstance(self.variables, str) else self.variables
        lines = []
        for name in names:
            value = environ.get(fold(name))
            if value:
                self.setProperty(name, value, self.source, runtime=True)
                lines.append(f"{name} = {value!r}")
        await self.addCompleteLog("properties", "\n".join(lines))
        return SUCCESS


class LogRenderable(BuildStep):
    """Write a value, with everything filled in, to a log."""

    name = "LogRenderable"
    description = ["Logging"]
    descriptionDone = ["Logged"]
    renderables = ("content",)

    def __init__(self, content: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.content = content

    async def run(self) -> int:
        """Write it."""
        await self.addCompleteLog("Output", pprint.pformat(self.content))
        return SUCCESS


class Assert(BuildStep):
    """Fail if a condition does not hold once everything is filled in."""

    name = "Assert"
    description = ["Checking.."]
    descriptionDone = ["checked"]
    renderables = ("check",)

    def __init__(self, check: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self.descriptionDone = [f"checked {check!r}"]

    async def run(self) -> int:
        """Check it."""
        return SUCCESS if self.check else FAILURE
