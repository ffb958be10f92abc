"""Stop a program that does not want to end, and everything it started."""

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ci_common.processes import tree

#: A killed process that is not gone by then is given up.
SURVIVAL_S = 5.0

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows knows only the one


class Stopping:
    """The way from the first signal to the last.

    With ``sigterm_time_s`` SIGTERM comes first and ``interrupt_signal`` that much later; without,
    ``interrupt_signal`` comes at once. A signal that is not KILL is followed by KILL after
    ``SURVIVAL_S``. ``on_survival`` is called if the process outlives that too.
    """

    def __init__(
        self,
        clock: IReactorTime,
        pid: int,
        *,
        sigterm_time_s: float | None,
        interrupt_signal: str,
        on_survival: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._pid = pid
        self._sigterm_time_s = sigterm_time_s
        self._signal = _number(interrupt_signal)
        self._on_survival = on_survival
        self._known = tree.descendants(pid)
        self._timer: Any = None

    def begin(self) -> None:
        """Send the first signal."""
        if self._sigterm_time_s:
            tree.signal_group(self._pid, signal.SIGTERM)
            self._timer = self._clock.callLater(self._sigterm_time_s, self._interrupt)
        else:
            self._interrupt()

    def end(self) -> None:
        """The process has ended: what it left behind ends too."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        tree.kill_tree(self._pid, self._known, root_has_ended=True)

    def _interrupt(self) -> None:
        if self._signal == _KILL:
            self._kill()
            return
        tree.signal_group(self._pid, self._signal)
        self._timer = self._clock.callLater(SURVIVAL_S, self._kill)

    def _kill(self) -> None:
        tree.kill_tree(self._pid, self._known)
        self._timer = self._clock.callLater(SURVIVAL_S, self._on_survival)


def _number(name: str | int) -> int:
    if isinstance(name, int):
        return name
    full = name if name.startswith("SIG") else f"SIG{name}"
    return int(getattr(signal, full, _KILL))
