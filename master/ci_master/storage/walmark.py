"""Whether the write-ahead log beside an SQLite database belongs to it.

A master that is killed leaves ``state.sqlite-wal``. If somebody then copies another file over
``state.sqlite``, SQLite does not notice: it carries out on the new file what the log says was done
to the old one, and so brings back what came after the copy, or breaks it. So each run of a master
gives its database a mark: a random number in the file's header, at the place of the schema's
version, which SQLite gives another value in whatever copy it makes itself. The marks that the file
may have are written beside it. A log is only used with a file that has one of them.

Before a database is opened its file is looked at without SQLite, which would use the log at once.
A process that has it open must not do that: to close the file would free SQLite's locks, and the
next program that closes the database would remove the log from under it.
"""

import contextlib
import os
import secrets
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from ci_common.privacy import write_private_text

#: What is put after the name of a database's file, for the file with its marks.
MARKS = "-marks"

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_MARK_AT = 40
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24

#: Seconds that the mark of a new run waits for others who write or read.
_LOCK_S = 15.0


class ForeignLog(Exception):
    """The write-ahead log is that of another file; the text says what to do."""


def check_log(path: str) -> None:
    """Make sure that a database may be opened together with the log beside it.

    :raises ForeignLog: if the log was left by a run on another file.
    """
    if not _has_log(path):
        return
    mark = _mark(path)
    known = _known(path)
    if mark is None or not known or mark in known or mark in _marks_in_log(f"{path}-wal"):
        return
    raise ForeignLog(
        f"{path} is not the file that {path}-wal belongs to: it was copied there after a master"
        " was killed, whose last writes are in that log. Used together, the two would bring back"
        " what came after the copy, or break the database. To go on with the file as it is now,"
        f" put the log away: mv {path}-wal {path}-wal.old. To go on with what there was before,"
        " put the former file back. (ci-master restore takes care of this.)"
    )


def note_mark(path: str) -> None:
    """Add the mark that the file has now, if there is no log: it is what a log may follow.

    Only for a process that does not have the database open.
    """
    mark = None if _has_log(path) else _mark(path)
    if mark is not None:
        add_mark(path, mark)


def add_mark(path: str, mark: int) -> None:
    """Add a mark, which somebody gave the file that is in use by changing its tables."""
    known = _known(path)
    if mark not in known:
        _write(path, known | {mark})


def mark_run(path: str) -> int:
    """Give the database a new mark. Call it once in each run of a master, as its only one.

    :returns: the mark: what ``PRAGMA schema_version`` answers.
    :raises sqlite3.Error: if it cannot be written.
    """
    new = secrets.randbelow(2**30) + 2**29
    uri = f"file:{quote(os.path.abspath(path))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_LOCK_S)) as connection:
        (current,) = connection.execute("PRAGMA schema_version").fetchone()
        _write(path, {*_known(path), current, new})
        connection.execute(f"PRAGMA schema_version={new:d}")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if not busy:
        _write(path, {new})
    return new


def schema_version(connection: Connection) -> int:
    """The mark of a database that is open."""
    return int(connection.exec_driver_sql("PRAGMA schema_version").scalar_one())


def _has_log(path: str) -> bool:
    try:
        return os.path.getsize(f"{path}-wal") > _WAL_HEADER_BYTES
    except OSError:
        return False


def _mark(path: str) -> int | None:
    """The mark in a file; None if it is no database, or has nothing in it yet."""
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return None
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        return None
    return int.from_bytes(header[_MARK_AT : _MARK_AT + 4], "big")


def _marks_in_log(path: str) -> set[int]:
    """The marks that the log itself gives the file: somebody has changed the tables."""
    marks: set[int] = set()
    with contextlib.suppress(OSError), open(path, "rb") as file:
        header = file.read(_WAL_HEADER_BYTES)
        if len(header) < _WAL_HEADER_BYTES:
            return marks
        page_bytes, salts = struct.unpack(">I", header[8:12])[0], header[16:24]
        while len(frame := file.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES:
            if frame[8:16] != salts:
                break  # left over from before the log was begun anew
            if frame[:4] == b"\0\0\0\1":
                page = file.read(_HEADER_BYTES)
                marks.add(int.from_bytes(page[_MARK_AT : _MARK_AT + 4], "big"))
                file.seek(page_bytes - len(page), os.SEEK_CUR)
            else:
                file.seek(page_bytes, os.SEEK_CUR)
    return marks


def _known(path: str) -> set[int]:
    """The marks that are written beside the file."""
    try:
        words = Path(path + MARKS).read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return set()
    return {int(word) for word in words if word.isascii() and word.isdigit()}


def _write(path: str, marks: set[int]) -> None:
    write_private_text(Path(path + MARKS), "".join(f"{mark}\n" for mark in sorted(marks)))
