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
from importlib import import_module
from typing import Any

import zstandard
from sqlalchemy import Connection, select

from ci_master.storage.schema import logchunks

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
