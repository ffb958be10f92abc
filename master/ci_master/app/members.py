"""Services that come and go with the configuration: schedulers, change sources and others."""

from typing import Any

from twisted.application.service import MultiService
from twisted.logger import Logger

from ci_master.config.plan import Difference
from ci_master.data.service import BuildbotService, ClusteredBuildbotService, Site


class Members:
    """The running services of one kind, by name.

    :param kind: what to call them in the log.
    :param parent: the service whose children they become.
    """

    log = Logger()

    def __init__(self, kind: str, site: Site, parent: MultiService) -> None:
        self._kind = kind
        self._site = site
        self._parent = parent
        self.running: dict[str, Any] = {}

    async def apply(self, difference: Difference) -> None:
        """Stop what is gone, change what differs, start what is new; leave the rest alone."""
        for service in difference.removed:
            await self._remove(str(service.name))
        changed = sorted(difference.changed, key=lambda pair: -pair[1].reconfig_priority)
        for _, new in changed:
            await self._change(new)
        for new in sorted(difference.added, key=lambda one: -one.reconfig_priority):
            await self._add(new)

    async def close(self) -> None:
        """Stop them all."""
        for name in list(self.running):
            await self._remove(name)

    async def _add(self, service: BuildbotService) -> None:
        self.running[str(service.name)] = service
        await service.enter(self._site)
        service.setServiceParent(self._parent)
        if isinstance(service, ClusteredBuildbotService):
            await service.become_active()

    async def _change(self, new: BuildbotService) -> None:
        name = str(new.name)
        running = self.running.get(name)
        if running is None:
            await self._add(new)
        elif running.canReconfigWithSibling(new):
            await running.take_over(new)
        else:
            await self._remove(name)
            await self._add(new)

    async def _remove(self, name: str) -> None:
        service = self.running.pop(name, None)
        if service is None:
            return
        if isinstance(service, ClusteredBuildbotService):
            await service.become_inactive()
        if service.parent is not None:
            stopping = service.disownServiceParent()
            if stopping is not None:
                await stopping
