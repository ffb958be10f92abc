"""Log text on its way to storage: gathered into chunks, counted in lines, never held whole."""

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from ci_master.data.context import Context
from ci_master.data.model import StepRow
from ci_master.storage import schema
from ci_master.storage.logchunks import METHODS, compress

#: A chunk is closed when it has this many bytes of text.
CHUNK_BYTES = 128 * 1024
#: Text waits at most this long before it is on its way to storage, in seconds.
FLUSH_S = 0.1
#: A line without an end is cut here.
LONGEST_LINE_BYTES = 64 * 1024
#: More text than this on its way to storage: whoever sends more has to wait.
BACKLOG_BYTES = 2 * 1024 * 1024


class LogWriter:
    """One log of a running step.

    Text is kept as printed, in chunks of whole lines with the streams they came from beside
    them. The chunk at the end is rewritten as it grows, so that a slow log does not end up as
    thousands of tiny ones.
    """

    __slots__ = (
        "_context",
        "_dirty",
        "_first_line",
        "_logs",
        "_partial",
        "_room",
        "_row_id",
        "_runs",
        "_size",
        "_tail",
        "_told_lines",
        "_unstored",
        "backlog_bytes",
        "complete",
        "id",
        "name",
        "num_bytes",
        "num_lines",
        "slug",
        "stepid",
        "type",
    )

    def __init__(
        self, logs: "Logs", context: Context, log_id: int, *, stepid: int, name: str, slug: str,
        type: str,
    ) -> None:  # fmt: skip
        self._logs = logs
        self._context = context
        self.id = log_id
        self.stepid = stepid
        self.name = name
        self.slug = slug
        self.type = type
        self.complete = False
        self.num_lines = 0
        self.num_bytes = 0
        #: Bytes taken and not yet committed.
        self.backlog_bytes = 0
        self._partial: dict[str, bytes] = {}
        self._room: list[Deferred[None]] = []
        self._dirty = False
        self._told_lines = 0
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        self._row_id: int | None = None
        self._first_line = self.num_lines
        self._tail: list[bytes] = []
        self._runs: list[list[Any]] = []
        self._size = 0
        self._unstored = 0

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "logid": self.id,
            "name": self.name,
            "slug": self.slug,
            "stepid": self.stepid,
            "complete": self.complete,
            "num_lines": self.num_lines,
            "type": self.type,
        }

    @property
    def has_room(self) -> bool:
        """Whether more text may be sent without waiting."""
        return self.backlog_bytes < BACKLOG_BYTES

    def room(self) -> "Deferred[None]":
        """Fires when more text may be sent: at once, unless too much is on its way to storage."""
        if self.has_room:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._room.append(waiting)
        return waiting

    def append(self, stream: str, data: bytes) -> None:
        """Take UTF-8 text of a stream: ``o``, ``e`` or ``h``; empty in logs without streams.

        A line that is not ended yet waits for its end. Never blocks; see :meth:`room`.
        """
        if not data:
            return
        partial = self._partial
        if partial:
            data = partial.pop(stream, b"") + data
        cut = data.rfind(b"\n") + 1
        if cut != len(data):
            rest = data[cut:]
            if len(rest) >= LONGEST_LINE_BYTES:
                data += b"\n"
            else:
                partial[stream] = rest
                data = data[:cut]
                if not data:
                    return
        self._take(stream, data)

    def _take(self, stream: str, data: bytes) -> None:
        count = data.count(b"\n")
        size = len(data)
        self.num_lines += count
        self.num_bytes += size
        self.backlog_bytes += size
        runs = self._runs
        if runs and runs[-1][0] == stream:
            runs[-1][1] += count
            runs[-1][2] += size
        else:
            runs.append([stream, count, size])
        self._tail.append(data)
        self._size += size
        self._unstored += size
        if self._size >= CHUNK_BYTES:
            self._store_chunk()
            self._begin_chunk()
        if not self._dirty:
            self._dirty = True
            self._logs.flush_soon(self)

    def _store_chunk(self) -> None:
        """Write the chunk at the end, or what it has become."""
        values: dict[str, Any] = {
            "line_count": self.num_lines - self._first_line,
            "num_bytes": self._size,
            "runs_json": json.dumps(self._runs, separators=(",", ":")),
            "compression": METHODS[self._context.log_compression],
        }
        late = {"content": partial(compress, values["compression"], tuple(self._tail))}
        store = self._context.store
        act = store.transaction(f"lines of log '{self.name}'")
        if self._row_id is None:
            self._row_id = store.next_id(schema.logchunks)
            row = {"id": self._row_id, "logid": self.id, "first_line": self._first_line, **values}
            act.insert(schema.logchunks, row, late=late)
        else:
            act.update(schema.logchunks, self._row_id, values, late=late)
        stored, self._unstored = self._unstored, 0
        act.after_commit(lambda: self._stored(stored))
        act.on_failure(lambda failure: self._stored(stored))
        act.submit()

    def _stored(self, size: int) -> None:
        self.backlog_bytes -= size
        if self._room and self.has_room:
            waiting, self._room = self._room, []
            for one in waiting:
                one.callback(None)

    def flush(self) -> None:
        """Send what has been taken on its way to storage, and tell that the log has grown."""
        self._dirty = False
        if self._unstored:
            self._store_chunk()
        if self._told_lines != self.num_lines and not self.complete:
            self._told_lines = self.num_lines
            values = {"num_lines": self.num_lines, "num_bytes": self.num_bytes}
            self._context.store.update(schema.logs, self.id, values)
            self._tell("append")

    def finish(self) -> None:
        """End the log; a line without an end gets one. May be called twice."""
        if self.complete:
            return
        for stream, rest in self._partial.items():
            self._take(stream, rest + b"\n")
        self._partial.clear()
        if self._told_lines != self.num_lines:  # whoever follows the log waits for this
            self._told_lines = self.num_lines
            self._tell("append")
        self.complete = True
        if self._unstored:
            self._store_chunk()
        values = {"num_lines": self.num_lines, "num_bytes": self.num_bytes, "complete": True}
        self._context.store.update(schema.logs, self.id, values)
        self._logs.ended(self)
        self._tell("finished")

    def _tell(self, event: str) -> None:
        self._context.tell(
            self.as_json,
            ("logs", str(self.id), event),
            ("steps", str(self.stepid), "logs", self.slug, event),
        )


