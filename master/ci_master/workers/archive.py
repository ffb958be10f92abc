"""Unpacking a tar archive that somebody else made.

Nothing of it is trusted. The archive is read to its end and checked before anything is written;
then it is unpacked into an empty directory of its own, and only when all of it is there does it
go to its destination. Links of the archive are never followed, neither while unpacking nor in
checking: they are made last, and only where they lead to a place below the destination.

The ``tarfile`` module reads the archive, with bounds for what it reads into memory. Its
``extract`` methods and their filters are not used: those of the versions of Python that we run
on follow chains of links out of the destination.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import shutil
import stat
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from ci_common.filenames import shown, why_unusable

#: Entries of an archive, and directories above each other: more are refused.
MOST_ENTRIES = 500_000
DEEPEST = 200
#: Bytes of a header that is read into memory: long names, and the like.
MOST_HEADER_BYTES = 16 * 1024
#: A compressed archive may grow by this factor, beyond so many bytes.
MOST_GROWTH = 200
FREE_GROWTH_BYTES = 64 * 1024 * 1024

_COPY_BYTES = 256 * 1024
_HEADERS_IN_MEMORY = frozenset(
    [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
     tarfile.GNUTYPE_LONGLINK]
)  # fmt: skip
#: what the standard library raises for archives that are none
_BROKEN = (
    tarfile.TarError, zlib.error, struct.error, EOFError, ValueError, TypeError, LookupError,
    OverflowError, RecursionError,
)  # fmt: skip
_WHAT = {
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class BadArchive(Exception):
    """This archive is not unpacked; the text says why, with the path if it is about one."""


class _Header(tarfile.TarInfo):
    """A header that is checked before tarfile acts on it."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.size < 0:
            raise BadArchive("an entry of the archive has a negative size")
        if self.type in _HEADERS_IN_MEMORY and self.size > MOST_HEADER_BYTES:
            raise BadArchive(
                f"a header of the archive has {self.size} bytes; {MOST_HEADER_BYTES} are the most"
            )
        return super()._proc_member(tar)  # type: ignore[misc]  # there, though typeshed has it not


@dataclass(slots=True)
class _Entry:
    """A file or a link. Small, as there may be many."""

    path: tuple[str, ...]
    offset: int = 0
    size: int = 0
    mode: int = 0
    mtime: float = 0
    #: of a symbolic link: its text
    link: str = ""
    #: of a hard link: the file that it is another name of
    original: tuple[str, ...] = ()


@dataclass(slots=True)
class Contents:
    """What an archive has in it, checked."""

    directories: list[tuple[str, ...]] = field(default_factory=list)
    files: list[_Entry] = field(default_factory=list)
    links: list[_Entry] = field(default_factory=list)
    #: paths that are not unpacked, with the reason of each
    left_out: list[str] = field(default_factory=list)


@contextlib.contextmanager
def opened(archive: str, compress: str | None) -> Iterator[tarfile.TarFile]:
    """Open an archive for reading; whatever a broken one makes tarfile raise is a BadArchive."""
    try:
        with contextlib.ExitStack() as stack:
            raw: Any = stack.enter_context(open(archive, "rb"))
            if compress == "gz":
                raw = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="rb"))
            elif compress == "bz2":
                raw = stack.enter_context(bz2.BZ2File(raw, "rb"))
            most_bytes = os.path.getsize(archive)
            if compress is not None:
                most_bytes = most_bytes * MOST_GROWTH + FREE_GROWTH_BYTES
            raw = _Bounded(raw, most_bytes, compressed=compress is not None)
            yield stack.enter_context(
                tarfile.open(fileobj=cast("IO[bytes]", raw), mode="r:", tarinfo=_Header)
            )
    except _BROKEN as error:
        text = str(error) or type(error).__name__
        raise BadArchive(f"the archive cannot be read: {text}") from error
    except OSError as error:
        if error.errno is not None:
            raise  # a file that cannot be read or written; bz2 and gzip give no number
        raise BadArchive(f"the archive cannot be read: {error}") from error


