"""``Worker``: the service that a worker's ``buildbot.tac`` makes."""

import codecs
import os
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.python import log

from ci_common.aio import to_deferred
from ci_common.privacy import open_to_others
from ci_common.processes.records import FILE, ProcessRecords
from ci_worker.session.dial import Address, import_reactor

#: How long after the master's order the process ends: the answer has to be on its way first.
_SHUTDOWN_DELAY_S = 0.2


class Worker(MultiService):
    """A worker: connects to its master and runs what that asks for.

    The arguments are those that ``buildbot.tac`` files have; where they are doubtful the
    constructor refuses, so that the daemon does not start.

    :param keepalive: seconds between two calls that look whether the master is there; 0 is never.
    :param umask: file mode creation mask while it runs.
    :param maxdelay: longest wait between two tries to connect, in seconds; at most 60 are used.
    :param numcpus: number of processors to report; None counts them.
    :param allow_shutdown: "signal" (SIGHUP) or "file" (``shutdown.stamp`` touched) asks the master
        for a graceful shutdown; None for neither.
    :param maxRetries: give up after so many failures in a row; None never does.
    :raises ValueError: for an argument that cannot be.
    """

    def __init__(
        self,
        buildmaster_host: str | None,
        port: int | None,
        workername: str,
        passwd: str,
        basedir: str,
        keepalive: float | None = 30,
        *,
        umask: int | None = None,
        maxdelay: float | None = None,
        numcpus: int | None = None,
        allow_shutdown: str | None = None,
        maxRetries: int | None = None,
        protocol: str = "pb",
        useTls: bool = False,
        delete_leftover_dirs: bool = False,
        connection_string: str | None = None,
        proxy_connection_string: str | None = None,
        unicode_encoding: str | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__()
        if protocol != "pb":
            raise ValueError(f"protocol is {protocol!r}, but this version speaks only 'pb'")
        if allow_shutdown not in (None, "signal", "file"):
            raise ValueError(f"allow_shutdown is {allow_shutdown!r}: use None, 'signal' or 'file'")
        if connection_string is None and (not buildmaster_host or port is None):
            raise ValueError("there is neither a master's host and port nor a connection_string")
        self.address = Address(
            buildmaster_host,
            None if port is None else int(port),
            use_tls=bool(useTls),
            connection_string=connection_string,
            proxy_connection_string=proxy_connection_string,
        )
        self.basedir = os.path.abspath(basedir)
        self.workername = workername
        self.umask = umask
        self.reactor = reactor if reactor is not None else import_reactor(self.address)
        self.records = ProcessRecords(os.path.join(self.basedir, FILE), self.reactor)
        self._encoding = _known_encoding(unicode_encoding or "utf-8")
        self._options = {"numcpus": numcpus, "delete_leftover_dirs": bool(delete_leftover_dirs)}
        self._allow_shutdown = allow_shutdown
        self._compose(passwd, keepalive, maxdelay, maxRetries)

    def _compose(
        self,
        passwd: str,
        keepalive: float | None,
        maxdelay: float | None,
        max_retries: int | None,
    ) -> None:
        from ci_worker.session.connection import LONGEST_WAIT_S, LoginAs, MasterConnection
        from ci_worker.session.shutdown import shutdown_watch

        login = LoginAs(
            self.workername,
            passwd,
            keepalive_s=keepalive,
            max_retries=max_retries,
            longest_wait_s=min(maxdelay or LONGEST_WAIT_S, LONGEST_WAIT_S),
        )
        self.connection = MasterConnection(
            self.reactor, self.address, login, make_bot=self._make_bot, stop=self._stop
        )
        self.connection.setServiceParent(self)
        watch = shutdown_watch(
            self._allow_shutdown, self.reactor, self.basedir, self.connection.ask_for_shutdown
        )
        if watch is not None:
            watch.setServiceParent(self)

    def startService(self) -> None:
        """Take the umask, end what the run before left behind if it was killed, and connect."""
        if self.umask is not None:
            os.umask(self.umask)
        if told := open_to_others(self.basedir, "worker"):
            log.msg(told)
        self.records.end_leftovers(log.msg)
        super().startService()

    async def _stop_all(self) -> None:
        await to_deferred(super().stopService())
        self.records.close()

    def stopService(self) -> Deferred[None]:
        """Disconnect; fires when all commands are stopped."""
        return to_deferred(self._stop_all())

    def _make_bot(self) -> Any:
        from ci_worker.commands.base import Place
        from ci_worker.session.bot import Bot, BotOptions

        place = Place(
            reactor=self.reactor,
            basedir=self.basedir,
            builder_dir=self.basedir,
            in_thread=self._in_thread,
            encoding=self._encoding,
            records=self.records,
        )
        options = BotOptions(**self._options)  # type: ignore[arg-type]  # built in __init__
        return Bot(place, options, on_shutdown=self._stop_soon)

    def _in_thread(self, function: Any, *args: Any) -> Deferred[Any]:
        from twisted.internet.threads import deferToThreadPool

        pool = self.reactor.getThreadPool()
        return deferToThreadPool(self.reactor, pool, function, *args)

    def _stop_soon(self) -> None:
        self.reactor.callLater(_SHUTDOWN_DELAY_S, self._stop)

    def _stop(self) -> None:
        if self.reactor.running:
            self.reactor.callLater(0, self.reactor.stop)


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"unicode_encoding is {name!r}: there is no such encoding") from None
