"""Commands that a step has its worker run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.course import CUT_S
from ci_master.builds.errors import LOST
from ci_master.builds.log import Log
from ci_master.builds.receiving import Receiving
from ci_master.builds.watchdog import SILENT, Watchdog
from ci_master.workers.session import RemoteException
from ci_master.workers.transfer import DirectoryWriter, FileWriter

__all__ = ["LoggedRemoteCommand", "RemoteCommand", "RemoteException", "RemoteShellCommand"]

#: seconds in which a worker that lives answers that it was told to end a command
ANSWER_S = 5.0

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

#: arguments that take what the worker sends
_WRITERS = (FileWriter, DirectoryWriter)

_next_id = count(1)


class _Sink:
    """What the session talks to: a command's ``updates`` belongs to authors of steps."""

    __slots__ = ("complete", "updates")

    def __init__(self, command: RemoteCommand) -> None:
        self.updates: Callable[[list[dict[Any, Any]]], Deferred[None] | None] = command._receive
        self.complete: Callable[[Failure | None], None] = command._completed


class RemoteCommand(Receiving):
    """One command of the worker protocol, from its start to its end.

    After ``run``: ``rc`` (None if there was none), ``stdout`` and ``stderr`` (if collected),
    ``updates`` (key to list of values, for what is not text or result), and
    ``remote_failure_reason`` (why the worker killed it, or None).
    """

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
        self._left: Deferred[None] | None = None
        self._give_up_call: Any = None
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
        writers = [value for value in self.args.values() if isinstance(value, _WRITERS)]
        for writer in writers:
            writer.journal = getattr(step.build.services, "transfers", None)
        if self.remote_command == "shell":
            self._watchdog = Watchdog(step.build.services.clock, self.args, self._overdue)
        try:
            accepted = session.start_command(
                builder_name, self.commandID, self.remote_command, self.args, _Sink(self)
            )
            accepted.addErrback(self._fail)
            await (self._with_writers(done, writers) if writers else done)
        except CancelledError:
            self._leave_behind()
            raise
        finally:
            self.active = False
            self._stop_timers()
            for log in self._close_at_end:
                await log.finish()
        return self

    async def _with_writers(self, done: Deferred[None], writers: list[Any]) -> None:
        """Wait for the end; then put what was uploaded into its place, if all went well.

        What went wrong on our side (a full disk) is an error of the command: it is told in the
        log, with whatever the worker made of it left out.
        """
        try:
            await done
        except (*LOST, CancelledError):
            for writer in writers:
                await writer.finish(False)
            raise
        except Exception:
            problems = [await writer.finish(False) for writer in writers]
            if not any(problems):
                raise
        else:
            wanted = self.rc == 0 and not self.interrupted
            problems = [await writer.finish(wanted) for writer in writers]
        for text in filter(None, problems):
            self.addStderr(f"{text}\n")
            self.rc = self.rc or 1
        for writer in writers:
            for text in writer.left_out:
                self.addStderr(f"left out: {text}\n")

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
        return self._ask_to_end(why)

    def _ask_to_end(self, why: str) -> Deferred[None]:
        """Tell the worker to end it. One that does not even answer loses its connection."""
        clock = self.step.build.services.clock
        asked_at = clock.seconds()
        asked: Deferred[Any] = self.session.interrupt_command(
            self.builder_name, self.commandID, why
        )
        asked.addTimeout(ANSWER_S, clock)
        return asked.addErrback(self._not_interrupted, asked_at)

    def _not_interrupted(self, failure: Failure, asked_at: float) -> None:
        if not self.active or failure.check(*LOST):
            return
        if failure.check(TimeoutError):
            if self.session.heard_at <= asked_at:
                self.logger.warn(
                    "worker {name} does not answer a request to end a command;"
                    " closing its connection",
                    name=self.session.worker_name,
                )
                self.session.close()
            return
        self.logger.failure("{command} could not be interrupted", failure=failure, command=self)

    # -- a worker that does not end it

    def _overdue(self, reason: str, limit_s: float) -> None:
        """The worker has let its time limit pass: have it ended, and give it up if that fails."""
        if not self.active:
            return
        what = "without output" if reason == SILENT else "in all"
        self.addHeader(
            f"command exceeded its limit of {limit_s:g} seconds {what}, and the worker did not end"
            " it; the master ends it\n"
        )
        if self.remote_failure_reason is None:
            self.remote_failure_reason = reason
        self._give_up_call = self.step.build.services.clock.callLater(CUT_S, self._give_up)
        if not self.interrupted:
            self._ask_to_end(reason)

    def _give_up(self) -> None:
        if self.active:
            done = self._done
            self._leave_behind()
            self._done = done
            self._end(None)

    def _leave_behind(self) -> None:
        """Nobody waits for it any more, although the worker may still run it."""
        self._done = None
        if self.active:
            self._left = Deferred()
            self.step.build.leave_behind(self._left)

    def _stop_timers(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
            self._watchdog = None
        call, self._give_up_call = self._give_up_call, None
        if call is not None and call.active():
            call.cancel()

    def _fail(self, failure: Failure) -> None:
        self._end(failure)

    def _completed(self, failure: Failure | None) -> None:
        """The worker says that it is over."""
        left, self._left = self._left, None
        if left is not None:
            left.callback(None)
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
