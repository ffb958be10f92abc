"""All configured workers at run time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ci_common.aio import to_deferred
from ci_master.data.recorded import same
from ci_master.data.service import Site
from ci_master.workers import actions
from ci_master.workers.config import AbstractWorker
from ci_master.workers.local import LocalWorker
from ci_master.workers.slot import SlotContext, WorkerSlot

#: (slot, builder name): it may have become free for that builder; None: for any of its builders
SlotListener = Callable[[WorkerSlot, str | None], None]

#: the port of workers that run beside the master
LOCAL_PORT = "tcp:0:interface=127.0.0.1"


class WorkerRegistry(MultiService):
    """Holds a slot for each configured worker, and lets it log in.

    Call :meth:`configure` at the start and at every reload, after ``data.workers.sync``.
    """

    log = Logger()

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.setName("workers")
        self._site = site
        self.slots: dict[str, WorkerSlot] = {}
        self._by_id: dict[int, WorkerSlot] = {}
        self._logins: dict[str, tuple[str, Any]] = {}  # name -> (port string, registration)
        self._listeners: list[SlotListener] = []
        self._context = SlotContext(site.data, site.clock, self._changed, self._missing)
        actions.register(self, site.data)

    def __iter__(self) -> Any:
        return iter(self.slots.values())

    def by_id(self, workerid: int) -> WorkerSlot | None:
        """The slot of a configured worker."""
        return self._by_id.get(workerid)

    def on_change(self, listener: SlotListener) -> Callable[[], None]:
        """Be told when a slot may have become free, or may have stopped being so.

        :returns: call it to be told no more.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self, slot: WorkerSlot, builder_name: str | None) -> None:
        for listener in list(self._listeners):
            listener(slot, builder_name)

    def _missing(self, slot: WorkerSlot) -> None:
        self.log.warn("worker {name} is missing", name=slot.name)
        self._site.data.workers.missing(slot.row, slot.config.notify_on_missing)

    # -- configuration

    async def configure(
        self,
        workers: Iterable[AbstractWorker],
        builders: Mapping[str, Mapping[str, str]],
        port: int | str | None,
    ) -> None:
        """Make the slots as configured. What has not changed is not touched.

        :param builders: worker name -> builder name -> directory on the worker.
        :param port: where workers connect by PB; None = nowhere.
        """
        wanted = {worker.workername: worker for worker in workers}
        for name in [name for name in self.slots if name not in wanted]:
            await self._remove(self.slots[name])
        for name, worker in wanted.items():
            slot = self.slots.get(name)
            if slot is not None and not slot.config.canReconfigWithSibling(worker):
                await self._remove(slot)
                slot = None
            if slot is None:
                await self._add(worker)
            elif not same(slot.config, worker):
                await slot.config.take_over(worker)
                slot.configure(slot.config)
            self.slots[name].set_builders(dict(builders.get(name, {})))
            await self._let_in(self.slots[name], port)

    async def _add(self, worker: AbstractWorker) -> None:
        await worker.enter(self._site)
        row = self._site.data.workers.by_name[worker.workername]
        slot = WorkerSlot(worker, row, self._context)
        self.slots[slot.name] = self._by_id[row.id] = slot
        slot.expect()

    async def _let_in(self, slot: WorkerSlot, port: int | str | None) -> None:
        """Let the worker log in on its port, with its password; start it if it is ours."""
        local = isinstance(slot.config, LocalWorker)
        where = LOCAL_PORT if local else str(port) if port is not None else ""
        known_port, registration = self._logins.get(slot.name, ("", None))
        password = slot.config.password
        if registration is not None and known_port == where:
            registration.change_password(password)
            return
        if registration is not None:
            del self._logins[slot.name]
            await registration.unregister()
        if where:
            registration = self._site.pb.register_worker(where, password, slot)
            self._logins[slot.name] = (where, registration)
        if isinstance(slot.config, LocalWorker):
            await self._site.pb.opened()
            slot.config.run_on(self._site.pb.port_number(where))
            if slot.config.parent is None:
                slot.config.setServiceParent(self)

    async def _remove(self, slot: WorkerSlot) -> None:
        del self.slots[slot.name]
        self._by_id.pop(slot.row.id, None)
        _, registration = self._logins.pop(slot.name, ("", None))
        slot.close()
        if slot.config.parent is not None:
            await slot.config.disownServiceParent()
        if registration is not None:
            await registration.unregister()
        self._changed(slot, None)

    # -- the end

    def stopService(self) -> Deferred[None]:
        """Close all connections and ports; end the workers that run beside the master."""
        return to_deferred(self._stop())

    async def _stop(self) -> None:
        for slot in list(self.slots.values()):
            await self._remove(slot)
        await super().stopService()
