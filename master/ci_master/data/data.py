"""The one object through which the other rooms read and change what there is."""

from collections.abc import Collection

from sqlalchemy import Connection
from twisted.internet.defer import succeed
from twisted.internet.interfaces import IReactorTime

from ci_master.data.actions import Actions
from ci_master.data.acts import Acts
from ci_master.data.builders import Builders, Projects
from ci_master.data.builds import Builds, Steps
from ci_master.data.buildsets import Buildsets, Requests
from ci_master.data.changes import Changes
from ci_master.data.codebases import Codebases
from ci_master.data.context import Context
from ci_master.data.logs import Logs
from ci_master.data.markup import stored_html
from ci_master.data.mastership import Mastership
from ci_master.data.model import (
    Builder,
    BuilderSummary,
    ChangeSourceRow,
    CodebaseRow,
    MasterRow,
    ProjectRow,
    Request,
    SchedulerRow,
    WorkerRow,
)
from ci_master.data.openwork import OpenWork
from ci_master.data.outbox import Outbox
from ci_master.data.schedulers import ChangeSources, SchedulerChanges, Schedulers
from ci_master.data.sourcestamps import SourceStamps
from ci_master.data.state import State
from ci_master.data.testresults import TestResults
from ci_master.data.workers import Workers
from ci_master.events.bus import Bus
from ci_master.storage import loading, recovery, schema
from ci_master.storage.leases import Lease
from ci_master.storage.store import Store


class Data:
    """All acts, by family. Usable after :meth:`open`."""

    def __init__(self, store: Store, bus: Bus, clock: IReactorTime) -> None:
        self.context = context = Context(store, bus, clock)
        self.store = store
        self.bus = bus
        self.masters: dict[int, MasterRow] = {}
        self.actions = Actions()
        self.acts = Acts(context)
        self.state = State(context)
        self.projects = Projects(context)
        self.codebases = Codebases(context, self.projects)
        self.builders = Builders(context, self.projects)
        self.workers = Workers(context)
        self.schedulers = Schedulers(context, self.masters)
        self.changesources = ChangeSources(context, self.masters)
        self.scheduler_changes = SchedulerChanges(context)
        self.sourcestamps = SourceStamps(context)
        self.changes = Changes(context, self.sourcestamps)
        self.requests = Requests(context)
        self.buildsets = Buildsets(context, self.sourcestamps, self.requests)
        self.requests.buildsets = self.buildsets
        self.builds = self.buildsets.attempts.builds = Builds(context, self.builders)
        self.steps = Steps(context)
        self.logs = Logs(context)
        self.test_results = TestResults(context)
        self.outbox = Outbox(context)
        #: Ids of builds that the last run of this master left unfinished; now ended as RETRY.
        self.abandoned_builds: list[int] = []
        self._mastership: Mastership | None = None

    @property
    def master_id(self) -> int:
        """Id of this master."""
        return self.context.master_id

    async def open(self, master_name: str, mastership: Mastership | None = None) -> None:
        """Register this master, end what was left unfinished, and read what is open.

        :param master_name: "hostname:basedir".
        :param mastership: makes sure that no other master uses this database. None: the caller
            answers for that, as a test does.
        :raises DatabaseUnusable: if another master uses it. Nothing is changed then.
        """
        store, now = self.store, self.context.now()

        def take_over(tx: Connection) -> tuple[Lease | None, int, list[int]]:
            stopped_at = recovery.last_seen(tx)  # to take the lease is to be seen
            lease = mastership.take(tx) if mastership is not None else None
            me = recovery.register_master(tx, master_name, now=now)
            dead = recovery.all_masters(tx)
            return lease, me, recovery.bury(tx, dead, me=me, now=now, stopped_at=stopped_at)

        taken = store.write(take_over, "the beginning of this master")
        lease, self.context.master_id, self.abandoned_builds = await taken
        if mastership is not None and lease is not None:
            self._mastership = mastership
            mastership.begin(lease)
        if lease is not None or self.abandoned_builds:
            # The former master may have gone on until just now, and its builds were ended.
            await store.learn_ids()
        load = await store.read(_Loaded)
        self.masters.update((row.id, row) for row in load.masters)
        self.projects.load(load.projects)
        self.codebases.load(load.codebases)
        self.builders.load(
            load.builders,
            {
                row.builderid: row.id
                for row in load.builder_masters
                if row.masterid == self.master_id
            },
        )
        self.workers.load(load.workers, load.configured)
        self.schedulers.load(load.schedulers)
        self.changesources.load(load.changesources)
        self.scheduler_changes.load(load.scheduler_changes)
        self.state.load(load.state)
        self.outbox.load(load.reporters, load.last_event)
        self._take(load.work)
        me_row = self.masters[self.master_id]
        self.context.tell(me_row.as_json, ("masters", str(self.master_id), "started"))

    async def recall(
        self, buildset_ids: Collection[int], request_ids: Collection[int]
    ) -> list[Request]:
        """Take into memory what storage holds as not complete, and memory has lost.

        :param buildset_ids: the buildsets of those requests, and others.
        :returns: the requests.
        """
        work = await self.store.read(lambda tx: OpenWork(tx, buildset_ids))
        for buildset in work.buildsets:
            buildset.open_requests.intersection_update(request_ids)
        work.requests = [request for request in work.requests if request.id in request_ids]
        return self._take(work)

    def _take(self, work: OpenWork) -> list[Request]:
        """Hold buildsets and requests in memory; those that are held already stay as they are."""
        for buildset in work.buildsets:
            if buildset.id not in self.buildsets.open:
                self.buildsets.open[buildset.id] = buildset
            for stamp in buildset.sourcestamps:
                self.sourcestamps.remember(stamp)
        new = [request for request in work.requests if request.id not in self.requests.open]
        for request in new:
            request.buildset = self.buildsets.open[request.buildset.id]
            request.buildset.open_requests.add(request.id)
            self.requests.open[request.id] = request
            if not request.claimed:
                self.requests.waiting[request.id] = request
        return new

    async def close(self) -> None:
        """Write what is still to be written; this master is not active any more."""
        self.logs.flush()
        row = self.masters.get(self.master_id)
        if row is not None:
            row.active = False
            row.last_active = self.context.now()
            act = self.context.transaction("the end of this master")
            act.update(schema.masters, row.id, {"active": False, "last_active": row.last_active})
            act.tell(row.as_json, ("masters", str(row.id), "stopped"))
            stored = act.commit()
        else:
            stored = succeed(None)
        try:
            if self._mastership is not None:
                await self._mastership.end()
        finally:
            await stored

    def heartbeat(self) -> None:
        """Note that this master is alive."""
        row = self.masters[self.master_id]
        row.last_active = self.context.now()
        act = self.context.transaction("that this master is alive")
        act.update(schema.masters, row.id, {"last_active": row.last_active})
        act.submit()


