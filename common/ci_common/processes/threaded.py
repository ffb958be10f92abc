"""A process transport that needs nothing but ``subprocess`` and threads.

For systems whose reactor cannot wait for pipes and children: Windows. A thread reads each stream
and one waits for the end; each hands what it has to the reactor's thread, and reads on when that
was taken. The threads do not hinder the end of this process.
"""

import os
import subprocess
import threading
from collections.abc import Callable
from typing import IO, Any

from twisted.internet import error
from twisted.internet.interfaces import IProcessTransport
from twisted.python.failure import Failure
from zope.interface import implementer

READ_BYTES = 65536


@implementer(IProcessTransport)
class ThreadedProcess:
    """Carries a started ``subprocess.Popen`` to its protocol.

    ``start`` is called once everything is ready for the first output. All methods are for the
    reactor's thread.
    """

    def __init__(self, reactor: Any, protocol: Any, child: "subprocess.Popen[bytes]") -> None:
        self.pid: int | None = child.pid
        self._reactor = reactor
        self._protocol = protocol
        self._child = child
        self._open: dict[int, IO[bytes]] = {
            number: stream
            for number, stream in ((1, child.stdout), (2, child.stderr))
            if stream is not None
        }
        self._input = _Input(child.stdin) if child.stdin is not None else None
        self._may_read = threading.Event()
        self._may_read.set()
        self._reason: Failure | None = None
        self._over = False

    def start(self) -> None:
        """Begin to read and to wait."""
        self._protocol.makeConnection(self)
        for number, stream in self._open.items():
            _in_thread(self._read, number, stream)
        _in_thread(self._wait)

    # IProcessTransport, as far as it has a meaning here

    def write(self, data: bytes) -> None:
        """Give it input."""
        if self._input is not None:
            self._input.write(data)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Give it input; only descriptor 0 takes some."""
        self.write(data)

    def writeSequence(self, seq: Any) -> None:
        """Give it input."""
        self.write(b"".join(seq))

    def closeStdin(self) -> None:
        """Its input ends when all that was written is read."""
        if self._input is not None:
            self._input.close()

    def closeStdout(self) -> None:
        """Listen no more to its output."""
        self._lost(1)

    def closeStderr(self) -> None:
        """Listen no more to its errors."""
        self._lost(2)

    def closeChildFD(self, descriptor: int) -> None:
        """Close one of the three."""
        (self.closeStdin, self.closeStdout, self.closeStderr)[descriptor]()

    def loseConnection(self) -> None:
        """Close all three, whoever else holds them open."""
        self.closeStdin()
        for number in list(self._open):
            self._reactor.callLater(0, self._lost, number)

    def pauseProducing(self) -> None:
        """Take no more output for now."""
        self._may_read.clear()

    def resumeProducing(self) -> None:
        """Take output again."""
        self._may_read.set()

    def getHost(self) -> Any:
        """A process has no address."""
        return None

    getPeer = getHost

    def stopProducing(self) -> None:
        """The same as ``loseConnection``."""
        self.loseConnection()

    def signalProcess(self, signalID: str | int) -> None:
        """Kill it: that is what any signal does here.

        :raises ProcessExitedAlready: if it has ended.
        """
        if self._reason is not None:
            raise error.ProcessExitedAlready
        self._child.kill()

    # in the threads

    def _read(self, number: int, stream: IO[bytes]) -> None:
        while True:
            self._may_read.wait()
            try:
                data = os.read(stream.fileno(), READ_BYTES)
            except (OSError, ValueError):  # it broke; it was closed
                data = b""
            if not data:
                break
            self._and_wait(self._received, number, data)
        self._reactor.callFromThread(self._lost, number)

    def _wait(self) -> None:
        status = self._child.wait()
        self._reactor.callFromThread(self._exited, status)

    def _and_wait(self, function: Callable[..., None], *args: Any) -> None:
        done = threading.Event()

        def call() -> None:
            try:
                function(*args)
            finally:
                done.set()

        self._reactor.callFromThread(call)
        done.wait()

    # in the reactor's thread

    def _received(self, number: int, data: bytes) -> None:
        if number in self._open:
            self._protocol.childDataReceived(number, data)

    def _lost(self, number: int) -> None:
        stream = self._open.pop(number, None)
        if stream is not None:
            self._protocol.childConnectionLost(number)
            _in_thread(_close, stream)  # a read of it may be under way, which would block us
            self._end_if_over()

    def _exited(self, status: int) -> None:
        # A number above 2**31 is how Windows tells an exception that ended it.
        made = error.ProcessTerminated(status) if status else error.ProcessDone(0)
        if status < 0:
            made = error.ProcessTerminated(None, -status)
        self._reason = Failure(made)
        self._protocol.processExited(self._reason)
        self.closeStdin()
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._reason is not None and not self._open and not self._over:
            self._over = True
            self.pid = None
            self._protocol.processEnded(self._reason)


class _Input:
    """A child's standard input, written by a thread: it takes only as much as the child reads."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._change = threading.Condition()
        self._closing = False
        self._started = False

    def write(self, data: bytes) -> None:
        with self._change:
            if not self._closing:
                self._waiting.append(data)
                self._wake()

    def close(self) -> None:
        with self._change:
            self._closing = True
            self._wake()

    def _wake(self) -> None:
        if not self._started:
            self._started = True
            _in_thread(self._run)
        self._change.notify()

    def _run(self) -> None:
        try:
            while (data := self._next()) is not None:
                self._stream.write(data)
                self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads it any more
        finally:
            _close(self._stream)

    def _next(self) -> bytes | None:
        with self._change:
            self._change.wait_for(lambda: bool(self._waiting) or self._closing)
            return self._waiting.pop(0) if self._waiting else None


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return  # the other end is gone


def _in_thread(function: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=function, args=args, daemon=True).start()
