"""Log text on its way to storage: gathered into chunks, counted in lines, never held whole."""

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from ci_common.errorline import END_BYTES
from ci_master.data.context import Context
from ci_master.data.model import StepRow
from ci_master.events.bus import Key
from ci_master.storage import logchunks, schema
from ci_master.storage.engine import may_pass
from ci_master.storage.logchunks import METHODS, compress
from ci_master.storage.transaction import Group, Transaction

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

    The count of lines is stored together with the lines. Where some cannot be stored, a line that
    says so takes their place, so that the numbers of all others hold; the step ends as EXCEPTION.
    If not even that can be stored, the log ends there.
    """

    __slots__ = (
        "_before",
        "_broken",
        "_context",
        "_dirty",
        "_first_line",
        "_group",
        "_in_flight",
        "_logs",
        "_mending",
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
        self, logs: "Logs", context: Context, log_id: int, *, step: StepRow, name: str, slug: str,
        type: str,
    ) -> None:  # fmt: skip
        self._logs = logs
        self._context = context
        self.id = log_id
        self.stepid = step.id
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
        self._group = Group(step.group)
        #: How many acts that store chunks are not answered yet.
        self._in_flight = 0
        self._mending = False
        #: Nothing can be stored of it any more.
        self._broken = False
        #: The end of what was said before the chunk that is being gathered.
        self._before: list[tuple[str, bytes]] = []
        self._start_chunk()

    def _begin_chunk(self) -> None:
        self._before = self.output_end()
        self._start_chunk()

    def _start_chunk(self) -> None:
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
        if not data or self._broken:
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
            self._send_chunk()
            self._begin_chunk()
        if not self._dirty:
            self._dirty = True
            self._logs.flush_soon(self)

    def output_end(self) -> list[tuple[str, bytes]]:
        """The end of the log in order, as (letter of the stream, text), without headers.

        At most :data:`~ci_common.errorline.END_BYTES`, which may begin within a line.
        """
        text = b"".join(self._tail)
        found, at, room = [], len(text), END_BYTES
        for stream, _lines, size in reversed(self._runs):
            if room <= 0:
                break
            at -= size
            if stream != "h":
                found.append((stream, text[max(at, at + size - room) : at + size]))
                room -= size
        for stream, part in reversed(self._before):
            if room <= 0:
                break
            found.append((stream, part[-room:]))
            room -= len(part)
        return found[::-1]

    def _act(self, what: str) -> Transaction:
        return self._context.transaction(f"{what} of log '{self.name}'", self._group)

    def _send_chunk(self) -> None:
        act = self._act("lines")
        self._add_chunk(act)
        self._add_count(act)
        act.submit()

    def _add_chunk(self, act: Transaction) -> None:
        """Write the chunk at the end, or what it has become."""
        compression = METHODS[self._context.log_compression]
        values = {
            "line_count": self.num_lines - self._first_line,
            "num_bytes": self._size,
            "runs_json": json.dumps(self._runs, separators=(",", ":")),
            "compression": compression,
        }
        late = {"content": partial(compress, compression, tuple(self._tail))}
        if self._row_id is None:
            row_id = self._row_id = self._context.store.next_id(schema.logchunks)
            row = {"id": row_id, "logid": self.id, "first_line": self._first_line, **values}
            act.insert(schema.logchunks, row, late=late)
        else:
            row_id = self._row_id
            act.update(schema.logchunks, row_id, values, late=late)
        size, self._unstored = self._unstored, 0
        self._in_flight += 1
        act.after_commit(lambda: self._answered(size))
        act.on_failure(lambda failure: self._lost(failure, row_id, size))

    def _add_count(self, act: Transaction) -> None:
        values = {"num_lines": self.num_lines, "num_bytes": self.num_bytes}
        act.update(schema.logs, self.id, values)

    def _answered(self, size: int) -> None:
        """What was on its way is stored, or never will be."""
        self._in_flight -= 1
        self.backlog_bytes -= size
        self._let_in()

    def _let_in(self) -> None:
        if self._room and self.has_room:
            waiting, self._room = self._room, []
            for one in waiting:
                one.callback(None)

    def flush(self) -> None:
        """Send what has been taken on its way to storage, and tell that the log has grown."""
        self._dirty = False
        grown = self._told_lines != self.num_lines and not self.complete
        if not self._unstored and not grown:
            return
        act = self._act("lines")
        if self._unstored:
            self._add_chunk(act)
        self._add_count(act)
        if grown:
            self._told_lines = self.num_lines
            self._tell(act, "append")
        act.submit()

    def finish(self) -> None:
        """End the log; a line without an end gets one. May be called twice."""
        if self.complete:
            return
        rests, self._partial = self._partial, {}
        for stream, rest in rests.items():
            self._take(stream, rest + b"\n")
        if self._unstored:
            self._send_chunk()
        act = self._act("the end")
        if self._told_lines != self.num_lines:  # whoever follows the log waits for this
            self._told_lines = self.num_lines
            self._tell(act, "append")
        self.complete = True
        self._logs.ended(self)
        act.update(schema.logs, self.id, {"complete": True})
        act.tell_then(self.as_json, *self._keys("finished"))
        act.concludes(self._group)
        act.on_failure(self._not_ended)
        act.submit()

    def _not_ended(self, failure: Failure) -> None:
        if not _for_good(failure):
            self._mend()

    def _lost(self, failure: Failure, row_id: int, size: int) -> None:
        """A chunk could not be stored as it is."""
        if self._row_id == row_id:
            self._drop_chunk()
        self._answered(size)
        if not _for_good(failure):
            self._mend()

    def _drop_chunk(self) -> None:
        """Begin a new chunk, and send no more of this one."""
        self.backlog_bytes -= self._unstored
        self._begin_chunk()

    def _mend(self) -> None:
        """Put lines that say so in the place of those that could not be stored."""
        if self._mending or self._broken:
            return
        self._mending = True
        if self._unstored:
            self._send_chunk()
        self._begin_chunk()
        table, next_id = schema.logchunks, self._context.store.next_id
        gaps = logchunks.Gaps(
            self.id,
            self.num_lines,
            [next_id(table) for _ in range(self._in_flight + 2)],
            "h" if self.type == "s" else "",
        )
        ended, bytes_before = self.complete, self.num_bytes

        def mended() -> None:
            self._mending = False
            self.num_bytes += found.value - bytes_before

        act = self._act("what stands for missing lines")
        found = act.run(partial(logchunks.mend, gaps=gaps, complete=ended))
        act.after_commit(mended)
        act.on_failure(self._not_mended)
        self._tell(act, "finished" if ended else "append")
        act.submit()

    def _not_mended(self, failure: Failure) -> None:
        """Nothing can be stored: the log ends with what is there."""
        self._broken = True
        self._drop_chunk()
        self._partial.clear()
        self._let_in()
        if not _for_good(failure):
            self._count_what_is_left(renumber=True)

    def _count_what_is_left(self, *, renumber: bool) -> None:
        def counted() -> None:
            self.num_lines, self.num_bytes = found.value

        def failed(failure: Failure) -> None:
            if renumber and not _for_good(failure):
                self._count_what_is_left(renumber=False)

        count = partial(
            logchunks.close_gaps, logid=self.id, complete=self.complete, renumber=renumber
        )
        act = self._act("what is left")
        found = act.run(count)
        act.after_commit(counted)
        act.tell_then(self.as_json, *self._keys("finished" if self.complete else "append"))
        act.on_failure(failed)
        act.submit()

    def _tell(self, act: Transaction, event: str) -> None:
        act.tell(self.as_json, *self._keys(event))

    def _keys(self, event: str) -> tuple[Key, ...]:
        return (
            ("logs", str(self.id), event),
            ("steps", str(self.stepid), "logs", self.slug, event),
        )


def _for_good(failure: Failure) -> bool:
    """Whether the database is away, and this master stops."""
    return failure.value is None or may_pass(failure.value)


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
        log = LogWriter(self, context, log_id, step=step, name=name, slug=slug, type=type)
        step.logs.append(log)
        self.open_logs[log_id] = log
        row = {"id": log_id, "stepid": step.id, "name": name, "slug": slug, "type": type}
        act = context.transaction(f"log '{name}'", step.group)
        act.insert(schema.logs, row)
        log._tell(act, "new")
        act.submit()
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
    """An identifier for a log among those of its step, made from its name.

    It is the one that scripts know from Buildbot: of ``err.text`` it is ``err_text``.
    """
    base = "".join(c if c.isalnum() or c in "_-" else "_" for c in name)[:50] or "log"
    if base[0].isdigit():
        base = f"_{base[1:]}"
    slug, number = base, 2
    while slug in taken:
        tail = f"_{number}"
        slug, number = base[: 50 - len(tail)] + tail, number + 1
    return slug
