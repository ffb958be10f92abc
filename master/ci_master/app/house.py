"""The running parts of a master, put together and kept as the configuration says."""

import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy.exc import DBAPIError
from twisted.application.service import MultiService
from twisted.internet.defer import (
    Deferred,
    TimeoutError,
    gatherResults,
    maybeDeferred,
    succeed,
)
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from ci_common.aio import spawn, to_deferred
from ci_common.collector import loading_for_good
from ci_common.faults import ConfigError, Fault
from ci_common.listeners import Listeners, Reservation
from ci_common.processes.records import FILE, ProcessRecords
from ci_common.transition import Transition
from ci_master.app.builders import (
    builder_specs,
    codebase_specs,
    locks_of,
    project_specs,
    workers_of_builders,
)
from ci_master.app.facade import MasterFacade
from ci_master.app.identity import note_token
from ci_master.app.members import Members
from ci_master.app.ports import reserve_ports, web_url
from ci_master.app.site import make_site
from ci_master.builds.buildenv import BuildEnv
from ci_master.builds.builder import Builder
from ci_master.builds.locks import LockTable
from ci_master.builds.properties import Properties
from ci_master.config.model import Config
from ci_master.config.plan import Plan
from ci_master.data.data import Data
from ci_master.data.mastership import Identity, Mastership
from ci_master.events.bus import Bus
from ci_master.queue.queue import Queue
from ci_master.schedulers.actions import register_actions
from ci_master.schedulers.desk import ChangeDesk, catch_up
from ci_master.schedulers.triggering import TriggerBoard
from ci_master.secrets.registry import Secrets
from ci_master.storage.engine import may_pass, sqlite_file
from ci_master.storage.store import Store
from ci_master.storage.walmark import add_mark, mark_run, schema_version
from ci_master.wire.pb import PBPorts
from ci_master.workers.registry import WorkerRegistry
from ci_master.workers.transferjournal import TransferJournal

#: Seconds that a part of a master may take to close: builds are cut short in ten. What writes may
#: take longer: a locked SQLite file is waited for 15 seconds, until the store gives up.
PART_S = 15.0
WRITING_S = 30.0


