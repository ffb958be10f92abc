"""How long a program may run, be silent, and how much it may write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorTime

OnExceeded = Callable[[str, str], None]


@dataclass(frozen=True)
class Limits:
    """The limits of one program; None is none.

    :param silence_s: longest time without output.
    :param total_s: longest time at all.
    :param max_lines: most lines of output.
    """

    silence_s: float | None = None
    total_s: float | None = None
    max_lines: int | None = None

    def described(self) -> str:
        """The times, as the log's first lines show them."""
        text = ""
        if self.silence_s:
            text += f" (timeout {_seconds(self.silence_s)})"
        if self.total_s:
            text += f" (maxTime {_seconds(self.total_s)})"
        return text

    def watch(self, clock: IReactorTime, on_exceeded: OnExceeded) -> "LimitWatch":
        """Make the watch over one run; ``on_exceeded(failure_reason, text)`` is called once."""
        return LimitWatch(self, clock, on_exceeded)


def _seconds(number: float) -> str:
    return f"{number} sec" if number == 1 else f"{number} secs"


class LimitWatch:
    """Watches one run. Touching it is cheap: the timer looks back, it is not moved each time."""

    def __init__(self, limits: Limits, clock: IReactorTime, on_exceeded: OnExceeded) -> None:
        self._limits = limits
        self._clock = clock
        self._on_exceeded = on_exceeded
        self._last_activity_at = 0.0
        self._suspended = False
        self._silence_timer: Any = None
        self._total_timer: Any = None
        self._over = False

    def start(self) -> None:
        """The program has started."""
        self.touch()
        if self._limits.silence_s:
            self._silence_timer = self._clock.callLater(self._limits.silence_s, self._check)
        if self._limits.total_s:
            self._total_timer = self._clock.callLater(self._limits.total_s, self._out_of_time)

    def touch(self) -> None:
        """It wrote something, or could not be listened to until now."""
        self._suspended = False
        self._last_activity_at = self._clock.seconds()

    def suspend(self) -> None:
        """It is not listened to: its silence does not count until the next ``touch``."""
        self._suspended = True

    def count_lines(self, lines: int) -> None:
        """It has written so many lines."""
        most = self._limits.max_lines
        if most is not None and lines > most:
            text = f"command exceeds max lines: {lines}/{most} written/allowed"
            self._exceeded("max_lines_failure", text)

    def stop(self) -> None:
        """It has ended, or is being stopped."""
        self._over = True
        for timer in (self._silence_timer, self._total_timer):
            if timer is not None and timer.active():
                timer.cancel()

    def _check(self) -> None:
        limit_s = self._limits.silence_s
        assert limit_s is not None
        now = self._clock.seconds()
        left_s = limit_s if self._suspended else self._last_activity_at + limit_s - now
        if left_s > 0:
            self._silence_timer = self._clock.callLater(left_s, self._check)
        else:
            text = f"command timed out: {limit_s} seconds without output"
            self._exceeded("timeout_without_output", text)

    def _out_of_time(self) -> None:
        self._exceeded("timeout", f"command timed out: {self._limits.total_s} seconds elapsed")

    def _exceeded(self, reason: str, text: str) -> None:
        if not self._over:
            self.stop()
            self._on_exceeded(reason, text)
