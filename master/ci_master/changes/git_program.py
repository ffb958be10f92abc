"""Running git as a child process, without holding the reactor."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ci_common.processes.child import ChildProcess, Ended

__all__ = ["GitError", "GitProgram", "without_password"]

#: Longest time that one call of git may take: a first fetch of a large repository is slow.
LONGEST_S = 3600.0
_GRACE_S = 5.0  # that the output of an ended call may be held open by a shared connection

#: Variables that would lead git to some other repository than ours.
_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")

_PASSWORD = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]*@")


class GitError(Exception):
    """git did not do what it should; the text is what it said."""


def without_password(text: str) -> str:
    """Text in which the passwords of URLs are masked."""
    return _PASSWORD.sub(r"\1:***@", text)


class GitProgram:
    """Calls git.

    :param reactor: for processes and timers.
    :param gitbin: name or path of the program.
    """

    def __init__(self, reactor: Any, gitbin: str = "git", encoding: str = "utf-8") -> None:
        self._reactor = reactor
        self._gitbin = gitbin
        self._encoding = encoding
        self._running: set[_Call] = set()

    async def run(
        self,
        *args: str,
        cwd: str | None = None,
        stdin: bytes = b"",
        config: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """What ``git <args>`` prints.

        :param config: settings ``key=value`` for this call.
        :param env: variables beside those of the master.
        :raises GitError: if it ends with an error, cannot be started or takes too long.
        """
        if shutil.which(self._gitbin) is None:
            raise GitError(f"there is no program '{self._gitbin}'")
        command = [self._gitbin]
        for setting in config:
            command += ["-c", setting]
        command += args
        variables = {key: value for key, value in os.environ.items() if key not in _MISLEADING}
        variables |= {"GIT_TERMINAL_PROMPT": "0", "LC_MESSAGES": "C", **(env or {})}
        call = _Call(self._reactor, stdin)
        self._running.add(call)
        try:
            call.spawn(command, env=variables, cwd=cwd or os.getcwd(), with_stdin=bool(stdin))
            code = await call.ended
        except OSError as error:
            raise GitError(f"cannot run '{self._gitbin}': {error.strerror or error}") from error
        finally:
            self._running.discard(call)
        if code != 0:
            said = b"".join(call.errors).decode(self._encoding, "replace").strip()
            if call.overdue:
                said = f"it took longer than {LONGEST_S:g} s and was ended\n{said}".strip()
            raise GitError(without_password(f"'git {args[0]}' failed ({code}): {said}"))
        return b"".join(call.output)

    def stop(self) -> None:
        """End what runs now; it fails."""
        for call in list(self._running):
            call.end("TERM")


class _Call(ChildProcess):
    """One call of git."""

    def __init__(self, reactor: Any, stdin: bytes) -> None:
        super().__init__(reactor)
        self._reactor = reactor
        self._stdin = stdin
        self._limit: IDelayedCall | None = None
        self._close: IDelayedCall | None = None
        self.output: list[bytes] = []
        self.errors: list[bytes] = []
        self.overdue = False
        #: fires with the exit code, or the name of the signal
        self.ended: Deferred[int | str] = Deferred()

    def connectionMade(self) -> None:
        self._limit = self._reactor.callLater(LONGEST_S, self._too_long)
        if self._stdin:
            self.transport.write(self._stdin)
            self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self.output.append(data)

    def errReceived(self, data: bytes) -> None:
        self.errors.append(data)

    def _too_long(self) -> None:
        self._limit = None
        self.overdue = True
        self.end("TERM")

    def processExited(self, reason: Failure) -> None:
        # A child of its own, such as a shared ssh connection, may hold the pipes for long.
        super().processExited(reason)
        self._close = self._reactor.callLater(_GRACE_S, self.transport.loseConnection)

    def program_over(self, ended: Ended) -> None:
        self._finish(f"signal {ended.signal}" if ended.signal else int(ended.exitCode or 0))

    def program_survived(self) -> None:
        self._finish("signal 9, which it survives")

    def _finish(self, code: int | str) -> None:
        for timer in (self._limit, self._close):
            if timer is not None and timer.active():
                timer.cancel()
        self.ended.callback(code)
