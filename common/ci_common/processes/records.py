"""What runs, written down, so that the next run of a daemon can end what a killed one left.

The file ``twistd.processes`` in a daemon's directory has a line for each event of a program:
``+ MARK`` before it is started, ``@ MARK PID STARTED`` when it has run for a second, ``- MARK``
when it has ended. A program with no last line was running when the daemon was killed. A mark is
random, so that nothing of another run, machine or directory can be taken for one of ours; the
process id is believed only together with the time at which the process began.

Most programs are short. So who one is, is looked up only when it has run for a second: the mark
alone finds a program, unless that has cleared its environment. And the file is emptied when
nothing has run for a second.

The line ``= PID STARTED`` at the beginning says which daemon wrote the file. While that one runs,
the file is a copy, made with its directory, and what it names is not the reader's to end.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ci_common.processes.identity import ProcessId, identify
from ci_common.processes.tree import ProcessTree, is_running, tree_of

FILE = "twistd.processes"

#: What is not over after so many seconds is looked up.
SETTLE_S = 1.0

#: A file that has grown to this is written anew with what still runs.
_REWRITE_BYTES = 64 * 1024

#: So long is waited for the end of what was killed.
_END_S = 5.0
_POLL_S = 0.01

log = Logger()


@dataclass(frozen=True)
class Record:
    """One program of a file of records.

    :param process: None if the daemon was killed before it could write that down.
    """

    mark: str
    process: ProcessId | None


def new_mark() -> str:
    """A mark that no other program has or had."""
    return secrets.token_hex(12)


class ProcessRecords:
    """The records of one daemon. A disk that takes no more is logged once, and hinders nothing.

    :param path: the file; what is in it is from the run before, see :meth:`end_leftovers`.
    :param clock: the reactor.
    """

    def __init__(self, path: str | os.PathLike[str], clock: IReactorTime) -> None:
        self._path = Path(path)
        self._clock = clock
        self._running: dict[str, str] = {}
        #: started, and not yet looked up; with the time of their start
        self._young: dict[str, tuple[float, ProcessTree]] = {}
        self._settling: IDelayedCall | None = None
        self._handle: int | None = None
        self._head = ""
        self._bytes = 0
        self._complained = False

    def end_leftovers(self, say: Callable[[str], None] | None = None) -> int:
        """Kill what the run before left behind, wait for its end, and begin an empty file.

        Call it once, before anything is started and while nothing else serves the directory.

        :param say: gets a line for each program of which something was left.
        :returns: how many programs that were.
        """
        if not self._path.exists():
            return 0
        records = read_records(self._path)
        writer = written_by(self._path)
        if writer is not None and writer.pid != os.getpid() and is_running(writer):
            if records and say is not None:
                say(f"{self._path} is a copy of the file of process {writer.pid}, which runs")
            records = []
        left = _kill_leftovers(records, say) if records else 0
        self._rewrite()
        return left

    def starts(self, mark: str) -> None:
        """A program of this mark is about to be started."""
        line = f"+ {mark}\n"
        self._running[mark] = line
        self._write(line)

    def runs(self, mark: str, tree: ProcessTree) -> None:
        """It runs."""
        self._young[mark] = (self._clock.seconds(), tree)
        self._settle_later()

    def ended(self, mark: str) -> None:
        """It has ended, or could not be started."""
        self._young.pop(mark, None)
        if self._running.pop(mark, None) is None:
            return
        if self._bytes > _REWRITE_BYTES:
            self._rewrite()
        else:
            self._write(f"- {mark}\n")
            self._settle_later()

    def close(self) -> None:
        """Write who still runs, and then no more."""
        if self._settling is not None:
            self._settling.cancel()
            self._settle(closing=True)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _settle_later(self) -> None:
        if self._settling is None:
            self._settling = self._clock.callLater(SETTLE_S, self._settle)

    def _settle(self, closing: bool = False) -> None:
        """Write who the programs are that run on; empty the file if there are none."""
        self._settling = None
        latest = self._clock.seconds() - (0 if closing else SETTLE_S)
        for mark, (started_at, tree) in list(self._young.items()):
            if started_at > latest:
                self._settle_later()
                break  # and so are those after it
            del self._young[mark]
            # What has ended may have been collected, and its number be another's.
            process = None if tree.root_has_ended else identify(tree.pid)
            if process is not None:
                line = f"@ {mark} {process.pid} {process.started}\n"
                self._running[mark] = line
                self._write(line)
        if not self._running:
            self._rewrite()

    def _write(self, text: str) -> None:
        try:
            if self._bytes == 0:
                text = self._whose() + text
            self._bytes += os.write(self._open(), text.encode("ascii"))
        except OSError as error:
            self._complain(error)

    def _rewrite(self) -> None:
        """Begin the file anew with what runs."""
        text = "".join(self._running.values())
        if text:
            text = self._whose() + text
        try:
            handle = self._open()
            if text:
                partial = self._path.with_name(self._path.name + ".new")
                partial.write_text(text, encoding="ascii")
                self.close()
                os.replace(partial, self._path)
                handle = self._open()
            else:
                os.ftruncate(handle, 0)
            self._bytes = len(text)
        except OSError as error:
            self._complain(error)

    def _whose(self) -> str:
        if not self._head and (me := identify(os.getpid())) is not None:
            self._head = f"= {me.pid} {me.started}\n"
        return self._head

    def _open(self) -> int:
        if self._handle is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._handle = os.open(self._path, flags, 0o600)
        return self._handle

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            log.error(
                "cannot write {path}: {error}; if this process is killed, what it runs then is "
                "not ended by the next one",
                path=str(self._path),
                error=error.strerror or error,
            )


def read_records(path: Path) -> list[Record]:
    """The programs of a file that had not ended. A line that is cut or strange is passed over."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        log.error("cannot read {path}: {error}", path=str(path), error=error.strerror or error)
        return []
    running: dict[str, Record] = {}
    for line in lines[:-1]:  # the last one has no end, or is empty
        match line.split(" "):
            case ["+", mark]:
                running[mark] = Record(mark, None)
            case ["@", mark, pid, started] if pid.isascii() and pid.isdigit() and int(pid) > 1:
                running[mark] = Record(mark, ProcessId(int(pid), started))
            case ["-", mark]:
                running.pop(mark, None)
    return list(running.values())


def written_by(path: Path) -> ProcessId | None:
    """The daemon whose file this is; None if it does not say."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            line = file.readline()
    except OSError:
        return None
    match line.rstrip("\n").split(" "):
        case ["=", pid, started] if pid.isascii() and pid.isdigit() and line.endswith("\n"):
            return ProcessId(int(pid), started)
    return None


def _kill_leftovers(records: list[Record], say: Callable[[str], None] | None) -> int:
    trees = [leftover_tree(record) for record in records]
    left = [(tree, members) for tree in trees if (members := tree.members())]
    for tree, members in left:
        if say is not None:
            pids = ", ".join(str(pid) for pid in sorted(process.pid for process in members))
            say(f"ending what the previous run left behind: process {pids}")
        tree.kill()
    deadline = time.monotonic() + _END_S
    alive = {process for _, members in left for process in members}
    while alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        alive = {process for process in alive if is_running(process)}
    if alive and say is not None:
        pids = ", ".join(str(process.pid) for process in alive)
        say(f"cannot end what the previous run left behind: process {pids}")
    return len(left)


def leftover_tree(record: Record) -> ProcessTree:
    """The tree of a recorded program, as far as there is something left of it."""
    process = record.process or ProcessId(0, "")
    return tree_of(process.pid, mark=record.mark, root=process)
