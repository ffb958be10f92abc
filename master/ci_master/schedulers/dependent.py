"""Building when the builds of another scheduler have succeeded."""

from collections.abc import Mapping
from typing import Any

from ci_common.results import SUCCESS, WARNINGS
from ci_master.data.faults import configFault
from ci_master.events.bus import Subscription
from ci_master.schedulers.base import ReconfigurableBaseScheduler

__all__ = ["Dependent"]


class Dependent(ReconfigurableBaseScheduler):
    """Builds the same source stamps once the builds of another scheduler have ended well.

    :param upstream: the scheduler object whose builds have to end well first.
    :type upstream: scheduler
    """

    def __init__(self, name: str, upstream: Any, builderNames: Any, **kwargs: Any) -> None:
        self._pending: dict[int, None] = {}  # bsids of upstream that are not complete
        self._subscriptions: list[Subscription] = []
        super().__init__(upstream, builderNames, name=name, **kwargs)

    def checkConfig(self, upstream: Any, builderNames: Any, **kwargs: Any) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames, **kwargs)
        if not isinstance(upstream, ReconfigurableBaseScheduler):
            configFault(
                f"scheduler '{self.name}': 'upstream' is {upstream!r}, but must be a scheduler",
                "give the scheduler object itself, not its name",
            )

    async def reconfigService(self, upstream: Any, builderNames: Any, **kwargs: Any) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames, **kwargs)
        self.upstream_name = upstream.name

    async def activate(self) -> None:
        """Listen to buildsets, and look what became of those waited for before the restart."""
        subscribe = self.site.bus.subscribe
        self._subscriptions = [
            subscribe(("buildsets", None, "new"), self._buildset_new),
            subscribe(("buildsets", None, "complete"), self._buildset_complete),
        ]
        waited: list[int] = await self.getState("upstream_bsids", [])
        for bsid in waited:
            self._pending.setdefault(bsid)
        for bsid in waited:
            if bsid not in self.site.data.buildsets.open:
                await self._look_at(bsid)

    async def deactivate(self) -> None:
        """Listen no more; what is waited for stays recorded."""
        for subscription in self._subscriptions:
            subscription.stop()
        self._subscriptions = []
        await super().deactivate()
        self._pending.clear()

    def _buildset_new(self, key: tuple[str, ...], message: Mapping[str, Any]) -> None:
        if message.get("scheduler") == self.upstream_name:
            self._pending[message["bsid"]] = None
            self._persist()

    def _buildset_complete(self, key: tuple[str, ...], message: Mapping[str, Any]) -> None:
        if message["bsid"] in self._pending:
            self._spawn(
                self._follow(message), f"following buildset {message['bsid']} of its upstream"
            )

    async def _look_at(self, bsid: int) -> None:
        """Follow a buildset that may have ended while nobody listened."""
        buildset = await self.site.master.data.get(("buildsets", str(bsid)))
        if buildset is None:
            del self._pending[bsid]
            self._persist()
        elif buildset["complete"]:
            await self._follow(buildset)

    async def _follow(self, buildset: Mapping[str, Any]) -> None:
        if buildset["bsid"] not in self._pending:
            return
        del self._pending[buildset["bsid"]]
        try:
            if buildset["results"] in (SUCCESS, WARNINGS):
                await self.addBuildsetForSourceStamps(
                    sourcestamps=[stamp["ssid"] for stamp in buildset["sourcestamps"]],
                    reason="downstream",
                    changeids=await self.site.data.changes.of_buildset(buildset["bsid"]),
                )
        finally:
            self._persist()

    def _persist(self) -> None:
        self._spawn(
            self.setState("upstream_bsids", list(self._pending)),
            "recording which buildsets it waits for",
        )
