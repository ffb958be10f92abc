"""Logs as the authors of steps see them: text goes in, whole lines come out to observers.

Below each log is the data room's writer, which takes bytes and never blocks. Whatever enters here
is decoded, freed of carriage returns, redacted and measured exactly once.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import to_deferred
from ci_master.builds.loglimit import LimitedWriter, Writer
from ci_master.secrets.redaction import RedactingStream, Redactor

#: Observers get lines; one that is longer, in characters, comes to them in parts.
LONGEST_LINE = 1024 * 1024

LogCallback = Callable[[str | None, str | None], Any]


@dataclass(slots=True)
class LogSettings:
    """What all the logs of one build have in common."""

    #: how bytes of workers are decoded: the name of an encoding, or a function
    encoding: str | Callable[[bytes], str] = "utf-8"
    #: bytes of a log that are stored; None = all
    max_bytes: int | None = None
    #: bytes of the end of a log that are stored once ``max_bytes`` is exceeded
    max_tail_bytes: int | None = None
    #: masks the secrets that the build has used; false, and free of cost, if it has used none
    redactor: Redactor | None = None


class Subscription:
    """One observer's hold on a log."""

    __slots__ = ("_log", "callback")

    def __init__(self, log: Log, callback: LogCallback) -> None:
        self._log = log
        self.callback = callback

    def unsubscribe(self) -> None:
        """Hear no more."""
        if self in self._log._subscriptions:
            self._log._subscriptions.remove(self)


class Log:
    """One log of a step. Its methods return Deferreds that have fired, for authors who wait."""

    logger = Logger()
    type = "t"
    #: where notes of our own (limits) go
    _note_stream = ""

    def __init__(self, name: str, writer: Writer, settings: LogSettings) -> None:
        self.name = name
        self.writer = writer
        self.finished = False
        #: what went wrong in observers; the step becomes EXCEPTION for it
        self.observer_failures: list[Failure] = []
        self._settings = settings
        self._subscriptions: list[Subscription] = []
        self._partial: dict[str, str] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._masked: dict[str, RedactingStream] = {}
        self._pending: list[Deferred[Any]] = []
        self._stored: Writer = writer
        if settings.max_bytes is not None:
            self._stored = LimitedWriter(
                writer, settings.max_bytes, settings.max_tail_bytes, self._note_stream
            )

    def getName(self) -> str:
        """The name under which the step knows this log."""
        return self.name

    def subscribe(self, callback: LogCallback) -> Subscription:
        """Call ``callback(stream, text)`` with whole lines, and ``(None, None)`` at the end.

        :param callback: may return a Deferred; the log's finish waits for it.
        """
        subscription = Subscription(self, callback)
        self._subscriptions.append(subscription)
        return subscription

    def flush(self) -> Deferred[None]:
        """Give observers an unfinished last line now, as if it were complete."""
        for stream, text in list(self._partial.items()):
            del self._partial[stream]
            self._deliver(stream, text + "\n")
        return succeed(None)

    def finish(self) -> Deferred[None]:
        """No more is coming: observers hear of it, the writer stores what it holds."""
        if self.finished:
            return succeed(None)
        for stream, decoder in self._decoders.items():
            rest = decoder.decode(b"", True)
            if rest:
                self.append(stream, rest)
        for stream, masked in self._masked.items():
            self._store(stream, masked.finish())
        self.finished = True
        if self._subscriptions:
            self.flush()
            for subscription in list(self._subscriptions):
                self._call(subscription, None, None)
            self._subscriptions.clear()
        self._stored.finish()
        return to_deferred(self._wait_for_observers()) if self._pending else succeed(None)

    async def _wait_for_observers(self) -> None:
        for pending in self._pending:
            await pending

    def output_end(self) -> list[tuple[str, bytes]]:
        """The end of what was said, masked, as (letter of the stream, text); no headers."""
        return self._stored.output_end()

    def append(self, stream: str, data: str | bytes) -> None:
        """Take text or bytes for one stream; what comes after the end is dropped."""
        if self.finished:
            return
        if isinstance(data, str):
            text: str | None = data
            raw = data.encode("utf-8", "backslashreplace")
        elif data.isascii() and stream not in self._decoders:
            text, raw = None, data
        else:
            text = self._decode(stream, data)
            raw = text.encode("utf-8", "backslashreplace")
        if b"\r" in raw:
            raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            text = None
        if not raw:
            return
        redactor = self._settings.redactor
        if redactor:
            masked = self._masked.get(stream)
            if masked is None:
                masked = self._masked[stream] = redactor.stream()
            self._store(stream, masked.feed(raw.decode()))
        else:
            self._store(stream, text, raw)

    def _store(self, stream: str, text: str | None, raw: bytes | None = None) -> None:
        """Pass on what is masked; ``text`` or ``raw`` may be left out."""
        if raw is None:
            assert text is not None
            raw = text.encode()
        if not raw:
            return
        self._stored.append(stream, raw)
        if self._subscriptions:
            self._split(stream, raw.decode() if text is None else text)

    def _decode(self, stream: str, data: bytes) -> str:
        encoding = self._settings.encoding
        if callable(encoding):
            return encoding(data)
        decoder = self._decoders.get(stream)
        if decoder is None:
            decoder = self._decoders[stream] = codecs.getincrementaldecoder(encoding)("replace")
        return decoder.decode(data)

    def _split(self, stream: str, text: str) -> None:
        """Hand whole lines to the observers, and keep the rest for the next time."""
        if self._partial:
            text = self._partial.pop(stream, "") + text
        if not text.endswith("\n"):
            cut = text.rfind("\n") + 1
            if len(text) - cut > LONGEST_LINE:
                text += "\n"
            else:
                self._partial[stream] = text[cut:]
                text = text[:cut]
        if text:
            self._deliver(stream, text)

    def _deliver(self, stream: str, text: str) -> None:
        for subscription in list(self._subscriptions):
            self._call(subscription, stream or None, text)

    def _call(self, subscription: Subscription, stream: str | None, text: str | None) -> None:
        try:
            result = subscription.callback(stream, text)
        except Exception:
            self._observer_failed(subscription, Failure())
            return
        if isinstance(result, Deferred):
            result.addErrback(lambda failure: self._observer_failed(subscription, failure))
            if not result.called or result.paused:
                self._pending.append(result)

    def _observer_failed(self, subscription: Subscription, failure: Failure) -> None:
        """Remember it for the step's result; the observer hears no more."""
        self.logger.failure("an observer of log {name} failed", failure=failure, name=self.name)
        self.observer_failures.append(failure)
        subscription.unsubscribe()


class PlainLog(Log):
    """A text without streams."""

    def addContent(self, text: str | bytes) -> Deferred[None]:
        """Append text."""
        self.append("", text)
        return succeed(None)


class HTMLLog(PlainLog):
    """A document that browsers show as it is."""

    type = "h"


class StreamLog(Log):
    """The output of a command: standard output, standard error, and our remarks between them."""

    type = "s"
    _note_stream = "h"

    def addStdout(self, text: str | bytes) -> Deferred[None]:
        """Append to the standard output."""
        self.append("o", text)
        return succeed(None)

    def addStderr(self, text: str | bytes) -> Deferred[None]:
        """Append to the standard error."""
        self.append("e", text)
        return succeed(None)

    def addHeader(self, text: str | bytes) -> Deferred[None]:
        """Append a remark."""
        self.append("h", text)
        return succeed(None)


TextLog = PlainLog
HtmlLog = HTMLLog

LOG_CLASSES: dict[str, type[Log]] = {"s": StreamLog, "t": PlainLog, "h": HTMLLog}
