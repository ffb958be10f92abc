"""What an earlier attempt of a build triggered: its next attempt goes on with that.

A build whose worker or master was lost is built again for the same request. What it had triggered
is there already, finished or not, and must not be done twice.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ci_common.jsontext import comparable_json
from ci_common.results import CANCELLED
from ci_master.data.builds import Builds
from ci_master.data.context import Context
from ci_master.data.model import Buildset
from ci_master.storage import attempts as rows
from ci_master.storage import schema


@dataclass(frozen=True)
class Asked:
    """What is asked for: it was asked for before if all of this is equal."""

    scheduler: str | None
    waited_for: bool
    builderids: frozenset[int]
    ssids: frozenset[int]
    properties: str  # JSON of name -> value

    @classmethod
    def of(
        cls,
        *,
        scheduler: str | None,
        waited_for: bool,
        builderids: Collection[int],
        ssids: Collection[int],
        properties: Mapping[str, Any],
    ) -> "Asked":
        """Of values and sources by name of the property."""
        values = {name: value for name, (value, _) in properties.items()}
        text = comparable_json(values)
        return cls(scheduler, waited_for, frozenset(builderids), frozenset(ssids), text)


class Attempts:
    """Hands what one attempt of a build triggered over to the next."""

    def __init__(self, context: Context, open_buildsets: dict[int, Buildset]) -> None:
        self._context = context
        self._open = open_buildsets
        self.builds: Builds  # set by Data
        #: buildset -> the build that took it over in this run of the master
        self._taken_by: dict[int, int] = {}

    async def take_over(
        self, parent_buildid: int, asked: Asked
    ) -> tuple[int, dict[int, int]] | None:
        """The buildset that an earlier attempt of a build asked for, which is this build's now.

        Each is taken over once by each attempt, in the order in which they were asked for.

        :returns: the buildset's id, and builder id -> request id; None if there is none, or it
            was cancelled.
        """
        build = self.builds.running.get(parent_buildid)
        if build is None:
            return None
        request_id = build.request.id

        def find(tx: Connection) -> list[rows.Triggered]:
            return rows.triggered_before(tx, request_id, parent_buildid, asked.scheduler)

        for found in await self._context.store.read(find):
            before = Asked.of(
                scheduler=asked.scheduler,
                waited_for=found.waited_for,
                builderids=found.requests,
                ssids=found.ssids,
                properties=found.properties,
            )
            taken = self._taken_by.get(found.bsid) == parent_buildid
            if before == asked and not taken and found.results != CANCELLED:
                await self._give(found.bsid, parent_buildid)
                return found.bsid, found.requests
        return None

    async def _give(self, bsid: int, buildid: int) -> None:
        before = self._taken_by.get(bsid)
        self._taken_by[bsid] = buildid  # at once: nobody may take it twice
        act = self._context.transaction(f"what build {buildid} takes over")
        act.update(schema.buildsets, bsid, {"parent_buildid": buildid})
        buildset = self._open.get(bsid)
        if buildset is not None:
            act.after_commit(lambda: setattr(buildset, "parent_buildid", buildid))
            act.tell_then(buildset.as_json, ("buildsets", str(bsid), "taken_over"))
        try:
            await act.commit()
        except BaseException:
            if before is None:
                del self._taken_by[bsid]
            else:
                self._taken_by[bsid] = before
            raise