class Logs:
    """The logs that are being written."""

    def __init__(self, context: Context) -> None:
        self._context = context
        #: By id.
        self.open_logs: dict[int, LogWriter] = {}
        self._dirty: list[LogWriter] = []
        self._flushing: IDelayedCall | None = None

    def open(self, step: StepRow, name: str, type: str = "s") -> LogWriter:
        """Begin a log of a step.

        :param type: ``s`` with streams, ``t`` plain text, ``h`` HTML.
        """
        context = self._context
        log_id = context.store.next_id(schema.logs)
        slug = unique_slug(name, {log.slug for log in step.logs})
        log = LogWriter(self, context, log_id, stepid=step.id, name=name, slug=slug, type=type)
        step.logs.append(log)
        self.open_logs[log_id] = log
        row = {"id": log_id, "stepid": step.id, "name": name, "slug": slug, "type": type}
        context.store.insert(schema.logs, row)
        log._tell("new")
        return log

    def flush_soon(self, log: LogWriter) -> None:
        """Have this log flushed within :data:`FLUSH_S`."""
        self._dirty.append(log)
        if self._flushing is None:
            self._flushing = self._context.clock.callLater(FLUSH_S, self.flush)

    def flush(self) -> None:
        """Flush all logs that have grown."""
        if self._flushing is not None and self._flushing.active():
            self._flushing.cancel()
        self._flushing = None
        dirty, self._dirty = self._dirty, []
        for log in dirty:
            if not log.complete:
                log.flush()

    def ended(self, log: LogWriter) -> None:
        """Forget a log that is complete."""
        self.open_logs.pop(log.id, None)


def unique_slug(name: str, taken: set[str]) -> str:
    """An identifier for a log among those of its step, made from its name."""
    base = "".join(c if c.isalnum() or c in "_-." else "_" for c in name)[:50] or "log"
    if base[0].isdigit() or base[0] in ".":
        base = f"_{base}"[:50]
    slug, number = base, 2
    while slug in taken:
        tail = f"_{number}"
        slug, number = base[: 50 - len(tail)] + tail, number + 1
    return slug
