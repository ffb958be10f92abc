"""Run one program for a command: its output to the master, its limits, its end."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ci_common.processes.spawn import spawn_in_session
from ci_worker.commands.argv import CommandLine
from ci_worker.commands.base import Place, Teller
from ci_worker.commands.limits import Limits
from ci_worker.commands.logwatch import LogWatch
from ci_worker.commands.output import LineOutput
from ci_worker.commands.stopping import Stopping


class UnkillableProcess(Exception):
    """A process survived even SIGKILL for seconds; it is left behind."""


@dataclass(frozen=True)
class ProgramSpec:
    """What to run and how; the names are those of the shell command's arguments."""

    line: CommandLine
    workdir: str
    env: Mapping[str, str]
    limits: Limits = field(default_factory=Limits)
    logfiles: Mapping[str, Any] = field(default_factory=dict)
    initial_stdin: bytes | None = None
    want_stdout: bool = True
    want_stderr: bool = True
    use_pty: bool = False
    log_environ: bool = True
    sends_rc: bool = True
    sigterm_time_s: float | None = None
    interrupt_signal: str = "KILL"

    def header(self) -> str:
        """What the log of a step begins with."""
        lines = [str(self.line), f" in dir {self.workdir}{self.limits.described()}"]
        lines.append(f" watching logfiles {dict(self.logfiles)}")
        lines.append(f" argv: {self.line.shown!r}")
        if self.log_environ:
            lines.append(" environment:")
            lines += [f"  {name}={self.env[name]}" for name in sorted(self.env)]
        if self.initial_stdin:
            lines.append(f" writing {len(self.initial_stdin)} bytes to stdin")
        lines.append(f" using PTY: {self.use_pty}")
        return "\n".join(lines) + "\n"


class Program(ProcessProtocol):
    """One run of a program.

    Its output is read only as fast as the master takes it. It ends when the program has ended and
    its pipes are closed, or when it was stopped and does not die.
    """

    transport: Any  # a process transport, once there is a process

    def __init__(self, place: Place, spec: ProgramSpec, tell: Teller) -> None:
        self._place = place
        self._spec = spec
        self._tell = tell
        self._ended: Deferred[int] = Deferred()
        self._outputs: dict[int, LineOutput] = {}
        if spec.want_stdout:
            self._outputs[1] = LineOutput(self._putter("stdout"), place.encoding)
        if spec.want_stderr:
            self._outputs[2] = LineOutput(self._putter("stderr"), place.encoding)
        self._lines_seen = 0
        self._watching = spec.limits.watch(place.reactor, self._over_limit)
        self._logs = LogWatch(
            place.reactor,
            lambda name, text, size: tell.put("log", (name, text), size),
            may_read=lambda: not tell.is_full,
            on_activity=self._watching.touch,
            encoding=place.encoding,
        )
        self._stopping: Stopping | None = None

    async def run(self) -> int:
        """Run it to its end; the exit status, -1 if a signal ended it.

        :raises UnkillableProcess: when it was stopped and did not die.
        """
        spec = self._spec
        self._tell.put("header", spec.header())
        self._started_at = self._place.reactor.seconds()
        for name, options in spec.logfiles.items():
            options = options if isinstance(options, Mapping) else {"filename": options}
            path = os.path.join(spec.workdir, options["filename"])
            self._logs.add(name, path, follow=bool(options.get("follow")))
        try:
            spawn_in_session(
                self._place.reactor,
                self,
                spec.line.run,
                env=spec.env,
                cwd=spec.workdir,
                use_pty=spec.use_pty,
                with_stdin=bool(spec.initial_stdin),
            )
        except OSError as failed:
            return self._cannot_start(failed)
        return await self._ended

    def stop(self, reason: str = "command interrupted") -> None:
        """Stop the program and all that it started. A second call does nothing."""
        if self._stopping is not None or self._ended.called or self.transport is None:
            return
        self._tell.put("header", f"\n{reason}, attempting to kill\n")
        self._watching.stop()
        self._stopping = Stopping(
            self._place.reactor,
            self.transport.pid,
            sigterm_time_s=self._spec.sigterm_time_s,
            interrupt_signal=self._spec.interrupt_signal,
            on_survival=self._survived,
        )
        self._resume()
        self._stopping.begin()

    # what the reactor calls

    def connectionMade(self) -> None:
        """The program runs."""
        self._tell.on_full = self._pause
        self._tell.on_room = self._resume
        if self._tell.is_full:
            self._pause()
        if self._spec.initial_stdin:
            self.transport.write(self._spec.initial_stdin)
        if not self._spec.use_pty:
            self.transport.closeStdin()
        self._watching.start()
        self._logs.start()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Output; a terminal sends everything as standard output."""
        self._watching.touch()
        output = self._outputs.get(childFD)
        if output is not None:
            output.feed(data)
            if self._spec.limits.max_lines is not None:
                self._watching.count_lines(sum(out.lines for out in self._outputs.values()))

    def outReceived(self, data: bytes) -> None:
        """Output of a program with a terminal."""
        self.childDataReceived(1, data)

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and so has its output."""
        if self._ended.called:
            return
        ended = reason.value
        assert isinstance(ended, (error.ProcessDone, error.ProcessTerminated))
        if self._stopping is not None:
            self._stopping.end()
        if ended.signal is not None:
            rc = -1
            self._wind_up(rc, f"process killed by signal {ended.signal}\n")
        else:
            rc = -1 if ended.exitCode is None else ended.exitCode
            self._wind_up(rc)
        self._ended.callback(rc)

    # inside

    def _putter(self, key: str) -> Any:
        return lambda text, size: self._tell.put(key, text, size)

    def _pause(self) -> None:
        if self.transport is not None:
            self._watching.suspend()
            self.transport.pauseProducing()

    def _resume(self) -> None:
        if self.transport is not None and not self._ended.called:
            self._watching.touch()
            self.transport.resumeProducing()

    def _over_limit(self, reason: str, text: str) -> None:
        self._tell.put("failure_reason", reason)
        self.stop(f"{text} running {self._spec.line.shown!r}")

    def _cannot_start(self, failed: OSError) -> int:
        what = failed.filename or self._spec.line.run[0]
        self._tell.put("stderr", f"cannot execute {what!r}: {failed.strerror or failed}\n")
        self._wind_up(1)
        return 1

    def _wind_up(self, rc: int, header: str = "") -> None:
        self._watching.stop()
        self._tell.on_full = self._tell.on_room = None
        # A master closes the log with the exit status: what a program printed comes before it.
        for key, number in (("stdout", 1), ("stderr", 2)):
            if number in self._outputs and (text := self._outputs[number].finish()):
                self._tell.put(key, text)
        for tail in self._logs.stop():
            self._tell.put("log", tail)
        if header:
            self._tell.put("header", header)
        if self._spec.sends_rc:
            self._tell.put("rc", rc)
        elapsed_s = self._place.reactor.seconds() - self._started_at
        self._tell.put("header", f"elapsedTime={elapsed_s:.6f}\n")

    def _survived(self) -> None:
        self._tell.put("header", "SIGKILL failed to kill process\n")
        self._tell.put("header", "using fake rc=-1\n")
        self._wind_up(-1)
        self.transport.loseConnection()
        self._ended.errback(UnkillableProcess("SIGKILL failed to kill process"))
