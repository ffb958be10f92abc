"""A step's logs: made on demand, found by name, watched by observers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from ci_master.builds.log import LOG_CLASSES, HTMLLog, Log
from ci_master.builds.tracebacks import as_html, as_text

if TYPE_CHECKING:
    from ci_master.builds.build import Build


class StepLogsMixin:
    """The methods of a step that make and find logs."""

    build: Build
    row: Any
    logEncoding: str | None
    #: name -> the latest log of this name
    logs: dict[str, Log]
    #: open logs whose names were taken by later ones
    _earlier_logs: list[Log] | None = None
    _observers: dict[str, list[Any]] | None = None

    def addLog(self, name: str, type: str = "s", logEncoding: str | None = None) -> Deferred[Any]:
        """Make a log.

        :param type: ``s`` (streams of a command), ``t`` (text) or ``h`` (HTML).
        :param logEncoding: how bytes are decoded; default: the step's, then the master's.
        :returns: fires at once, with the log.
        """
        return succeed(self.make_log(name, type, logEncoding))

    def make_log(self, name: str, type: str = "s", logEncoding: str | None = None) -> Log:
        """Make a log, as ``addLog`` does, and return it."""
        if type not in LOG_CLASSES:
            raise ValueError(f"log '{name}': type is {type!r}, but must be 's', 't' or 'h'")
        settings = self.build.log_settings
        encoding = logEncoding or self.logEncoding
        if encoding and encoding != settings.encoding:
            settings = replace(settings, encoding=encoding)
        writer = self.build.services.data.logs.open(self.row, name, type)
        log = LOG_CLASSES[type](name, writer, settings)
        earlier = self.logs.get(name)
        if earlier is not None and not earlier.finished:
            self._earlier_logs = [*(self._earlier_logs or ()), earlier]
        self.logs[name] = log
        if self._observers is not None:
            for observer in self._observers.pop(name, ()):
                observer.setLog(log)
        return log

    def open_log(self, name: str) -> Log:
        """The log of this name that still takes text, or else a new one for a command's output.

        What several commands of one step say goes to one log, by whichever methods they run.
        """
        known = self.logs.get(name)
        return known if known is not None and not known.finished else self.make_log(name)

    def getLog(self, name: str) -> Log:
        """The log of this name; KeyError if there is none."""
        return self.logs[name]

    def addLogObserver(self, logname: str, observer: Any) -> None:
        """Let an observer see a log, which may come to be later."""
        observer.setStep(self)
        log = self.logs.get(logname)
        if log is not None:
            observer.setLog(log)
            return
        if self._observers is None:
            self._observers = {}
        self._observers.setdefault(logname, []).append(observer)

    def addCompleteLog(self, name: str, text: str | bytes) -> Deferred[None]:
        """Make a log of this text, complete at once."""
        return self._complete_log(name, text, "t")

    def addHTMLLog(self, name: str, html: str | bytes) -> Deferred[None]:
        """Make a log of this HTML document, complete at once."""
        return self._complete_log(name, html, HTMLLog.type)

    def _complete_log(self, name: str, text: str | bytes, type: str) -> Deferred[None]:
        log = self.make_log(name, type)
        log.append("", text)
        return log.finish()

    def addLogWithFailure(self, why: Failure, logprefix: str = "") -> Deferred[None]:
        """Make the logs ``err.text`` and ``err.html`` with the traceback of a Failure."""
        self._complete_log(logprefix + "err.text", as_text(why), "t")
        return self._complete_log(logprefix + "err.html", as_html(why), HTMLLog.type)

    def addLogWithException(self, why: BaseException, logprefix: str = "") -> Deferred[None]:
        """Make the logs ``err.text`` and ``err.html`` with the traceback of an exception."""
        return self.addLogWithFailure(Failure(why), logprefix)

    async def _finish_logs(self) -> list[Failure]:
        """End all logs; gives what went wrong in their observers."""
        failures: list[Failure] = []
        for log in [*(self._earlier_logs or ()), *self.logs.values()]:
            if not log.finished:
                await log.finish()
            failures += log.observer_failures
        return failures
