"""All configured workers at run time."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ci_common.aio import to_deferred
from ci_common.faults import ConfigError, Fault
from ci_common.transition import Transition
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
        transition: Transition | None = None,
    ) -> None:
        """Make the slots as configured. What has not changed is not touched.

        Workers that go, or become another kind of worker, keep their connections until the
        transition is finished, when nothing takes it back any more.

        :param builders: worker name -> builder name -> directory on the worker.
        :param port: where workers connect by PB; None = nowhere.
        :param transition: collects the way back; None: there is none.
        :raises ConfigError: with the worker that cannot be as configured.
        """
        change = transition or Transition()
        wanted = {worker.workername: worker for worker in workers}
        for name in [name for name in self.slots if name not in wanted]:
            change.finally_do(f"worker '{name}'", self._removal(self.slots[name]))
        await self._rename_port(port, change)
        for name, worker in wanted.items():
            slot = self.slots.get(name)
            of_builders = dict(builders.get(name, {}))
            if slot is not None and not slot.config.canReconfigWithSibling(worker):
                await self._enter(worker)
                change.finally_do(
                    f"worker '{name}'", self._replacement(slot, worker, of_builders, port)
                )
                continue
            if slot is None:
                await self._enter(worker)
                slot = self._add(worker)
                change.undo_by(f"worker '{name}'", self._removal(slot))
            elif not same(slot.config, worker):
                await self._change(slot, worker, change)
            self._give_builders(slot, of_builders, change)
            await self._let_in(slot, port, change)
        if transition is None:
            await change.finish()

    async def _enter(self, worker: AbstractWorker) -> None:
        try:
            await worker.enter(self._site)
        except Exception as error:
            raise _refused(worker, error) from error

    async def _change(self, slot: WorkerSlot, worker: AbstractWorker, change: Transition) -> None:
        former = slot.config.snapshot()

        async def take_back() -> None:
            await slot.config.take_over(former)
            slot.configure(slot.config)

        change.undo_by(f"worker '{slot.name}'", take_back)
        try:
            await slot.config.take_over(worker)
        except Exception as error:
            raise _refused(worker, error) from error
        slot.configure(slot.config)

    def _give_builders(
        self, slot: WorkerSlot, builders: dict[str, str], change: Transition
    ) -> None:
        if slot.builders != builders:
            former = dict(slot.builders)
            change.undo_by(
                f"the builders of worker '{slot.name}'", lambda: slot.set_builders(former)
            )
        slot.set_builders(builders)

    def _removal(self, slot: WorkerSlot) -> Callable[[], Any]:
        return lambda: self._remove(slot)

    def _replacement(
        self,
        slot: WorkerSlot,
        worker: AbstractWorker,
        builders: dict[str, str],
        port: int | str | None,
    ) -> Callable[[], Any]:
        async def replace() -> None:
            await self._remove(slot)
            new = self._add(worker)
            new.set_builders(builders)
            rest = Transition()
            await self._let_in(new, port, rest)
            await rest.finish()

        return replace

    def _add(self, worker: AbstractWorker) -> WorkerSlot:
        row = self._site.data.workers.by_name[worker.workername]
        slot = WorkerSlot(worker, row, self._context)
        self.slots[slot.name] = self._by_id[row.id] = slot
        slot.expect()
        return slot

    async def _rename_port(self, port: int | str | None, change: Transition) -> None:
        """The port of the workers is written in another way: with another certificate, say."""
        pb = self._site.pb
        used = {where for where, _ in self._logins.values() if where and where != LOCAL_PORT}
        if port is None:
            return
        for where in used - {str(port)}:
            if not pb.is_same(where, port):
                continue
            await pb.rename(where, port, change)
            self._say_port(where, str(port))
            change.undo_by(f"the port '{where}'", partial(self._say_port, str(port), where))

    def _say_port(self, former: str, now: str) -> None:
        for name, (where, registration) in list(self._logins.items()):
            if where == former:
                self._logins[name] = (now, registration)

    async def _let_in(self, slot: WorkerSlot, port: int | str | None, change: Transition) -> None:
        """Let the worker log in on its port, with its password; start it if it is ours."""
        local = isinstance(slot.config, LocalWorker)
        where = LOCAL_PORT if local else str(port) if port is not None else ""
        known_port, registration = self._logins.get(slot.name, ("", None))
        password = slot.config.password
        if registration is not None and known_port == where:
            self._change_password(slot, registration, password, change)
            return
        known = self._logins.pop(slot.name, None)
        if known is not None:
            change.undo_by(
                f"the login of worker '{slot.name}'",
                lambda: self._logins.__setitem__(slot.name, known),
            )
            change.finally_do(f"the former port of worker '{slot.name}'", registration.unregister)
        if where:
            new = self._site.pb.register_worker(where, password, slot)
            self._logins[slot.name] = (where, new)
            change.undo_by(f"the new port of worker '{slot.name}'", new.unregister)
        if isinstance(slot.config, LocalWorker):
            await self._site.pb.opened()
            slot.config.run_on(self._site.pb.port_number(where))
            if slot.config.parent is None:
                slot.config.setServiceParent(self)

    def _change_password(
        self, slot: WorkerSlot, registration: Any, password: Any, change: Transition
    ) -> None:
        former = registration.password
        change.undo_by(
            f"the password of worker '{slot.name}'", lambda: registration.change_password(former)
        )
        registration.change_password(password)

    async def _remove(self, slot: WorkerSlot) -> None:
        if self.slots.get(slot.name) is not slot:
            return
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


def _refused(worker: AbstractWorker, error: Exception) -> ConfigError:
    """That a worker of a user's class does not take its arguments."""
    where = f"{worker.config_where}, worker '{worker.name}'".lstrip(", ")
    if isinstance(error, ConfigError):
        return ConfigError(Fault(f.where or where, f.what, f.hint) for f in error.faults)
    WorkerRegistry.log.failure("worker '{name}' does not take its arguments", name=worker.name)
    what = f"it does not take its arguments: {type(error).__name__}: {error}"
    return ConfigError([Fault(where, what)])
