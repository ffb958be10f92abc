"""Services that come and go with the configuration: schedulers, change sources and others."""

from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.logger import Logger

from ci_common.faults import ConfigError, Fault
from ci_common.transition import Transition
from ci_master.config.places import place_of
from ci_master.config.plan import Difference
from ci_master.data.service import BuildbotService, ClusteredBuildbotService, Site


class Members:
    """The running services of one kind, by name.

    :param kind: what to call them in the log.
    :param parent: the service below which they run.
    :ivar before_return: called before one that was stopped is begun again after all.
    """

    log = Logger()

    def __init__(self, kind: str, site: Site, parent: MultiService) -> None:
        self.before_return: Callable[[], object] = lambda: None
        self._kind = kind
        self._site = site
        # One for each kind: a scheduler and a service may have the same name.
        self._parent = MultiService()
        self._parent.setName(f"{kind}s")
        self._parent.setServiceParent(parent)
        self.running: dict[str, Any] = {}

    async def apply(self, difference: Difference, transition: Transition) -> None:
        """Stop what is gone, change what differs, start what is new; leave the rest alone.

        :raises ConfigError: with the service that could not be changed or started. Whoever calls
            rolls the transition back then, which has all running as it was.
        """
        for service in difference.removed:
            await self._take_out(str(service.name), transition)
        changed = sorted(difference.changed, key=lambda pair: -pair[1].reconfig_priority)
        for _, new in changed:
            await self._change(new, transition)
        # What is the same, and does not run all the same, could not be put back some time ago.
        dead = [new for _, new in difference.unchanged if str(new.name) not in self.running]
        for new in sorted([*difference.added, *dead], key=lambda one: -one.reconfig_priority):
            await self._add(new, transition)

    async def close(self) -> None:
        """Stop them all."""
        for name in list(self.running):
            await self._remove(name)

    # -- with the way back

    async def _take_out(self, name: str, transition: Transition) -> None:
        service = self.running.get(name)
        if service is None:
            return
        transition.undo_by(f"{self._kind} '{name}'", lambda: self._begin_again(service))
        await self._remove(name)

    async def _add(self, service: BuildbotService, transition: Transition) -> None:
        name = str(service.name)
        transition.undo_by(f"{self._kind} '{name}'", lambda: self._remove(name))
        try:
            await self._begin(service)
        except Exception as error:
            raise self._refused(service, "could not be started", error) from error

    async def _change(self, new: BuildbotService, transition: Transition) -> None:
        name = str(new.name)
        running = self.running.get(name)
        if running is None:
            await self._add(new, transition)
        elif running.canReconfigWithSibling(new):
            former = running.snapshot()
            transition.undo_by(f"{self._kind} '{name}'", lambda: self._take_back(running, former))
            try:
                await running.take_over(new)
            except Exception as error:
                raise self._refused(new, "could not take over its arguments", error) from error
        else:
            await self._take_out(name, transition)
            await self._add(new, transition)

    async def _take_back(self, running: Any, former: Any) -> None:
        """Have a service as it was before it was changed; if it refuses that, begin it anew."""
        try:
            await running.take_over(former)
            if isinstance(running, ClusteredBuildbotService):
                await running.become_active()  # it broke off while it was inactive
        except Exception:
            self.log.failure(
                "{kind} '{name}' does not take its former arguments back; it is started anew",
                kind=self._kind,
                name=running.name,
            )
            await self._remove(str(running.name))
            await self._begin_again(running)

    async def _begin_again(self, service: Any) -> None:
        self.before_return()
        try:
            await self._begin(service)
        except Exception:
            await self._remove(str(service.name))
            raise

    def _refused(self, service: Any, what: str, error: Exception) -> ConfigError:
        where = place_of(service, self._kind) or f"{self._kind} '{service.name}'"
        if isinstance(error, ConfigError):
            faults = [Fault(fault.where or where, fault.what, fault.hint) for fault in error.faults]
            return ConfigError(faults)
        if not is_about_the_world(error):
            self.log.failure(
                "{kind} '{name}' {what}", kind=self._kind, name=service.name, what=what
            )
        return ConfigError([Fault(where, f"it {what}: {type(error).__name__}: {error}")])

    # -- without

    async def _begin(self, service: BuildbotService) -> None:
        self.running[str(service.name)] = service
        await service.enter(self._site)
        await service.start_below(self._parent)
        if isinstance(service, ClusteredBuildbotService):
            await service.become_active()

    async def _remove(self, name: str) -> None:
        """Stop a service. If that fails it is out all the same: the failure is logged."""
        service = self.running.pop(name, None)
        if service is None:
            return
        try:
            if isinstance(service, ClusteredBuildbotService):
                await service.become_inactive()
        except Exception:
            self._log_end(name)
        try:
            if service.parent is not None:
                await service.call_in_time(service.disownServiceParent)
        except Exception:
            self._log_end(name)

    def _log_end(self, name: str) -> None:
        self.log.failure("{kind} '{name}' failed while it stopped", kind=self._kind, name=name)


def is_about_the_world(error: Exception) -> bool:
    """Whether an error says all by itself, so that nobody needs its traceback: a taken port."""
    from twisted.internet.error import CannotListenError

    return isinstance(error, CannotListenError | OSError)
