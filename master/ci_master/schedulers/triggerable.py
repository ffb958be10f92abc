"""Building when a step of another build asks for it."""

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred
from ci_common.results import EXCEPTION, SKIPPED
from ci_master.builds.properties import Properties
from ci_master.events.bus import Subscription
from ci_master.schedulers.base import Added, ReconfigurableBaseScheduler, as_properties

__all__ = ["Triggerable"]

#: (result of the buildset, request ids by builder id)
Ended = tuple[int, dict[int, int]]


class Triggerable(ReconfigurableBaseScheduler):
    """Starts builds when a ``Trigger`` step of another build asks for them.

    :param reason: the reason shown on the builds, unless the trigger sets a property
        ``reason``.
    :type reason: string or None
    """

    def __init__(self, name: str, builderNames: Any, *args: Any, **kwargs: Any) -> None:
        self._waiting: dict[int, tuple[Deferred[Ended], dict[int, int]]] = {}
        self._adding = 0
        self._ended: dict[int, int] = {}  # bsid -> result, of what ended while it was added
        self._complete: Subscription | None = None
        super().__init__(builderNames, *args, name=name, **kwargs)

    def checkConfig(self, builderNames: Any, reason: str | None = None, **kwargs: Any) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames, **kwargs)

    async def reconfigService(
        self, builderNames: Any, reason: str | None = None, **kwargs: Any
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames, **kwargs)
        self.reason = reason

    def trigger(
        self,
        waited_for: bool,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        set_props: Properties | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
    ) -> tuple[Deferred[Added], Deferred[Ended]]:
        """Ask for builds.

        :param set_props: properties; the scheduler's own override them.
        :returns: two Deferreds: the buildset's id with the request ids by builder id, when they
            are stored; and the buildset's result with the request ids, when it is complete.
        """
        results: Deferred[Ended] = Deferred()
        if not self.enabled:
            self.log.warn("scheduler '{name}' is triggered, but switched off", name=self.name)
            return to_deferred(_nothing()), _fire(results, (SKIPPED, {}))
        adding = self._trigger(
            results,
            waited_for=waited_for,
            sourcestamps=sourcestamps,
            properties=Properties() if set_props is None else as_properties(set_props),
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
        )
        return to_deferred(adding), results

    async def _trigger(
        self,
        results: Deferred[Ended],
        *,
        sourcestamps: Sequence[Mapping[str, Any]] | None,
        properties: Properties,
        **kw: Any,
    ) -> Added:
        reason = properties.getProperty("reason") or self.reason
        if not reason:
            reason = f"The Triggerable scheduler named '{self.name}' triggered this build"
        self._listen()
        self._adding += 1
        try:
            bsid, requests = await self.addBuildsetForSourceStampsWithDefaults(
                reason=str(reason), sourcestamps=sourcestamps, properties=properties, **kw
            )
        except Exception:
            results.callback((EXCEPTION, {}))
            raise
        else:
            if bsid is None:
                results.callback((SKIPPED, {}))  # no builder is left to build
            elif bsid in self._ended:
                results.callback((self._ended[bsid], requests))
            elif bsid not in self.site.data.buildsets.open:
                # An earlier attempt of the build had it done.
                buildset = await self.site.master.data.get(("buildsets", str(bsid)))
                results.callback((buildset["results"], requests))
            else:
                self._waiting[bsid] = (results, requests)
            return bsid, requests
        finally:
            self._adding -= 1
            self._rest()

    def _listen(self) -> None:
        if self._complete is None:
            self._complete = self.site.bus.subscribe(
                ("buildsets", None, "complete"), self._buildset_complete
            )

    def _rest(self) -> None:
        """Hear no more, if nothing is waited for."""
        if not self._adding:
            self._ended.clear()
            if not self._waiting and self._complete is not None:
                self._complete.stop()
                self._complete = None

    def _buildset_complete(self, key: tuple[str, ...], message: Mapping[str, Any]) -> None:
        bsid = message["bsid"]
        if self._adding:
            self._ended[bsid] = message["results"]
        if bsid in self._waiting:
            results, requests = self._waiting.pop(bsid)
            self._rest()
            results.callback((message["results"], requests))


async def _nothing() -> Added:
    return None, {}


def _fire(deferred: Deferred[Ended], value: Ended) -> Deferred[Ended]:
    deferred.callback(value)
    return deferred
