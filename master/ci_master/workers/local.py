"""A worker that runs beside the master, as its child process."""

import os
import re
import secrets
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ci_common.processes.child import ChildProcess, Ended
from ci_common.retry import retry_wait_s
from ci_master.workers.config import AbstractWorker

#: seconds that the child may take to end itself before it is killed
STOP_S = 10.0

#: seconds after which an ended child counts as one that had worked
LIVED_S = 60.0

#: what stands before each line of the child's own log: the time and the system
_STAMP = re.compile(r"\A\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S* \[[^\]]*\] ")


class LocalWorker(AbstractWorker):
    """A worker that the master starts as a process of its own machine, and ends with itself.

    It needs no password.

    :param workdir: its directory; None: ``workers/<name>`` in the master's directory.
    :type workdir: string or None
    """

    is_local = True

    def __init__(
        self, name: str, password: Any = None, workdir: str | None = None, **kwargs: Any
    ) -> None:
        self.workdir = workdir
        super().__init__(name, None, **kwargs)
        self.password = secrets.token_urlsafe(24)
        self._port: int | None = None
        self._child: _Child | None = None
        self._retry: IDelayedCall | None = None
        self._failures = 0
        self._started_at = 0.0

    def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take over the arguments; the child keeps its password."""
        password = self.password
        super().reconfigService(*args, **kwargs)
        self.password = password

    def canReconfigWithSibling(self, sibling: Any) -> bool:
        """In another directory it is another worker."""
        return super().canReconfigWithSibling(sibling) and self.workdir == sibling.workdir

    def run_on(self, port: int | None) -> None:
        """Connect to the master on this port of this machine."""
        self._port = port
        if self.running and self._child is None:
            self._start()

    def startService(self) -> None:
        """Start the child."""
        super().startService()
        if self._port is not None and self._child is None:
            self._start()

    def stopService(self) -> Deferred[None]:
        """End the child; fires when it has ended."""
        super().stopService()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        return self._child.stop() if self._child is not None else succeed(None)

    def _start(self) -> None:
        self._retry = None
        home = os.path.join(self.site.basedir, self.workdir or os.path.join("workers", self.name))
        os.makedirs(home, mode=0o700, exist_ok=True)
        settings = os.path.join(home, "buildbot.tac")
        handle = os.open(settings, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_settings(self._port, self.workername, self.password))
        reactor: Any = self.site.clock
        self._started_at = reactor.seconds()
        self._child = _Child(self.workername, reactor, self._ended, self.site.records)
        argv = [sys.executable, "-m", "ci_worker", "start", "--nodaemon", home]
        # It dies with this process: the next master makes another one, with another password.
        self._child.spawn(argv, env=dict(os.environ), cwd=home)

    def _ended(self) -> None:
        self._child = None
        if self.running:  # it should not have ended
            clock: Any = self.site.clock
            lived_s = clock.seconds() - self._started_at
            self._failures = 1 if lived_s > LIVED_S else self._failures + 1
            wait_s = retry_wait_s(self._failures, lambda: 0.999)
            self._retry = clock.callLater(wait_s, self._start)


class _Child(ChildProcess):
    """The process of a local worker; what it prints goes to the master's log."""

    log = Logger()

    def __init__(
        self, name: str, clock: Any, ended: Callable[[], None], records: Any = None
    ) -> None:
        super().__init__(clock, records)
        self._name = name
        self._tell_ended = ended
        self._rest = b""
        self._stopped: Deferred[None] | None = None

    def outReceived(self, data: bytes) -> None:
        """Pass whole lines on, without the time that the child puts before each."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = _STAMP.sub("", line.decode("utf-8", "replace").rstrip("\r"))
            self.log.debug("worker {name}: {line}", name=self._name, line=text)

    errReceived = outReceived

    def stop(self) -> Deferred[None]:
        """End it: with a request first, by force if it does not follow."""
        self._stopped = Deferred()
        self.end(sigterm_time_s=STOP_S)
        return self._stopped

    def program_over(self, ended: Ended) -> None:
        """It is gone."""
        if self._rest:
            self.outReceived(b"\n")
        if self._stopped is None:
            self.log.warn("worker {name} ended: {reason}", name=self._name, reason=ended)
        self._tell_over()

    def program_survived(self) -> None:
        """It was killed, and lives."""
        self.log.error("worker {name} cannot be killed; it is left behind", name=self._name)
        self._tell_over()

    def _tell_over(self) -> None:
        self._tell_ended()
        if self._stopped is not None:
            self._stopped.callback(None)


def _settings(port: int | None, name: str, password: str) -> str:
    """The worker's settings file: a program that makes its application object."""
    return f"""\
import os

from twisted.application import service
from ci_worker.bot import Worker

basedir = os.path.abspath(os.path.dirname(__file__))
application = service.Application("buildbot-worker")
Worker("127.0.0.1", {port!r}, {name!r}, {password!r}, basedir, keepalive=30).setServiceParent(
    application
)
"""
