"""What a worker sends while it runs a command, on its one short way to logs and steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_master.builds.log import Log, StreamLog
from ci_master.builds.rendering import started
from ci_master.builds.watchdog import Watchdog

#: Output that a step keeps in memory, in bytes: beyond it, its command fails.
MOST_COLLECTED = 256 * 1024 * 1024


#: What workers say of a program that a signal ended.
_KILLED = re.compile(r"^process killed by signal (\d{1,3})$", re.MULTILINE)


class OutputTooLong(Exception):
    """A command wrote more than a step may keep in memory."""


class Receiving:
    """The part of a remote command that takes updates. Each is looked at once."""

    logger = Logger()

    rc: int | None
    #: number of the signal that ended the program, if one did
    signal: int | None = None
    active: bool
    ignore_updates: bool
    collectStdout: bool
    collectStderr: bool
    remote_failure_reason: str | None
    stdioLogName: str | None
    step: Any
    #: name of a stream or log file -> log
    logs: dict[str, Log]
    #: the same for logs to be made with the first text; and whether they end with the command
    delayedLogs: dict[str, tuple[Callable[[], Any], bool]]
    updates: dict[str, list[Any]]
    useLog: Callable[..., None]
    _end: Callable[[Failure | None], None]
    _late: Any
    _out: list[str]
    _err: list[str]
    _full: list[Log]
    _collected = 0
    _has_unknown_log = False
    _watchdog: Watchdog | None = None

    def _receive(self, updates: list[dict[Any, Any]]) -> Deferred[None] | None:
        """Take updates; a Deferred means: send no more before it fires."""
        if self._watchdog is not None:
            self._watchdog.heard()
        if not self.active or self.ignore_updates:
            return None
        for update in updates:
            for key, value in update.items():
                if key == "stdout":
                    self.addStdout(value)
                elif key == "stderr":
                    self.addStderr(value)
                elif key == "header":
                    self._header(value)
                else:
                    self._other(key if isinstance(key, str) else key.decode(), value)
        if self._full:
            full, self._full = self._full, []
            room: Deferred[None] = to_deferred(_room_in(full))
            if self._watchdog is not None:
                self._watchdog.withhold(room)
            return room
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
            {"stdout": self.addStdout, "stderr": self.addStderr, "header": self._header}[key](value)
        else:
            self.updates.setdefault(key, []).append(value)

    def _header(self, data: str | bytes) -> None:
        """A remark of the worker: by it alone it tells of a signal that ended the program."""
        killed = _KILLED.search(data if isinstance(data, str) else data.decode("utf-8", "replace"))
        if killed:
            self.signal = int(killed[1])
        self.addHeader(data)

    def addStdout(self, data: str | bytes) -> None:
        """Text of the standard output; overrides call the original."""
        if self.collectStdout:
            self._collect(self._out, data)
        self._to_stdio("o", data)

    def addStderr(self, data: str | bytes) -> None:
        """Text of the standard error; overrides call the original."""
        if self.collectStderr:
            self._collect(self._err, data)
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
            if not self._has_unknown_log:  # there may be as many as the worker likes
                self._has_unknown_log = True
                name = logname[:80]
                self.logger.warn("{command}: text for unknown log {name}", command=self, name=name)
            return
        known.append("o" if isinstance(known, StreamLog) else "", data)
        if not known.writer.has_room:
            self._full.append(known)

    def _collect(self, parts: list[str], data: str | bytes) -> None:
        self._collected += len(data)
        if self._collected > MOST_COLLECTED:
            raise OutputTooLong(
                f"the program wrote more than {MOST_COLLECTED} bytes, and the step keeps its "
                "output in memory; let it write to a file"
            )
        parts.append(self._text(data))

    def _text(self, data: str | bytes) -> str:
        if isinstance(data, str):
            return data
        return data.decode(getattr(self.step, "logEncoding", None) or "utf-8", "replace")


async def _room_in(logs: list[Log]) -> None:
    for log in logs:
        await log.writer.room()
