"""The signals that end a process, from its first moment to its last.

A signal is never lost: before there is anybody to act on it, it is noted. And ending is certain: a
thread of its own watches, and ends the process by force if it does not end by itself.
"""

import contextlib
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: Seconds in which the reactor must take notice of a signal to end; and in which the process must
#: have ended in order: builds are cut short in ten, and a database that is away is given up in ten.
NOTICE_S = 20.0
END_S = 60.0


def ending_signals() -> tuple[int, ...]:
    """SIGTERM and SIGINT; on Windows SIGBREAK too, which is what Ctrl-Break sends."""
    names = ("SIGTERM", "SIGINT", "SIGBREAK")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


class EndedEarly(BaseException):
    """A signal to end came before there was anything to end."""


class Ending:
    """The ``ending_signals`` of one process: the first of them ends it, later ones change nothing.

    :param by_force: called in a thread before the process is ended by force, with the reason.
    """

    def __init__(self, by_force: Callable[[str], None]) -> None:
        self.wanted = False
        self._by_force = by_force
        self._act: Callable[[], None] | None = None
        self._raises = False
        self._watched, self._said = socket.socketpair()  # pipes cannot be selected everywhere
        self._former: dict[int, Any] = {}

    def install(self) -> None:
        """Take the signals from now on."""
        for number in ending_signals():
            self._former[number] = signal.signal(number, self._heard)
        threading.Thread(target=self._watch, name="ending", daemon=True).start()

    def restore(self) -> None:
        """Leave the signals as they were found, and watch no more."""
        for number, former in self._former.items():
            signal.signal(number, former)
        self._said.send(b"q")

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """While this runs a signal raises :class:`EndedEarly`: nothing else could act on it."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False
        if self.wanted:  # the exception may have been swallowed
            raise EndedEarly

    def act_by(self, act: Callable[[], None]) -> None:
        """Have the signals do this, now if one has come already. Others may have taken them."""
        self._act = act
        for number in ending_signals():
            signal.signal(number, self._heard)
        if self.wanted:
            act()

    def begun(self) -> None:
        """The end has begun, for whatever reason: it is timed from now on."""
        self._said.send(b"b")

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            return
        self.wanted = True
        self._said.send(b"s")
        if self._act is not None:
            self._act()
        elif self._raises:
            raise EndedEarly

    def _watch(self) -> None:
        word = self._watched.recv(1)
        if word == b"s" and self._said_within(NOTICE_S):
            word = self._watched.recv(1)
        elif word == b"s":
            self._force(f"it took no notice of a signal for {NOTICE_S:g} s")
        if word == b"q" or self._said_within(END_S, b"q"):
            return
        self._force(f"it did not end within {END_S:g} s")

    def _said_within(self, seconds: float, word: bytes | None = None) -> bool:
        ready, _, _ = select.select([self._watched], [], [], seconds)
        return bool(ready) and (word is None or self._watched.recv(1) == word)

    def _force(self, why: str) -> None:
        try:
            self._by_force(why)
        finally:
            os._exit(1)


_noted: set[int] = set()


def note_early(*numbers: int) -> None:
    """Have these signals noted, in place of what they would do to a process that just begins."""
    for number in numbers:
        signal.signal(number, lambda number, frame: _noted.add(number))


def act_on(number: int, act: Callable[[], Any]) -> None:
    """Have a signal do this; now, if it was noted before."""
    signal.signal(number, lambda number, frame: act())
    if number in _noted:
        _noted.discard(number)
        act()
