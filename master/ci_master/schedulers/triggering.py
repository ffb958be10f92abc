"""How steps reach schedulers: by name, on the board of those that run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred
from ci_common.faults import Refused, nearest
from ci_master.schedulers.base import Added, as_properties
from ci_master.schedulers.triggerable import Ended

__all__ = ["TriggerBoard"]


class TriggerBoard:
    """Triggers schedulers by name.

    :param running: gives the schedulers that run on this master, at any time.
    """

    def __init__(self, running: Callable[[], Iterable[Any]]) -> None:
        self._running = running

    def names(self) -> list[str]:
        """Names of the schedulers that can be triggered."""
        return sorted(one.name for one in self._running() if hasattr(one, "trigger"))

    def trigger(
        self,
        scheduler_name: str,
        *,
        waited_for: bool,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        properties: Any = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
    ) -> tuple[Deferred[Added], Deferred[Ended]]:
        """Ask a scheduler for builds.

        :param properties: a Properties object, or name -> (value, source).
        :returns: two awaitables: (buildset id, request ids by builder id), and, when the
            buildset is complete, (result, request ids). The buildset id is None if nothing was
            added: the scheduler builds later, is switched off, or has no builders.
        :raises Refused: if there is no such scheduler, or it cannot be triggered.
        """
        found = next((one for one in self._running() if one.name == scheduler_name), None)
        if found is None or not hasattr(found, "trigger"):
            names = self.names()
            near = nearest(scheduler_name, names)
            hint = f"did you mean '{near}'?" if near else f"known: {', '.join(names) or 'none'}"
            what = "no scheduler" if found is None else "a scheduler, but no triggerable one,"
            raise Refused(404, f"there is {what} named '{scheduler_name}'; {hint}")
        ids, results = found.trigger(
            waited_for,
            sourcestamps=sourcestamps,
            set_props=as_properties(properties),
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
        )
        return to_deferred(ids), to_deferred(results)
