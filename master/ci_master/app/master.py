"""The service that is a master: starts, reloads its configuration, stops."""

import os
import signal
from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ci_common.aio import EndedByOverride, call_override, spawn, to_deferred
from ci_common.ending import act_on
from ci_common.faults import ConfigError, Fault
from ci_common.lean import without_tls
from ci_common.privacy import open_to_others
from ci_common.startup import report_failed, report_ready
from ci_master.app.identity import identity_of
from ci_master.app.ports import refused_port
from ci_master.app.tls import tls_ports, wants_tls
from ci_master.config.load import load_config
from ci_master.config.model import Config
from ci_master.config.plan import Plan, plan
from ci_master.storage.engine import DatabaseUnusable
from ci_master.storage.leases import HEARTBEAT_S
from ci_master.storage.migrate import check_version

if TYPE_CHECKING:
    from ci_common.listeners import Reservation
    from ci_master.app.house import House

#: Seconds that a master which stops waits for a reload under way.
RELOAD_S = 12.0


class BuildMaster(MultiService):
    """A master.

    :param basedir: its directory.
    :param configfile: name of the configuration, relative to ``basedir``.
    :param umask: permissions that files it writes do not get; None leaves it as it is.
    """

    log = Logger()

    def __init__(
        self,
        basedir: str,
        configfile: str = "master.cfg",
        umask: int | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__()
        self.setName("buildmaster")
        self.basedir = os.path.abspath(os.path.expanduser(basedir))
        self.configfile = configfile
        self.umask = umask
        #: Filled in by the tac file; used for the access log.
        self.log_rotation = SimpleNamespace(rotateLength=None, maxRotatedFiles=None)
        self._owns_process = reactor is None
        self.config: Config | None = None
        self.house: House | None = None
        # Reactor and rooms are imported here and not above, so that TLS can be left out of them.
        with without_tls(not wants_tls(self.basedir, configfile)) as self._lean:
            from twisted.internet import reactor as global_reactor

            from ci_master.app import house

        self._make_house = house.House
        #: The reactor that this master runs on.
        self.reactor: Any = reactor or global_reactor
        self._one_change = DeferredLock()
        self._heartbeat: LoopingCall | None = None
        self._reload_wanted = False
        self._stopping = False
        self._started: Deferred[None] | None = None

    # -- start

    def startService(self) -> None:
        """Begin the start; ``report_ready`` or ``report_failed`` says what came of it."""
        super().startService()
        if self.umask is not None:
            os.umask(self.umask)
        self._started = spawn(self._start_or_fail(), self.log, "starting the master")

    async def _start_or_fail(self) -> None:
        try:
            await self._one_change.run(lambda: to_deferred(self._start()))
        except ConfigError as error:
            count = len(error.faults)
            head = f"{self.configfile} has {count} fault{'s' if count != 1 else ''}:"
            self._fail(f"{head}\n{error}")
        except DatabaseUnusable as error:
            self._fail(str(error))
        except CannotListenError as error:
            self._fail(refused_port(error))
        except CancelledError:
            self.log.info("told to end while it started")
        except Exception as error:
            self.log.failure("the master cannot start")
            self._fail(f"{type(error).__name__}: {error}")

    async def _start(self) -> None:
        self.log.info("starting a master in {basedir}", basedir=self.basedir)
        config = load_config(self.basedir, self.configfile)
        config.modules.keep()
        self._tell_warnings(config)
        if told := open_to_others(self.basedir, "master"):
            self.log.warn("{warning}", warning=told)
        self.house = house = self._make_house(self.basedir, self.reactor, self, self.log_rotation)
        url = await house.render_early(config, config.db_url)
        await house.in_thread(check_version, url, self.basedir)
        identity = await house.in_thread(identity_of, self.basedir, url)
        await house.open(url, config, identity, self._lost_database)
        reservation = await house.reserve(config)
        try:
            await house.apply(config, plan(None, config), reservation)
        except Exception as error:
            raise getattr(error, "reason", error) from error
        self.config = config
        self._install_signals()
        self._heartbeat = LoopingCall(house.heartbeat)
        self._heartbeat.clock = self.reactor
        self._heartbeat.start(HEARTBEAT_S, now=False)
        for line in house.greeting():
            self.log.info("{line}", line=line)
        self.log.info("BuildMaster is running")
        report_ready("\n".join(house.greeting()))

    def _lost_database(self, reason: str) -> None:
        """This master was taken for dead, as one that was stopped for a while is: it ends."""
        self.log.critical(
            "another master has taken over the database ({reason}); stopping. Nothing that this"
            " one did meanwhile was written",
            reason=reason,
        )
        report_failed(f"another master has taken over the database: {reason}")
        _stop_reactor(self.reactor)

    def _fail(self, reason: str) -> None:
        self.log.critical("the master cannot start: {reason}", reason=reason)
        report_failed(reason)
        self.reactor.callWhenRunning(self.reactor.callLater, 0, _stop_reactor, self.reactor)

    def _tell_warnings(self, config: Config) -> None:
        for warning in config.warnings:
            self.log.warn("{warning}", warning=warning)
        for note in config.notes:
            self.log.info("{note}", note=note)

    def _install_signals(self) -> None:
        if self._owns_process and hasattr(signal, "SIGHUP"):
            act_on(signal.SIGHUP, lambda: self.reactor.callFromThread(self.reconfig))
            act_on(signal.SIGUSR1, lambda: self.reactor.callFromThread(self.stop_when_idle))

    # -- reload

    def reconfig(self) -> Deferred[Any]:
        """Load the configuration again, and touch only what differs.

        Calls made during a reload are merged into one more.
        """
        if self._reload_wanted:
            return to_deferred(_nothing())
        self._reload_wanted = True
        return spawn(
            to_deferred(self._one_change.run(lambda: to_deferred(self._reload()))),
            self.log,
            "reloading the configuration",
        )

    async def _reload(self) -> None:
        self._reload_wanted = False
        try:
            await call_override(self._load_and_apply)
        except EndedByOverride as error:
            self.log.failure("the configuration could not be loaded")
            self._abort(None, error)

    async def _load_and_apply(self) -> None:
        house = self.house
        if house is None or self.config is None or self._stopping:
            return
        self.log.info("reloading {file}", file=self.configfile)
        config = None
        try:
            config = await house.in_thread(load_config, self.basedir, self.configfile)
            self._refuse_what_cannot_be_applied(config)
            differences = await house.in_thread(plan, self.config, config)
            reservation = await house.reserve(config)
        except ConfigError as error:
            self._abort(config, error)
            return
        except Exception as error:
            self.log.failure("the configuration could not be loaded")
            self._abort(config, error)
            return
        self._tell_warnings(config)
        self._tell_differences(differences, reservation)
        try:
            await house.apply(config, differences, reservation)
        except Exception as error:
            reason = getattr(error, "reason", error)
            if not isinstance(reason, ConfigError):
                self.log.failure("the new configuration could not be applied")
            self._abort(config, reason, getattr(error, "left", ()))
            return
        config.modules.keep()
        self.config = config
        self.log.info("configuration update complete")

    def _tell_differences(self, differences: Plan, reservation: "Reservation") -> None:
        lines = [renewal.describe() for renewal in reservation.renewals]
        if differences or not lines:
            lines = [*differences.summary(), *lines]
        for line in lines:
            self.log.info("reload: {line}", line=line)

    def _abort(self, config: Config | None, reason: Exception, left: Iterable[str] = ()) -> None:
        """Say why a reload changed nothing; the modules that it loaded are forgotten.

        :param left: what could not be put back all the same.
        """
        if config is not None:
            config.modules.put_back()
        if isinstance(reason, ConfigError):
            count = len(reason.faults)
            head = f"{self.configfile} has {count} fault{'' if count == 1 else 's'}"
        else:
            head = f"{self.configfile} cannot be used"
            reason = RuntimeError(f"{type(reason).__name__}: {reason}")
        self.log.error(
            "{head}; the running configuration stays as it is.\n{reason}",
            head=head,
            reason=str(reason),
        )
        left = list(left)
        for line in left:
            self.log.error("not as before: {line}", line=line)
        told = "; see above for what is not as before" if left else " without making any changes"
        self.log.error("configuration update aborted{told}", told=told)

    def _refuse_what_cannot_be_applied(self, config: Config) -> None:
        assert self.config is not None
        faults = []
        if config.db.get("db_url") != self.config.db.get("db_url"):
            what = "the database cannot be changed while the master runs"
            faults.append(Fault(self.configfile, what, "put db_url back, or restart the master"))
        for port in tls_ports(config) if self._lean else ():
            what = f"the port '{port}' needs TLS, which this master was started without"
            faults.append(Fault(self.configfile, what, "restart the master"))
        if faults:
            raise ConfigError(faults)

    # -- stop

    def stop_when_idle(self) -> Deferred[Any]:
        """Start no more builds, and stop when those that run have ended."""
        return spawn(self._drain_and_stop(), self.log, "shutting down when the builds have ended")

    async def _drain_and_stop(self) -> None:
        if self.house is not None:
            running = len(self.house.data.builds.running)
            self.log.info("stopping when the {count} running builds have ended", count=running)
            await self.house.drain()
        _stop_reactor(self.reactor)

    async def _wait_for_a_reload(self) -> None:
        """Wait until none is under way, though not for ever: a file may not come to its end."""
        changed = self._one_change.acquire().addTimeout(RELOAD_S, self.reactor)
        try:
            await changed
        except TimeoutError:
            self.log.warn("the reload that is under way does not end; stopping all the same")

    def stopService(self) -> Deferred[None]:
        """Stop: running builds are ended and will be retried by the next run."""
        self._stopping = True
        return to_deferred(self._stop())

    async def _stop(self) -> None:
        if self.house is not None:
            self.house.hurry()
        if self._started is not None:
            if not self._started.called:
                self._started.cancel()
            await self._started
        if self._heartbeat is not None and self._heartbeat.running:
            self._heartbeat.stop()
        house, self.house = self.house, None
        if house is not None:
            await self._wait_for_a_reload()
            await house.close()
        await super().stopService()
        self.log.info("the master has stopped")


async def _nothing() -> None:
    return None


def _stop_reactor(reactor: Any) -> None:
    if reactor.running:
        reactor.stop()
