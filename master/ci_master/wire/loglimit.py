"""Keep one noisy peer from filling the log."""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class LogLimit:
    """Pass on at most ``most`` lines per ``period_s`` seconds; tell how many were left out.

    :param say: writes one line.
    """

    def __init__(
        self,
        clock: IReactorTime,
        say: Callable[[str], None],
        *,
        most: int = 10,
        period_s: float = 60.0,
    ) -> None:
        self._clock = clock
        self._say = say
        self._most = most
        self._period_s = period_s
        self._said = 0
        self._left_out = 0
        self._ending: IDelayedCall | None = None

    def say(self, line: str) -> None:
        """Write the line, or count it."""
        if self._ending is None:
            self._ending = self._clock.callLater(self._period_s, self._end)
        if self._said < self._most:
            self._said += 1
            self._say(line)
        else:
            self._left_out += 1

    def close(self) -> None:
        """Tell what was left out; nothing is pending afterwards."""
        if self._ending is not None:
            self._ending.cancel()
            self._end()

    def _end(self) -> None:
        if self._left_out:
            self._say(f"{self._left_out} more lines of this kind in the last minute")
        self._said = self._left_out = 0
        self._ending = None