class _Loaded:
    """Everything that is read at the start, over one connection."""

    def __init__(self, tx: Connection) -> None:
        self.masters = [
            MasterRow(row.id, row.name, row.active, row.last_active)
            for row in loading.all_rows(tx, schema.masters)
        ]
        self.projects = [
            ProjectRow(**{**row._mapping, "description_html": stored_html(row.description_html)})
            for row in loading.all_rows(tx, schema.projects)
        ]
        self.codebases = [
            CodebaseRow(row.id, row.projectid, row.name, row.slug)
            for row in loading.all_rows(tx, schema.codebases)
        ]
        self.builder_masters = loading.all_rows(tx, schema.builder_masters)
        self.builders = self._builders(tx)
        self.configured: dict[tuple[int, int], int] = {}
        self.workers = self._workers(tx)
        self.schedulers = [
            SchedulerRow(row.id, row.name, row.enabled, row.masterid)
            for row in loading.all_rows(tx, schema.schedulers)
        ]
        self.changesources = [
            ChangeSourceRow(row.id, row.name, row.masterid)
            for row in loading.all_rows(tx, schema.changesources)
        ]
        self.scheduler_changes = [
            (row.id, row.schedulerid, row.changeid, row.important)
            for row in loading.all_rows(tx, schema.scheduler_changes)
        ]
        self.state = [
            (row.id, row.object_name, row.class_name, row.key, row.value_json)
            for row in loading.all_rows(tx, schema.object_state)
        ]
        self.work = OpenWork(tx)
        self.reporters = loading.all_rows(tx, schema.reporters)
        self.last_event = loading.highest_id(tx, schema.outbox)

    def _builders(self, tx: Connection) -> list[Builder]:
        summaries = {
            row.id: BuilderSummary.from_text(row.summary_json)
            for row in loading.all_rows(tx, schema.builder_summaries)
        }
        numbers = loading.highest_build_numbers(tx)
        masters: dict[int, list[int]] = {}
        for row in self.builder_masters:
            masters.setdefault(row.builderid, []).append(row.masterid)
        return [
            Builder(
                id=row.id,
                name=row.name,
                description=row.description,
                description_format=row.description_format,
                description_html=stored_html(row.description_html),
                projectid=row.projectid,
                tags=loading.decoded(row.tags_json),
                masterids=sorted(masters.get(row.id, [])),
                next_number=numbers.get(row.id, 0) + 1,
                summary=summaries.get(row.id) or BuilderSummary(),
            )
            for row in loading.all_rows(tx, schema.builders)
        ]

    def _workers(self, tx: Connection) -> list[WorkerRow]:
        on: dict[int, list[tuple[int, int]]] = {}
        for row in loading.all_rows(tx, schema.configured_workers):
            on.setdefault(row.workerid, []).append((row.builderid, row.masterid))
            self.configured[row.workerid, row.builderid] = row.id
        connected: dict[int, list[int]] = {}
        for row in loading.all_rows(tx, schema.connected_workers):
            connected.setdefault(row.workerid, []).append(row.masterid)
        return [
            WorkerRow(
                id=row.id,
                name=row.name,
                info=loading.decoded(row.info_json),
                paused=row.paused,
                pause_reason=row.pause_reason,
                graceful=row.graceful,
                connected_to=connected.get(row.id, []),
                configured_on=sorted(on.get(row.id, [])),
                last_seen_at=row.last_seen_at,
            )
            for row in loading.all_rows(tx, schema.workers)
        ]
