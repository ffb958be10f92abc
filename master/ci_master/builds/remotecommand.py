"""Commands that a step has its worker run.

What the worker sends back takes one short way: each update is looked at once, its text goes to a
log as it is, and only what a step may ask for later is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.errors import LOST
from ci_master.builds.log import Log, StreamLog
from ci_master.builds.rendering import started

#: seconds that an exit code may come after the end of its command
LATE_RC_S = 1.0

#: commands whose end without an exit code means that it is still on its way
_HAVE_RC = frozenset(
    [
        "shell",
        "uploadFile",
        "uploadDirectory",
        "downloadFile",
        "mkdir",
        "rmdir",
        "cpdir",
        "stat",
        "glob",
        "listdir",
        "rmfile",
    ]
)

_next_id = count(1)


class RemoteException(Exception):
    """The worker failed to run a command at all."""


class _Sink:
    """What the session talks to: a command's ``updates`` belongs to authors of steps."""

    __slots__ = ("complete", "updates")

    def __init__(self, command: RemoteCommand) -> None:
        self.updates: Callable[[list[dict[Any, Any]]], Deferred[None] | None] = command._receive
        self.complete: Callable[[Failure | None], None] = command._completed


class RemoteCommand:
    """One command of the worker protocol, from its start to its end.

    After ``run``: ``rc`` (None if there was none), ``stdout`` and ``stderr`` (if collected),
    ``updates`` (key to list of values, for what is not text or result), and
    ``remote_failure_reason`` (why the worker killed it, or None).
    """

    logger = Logger()

    rc: int | None = None
    active = False
    interrupted = False
    remote_failure_reason: str | None = None
    step: Any = None
    worker: Any = None
    session: Any = None
    builder_name: str = ""
    commandID: str | None = None

    def __init__(
        self,
        remote_command: str,
        args: Mapping[str, Any],
        ignore_updates: bool = False,
        collectStdout: bool = False,
        collectStderr: bool = False,
        decodeRC: Mapping[int | None, int] | None = None,
        stdioLogName: str | None = "stdio",
    ) -> None:
        self.remote_command = remote_command
        self.args: dict[str, Any] = dict(args)
        self.ignore_updates = ignore_updates
        self.collectStdout = collectStdout
        self.collectStderr = collectStderr
        self.decodeRC: Mapping[int | None, int] = {0: SUCCESS} if decodeRC is None else decodeRC
        self.stdioLogName = stdioLogName
        self.logs: dict[str, Log] = {}
        self.delayedLogs: dict[str, tuple[Callable[[], Any], bool]] = {}
        self.updates: dict[str, list[Any]] = {}
        self._close_at_end: list[Log] = []
        self._out: list[str] = []
        self._err: list[str] = []
        self._done: Deferred[None] | None = None
        self._late: Any = None
        self._full: list[Log] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.remote_command!r} {self.commandID or 'not started'}>"

    @property
    def stdout(self) -> str:
        """Standard output so far, if it is collected."""
        return "".join(self._out)

    @property
    def stderr(self) -> str:
        """Standard error so far, if it is collected."""
        return "".join(self._err)

    # -- before the start

    def useLog(
        self, log_: Log, closeWhenFinished: bool = False, logfileName: str | None = None
    ) -> None:
        """Write what the worker sends for ``logfileName`` (default: the log's name) to a log."""
        self.logs[logfileName or log_.getName()] = log_
        if closeWhenFinished:
            self._close_at_end.append(log_)

    def useLogDelayed(
        self, logfileName: str, activateCallBack: Callable[[Any], Any], closeWhenFinished: bool
    ) -> None:
        """As ``useLog``, but make the log with ``activateCallBack(command)`` at the first text."""
        self.delayedLogs[logfileName] = (lambda: activateCallBack(self), closeWhenFinished)

    # -- the run

    async def run(self, step: Any, session: Any, builder_name: str) -> RemoteCommand:
        """Have the worker run it, and wait for its end.

        :raises ConnectionLost: the worker was lost.
        :raises Exception: whatever the worker's answer says went wrong in starting or running.
        """
        self.step = step
        self.session = session
        self.builder_name = builder_name
        self.active = True
        self.commandID = str(next(_next_id))
        done: Deferred[None] = Deferred()
        self._done = done
        try:
            accepted = session.start_command(
                builder_name, self.commandID, self.remote_command, self.args, _Sink(self)
            )
            accepted.addErrback(self._fail)
            await done
        finally:
            self.active = False
            for log in self._close_at_end:
                await log.finish()
        return self

    def interrupt(self, why: str | Failure) -> Deferred[None] | None:
        """Ask the worker to end it; a Failure as reason (a lost worker) ends it at once."""
        if not self.active or self.interrupted:
            if self.active and isinstance(why, Failure):
                self._fail(why)
            return None
        self.interrupted = True
        if isinstance(why, Failure):
            self._fail(why)
            return None
        asked: Deferred[Any] = self.session.interrupt_command(
            self.builder_name, self.commandID, why
        )
        return asked.addErrback(self._not_interrupted)

    def _not_interrupted(self, failure: Failure) -> None:
        if self.active and failure.check(*LOST) is None:
            self.logger.failure("{command} could not be interrupted", failure=failure, command=self)

    def _fail(self, failure: Failure) -> None:
        self._end(failure)

    def _completed(self, failure: Failure | None) -> None:
        """The worker says that it is over."""
        if not self.active:
            return
        if failure is None and self.rc is None and self.remote_command in _HAVE_RC:
            if self._late is None:
                self._late = self.step.build.services.clock.callLater(LATE_RC_S, self._end, None)
            return
        self._end(failure)

    def _end(self, failure: Failure | None) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        self.active = False
        if self._late is not None and self._late.active():
            self._late.cancel()
        if failure is None:
            done.callback(None)
        else:
            done.errback(failure)

    # -- what the worker sends

    def _receive(self, updates: list[dict[Any, Any]]) -> Deferred[None] | None:
        """Take updates; a Deferred means: send no more before it fires."""
        if not self.active or self.ignore_updates:
            return None
        for update in updates:
            for key, value in update.items():
                if key == "stdout":
                    self.addStdout(value)
                elif key == "stderr":
                    self.addStderr(value)
                elif key == "header":
                    self.addHeader(value)
                else:
                    self._other(key if isinstance(key, str) else key.decode(), value)
        if self._full:
            full, self._full = self._full, []
            return to_deferred(_room_in(full))
        return None

    def _other(self, key: str, value: Any) -> None:
        if key == "log":
            name, text = value
            self.addToLog(name if isinstance(name, str) else name.decode(), text)
        elif key == "rc":
            self.rc = value
            self.addHeader(f"program finished with exit code {value}\n")
            if self._late is not None:
                self._end(None)
        elif key == "failure_reason":
            self.remote_failure_reason = value if isinstance(value, str) else value.decode()
        elif key in ("stdout", "stderr", "header"):  # they came as bytes
            {"stdout": self.addStdout, "stderr": self.addStderr, "header": self.addHeader}[key](
                value
            )
        else:
            self.updates.setdefault(key, []).append(value)

    def addStdout(self, data: str | bytes) -> None:
        """Text of the standard output; overrides call the original."""
        if self.collectStdout:
            self._out.append(self._text(data))
        self._to_stdio("o", data)

    def addStderr(self, data: str | bytes) -> None:
        """Text of the standard error; overrides call the original."""
        if self.collectStderr:
            self._err.append(self._text(data))
        self._to_stdio("e", data)

    def addHeader(self, data: str | bytes) -> None:
        """A remark of the worker, or of ours."""
        self._to_stdio("h", data)

    def _to_stdio(self, stream: str, data: str | bytes) -> None:
        log = self.logs.get(self.stdioLogName) if self.stdioLogName is not None else None
        if log is not None:
            log.append(stream if isinstance(log, StreamLog) else "", data)
            if not log.writer.has_room:
                self._full.append(log)

    def addToLog(self, logname: str, data: str | bytes) -> None:
        """Text of a watched log file."""
        delayed = self.delayedLogs.pop(logname, None)
        if delayed is not None:
            make, close = delayed
            made = started(make())
            if isinstance(made, Deferred):
                raise TypeError(f"the log for {logname!r} must be there at once")
            self.useLog(made, close, logname)
        known = self.logs.get(logname)
        if known is None:
            self.logger.warn("{command}: text for unknown log {name}", command=self, name=logname)
            return
        known.append("o" if isinstance(known, StreamLog) else "", data)
        if not known.writer.has_room:
            self._full.append(known)

    def _text(self, data: str | bytes) -> str:
        if isinstance(data, str):
            return data
        return data.decode(getattr(self.step, "logEncoding", None) or "utf-8", "replace")

    # -- afterwards

    def results(self) -> int:
        """The result code that the exit code, or an interruption, stands for."""
        if self.interrupted:
            return CANCELLED
        return self.decodeRC.get(self.rc, FAILURE)

    def didFail(self) -> bool:
        """Whether the result is FAILURE."""
        return self.results() == FAILURE


