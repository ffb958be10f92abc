"""Where text of a log ends up, and how much of it at most."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.defer import Deferred

from ci_common.errorline import END_BYTES


class Writer(Protocol):
    """The part of the data room's log writer that a log needs."""

    @property
    def has_room(self) -> bool:
        """Whether little enough waits to be stored."""

    def append(self, stream: str, data: bytes) -> None:
        """Store whole or partial lines of UTF-8."""

    def finish(self) -> None:
        """No more is coming."""

    def room(self) -> Deferred[None]:
        """Fires when there is room."""

    def output_end(self) -> list[tuple[str, bytes]]:
        """The end of the log, as (letter of the stream, text), without headers."""


class LimitedWriter:
    """A writer that stores the beginning of a log, and its end if that is wanted.

    :param max_bytes: how much of the beginning.
    :param max_tail_bytes: how much of the end, which is held in memory until it is known.
    :param note_stream: the stream of the remarks that say what was left out.
    """

    def __init__(
        self, writer: Writer, max_bytes: int, max_tail_bytes: int | None, note_stream: str
    ) -> None:
        self._writer = writer
        self._max_bytes = max_bytes
        self._max_tail_bytes = max_tail_bytes or 0
        self._note_stream = note_stream
        self._stored_bytes = 0
        self._line_open = False
        self._full = False
        self._tail: deque[tuple[str, bytes]] = deque()
        self._tail_bytes = 0
        #: The end of what is left out.
        self._left_out: list[tuple[str, bytes]] = []
        self._left_out_bytes = 0

    @property
    def has_room(self) -> bool:
        """Whether little enough waits to be stored."""
        return self._writer.has_room

    def room(self) -> Deferred[None]:
        """Fires when there is room."""
        return self._writer.room()

    def append(self, stream: str, data: bytes) -> None:
        """Store what is within the limit; keep what may be the end."""
        if not self._full:
            room = self._max_bytes - self._stored_bytes
            kept = data if len(data) <= room else _cut(data, room)
            if kept:
                self._stored_bytes += len(kept)
                self._line_open = not kept.endswith(b"\n")
                self._writer.append(stream, kept)
            if len(kept) == len(data):
                return
            self._full = True
            data = data[len(kept) :]
            self._note(
                f"Output exceeded {self._max_bytes} bytes, remaining output has been truncated\n"
            )
        if stream != "h":
            self._left_out.append((stream, data[-END_BYTES:]))
            self._left_out_bytes += len(self._left_out[-1][1])
            if self._left_out_bytes > 2 * END_BYTES:
                self._forget()
        if self._max_tail_bytes:
            self._keep(stream, data)

    def _forget(self) -> None:
        """Keep no more than is wanted of the end of what is left out."""
        kept, room = [], END_BYTES
        for stream, data in reversed(self._left_out):
            if room <= 0:
                break
            kept.append((stream, data[-room:]))
            room -= len(data)
        self._left_out = kept[::-1]
        self._left_out_bytes = sum(len(data) for _, data in kept)

    def output_end(self) -> list[tuple[str, bytes]]:
        """The end of what was said, be it stored or left out."""
        return [*self._writer.output_end(), *self._left_out]

    def _keep(self, stream: str, data: bytes) -> None:
        self._tail.append((stream, data))
        self._tail_bytes += len(data)
        while self._tail_bytes > self._max_tail_bytes:
            excess = self._tail_bytes - self._max_tail_bytes
            first_stream, first = self._tail.popleft()
            rest = _from_character(first, excess) if len(first) > excess else b""
            self._tail_bytes += len(rest) - len(first)
            if rest:
                self._tail.appendleft((first_stream, rest))

    def _note(self, text: str) -> None:
        open_line, self._line_open = self._line_open, False
        self._writer.append(self._note_stream, (b"\n" if open_line else b"") + text.encode())

    def finish(self) -> None:
        """No more is coming: store the end."""
        if self._tail:
            self._note(f"Final {self._tail_bytes} bytes follow below:\n")
            for stream, data in self._tail:
                self._writer.append(stream, data)
            self._tail.clear()
        self._writer.finish()


def _cut(data: bytes, size: int) -> bytes:
    """At most ``size`` bytes from the front, never part of a character."""
    while size > 0 and data[size] & 0xC0 == 0x80:
        size -= 1
    return data[:size]


def _from_character(data: bytes, start: int) -> bytes:
    """All from ``start`` on, beginning with a whole character."""
    while start < len(data) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:]
