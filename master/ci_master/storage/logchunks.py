"""Log text, kept as compressed chunks of whole lines.

A chunk's content is the text as it was printed: whole lines, each ended by a newline. Which
stream each line came from stands beside it, as runs ``[[letter, lines, bytes], ...]`` in
order; the letter is ``o`` (stdout), ``e`` (stderr) or ``h`` (header), and empty in logs that
have no streams. So text goes in and comes out in bulk, and only a reader who wants the letters
in front of the lines pays for them.
"""

import bz2
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import zstandard
from sqlalchemy import Connection, Select, func, insert, select, update

from ci_master.storage.schema import logchunks, logs

RAW, GZ, BZ2, LZ4, ZSTD, BR = range(6)

#: Name in the configuration -> code in the table. Those of lz4 and br are optional packages, which
#: the check of the configuration wants to be there.
METHODS = {"raw": RAW, "gz": GZ, "bz2": BZ2, "lz4": LZ4, "zstd": ZSTD, "br": BR}

_LEVEL = 3
_USUAL_CHUNK_BYTES = 128 * 1024
_MOST_LINES = 2**31 - 1  # as many as the column can count
_compressor = zstandard.ZstdCompressor(level=_LEVEL)  # used by the writer's thread alone


def _lz4() -> Any:
    return import_module("lz4.block")


def _brotli() -> Any:
    return import_module("brotli")


#: 5 of 11: slower ones gain little, and cost the writer its time.
_BROTLI_LEVEL = 5

_COMPRESS: dict[int, Callable[[bytes], bytes]] = {
    RAW: bytes,
    GZ: zlib.compress,
    BZ2: bz2.compress,
    LZ4: lambda content: _lz4().compress(content),
    ZSTD: _compressor.compress,
    BR: lambda content: _brotli().compress(content, quality=_BROTLI_LEVEL),
}
_DECOMPRESS: dict[int, Callable[[bytes], bytes]] = {
    RAW: bytes,
    GZ: zlib.decompress,
    BZ2: bz2.decompress,
    LZ4: lambda content: _lz4().decompress(content),
    ZSTD: lambda content: zstandard.ZstdDecompressor().decompress(content),
    BR: lambda content: _brotli().decompress(content),
}


def compress(compression: int, parts: Sequence[bytes]) -> bytes:
    """The content of a chunk of this text. For the writer's thread."""
    return _COMPRESS[compression](b"".join(parts))


def repack(content: bytes, compression: int, wanted: int) -> bytes:
    """A chunk's content, compressed by another method."""
    return _COMPRESS[wanted](_DECOMPRESS[compression](content))


Run = tuple[str, int, int]


