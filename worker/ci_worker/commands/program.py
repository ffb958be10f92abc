"""Run one program for a command: its output to the master, its limits, its end."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.processes.child import SURVIVAL_S, ChildProcess, Ended
from ci_worker.commands.argv import CommandLine
from ci_worker.commands.base import Place, Teller
from ci_worker.commands.limits import Limits
from ci_worker.commands.logwatch import LogWatch
from ci_worker.commands.output import LineOutput

#: Seconds between two pieces of a long log file, at the end.
READ_ON_S = 0.02

#: Seconds by which a busy machine may be late.
_DOUBT_S = 5.0


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


class Program(ChildProcess):
    """One run of a program.

    Its output is read only as fast as the master takes it. It ends when the program has ended and
    its pipes are closed, or when it was stopped, whatever becomes of it. The exit status of a
    program that was stopped is never 0.
    """

    def __init__(self, place: Place, spec: ProgramSpec, tell: Teller) -> None:
        super().__init__(place.reactor, place.records)
        self._place = place
        self._spec = spec
        self._tell = tell
        self._ended: Deferred[int] = Deferred()
        self._outputs: dict[int, LineOutput] = {}
        if spec.want_stdout:
            self._outputs[1] = LineOutput(self._putter("stdout"), place.encoding)
        if spec.want_stderr:
            self._outputs[2] = LineOutput(self._putter("stderr"), place.encoding)
        self._is_stopped = False
        self._how: Ended | None = None
        self._read_on: Any = None
        self._watching = spec.limits.watch(place.reactor, self._over_limit)
        self._logs = LogWatch(
            place.reactor,
            lambda name, text, size: tell.put("log", (name, text), size),
            may_read=lambda: not tell.is_full,
            on_activity=self._watching.touch,
            encoding=place.encoding,
        )

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
            self.spawn(
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
        if self._is_stopped or self._ended.called or self.transport is None:
            return
        self._is_stopped = True
        self._tell.put("header", f"\n{reason}, attempting to kill\n")
        self._watching.stop()
        if self._how is not None:  # it has ended, and only its log files are still read
            self._finish(self._how)
        self.end(self._spec.interrupt_signal, self._spec.sigterm_time_s)

    @property
    def stop_limit_s(self) -> float:
        """Seconds from ``stop`` to the end, at most."""
        return (self._spec.sigterm_time_s or 0) + 2 * SURVIVAL_S + _DOUBT_S

    # what the reactor calls

    def connectionMade(self) -> None:
        """The program runs."""
        self._tell.on_full = self.pause
        self._tell.on_room = self.resume
        if self._tell.is_full:
            self.pause()
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
        if output is None or (self.killed and self._tell.is_full):
            return
        most = self._spec.limits.max_lines
        if most is None:
            output.feed(data)
            return
        written = sum(out.lines for out in self._outputs.values())
        output.feed(_first_lines(data, most + 1 - written))
        self._watching.count_lines(sum(out.lines for out in self._outputs.values()))

    def outReceived(self, data: bytes) -> None:
        """Output of a program with a terminal."""
        self.childDataReceived(1, data)

    def program_over(self, ended: Ended) -> None:
        """It has ended, and so has its output; its log files are read to the end."""
        self._how = ended
        self._logs.note_end()
        self._read_logs(ended)

    def program_survived(self) -> None:
        """It was killed, and lives."""
        self._tell.put("header", "SIGKILL failed to kill process\n")
        self._tell.put("header", "using fake rc=-1\n")
        self._wind_up(-1)
        self._ended.errback(UnkillableProcess("SIGKILL failed to kill process"))

    def output_held(self) -> None:
        """Something that cannot be reached holds its output open."""
        self._tell.put(
            "header", "the output is held open by a process that cannot be reached; closing it\n"
        )

    def pause(self) -> None:
        """The master is behind: its silence does not count meanwhile."""
        self._watching.suspend()
        super().pause()

    def resume(self) -> None:
        """The master has room again."""
        self._watching.touch()
        super().resume()

    # inside

    def _putter(self, key: str) -> Any:
        return lambda text, size: self._tell.put(key, text, size)

    def _read_logs(self, ended: Ended) -> None:
        """Read the log files as fast as the master takes it; then the command is over."""
        self._read_on = None
        if not self._is_stopped and self._logs.read_some():
            self._read_on = self._place.reactor.callLater(READ_ON_S, self._read_logs, ended)
        else:
            self._finish(ended)

    def _finish(self, ended: Ended) -> None:
        if self._read_on is not None:
            self._read_on.cancel()
            self._read_on = None
        header = ""
        rc = -1
        if ended.signal is not None:
            header = f"process killed by signal {ended.signal}\n"
        elif ended.exitCode is not None:
            rc = ended.exitCode
            if self._is_stopped and rc == 0:
                rc = -1  # it ended well before it was stopped, or by our signal: it is not done
        self._wind_up(rc, header)
        self._ended.callback(rc)

    def _over_limit(self, reason: str, text: str) -> None:
        self._tell.put("failure_reason", reason)
        self.stop(f"{text} running {self._spec.line.shown!r}")

    def _cannot_start(self, failed: OSError) -> int:
        what = failed.filename or self._spec.line.program
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
        tails, problems = self._logs.stop()
        for tail in tails:
            self._tell.put("log", tail)
        header += problems
        if header:
            self._tell.put("header", header)
        if self._spec.sends_rc:
            self._tell.put("rc", rc)
        elapsed_s = self._place.reactor.seconds() - self._started_at
        self._tell.put("header", f"elapsedTime={elapsed_s:.6f}\n")


def _first_lines(data: bytes, number: int) -> bytes:
    """The beginning of output: so many lines, with what follows them only if there are fewer."""
    if number <= 0:
        return b""
    if data.count(b"\n") < number:
        return data
    end = -1
    for _ in range(number):
        end = data.index(b"\n", end + 1)
    return data[: end + 1]
