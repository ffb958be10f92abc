"""A step that runs a program on the master."""

import os
import re
import signal
from collections.abc import Mapping
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import spawn
from ci_common.processes.spawn import spawn_in_session
from ci_common.processes.tree import kill_tree, signal_group
from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.log import StreamLog

#: seconds between a signal that a program may ignore and the one that it cannot
PATIENCE_S = 10.0

#: seconds that the output of a killed program may be held open by what escaped
GRACE_S = 5.0


class MasterShellCommand(BuildStep):
    """Run a command on the master.

    :param command: a list, or one string for the shell.
    :param env: added to the master's environment; lists are joined with the path separator,
        ``${NAME}`` is filled in from the master's environment, None removes a variable.
    :param usePTY: run it in a terminal.
    :param interruptSignal: signal by which it is stopped, without SIG. What has not ended
        10 seconds later is killed, with all that it started.
    :param logEnviron: show the environment in the log.
    :param runtime_timeout: seconds after which it is killed, and the step fails; None for never.
    """

    name = "MasterShellCommand"
    description: Any = "Running"
    descriptionDone: Any = "Ran"
    renderables = ("command", "env")
    haltOnFailure = True
    flunkOnFailure = True

    def __init__(
        self,
        command: Any,
        env: Any = None,
        usePTY: bool | int = 0,
        interruptSignal: str = "KILL",
        logEnviron: bool = True,
        runtime_timeout: float | None = 3600,
        **kwargs: Any,
    ) -> None:
        if not hasattr(signal, f"SIG{interruptSignal}"):
            configFault(f"there is no signal {interruptSignal!r}", "write 'KILL', 'TERM' or 'INT'")
        super().__init__(**kwargs)
        self.command = command
        self.env = env
        self.usePTY = usePTY
        self.interruptSignal = interruptSignal
        self.logEnviron = logEnviron
        self.runtime_timeout = runtime_timeout
        self._program: _Program | None = None
        self._killed_why: str | None = None
        self._kill_call: Any = None

    async def run(self) -> int:
        """Run it."""
        log: StreamLog = await self.addLog("stdio")
        argv = self._argv()
        env = _environment(self.env)
        workdir = self._workdir or os.getcwd()
        await log.addHeader(f"{' '.join(argv)}\n in dir {workdir}\n argv: {argv}\n")
        if self.logEnviron:
            lines = "".join(f"   {key}={value}\n" for key, value in sorted(env.items()))
            await log.addHeader(f" environment:\n{lines}")
        program = _Program(log)
        try:
            spawn_in_session(
                self.master.reactor, program, argv, cwd=workdir, use_pty=bool(self.usePTY), env=env
            )
        except OSError as problem:
            what = problem.filename or argv[0]
            await log.addStderr(f"cannot execute {what!r}: {problem.strerror or problem}\n")
            return FAILURE
        self._program = program
        timer = None
        if self.runtime_timeout is not None:
            clock = self.build.services.clock
            timer = clock.callLater(self.runtime_timeout, self._stop, "timed out")
        try:
            ending = await program.ended
        finally:
            for call in (timer, self._kill_call):
                if call is not None and call.active():
                    call.cancel()
            self._program = None
        return await self._result(log, ending)

    async def _result(self, log: StreamLog, ending: Any) -> int:
        if self._killed_why is not None:
            await log.addHeader(f"{self._killed_why}, killed\n")
            if self.stopped:
                return CANCELLED
            self.timed_out = True
            return FAILURE
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

    def _stop(self, why: str) -> None:
        """End the program and all that it started."""
        program = self._program
        if program is None or self._killed_why is not None:
            return
        self._killed_why = why
        if self.interruptSignal == "KILL" or os.name == "nt":
            self._kill()
            return
        signal_group(program.pid, getattr(signal, f"SIG{self.interruptSignal}"))
        self._kill_call = self.build.services.clock.callLater(PATIENCE_S, self._kill)

    def _kill(self) -> None:
        if self._program is not None:
            self._program.kill()
            close = self._program.transport.loseConnection
            self._kill_call = self.build.services.clock.callLater(GRACE_S, close)

    def interrupt(self, reason: Any) -> Any:
        """Stop it by its signal."""
        result = super().interrupt(reason)
        self._stop("interrupted")
        return result


class _Program(ProcessProtocol):
    """Copies what a program prints into a log, no faster than the log can be stored."""

    transport: Any
    logger = Logger()

    def __init__(self, log: StreamLog) -> None:
        self.ended: Deferred[Any] = Deferred()
        self.pid = 0
        self._log = log
        self._gone = False
        self._paused = False

    def connectionMade(self) -> None:
        """It runs; it gets no input."""
        self.pid = self.transport.pid
        if os.name == "nt":
            self.transport.closeStdin()

    def kill(self) -> None:
        """Kill it, with all that it started: also what outlived it and holds its output open."""
        kill_tree(self.pid, root_has_ended=self._gone)

    def outReceived(self, data: bytes) -> None:
        self._log.addStdout(data)
        self._wait_for_room()

    def errReceived(self, data: bytes) -> None:
        self._log.addStderr(data)
        self._wait_for_room()

    def _wait_for_room(self) -> None:
        if not self._log.writer.has_room and not self._paused:
            self._paused = True
            self.transport.pauseProducing()
            spawn(self._resume(), self.logger, "waiting for a log to be stored")

    async def _resume(self) -> None:
        await self._log.writer.room()
        self._paused = False
        self.transport.resumeProducing()

    def processExited(self, reason: Failure) -> None:
        self._gone = True

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(reason.value)


def _environment(changes: Mapping[str, Any] | None) -> dict[str, str]:
    base = dict(os.environ)
    filled = dict(base)
    for key, value in (changes or {}).items():
        if value is None:
            filled.pop(key, None)
            continue
        text = os.pathsep.join(value) if isinstance(value, list | tuple) else str(value)
        filled[key] = re.sub(r"\$\{(\w+)\}", lambda match: base.get(match.group(1), ""), text)
    return filled
