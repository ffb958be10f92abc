"""Which process this is, for the lease of the database, and whether another one still runs."""

import contextlib
import os
import platform
import secrets
import socket
from pathlib import Path

from ci_common.pidfile import is_alive
from ci_master.data.mastership import Identity
from ci_master.storage.engine import sqlite_file
from ci_master.storage.leases import Holder

#: In the master's directory: the token of the process that holds the lease for it.
TOKEN_FILE = "database.lease"


def identity_of(basedir: str, url: str = "") -> Identity:
    """The identity of this process, as the master of a directory and of a database."""
    me = Holder(
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        began=_began(os.getpid()),
        directory=basedir,
        token=secrets.token_hex(16),
        file=_file(url, basedir),
    )
    former = _read(Path(basedir) / TOKEN_FILE)
    return Identity(me, lambda other: is_gone(other, me, former))


def is_gone(other: Holder, me: Holder, former_token: str) -> bool:
    """Whether another holder has certainly ended.

    :param former_token: of the last master of our directory: no two processes serve it at the
        same time, so that one has ended, unless it is there for all to see.
    """
    if other.machine == me.machine:
        if other.file and me.file and other.file != me.file:
            return True  # it has the database of which ours is a copy
        return not is_alive(other.pid) or _began(other.pid) != other.began
    same_place = (other.host, other.directory) == (me.host, me.directory)
    return same_place and other.token == former_token


def note_token(identity: Identity) -> None:
    """Note in the directory that its master holds the lease now."""
    path = Path(identity.me.directory) / TOKEN_FILE
    with contextlib.suppress(OSError):  # its next run may then have to wait for the lease's end
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(identity.me.token)


def _file(url: str, basedir: str) -> str:
    """What tells the file of an SQLite database from each other one of this machine."""
    path = sqlite_file(url, basedir) if url else None
    with contextlib.suppress(OSError):
        if path is not None:
            found = os.stat(path)
            return f"{found.st_dev}:{found.st_ino}"
    return ""


def _machine() -> str:
    """What tells one running system, or container, from another."""
    parts = [platform.node(), _read(Path("/proc/sys/kernel/random/boot_id"))]
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(part for part in parts if part)


def _began(pid: int) -> str:
    """When a process began, in the words of its system; "" where that is not told."""
    stat = _read(Path(f"/proc/{pid}/stat"))
    fields = stat.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
