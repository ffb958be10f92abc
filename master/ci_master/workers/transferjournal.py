"""Which temporary files transfers have made, so that those of a killed master can be removed.

A transfer writes its temporary name down before it makes the file. At the next start
:meth:`TransferJournal.recover` removes what is written down and still there. Each line says which
process wrote it: while that one runs, the journal is a copy, made with the master's directory, and
the file is in use.
"""

import contextlib
import json
import os
import threading
from typing import Any

from ci_common.processes.identity import ProcessId, identify
from ci_master.workers.archive import remove_tree

#: how the name of every temporary file and directory begins
PREFIX = ".buildbot-transfer-"

#: the journal's name, in the master's directory
JOURNAL = "transfers.journal"


class TransferJournal:
    """The list of one master. All methods block, and may be called in threads.

    :param basedir: the master's directory.
    """

    def __init__(self, basedir: str) -> None:
        self._path = os.path.join(basedir, JOURNAL)
        self._open: set[str] = set()
        self._lock = threading.Lock()

    def begin(self, temporary: str) -> None:
        """A file or directory of this name is about to be made."""
        with self._lock:
            line = json.dumps({"path": temporary, **_writer()}).encode() + b"\n"
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line)
            self._open.add(temporary)

    def end(self, temporary: str) -> None:
        """It is gone. The list is emptied when nothing is open."""
        with self._lock:
            self._open.discard(temporary)
            if not self._open:
                with contextlib.suppress(FileNotFoundError):
                    os.truncate(self._path, 0)

    def recover(self) -> list[str]:
        """Remove what an earlier run left; gives a line for people about each."""
        try:
            with open(self._path, "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return []
        told = []
        for line in lines:
            with contextlib.suppress(ValueError):  # the last line of a killed master may be cut
                entry = json.loads(line)
                if isinstance(entry, dict) and _is_in_use(entry):
                    continue
                name = entry.get("path") if isinstance(entry, dict) else entry
                if isinstance(name, str) and os.path.basename(name).startswith(PREFIX):
                    told += _remove(name)
        with self._lock:
            if not self._open:
                os.truncate(self._path, 0)
        return told


def _writer() -> dict[str, Any]:
    """Which process this is."""
    me = identify(os.getpid())
    return {} if me is None else {"pid": me.pid, "started": me.started}


def _is_in_use(entry: dict[str, Any]) -> bool:
    """Whether another process, which runs, has written this entry."""
    pid = entry.get("pid")
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    return identify(pid) == ProcessId(pid, str(entry.get("started")))


def _remove(path: str) -> list[str]:
    if not os.path.lexists(path):
        return []
    try:
        if os.path.isdir(path):
            remove_tree(path)
        else:
            os.unlink(path)
    except OSError as error:
        return [f"{path}, which an upload of an earlier run left, stays: {error.strerror}"]
    return [f"removed {path}, which an upload of an earlier run left"]