class House:
    """Owns every room's running part; made once, then :meth:`apply` follows the configuration.

    :param reactor: clock, threads, ports and processes.
    :param parent: the service that the parts become children of.
    :param log_rotation: has ``rotateLength`` and ``maxRotatedFiles``, for the access log.
    """

    log = Logger()

    def __init__(self, basedir: str, reactor: Any, parent: MultiService, log_rotation: Any) -> None:
        self.basedir = basedir
        self.reactor = reactor
        self.records = ProcessRecords(os.path.join(basedir, FILE), reactor)
        self._parent = parent
        self._log_rotation = log_rotation
        self.bus = Bus(int(reactor.seconds() * 1000))
        self.facade = MasterFacade(basedir, reactor, self.bus, self.render)
        self.secrets = Secrets(in_thread=deferToThread, master=self.facade, clock=reactor)
        self.listeners = Listeners(reactor, basedir)
        self.pb = PBPorts(reactor, self.render, self.listeners)
        self.locks = LockTable()
        self.builders: dict[str, Builder] = {}
        self._former: dict[str, Builder] = {}
        self.store: Store
        self.data: Data
        self.queue: Queue
        self.registry: WorkerRegistry
        self.env: BuildEnv
        self.schedulers: Members
        self.change_sources: Members
        self.services: Members
        self.web: Any = None
        self._database: str | None = None
        self._mark = 0
        #: The configuration that everything is as it says; None before the first.
        self._config: Config | None = None

    def in_thread(self, function: Any, *args: Any) -> Deferred[Any]:
        """Run blocking work in a thread of the reactor's pool."""
        return deferToThread(function, *args)

    async def render(self, value: Any, properties: Mapping[str, Any] | None = None) -> Any:
        """Fill in secrets and other placeholders outside of builds.

        :param properties: those of the build that it is about: name -> (value, source).
        """
        filled = Properties.fromDict(properties or {})
        filled.master = self.facade
        filled.secrets = self.secrets
        return await filled.render(value)

    async def render_early(self, config: Config, value: Any) -> Any:
        """The same before anything runs, with the providers of this configuration."""
        await self.secrets.replace(config.secretsProviders)
        return await self.render(value)

    # -- start

    async def open(
        self, db_url: str, config: Config, identity: Identity, lost: Callable[[str], None]
    ) -> None:
        """Open the database and put the parts together. The database has our tables.

        :param lost: called with the reason, if another master takes the database over.
        :raises DatabaseUnusable: if another master uses it.
        """
        kwargs = config.db.get("engine_kwargs") or {}
        token = identity.me.token
        self.store = Store(db_url, self.basedir, self.reactor, token=token, **kwargs)
        await self.store.open()
        self.data = Data(self.store, self.bus, self.reactor)
        me = identity.me
        mastership = Mastership(self.store, self.reactor, identity, lost)
        with loading_for_good():
            await self.data.open(f"{me.host}:{me.directory}", mastership)
        note_token(identity)
        await deferToThread(self._mark_database, db_url)
        await deferToThread(self.records.end_leftovers, self._say_from_thread)
        if self.data.abandoned_builds:
            self.log.warn(
                "{count} builds were cut off when this master ended; they will be built again",
                count=len(self.data.abandoned_builds),
            )
        self.site = make_site(self, config)
        self.facade.open(self.data, config)
        board = TriggerBoard(self._running_schedulers)
        register_actions(self.data, self._running_schedulers)
        self.env = BuildEnv(
            data=self.data,
            clock=self.reactor,
            locks=self.locks,
            master=self.facade,
            secrets=self.secrets,
            config=config,
            trigger=board.trigger,
            in_thread=deferToThread,
            records=self.records,
            transfers=await self._recovered_transfers(),
        )
        self.registry = WorkerRegistry(self.site)
        self.queue = Queue(
            self.data,
            self.registry,
            self.locks,
            self.reactor,
            self._start_build,
            config,
            master=self.facade,
        )
        self.schedulers = Members("scheduler", self.site, self._parent)
        self.change_sources = Members("change source", self.site, self._parent)
        self.services = Members("service", self.site, self._parent)
        self.registry.setServiceParent(self._parent)
        self.queue.setServiceParent(self._parent)

    def heartbeat(self) -> None:
        """What a running master does every few seconds."""
        self.data.heartbeat()
        if self._database is not None:
            spawn(self._note_mark(self._database), self.log, "looking at the database's mark")

    async def _note_mark(self, path: str) -> None:
        """Note it if somebody has changed the tables, and the database's mark by that."""
        try:
            mark = await self.store.read(schema_version)
        except DBAPIError:
            return  # the writer tells that the database is away; the next heartbeat looks again
        if mark != self._mark:
            await deferToThread(add_mark, path, mark)
            self._mark = mark

    def _mark_database(self, db_url: str) -> None:
        """Let the write-ahead log of this run be told from that of another file."""
        self._database = path = sqlite_file(db_url, self.basedir)
        if path is None:
            return
        try:
            self._mark = mark_run(path)
        except (sqlite3.Error, OSError) as error:
            self.log.warn(
                "the database got no mark of this run ({error}): if this master is killed, and"
                " another file is copied over the database, that is not noticed",
                error=error,
            )

    async def _recovered_transfers(self) -> TransferJournal:
        """The journal of uploads, without what a killed master left."""
        journal = TransferJournal(self.basedir)
        for text in await self.in_thread(journal.recover):
            self.log.warn("{text}", text=text)
        return journal

    def _running_schedulers(self) -> list[Any]:
        return list(self.schedulers.running.values())

    async def _start_build(self, builder: Builder, requests: list[Any], slot: Any) -> int:
        return await builder.new_build(requests, slot, self.env).run()

    def _say_from_thread(self, text: str) -> None:
        self.reactor.callFromThread(self.log.warn, "{text}", text=text)

    # -- configuration

    async def reserve(self, config: Config) -> Reservation:
        """Take the ports of a configuration, and read their certificates; nothing is changed.

        :raises ConfigError: with the port that cannot be had.
        """
        return await reserve_ports(self.listeners, config)

    async def apply(self, config: Config, differences: Plan, reservation: Reservation) -> None:
        """Make everything as this configuration says; what does not differ is not touched.

        It is all or nothing: if any of it fails, what was done is undone, and the former
        configuration goes on.

        :param reservation: of its ports; it is released.
        :raises NotApplied: then all is as before, but for what the exception tells.
        """
        change = Transition()
        try:
            await self._prepare(config, differences, change)
            if self._config is None:
                await self._change(config, differences, reservation, change)
            else:
                with ChangeDesk.of(self.site).hold():
                    await self._change_or_undo(config, differences, reservation, change)
        except Exception as error:
            left = await change.roll_back() + await self._released(reservation)
            raise NotApplied(error, left) from error
        await change.finish()
        await self._released(reservation)
        self._config = config

    async def _released(self, reservation: Reservation) -> list[str]:
        try:
            await reservation.release()
        except Exception as error:
            self.log.failure("a port could not be opened again")
            return [f"a port could not be opened again: {error}"]
        return []

    async def _prepare(self, config: Config, differences: Plan, change: Transition) -> None:
        """What can fail and needs no change of what runs."""
        await self.secrets.prepare(_kept(differences, "secret provider"), change)
        await self._prepare_web(config, change)

    async def _change_or_undo(
        self, config: Config, differences: Plan, reservation: Reservation, change: Transition
    ) -> None:
        try:
            await self._change(config, differences, reservation, change)
        except Exception as error:
            raise NotApplied(error, await change.roll_back()) from error

    async def _change(
        self, config: Config, differences: Plan, reservation: Reservation, change: Transition
    ) -> None:
        is_start = self._config is None
        self._spread(config, change)
        self.secrets.change(_kept(differences, "secret provider"), change)
        for renewal in reservation.renewals:
            change.undo_by("a certificate", renewal.undo)
            renewal.use()
        await self._apply_rows(config, change)
        if is_start:
            await self._apply_engine(config, differences, change)
        await self.schedulers.apply(differences["scheduler"], change)
        await catch_up(self.site)
        await self.services.apply(differences["service"], change)
        await self._apply_web(config, change)
        await self.change_sources.apply(differences["change source"], change)
        if not is_start:
            # What starts builds and tells workers is last: it must not begin what is undone.
            await self._apply_engine(config, differences, change)

    def _spread(self, config: Config, change: Transition) -> None:
        """Give the settings to those who hold them."""
        former = self._config
        if former is not None:
            change.undo_first_by("the settings", lambda: self._hand_settings(former))
        self._hand_settings(config)

    def _hand_settings(self, config: Config) -> None:
        self.site.config = self.env.config = config
        self.facade.config = config
        data = self.data
        data.context.log_compression = config.logCompressionMethod
        data.changes.codebase_of = config.codebaseGenerator
        data.changes.revlink_of = config.revlink
        if self.web is not None:
            self.web.parts.config = config

    async def _apply_rows(self, config: Config, change: Transition) -> None:
        former = self._config
        if former is not None:
            change.undo_by("what is stored of the configuration", lambda: self._sync(former))
            self.services.before_return = lambda: self._keep_reporters(former)
        await self._sync(config)

    async def _sync(self, config: Config) -> None:
        data = self.data
        await data.projects.sync(project_specs(config))
        await data.codebases.sync(codebase_specs(config))
        await data.builders.sync(builder_specs(config))
        ids = {name: builder.id for name, builder in data.builders.by_name.items()}
        configured: dict[str, list[int]] = {worker.workername: [] for worker in config.workers}
        for builder in config.builders:
            for name in builder.workernames:
                configured[name].append(ids[builder.name])
        await data.workers.sync(configured)
        self._keep_reporters(config)
        await data.schedulers.sync([str(name) for name in config.schedulers])
        await data.changesources.sync([str(source.name) for source in config.change_sources])

    def _keep_reporters(self, config: Config) -> None:
        self.data.outbox.keep_only(
            name for name, one in config.services.items() if hasattr(type(one), "reported_kinds")
        )

    async def _apply_engine(self, config: Config, differences: Plan, change: Transition) -> None:
        former = self._config
        builders = self._changed_builders(config, differences, change)
        port = config.protocols.get("pb", {}).get("port")
        await self.registry.configure(config.workers, workers_of_builders(config), port, change)
        await self.pb.opened()
        if former is not None:
            before = self.builders, self._former
            change.undo_by("the queue", lambda: self.queue.configure(before[0], former))
            change.undo_by("the locks", lambda: self.locks.configure(locks_of(former)))
            change.undo_by("the builders", lambda: self._take_builders(*before))
        # One that is taken away has its builds to the end, also if it is added again meanwhile.
        going = {
            name: builder
            for name, builder in {**self._former, **self.builders}.items()
            if name not in builders and builder.building
        }
        self._take_builders(builders, going)
        self.locks.configure(locks_of(config))
        self.queue.configure(builders, config)

    def _changed_builders(
        self, config: Config, differences: Plan, change: Transition
    ) -> dict[str, Builder]:
        changed = {new.name for _, new in differences["builder"].changed}
        builders: dict[str, Builder] = {}
        for new in config.builders:
            known = self.builders.get(new.name) or self._former.get(new.name)
            if known is None:
                known = Builder(new, self.data.builders.by_name[new.name], self.facade)
            elif new.name in changed or new.name not in self.builders:
                change.undo_by(
                    f"builder '{new.name}'", partial(setattr, known, "config", known.config)
                )
                known.config = new
            builders[new.name] = known
        return builders

    def _take_builders(self, builders: dict[str, Builder], going: dict[str, Builder]) -> None:
        self.builders, self._former = builders, going

    async def _prepare_web(self, config: Config, change: Transition) -> None:
        if self.web is None and config.www.get("port") is None:
            return
        # The web is a room of its own, and costly to import: only masters with a port do.
        from ci_master.app.web import make_web_server, www_settings

        if self.web is None:
            change.undo_by("the web server", self._close_web)
            self.web = make_web_server(self, config)
            self.web.setServiceParent(self._parent)
        settings = www_settings(config, self._log_rotation)
        try:
            await self.web.prepare(settings, change)
        except OSError as error:
            name = config.www.get("logfileName")
            what = f"the access log {name!r} cannot be opened: {error.strerror or error}"
            where = config.places.of("www") if config.places else config.filename
            raise ConfigError(
                [Fault(where, what, "give c['www']['logfileName'] another name")]
            ) from error

    async def _apply_web(self, config: Config, change: Transition) -> None:
        if self.web is None:
            return
        from ci_master.app.web import www_settings

        self.web.parts.config = config
        await self.web.change(www_settings(config, self._log_rotation), change)

    async def _close_web(self) -> None:
        web, self.web = self.web, None
        if web is not None and web.parent is not None:
            await maybeDeferred(web.disownServiceParent)

    # -- the end

    async def drain(self) -> None:
        """Start no more builds; returns when none runs."""
        await self.queue.drain()

    def hurry(self) -> None:
        """The master is about to stop: do not wait for ever for a database that is away."""
        if hasattr(self, "store"):
            self.store.hurry()

    async def close(self) -> None:
        """Stop everything, in the order that loses nothing."""
        self.hurry()
        for name in ("change_sources", "schedulers"):
            await self._close_part(name)
        # The queue waits for its builds, which end when their workers' connections do.
        await gatherResults(
            [to_deferred(self._end(name, self._disowned(name))) for name in ("queue", "registry")]
        )
        await self._end("web", self._disowned("web"))
        for name in ("services", "data"):
            await self._close_part(name)
        await self._end("secrets", self.secrets.stop())
        await self._close_part("store")
        self.records.close()

    async def _close_part(self, name: str) -> None:
        part = getattr(self, name, None)
        if part is not None:
            limit_s = WRITING_S if name in ("data", "store") else PART_S
            await self._end(name, part.close(), limit_s)

    def _disowned(self, name: str) -> Deferred[Any]:
        service = getattr(self, name, None)
        if service is None or service.parent is None:
            return succeed(None)
        return maybeDeferred(service.disownServiceParent)

    async def _end(self, name: str, ending: Awaitable[Any], limit_s: float = PART_S) -> None:
        """Wait for the end of a part; a failure, of a database for one, must not keep the rest."""
        try:
            await to_deferred(ending).addTimeout(limit_s, self.reactor)
        except TimeoutError:
            self.log.error("{name} did not close in time; going on", name=name)
        except Exception as error:
            if may_pass(error):
                self.log.error("{name} could not be closed: {error}", name=name, error=error)
            else:
                self.log.failure("{name} could not be closed", name=name)

    def greeting(self) -> list[str]:
        """What to tell whoever started the master."""
        config: Config = self.site.config
        lines = []
        if config.www.get("port") is not None:
            lines.append(f"the web interface is at {web_url(config, self.web.address)}")
        port = config.protocols.get("pb", {}).get("port")
        if port is not None:
            lines.append(f"workers connect to port {port}")
        lines.append(
            f"everything that happens is noted in {os.path.join(self.basedir, 'twistd.log')}"
        )
        return lines


class NotApplied(Exception):
    """A configuration could not be applied, and what was done of it was undone.

    :ivar reason: what failed.
    :ivar left: what could not be put back, and why; empty as a rule.
    """

    def __init__(self, reason: Exception, left: list[str]) -> None:
        super().__init__(str(reason))
        inner = reason if isinstance(reason, NotApplied) else None
        self.reason: Exception = inner.reason if inner else reason
        self.left: list[str] = [*inner.left, *left] if inner else left


def _kept(differences: Plan, kind: str) -> list[Any]:
    """The things of a kind that are to run: unchanged ones as they are, new ones for the rest."""
    difference = differences[kind]
    return [
        *(old for old, _ in difference.unchanged),
        *(new for _, new in difference.changed),
        *difference.added,
    ]
