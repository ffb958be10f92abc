"""Observers: objects that a step hangs on a log to look at the output while it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from ci_master.builds.log import Log

LineGenerator = Generator[None, tuple[str, str], None]


class LogObserver:
    """Gets whole lines of text, sorted by stream. Override what is of interest."""

    step: Any = None
    log: Log | None = None

    def setStep(self, step: Any) -> None:
        """Called once, before any text, with the step that the log belongs to."""
        self.step = step

    def setLog(self, loog: Log) -> None:
        """Called once the log exists."""
        self.log = loog
        loog.subscribe(self.gotData)

    def gotData(self, stream: str | None, data: str | None) -> Any:
        """Sort what the log says; ``data`` is None at the end."""
        if data is None:
            return self.finishReceived()
        if stream is None:
            return self.logReceived(data)
        if stream == "o":
            return self.outReceived(data)
        if stream == "e":
            return self.errReceived(data)
        return self.headerReceived(data)

    def logReceived(self, data: str) -> Any:
        """Text of a log without streams: counts as standard output."""
        return self.outReceived(data)

    def outReceived(self, data: str) -> Any:
        """Whole lines of standard output."""

    def errReceived(self, data: str) -> Any:
        """Whole lines of standard error."""

    def headerReceived(self, data: str) -> Any:
        """Whole lines of remarks."""

    def finishReceived(self) -> Any:
        """The log is complete."""


class LogLineObserver(LogObserver):
    """Gets single lines, without their ends. Longer lines than ``max_length`` are dropped."""

    #: characters
    max_length = 16384

    def setMaxLineLength(self, max_length: int) -> None:
        """Change the length, in characters, beyond which a line is dropped."""
        self.max_length = max_length

    def outReceived(self, data: str) -> None:
        """Splits standard output."""
        self._each(data, self.outLineReceived)

    def errReceived(self, data: str) -> None:
        """Splits standard error."""
        self._each(data, self.errLineReceived)

    def headerReceived(self, data: str) -> None:
        """Splits remarks."""
        self._each(data, self.headerLineReceived)

    def _each(self, data: str, receive: Callable[[str], Any]) -> None:
        longest = self.max_length
        lines = data.split("\n")
        lines.pop()  # what follows the last line end: nothing
        for line in lines:
            if len(line) <= longest:
                receive(line)

    def outLineReceived(self, line: str) -> Any:
        """One line of standard output."""

    def errLineReceived(self, line: str) -> Any:
        """One line of standard error."""

    def headerLineReceived(self, line: str) -> Any:
        """One line of remarks."""


class LineConsumerLogObserver(LogLineObserver):
    """Feeds a generator with ``(stream, line)`` tuples, which it gets from ``yield``.

    The generator starts with the first line, may end at any time, and is closed with the log.
    """

    def __init__(self, consumerFunction: Callable[[], LineGenerator]) -> None:
        self._function = consumerFunction
        self._consumer: LineGenerator | None = None
        self._ended = False

    def _feed(self, stream: str, line: str) -> None:
        if self._ended:
            return
        try:
            if self._consumer is None:
                self._consumer = self._function()
                next(self._consumer)
            self._consumer.send((stream, line))
        except StopIteration:
            self._ended = True

    def outLineReceived(self, line: str) -> None:
        """Feeds standard output as stream ``o``."""
        self._feed("o", line)

    def errLineReceived(self, line: str) -> None:
        """Feeds standard error as stream ``e``."""
        self._feed("e", line)

    def headerLineReceived(self, line: str) -> None:
        """Feeds remarks as stream ``h``."""
        self._feed("h", line)

    def finishReceived(self) -> None:
        """Closes the generator."""
        if self._consumer is not None:
            self._consumer.close()


class BufferLogObserver(LogObserver):
    """Keeps the output, for a step that wants to read it afterwards."""

    def __init__(self, wantStdout: bool = True, wantStderr: bool = False) -> None:
        self._stdout: list[str] | None = [] if wantStdout else None
        self._stderr: list[str] | None = [] if wantStderr else None

    def outReceived(self, data: str) -> None:
        """Keeps standard output, if wanted."""
        if self._stdout is not None:
            self._stdout.append(data)

    def errReceived(self, data: str) -> None:
        """Keeps standard error, if wanted."""
        if self._stderr is not None:
            self._stderr.append(data)

    def getStdout(self) -> str:
        """The standard output so far; empty if it was not wanted."""
        return "".join(self._stdout or ())

    def getStderr(self) -> str:
        """The standard error so far; empty if it was not wanted."""
        return "".join(self._stderr or ())


class OutputProgressObserver(LogObserver):
    """Counts characters. Kept for configurations that name it; nothing shows the count."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.length = 0

    def gotData(self, stream: str | None, data: str | None) -> None:
        """Counts."""
        if data is not None:
            self.length += len(data)
