"""POSIX: children started by ``vfork`` in a session of their own, read in large pieces.

It can be imported elsewhere, but not used.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from twisted.internet import main

from ci_common.processes.death import DeathSignal, death_signal, die_with_parent
from ci_common.processes.tree import SessionTree

if sys.platform == "win32":
    Process = ProcessReader = PTYProcess = object
else:
    from twisted.internet.process import Process, ProcessReader, PTYProcess

#: One read of a pipe: as much as a pipe holds.
READ_BYTES = 65536


class WideReader(ProcessReader):
    """Reads a child's pipe in pieces of up to ``READ_BYTES``."""

    def doRead(self) -> Any:
        """Take what there is; called by the reactor when there is something to read."""
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self.dataReceived(data)
        return None


class SessionProcess(Process):
    """A child process that leads its own session and process group.

    It is started by ``subprocess``, which uses ``vfork`` and tells why a program cannot be
    executed: constructing this raises OSError then. The rest is Twisted's own process transport.

    :ivar tree: with all that it starts. It is made here: Twisted may have collected the process,
        and forgotten its id, before the constructor is done.
    """

    processReaderFactory = WideReader
    tree: "ChildTree"

    def __init__(self, mark: str, *args: Any, **kwargs: Any) -> None:
        self._mark = mark
        super().__init__(*args, **kwargs)

    def _fork(
        self,
        path: str | None,
        uid: int | None,
        gid: int | None,
        executable: str | bytes,
        args: Sequence[str | bytes],
        environment: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        fds = kwargs["fdmap"]
        death = death_signal()
        try:
            child = subprocess.Popen(
                args,
                executable=executable,
                cwd=path,
                env=environment,
                stdin=fds[0],
                stdout=fds[1],
                stderr=fds[2],
                start_new_session=True,
                pass_fds=() if death is None else (death.descriptor,),
            )
        except BaseException:
            if death is not None:
                death.disarm()
            raise
        if death is not None:
            death.arm(child.pid)
        self.tree = ChildTree(child.pid, mark=self._mark, death=death)
        self.pid = child.pid
        self.status = -1
        child.returncode = 0  # the reactor collects the child; Popen must not try to


class TerminalProcess(PTYProcess):
    """A child process with a terminal, which dies with this process on Linux.

    :ivar tree: with all that it starts.
    """

    tree: "ChildTree"

    def __init__(self, mark: str, *args: Any) -> None:
        self._mark = mark
        self._ask_for_death = die_with_parent()
        super().__init__(*args)

    def _fork(self, *args: Any, **kwargs: Any) -> None:
        super()._fork(*args, **kwargs)
        assert self.pid is not None
        self.tree = ChildTree(self.pid, mark=self._mark)

    def _setupChild(self, masterfd: int, slavefd: int) -> None:
        super()._setupChild(masterfd, slavefd)
        self._ask_for_death()


class ChildTree(SessionTree):
    """The tree of a child of ours; at its end the rest may outlive us."""

    def __init__(self, pid: int, *, mark: str, death: DeathSignal | None = None) -> None:
        super().__init__(pid, mark=mark)
        self._death = death

    def close(self) -> None:
        """Have what is left of its process group live on when we die."""
        if self._death is not None:
            self._death.disarm()
            self._death = None
        super().close()


@cache
def null_input() -> int:
    """A descriptor for input that is empty, opened once."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def spawn(
    reactor: Any,
    protocol: Any,
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    use_pty: bool,
    with_stdin: bool,
    mark: str,
) -> ChildTree:
    """Start a program; see :func:`ci_common.processes.spawn.spawn_in_session`."""
    if use_pty:
        encoded = [os.fsencode(word) for word in argv]
        variables = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
        return TerminalProcess(mark, reactor, encoded[0], encoded, variables, cwd, protocol).tree
    streams = {0: "w" if with_stdin else null_input(), 1: "r", 2: "r"}
    return SessionProcess(mark, reactor, argv[0], argv, env, cwd, protocol, childFDs=streams).tree
