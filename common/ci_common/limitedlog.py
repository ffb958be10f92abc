"""Lines of the log that strangers can cause: a few a minute, and how many were left out."""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

__all__ = ["LimitedLog"]

_WINDOW_S = 60


class LimitedLog:
    """Logs warnings, so many a minute at most.

    :param seconds: the clock.
    :param most: lines in a minute.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float], *, most: int = 10) -> None:
        self._log = log
        self._seconds = seconds
        self._most = most
        self._began: float | None = None
        self._told = 0
        self._left_out = 0

    def warn(self, line: str, **fields: Any) -> None:
        """Log a line, or count it only; ``fields`` fill in its places."""
        now = self._seconds()
        if self._began is None or now - self._began >= _WINDOW_S:
            if self._left_out:
                self._log.warn(
                    "{count} more lines of this kind were left out", count=self._left_out
                )
            self._began, self._told, self._left_out = now, 0, 0
        if self._told >= self._most:
            self._left_out += 1
            return
        self._told += 1
        self._log.warn(line, **fields)