class _Bounded:
    """A file that may not be read beyond a size: what unpacks to endless bytes is found out."""

    def __init__(self, file: Any, most_bytes: int, *, compressed: bool) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._compressed = compressed

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        if self._file.tell() > self._most_bytes:
            self._refuse()
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset > self._most_bytes:
            self._refuse()
        where: int = self._file.seek(offset, whence)
        return where

    def tell(self) -> int:
        where: int = self._file.tell()
        return where

    def _refuse(self) -> None:
        if not self._compressed:
            raise BadArchive("the archive is cut off: an entry is longer than what is left of it")
        raise BadArchive(
            f"the archive grows beyond {self._most_bytes} bytes when it is unpacked, more than "
            f"{MOST_GROWTH} times its size; upload it with compress=None if it is right"
        )


def examined(tar: tarfile.TarFile) -> Contents:
    """Look at all entries.

    :raises BadArchive: for what no honest archive has in it: absolute paths, ``..``, an entry below
        a file or a link, the same path twice.
    """
    return _Examination(tar).contents


class _Examination:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.contents = Contents()
        #: what each path is: a directory, a file, a link, or left out
        self._kinds: dict[tuple[str, ...], str] = {(): "directory"}
        #: directories that have no entry of their own so far
        self._implied: set[tuple[str, ...]] = set()
        number = 0
        while (member := tar.next()) is not None:
            number += 1
            if number > MOST_ENTRIES:
                raise BadArchive(f"the archive has more than {MOST_ENTRIES} entries")
            self._take(member)
            tar.members = []  # type: ignore[attr-defined]  # else tarfile keeps them all
        _check_end(tar)

    def _take(self, member: tarfile.TarInfo) -> None:
        path = _parts(member.name)
        if not path:
            if not member.isdir():
                raise BadArchive("the archive has an entry without a name")
        elif member.isdir() and path in self._implied:
            self._implied.remove(path)
        elif path in self._kinds:
            raise BadArchive(f"the archive has {_joined(path)} twice")
        elif not self._enter(path):
            self._kinds[path] = "left out"  # what it is below was said already
        elif reason := _name_refused(path[-1]):
            self._leave_out(path, reason)
        else:
            self._take_kind(path, member)

    def _take_kind(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if member.isdir():
            self._kinds[path] = "directory"
            self.contents.directories.append(path)
        elif member.issym():
            self._take_link(path, member)
        elif member.islnk():
            self._take_hard_link(path, member)
        elif member.isreg() and not member.issparse():
            self._kinds[path] = "file"
            self.contents.files.append(
                _Entry(path, member.offset_data, member.size, member.mode, member.mtime)
            )
        else:
            sparse = "a sparse file" if member.isreg() else "of unknown kind"
            self._leave_out(path, _WHAT.get(member.type, sparse))

    def _enter(self, path: tuple[str, ...]) -> bool:
        """Make sure that what is above is a directory; False if it was left out."""
        for depth in range(1, len(path)):
            above = path[:depth]
            kind = self._kinds.get(above)
            if kind is None:
                if reason := _name_refused(above[-1]):
                    self._leave_out(above, reason)
                    return False
                self._kinds[above] = "directory"
                self._implied.add(above)
                self.contents.directories.append(above)
            elif kind == "left out":
                return False
            elif kind != "directory":
                raise BadArchive(f"{_joined(path)} is below {_joined(above)}, which is a {kind}")
        return True

    def _leave_out(self, path: tuple[str, ...], reason: str) -> None:
        self._kinds[path] = "left out"
        self.contents.left_out.append(f"{_joined(path)}: {reason}")

    def _take_link(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        if reason := _link_refused(path, member.linkname):
            self._leave_out(path, reason)
        else:
            self.contents.links.append(_Entry(path, link=member.linkname))
        self._kinds[path] = "link"  # an entry below it is an attack in either case

    def _take_hard_link(self, path: tuple[str, ...], member: tarfile.TarInfo) -> None:
        original = _parts(member.linkname)
        if self._kinds.get(original) != "file":
            self._leave_out(
                path, f"a hard link to {shown(member.linkname)}, which is no file of the archive"
            )
            return
        self._kinds[path] = "file"
        self.contents.files.append(_Entry(path, original=original))


def _check_end(tar: tarfile.TarFile) -> None:
    """An archive ends with a block of zeros; tarfile takes any nonsense for its end."""
    fileobj: Any = tar.fileobj
    fileobj.seek(tar.offset)
    block = fileobj.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        raise BadArchive("the archive is cut off, or damaged")


def _parts(name: str) -> tuple[str, ...]:
    """A path of the archive as its parts; refuses those that lead out of it."""
    if name.startswith("/") or "\0" in name:
        raise BadArchive(f"the archive has the absolute path {shown(name)}")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise BadArchive(f"the archive has the path {shown(name)}, which leads out of it")
    if len(parts) > DEEPEST:
        raise BadArchive(
            f"the archive has a path of {len(parts)} parts, and {DEEPEST} are the most"
        )
    return parts


def _name_refused(name: str) -> str:
    reason = why_unusable(name, for_windows=os.name == "nt")
    return f"its name cannot be used: {reason}" if reason else ""


def _link_refused(path: tuple[str, ...], text: str) -> str:
    """Why a symbolic link is not made; empty if it leads to a place below the destination.

    ``..`` may stand at its begin only. What comes after that can only lead downwards, whichever
    links it passes, as each of them was made by this rule.
    """
    if os.name == "nt":
        return "a symbolic link, which is not made on Windows"
    where = f"a symbolic link to {shown(text)}"
    if not text or text.startswith("/") or "\\" in text or "\0" in text or ":" in text[:2]:
        return f"{where}, which leads out of the directory"
    parts = [part for part in text.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    if up > len(path) - 1 or ".." in parts[up:]:
        return f"{where}, which leads out of the directory"
    return ""


def _joined(path: tuple[str, ...]) -> str:
    return shown("/".join(path))


def unpack(tar: tarfile.TarFile, contents: Contents, empty: str) -> None:
    """Write what was examined into an empty directory that nobody else writes to."""
    for path in contents.directories:
        os.mkdir(os.path.join(empty, *path))
    for entry in contents.files:
        target = os.path.join(empty, *entry.path)
        if entry.original:
            _link_or_copy(os.path.join(empty, *entry.original), target)
        else:
            _write(cast("IO[bytes]", tar.fileobj), entry, target)
    for entry in contents.links:
        os.symlink(entry.link, os.path.join(empty, *entry.path))


def _write(source: IO[bytes], entry: _Entry, target: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    source.seek(entry.offset)
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        left = entry.size
        while left:
            data = source.read(min(left, _COPY_BYTES))
            if not data:
                raise BadArchive(f"the archive ends within {_joined(entry.path)}")
            file.write(data)
            left -= len(data)
        if hasattr(os, "fchmod"):
            os.fchmod(file.fileno(), _mode(entry.mode))
    # The times of a strange clock are no reason to refuse a file.
    with contextlib.suppress(OSError, ValueError, OverflowError):
        os.utime(target, (entry.mtime, entry.mtime))


def _mode(mode: int) -> int:
    """Permissions of a file: its owner may change it, others may not, no bits of ownership."""
    mode = (mode & 0o755) | 0o600
    return mode if mode & 0o100 else mode & ~0o111


def _link_or_copy(original: str, target: str) -> None:
    try:
        os.link(original, target)
    except OSError:  # a file system without hard links
        shutil.copy2(original, target)


def why_in_the_way(contents: Contents, destination: str) -> str:
    """What of an existing directory prevents the contents from being put into it; or nothing."""
    for path in contents.directories:
        kind = _kind_of(os.path.join(destination, *path))
        if kind not in ("", "directory"):
            return f"{os.path.join(destination, *path)} is a {kind} on the master, not a directory"
    for entry in (*contents.files, *contents.links):
        if _kind_of(os.path.join(destination, *entry.path)) == "directory":
            return f"{os.path.join(destination, *entry.path)} is a directory on the master"
    return ""


def _kind_of(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISDIR(mode):
        return "directory"
    return "symbolic link" if stat.S_ISLNK(mode) else "file"


def move_into(source: str, contents: Contents, destination: str) -> None:
    """Move what was unpacked into an existing directory; each file is replaced at once."""
    for path in contents.directories:
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(destination, *path))
    for entry in (*contents.files, *contents.links):
        os.replace(os.path.join(source, *entry.path), os.path.join(destination, *entry.path))


def remove_tree(path: str) -> None:
    """Remove a directory that may be gone already. Links in it are not followed."""
    if Path(path).is_symlink():
        os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)
