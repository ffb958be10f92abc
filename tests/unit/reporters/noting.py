"""What a test hears of the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher


@contextmanager
def noted(level: Any = LogLevel.warn) -> Iterator[list[str]]:
    """The texts logged at this level within the block."""
    texts: list[str] = []

    def note(event: Any) -> None:
        if event.get("log_level") is level:
            texts.append(formatEvent(event))

    globalLogPublisher.addObserver(note)
    try:
        yield texts
    finally:
        globalLogPublisher.removeObserver(note)
