"""A step that runs a program on the master."""

import os
import re
import signal
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from ci_common.aio import spawn
from ci_common.failures import killed_by, out_of_limit
from ci_common.processes.child import ChildProcess, Ended
from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.log import StreamLog

#: seconds between a signal that a program may ignore and the one that it cannot
PATIENCE_S = 5.0


class MasterShellCommand(BuildStep):
    """Run a command on the master.

    :param command: the program and its arguments as a list; or one string for the shell.
    :type command: string, list or renderable
    :param env: variables added to the master's environment; lists are joined with the path
        separator, ``${NAME}`` is filled in from the master's environment, None removes a
        variable.
    :type env: dictionary or None
    :param usePTY: run it in a pseudo-terminal.
    :type usePTY: True or False
    :param interruptSignal: the signal that stops it, without SIG. What has not ended 5 seconds
        later is killed, with all that it started.
    :param logEnviron: write the environment to the log.
    :param runtime_timeout: seconds after which it is killed and the step fails; None: never.
    :type runtime_timeout: number or None
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
        if interruptSignal != "KILL" and not hasattr(signal, f"SIG{interruptSignal}"):
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

    async def run(self) -> int:
        """Run it."""
        log: StreamLog = await self.addLog("stdio")
        argv = self._argv()
        env = _environment(self.env)
        workdir = self._workdir or os.getcwd()
        line = argv if isinstance(argv, str) else " ".join(argv)
        await log.addHeader(f"{line}\n in dir {workdir}\n argv: {argv}\n")
        if self.logEnviron:
            lines = "".join(f"   {key}={value}\n" for key, value in sorted(env.items()))
            await log.addHeader(f" environment:\n{lines}")
        if self.stopped:
            return CANCELLED
        program = _Program(self.master.reactor, self.build.services.records, log)
        try:
            program.spawn(argv, cwd=workdir, use_pty=bool(self.usePTY), env=env)
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
        except CancelledError:
            self._stop("cut short")
            raise
        finally:
            if timer is not None and timer.active():
                timer.cancel()
            self._program = None
        return await self._result(log, ending)

    async def _result(self, log: StreamLog, ending: Ended | None) -> int:
        if ending is None:
            await log.addHeader("it was killed and does not end; it is left behind\n")
        if ending is not None:
            self.exit_code = ending.exitCode
            self.ending = killed_by(ending.signal) if ending.signal else ""
        if self._killed_why is not None:
            if not self.stopped:
                limit = out_of_limit("timeout", self.runtime_timeout)
                self.ending = ", ".join(filter(None, [limit, self.ending]))
            await log.addHeader(f"{self._killed_why}, killed\n")
            if self.stopped:
                return CANCELLED
            self.timed_out = True
            if ending is not None:
                self.descriptionDone = [_how(ending)]
            return FAILURE
        assert ending is not None  # it was not killed
        if ending.exitCode == 0:
            await log.addHeader("exit status 0\n")
            return SUCCESS
        status = f"signal {ending.signal}" if ending.signal else f"exit status {ending.exitCode}"
        await log.addHeader(f"{status}\n")
        self.descriptionDone = [_how(ending)]
        return FAILURE

    def _argv(self) -> list[str] | str:
        if isinstance(self.command, str):
            if os.name == "nt":
                return f'{os.environ["COMSPEC"]} /c "{self.command}"'
            return ["/bin/sh", "-c", self.command]
        return [str(part) for part in self.command]

    def _stop(self, why: str) -> None:
        """End the program and all that it started."""
        program = self._program
        if program is None or self._killed_why is not None:
            return
        self._killed_why = why
        if self.interruptSignal == "KILL":
            program.end()
        else:
            # KILL comes last, after the time that the signal has to be followed.
            program.end(self.interruptSignal, patience_s=PATIENCE_S)

    def interrupt(self, reason: Any) -> Any:
        """Stop it by its signal."""
        result = super().interrupt(reason)
        self._stop("interrupted")
        return result


def _how(ending: Ended) -> str:
    """What the step says instead of "Ran"."""
    if ending.signal:
        return f"killed ({ending.signal})"
    return f"failed ({ending.exitCode})" if ending.exitCode else "killed"


class _Program(ChildProcess):
    """Copies what a program prints into a log, no faster than the log can be stored.

    :ivar ended: fires with how it ended; None if it cannot be killed.
    """

    logger = Logger()

    def __init__(self, clock: Any, records: Any, log: StreamLog) -> None:
        super().__init__(clock, records)
        self.ended: Deferred[Ended | None] = Deferred()
        self._log = log
        self._waits = False

    def outReceived(self, data: bytes) -> None:
        self._log.addStdout(data)
        self._wait_for_room()

    def errReceived(self, data: bytes) -> None:
        self._log.addStderr(data)
        self._wait_for_room()

    def _wait_for_room(self) -> None:
        if not self._log.writer.has_room and not self._waits:
            self._waits = True
            self.pause()
            spawn(self._resume(), self.logger, "waiting for a log to be stored")

    async def _resume(self) -> None:
        await self._log.writer.room()
        self._waits = False
        self.resume()

    def program_over(self, ended: Ended) -> None:
        self.ended.callback(ended)

    def program_survived(self) -> None:
        self.ended.callback(None)

    def output_held(self) -> None:
        text = "the output is held open by a process that cannot be reached; closing it\n"
        self._log.addHeader(text)


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