def _rows(tx: Connection, logid: int, first: int, last: int) -> Iterator[tuple[int, Any, bytes]]:
    """The chunks with any line of first..last: their first line, runs and text."""
    t = logchunks
    begins = (
        select(t.c.first_line)
        .where((t.c.logid == logid) & (t.c.first_line <= first))
        .order_by(t.c.first_line.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(t.c.first_line, t.c.runs_json, t.c.compression, t.c.content)
        .where((t.c.logid == logid) & (t.c.first_line >= begins) & (t.c.first_line <= last))
        .order_by(t.c.first_line)
    )
    for first_line, runs_json, compression, content in tx.execute(query):
        yield first_line, json.loads(runs_json), _DECOMPRESS[compression](content)


def lines(tx: Connection, logid: int, first: int, count: int) -> bytes:
    """Some lines of a log, each with its stream's letter in front (none in plain logs).

    :param first: number of the first line wanted, from 0.
    :param count: at most that many lines; fewer come at the end of the log.
    :returns: whole lines, each ended by a newline.
    """
    return b"".join(
        _lettered(letter, text) for letter, _lines, text in runs_of(tx, logid, first, count)
    )


def runs_of(tx: Connection, logid: int, first: int, count: int) -> Iterator[tuple[str, int, bytes]]:
    """Some lines of a log as runs of one stream: its letter, number of lines, their text."""
    end = min(first + count, _MOST_LINES)
    if count <= 0 or first >= end:
        return
    for first_line, runs, text in _rows(tx, logid, first, end - 1):
        line, at = first_line, 0
        for letter, line_count, size in runs:
            begin, stop = max(first - line, 0), min(end - line, line_count)
            if begin < stop:
                part = text[at : at + size]
                yield letter, stop - begin, _cut(part, line_count, begin, stop)
            line += line_count
            at += size


def _cut(text: bytes, line_count: int, begin: int, stop: int) -> bytes:
    """Lines begin..stop-1 of a text of so many lines."""
    if begin == 0 and stop == line_count:
        return text
    wanted = text.split(b"\n")[begin:stop]
    return b"\n".join(wanted) + b"\n"


def _lettered(letter: str, text: bytes) -> bytes:
    if not letter:
        return text
    mark = letter.encode()
    return mark + text[:-1].replace(b"\n", b"\n" + mark) + b"\n"


def blocks(
    tx: Connection, logid: int, from_line: int, limit_bytes: int
) -> tuple[bytes, int | None]:
    """The text of a log without letters, a block at a time.

    :param from_line: where to go on: 0, then what the last call returned.
    :param limit_bytes: about how much is wanted; at least one chunk comes.
    :returns: the block, and the line to go on from; None at the end of what is stored.
    """
    t = logchunks
    query = (
        select(t.c.first_line, t.c.line_count, t.c.compression, t.c.content)
        .where((t.c.logid == logid) & (t.c.first_line >= from_line))
        .order_by(t.c.first_line)
    )
    parts = []
    for first_line, line_count, compression, content in tx.execute(
        query.limit(max(1, limit_bytes // _USUAL_CHUNK_BYTES))
    ):
        parts.append(_DECOMPRESS[compression](content))
        from_line = first_line + line_count
    return b"".join(parts), (from_line if parts else None)


@dataclass(frozen=True)
class Gaps:
    """Where lines of a log may be missing, and what is needed to say so there.

    :param lines: how many lines the log should have.
    :param ids: for new chunks; one for each gap.
    :param letter: of the stream to which the lines go that stand for the missing ones.
    """

    logid: int
    lines: int
    ids: Sequence[int]
    letter: str


def mend(tx: Connection, gaps: Gaps, *, complete: bool) -> int:
    """Put as many lines, of which the first says why, in the place of those that are missing.

    :param complete: whether the log is to be marked as ended.
    :returns: bytes of the log's text now.
    """
    ids = iter(gaps.ids)
    at, size = 0, 0
    ends = [(gaps.lines, 0, 0)]  # where there would be another chunk
    for first_line, line_count, num_bytes in [*_extents(tx, gaps.logid), *ends]:
        if first_line > at:
            size += _fill(tx, gaps, next(ids), at, first_line - at)
        at = max(at, first_line + line_count)
        size += num_bytes
    _count(tx, gaps.logid, gaps.lines, size, complete)
    return size


def _fill(tx: Connection, gaps: Gaps, chunk_id: int, first_line: int, missing: int) -> int:
    """Store a chunk of that many lines that stand for missing ones; its size."""
    which = f"{missing} lines" if missing > 1 else "1 line"
    text = f"[{which} could not be stored here; the log of the master says why]".encode()
    text += b"\n" * missing
    row = {
        "id": chunk_id,
        "logid": gaps.logid,
        "first_line": first_line,
        "line_count": missing,
        "num_bytes": len(text),
        "runs_json": json.dumps([[gaps.letter, missing, len(text)]]),
        "compression": RAW,
        "content": text,
    }
    tx.execute(insert(logchunks), row)
    return len(text)


def close_gaps(
    tx: Connection, logid: int, *, complete: bool, renumber: bool = True
) -> tuple[int, int]:
    """Give the lines that are stored numbers without gaps, and the log as many lines.

    :param renumber: False where not even that can be stored: only the count is put right.
    :param complete: whether the log is to be marked as ended.
    :returns: how many lines and bytes there are.
    """
    t, at, size = logchunks, 0, 0
    for first_line, line_count, num_bytes in _extents(tx, logid):
        if renumber and first_line != at:
            chunk = (t.c.logid == logid) & (t.c.first_line == first_line)
            tx.execute(update(t).where(chunk).values(first_line=at))
        at += line_count
        size += num_bytes
    _count(tx, logid, at, size, complete)
    return at, size


def with_gaps(tx: Connection, log_ids: Select[tuple[int]]) -> list[int]:
    """Those of these logs whose lines have numbers with gaps."""
    t = logchunks
    query = select(t.c.logid).where(t.c.logid.in_(log_ids)).group_by(t.c.logid)
    gaps = func.sum(t.c.line_count) != func.max(t.c.first_line + t.c.line_count)
    return list(tx.execute(query.having(gaps)).scalars())


def _extents(tx: Connection, logid: int) -> list[Any]:
    """First line, number of lines and bytes of the chunks of a log, in order."""
    t = logchunks
    query = select(t.c.first_line, t.c.line_count, t.c.num_bytes)
    return list(tx.execute(query.where(t.c.logid == logid).order_by(t.c.first_line)))


def _count(tx: Connection, logid: int, lines: int, size: int, complete: bool) -> None:
    values: dict[str, Any] = {"num_lines": lines, "num_bytes": size}
    if complete:
        values["complete"] = True
    tx.execute(update(logs).where(logs.c.id == logid).values(values))
