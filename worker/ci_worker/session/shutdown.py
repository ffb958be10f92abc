"""The two ways in which somebody on this machine can ask for a graceful shutdown."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

STAMP = "shutdown.stamp"

_POLL_S = 10.0


def shutdown_watch(
    kind: str | None, reactor: Any, basedir: str, ask: Callable[[], None]
) -> Service | None:
    """The service that waits for a request of this kind: "signal", "file" or None."""
    if kind == "signal":
        return SignalWatch(reactor, ask)
    if kind == "file":
        return StampWatch(reactor, os.path.join(basedir, STAMP), ask)
    return None


class SignalWatch(Service):
    """SIGHUP asks for a shutdown; systems without that signal have nothing here."""

    def __init__(self, reactor: Any, ask: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ask = ask

    def startService(self) -> None:
        """Listen to the signal."""
        super().startService()
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._asked)

    def stopService(self) -> None:
        """Listen no more."""
        super().stopService()
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def _asked(self, *_: Any) -> None:
        self._reactor.callFromThread(self._ask)


class StampWatch(Service):
    """Touching a file asks for a shutdown; one that was there before does not."""

    def __init__(self, clock: Any, path: str, ask: Callable[[], None]) -> None:
        self._path = path
        self._ask = ask
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._touched_at = self._mtime()
        self._loop.start(_POLL_S, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        touched_at = self._mtime()
        if touched_at is not None and touched_at != self._touched_at:
            self._touched_at = touched_at
            self._ask()

    def _mtime(self) -> float | None:
        with contextlib.suppress(OSError):
            return os.stat(self._path).st_mtime
        return None