LoggedRemoteCommand = RemoteCommand


class RemoteShellCommand(RemoteCommand):
    """A program on the worker.

    :param command: one string for the worker's shell, or a list. In a list, a tuple
        ``("obfuscated", real, shown)`` runs as ``real`` and is printed as ``shown``.
    """

    def __init__(
        self,
        workdir: str,
        command: Any,
        env: Mapping[str, Any] | None = None,
        want_stdout: bool | int = True,
        want_stderr: bool | int = True,
        timeout: float | None = 20 * 60,
        maxTime: float | None = None,
        max_lines: int | None = None,
        sigtermTime: float | None = None,
        logfiles: Mapping[str, Any] | None = None,
        usePTY: bool | None = None,
        logEnviron: bool = True,
        collectStdout: bool = False,
        collectStderr: bool = False,
        interruptSignal: str | None = None,
        initialStdin: str | None = None,
        decodeRC: Mapping[int | None, int] | None = None,
        stdioLogName: str | None = "stdio",
    ) -> None:
        self.command = command
        self.fake_command = _shown(command)
        args = {
            "workdir": workdir,
            "env": dict(env) if env is not None else None,
            "want_stdout": bool(want_stdout),
            "want_stderr": bool(want_stderr),
            "logfiles": dict(logfiles or {}),
            "timeout": timeout,
            "maxTime": maxTime,
            "max_lines": max_lines,
            "sigtermTime": sigtermTime,
            "usePTY": bool(usePTY),
            "logEnviron": logEnviron,
            "initial_stdin": initialStdin,
            "interruptSignal": "KILL" if interruptSignal is None else interruptSignal,
            "command": command,
        }
        super().__init__(
            "shell",
            args,
            collectStdout=collectStdout,
            collectStderr=collectStderr,
            decodeRC=decodeRC,
            stdioLogName=stdioLogName,
        )

    def __repr__(self) -> str:
        return f"<RemoteShellCommand {self.fake_command!r}>"


def _shown(command: Any) -> Any:
    if not isinstance(command, list | tuple):
        return command
    return [word[2] if _is_obfuscated(word) else word for word in command]


def _is_obfuscated(word: Any) -> bool:
    return isinstance(word, tuple) and len(word) == 3 and word[0] == "obfuscated"


async def _room_in(logs: list[Log]) -> None:
    for log in logs:
        await log.writer.room()
