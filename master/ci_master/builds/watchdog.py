"""The master's own look at the time limits of a command, which its worker should keep."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Seconds that a worker has for ending a command whose time is over, besides its ``sigtermTime``.
GRACE_S = 20.0

#: What workers call the two limits when they tell why they ended a command.
SILENT, TOO_LONG = "timeout_without_output", "timeout"


class Watchdog:
    """Calls back when a command has exceeded its ``timeout`` or ``maxTime`` and still runs.

    :param args: the command's arguments.
    :param expired: called once, with :data:`SILENT` or :data:`TOO_LONG` and the seconds of the
        limit.
    """

    def __init__(
        self,
        clock: IReactorTime,
        args: Mapping[str, Any],
        expired: Callable[[str, float], None],
    ) -> None:
        self._clock = clock
        self._expired = expired
        self._timeout_s = _seconds(args.get("timeout"))
        self._max_s = _seconds(args.get("maxTime"))
        self._grace_s = GRACE_S + (_seconds(args.get("sigtermTime")) or 0)
        self._began_at = self._heard_at = clock.seconds()
        self._withheld = 0
        self._timer: IDelayedCall | None = None
        self._wait()

    def heard(self) -> None:
        """There was output."""
        self._heard_at = self._clock.seconds()

    def withhold(self, taken: Deferred[Any]) -> None:
        """Output waits here to be stored, so that the worker sends no more before this fires."""
        self._withheld += 1
        taken.addBoth(self._taken)

    def stop(self) -> None:
        """The command has ended."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _taken(self, result: Any) -> Any:
        self._withheld -= 1
        self.heard()
        return result

    def _wait(self) -> None:
        due = self._due()
        if due is not None:
            self._timer = self._clock.callLater(
                max(0.0, due[0] - self._clock.seconds()), self._look
            )

    def _due(self) -> tuple[float, str, float] | None:
        """When it will be overdue if nothing more is heard, by which limit, and that limit."""
        limits = []
        if self._max_s is not None:
            limits.append((self._began_at + self._max_s + self._grace_s, TOO_LONG, self._max_s))
        if self._timeout_s is not None:
            at = self._heard_at + self._timeout_s + self._grace_s
            limits.append((at, SILENT, self._timeout_s))
        return min(limits, default=None)

    def _look(self) -> None:
        self._timer = None
        due = self._due()
        if due is None:
            return
        if self._withheld:  # the delay is ours
            self._timer = self._clock.callLater(self._grace_s, self._look)
        elif due[0] > self._clock.seconds():
            self._wait()
        else:
            self._expired(due[1], due[2])


def _seconds(value: Any) -> float | None:
    """A limit, if it is one: workers take None and 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return float(value)
