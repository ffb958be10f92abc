"""POSIX: children started by ``vfork`` in a session of their own, read in large pieces."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from twisted.internet import main
from twisted.internet.process import Process, ProcessReader

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
    """

    processReaderFactory = WideReader

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
        child = subprocess.Popen(
            args,
            executable=executable,
            cwd=path,
            env=environment,
            stdin=fds[0],
            stdout=fds[1],
            stderr=fds[2],
            start_new_session=True,
        )
        self.pid = child.pid
        self.status = -1
        child.returncode = 0  # the reactor collects the child; Popen must not try to


@cache
def null_input() -> int:
    """A descriptor for input that is empty, opened once."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
