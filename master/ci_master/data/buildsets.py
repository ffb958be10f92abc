"""What is to be built: buildsets and their requests."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ci_common.results import CANCELLED, worst_status
from ci_master.data.attempts import Asked, Attempts
from ci_master.data.context import Context
from ci_master.data.model import (
    Buildset,
    PropertyDict,
    Request,
    WaitReason,
    properties_as_json,
)
from ci_master.data.sourcestamps import SourceStamps
from ci_master.events.bus import Key
from ci_master.storage import requests as rows
from ci_master.storage import schema


class Buildsets:
    """Adds buildsets; those not complete are held in memory."""

    def __init__(self, context: Context, sourcestamps: SourceStamps, requests: "Requests") -> None:
        self._context = context
        self._sourcestamps = sourcestamps
        self._requests = requests
        #: Those not complete, by id.
        self.open: dict[int, Buildset] = {}
        self.attempts = Attempts(context, self.open)

    async def add(
        self,
        *,
        builderids: Sequence[int],
        sourcestamps: Sequence[Mapping[str, Any] | int] = (),
        reason: str = "",
        scheduler: str | None = None,
        properties: PropertyDict | None = None,
        external_idstring: str | None = None,
        waited_for: bool = False,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
        rebuilt_buildid: int | None = None,
        priority: int = 0,
        changeids: Sequence[int] = (),
    ) -> tuple[int, dict[int, int]]:
        """Ask for a build on each of the builders, of the same sources.

        Where an earlier attempt of the parent's build asked for just that, this is not asked for
        again: what came of it, or still does, is the answer.

        :param sourcestamps: dicts with branch, revision, repository, project, codebase and
            patch (body, level, author, comment, subdir), or ids of existing ones.
        :param changeids: the changes because of which it is asked for.
        :returns: the buildset's id and builder id -> request id, once they are stored.
        """
        context = self._context
        stamps = await self._sourcestamps.resolve(list(sourcestamps))
        if parent_buildid is not None and rebuilt_buildid is None:
            asked = Asked.of(
                scheduler=scheduler,
                waited_for=waited_for,
                builderids=builderids,
                ssids=[stamp["ssid"] for stamp in stamps],
                properties=properties or {},
            )
            found = await self.attempts.take_over(parent_buildid, asked)
            if found is not None:
                return found
        store, now = context.store, context.now()
        buildset = Buildset(
            id=store.next_id(schema.buildsets),
            reason=reason,
            submitted_at=now,
            scheduler=scheduler,
            external_idstring=external_idstring,
            parent_buildid=parent_buildid,
            parent_relationship=parent_relationship,
            rebuilt_buildid=rebuilt_buildid,
            sourcestamps=stamps,
            properties=dict(properties or {}),
        )
        store.insert(schema.buildsets, _buildset_row(buildset))
        for ssid in dict.fromkeys(stamp["ssid"] for stamp in stamps):
            link = {"buildsetid": buildset.id, "sourcestampid": ssid}
            table = schema.buildset_sourcestamps
            store.insert(table, {"id": store.next_id(table), **link})
        for changeid in dict.fromkeys(changeids):
            cause = {"buildsetid": buildset.id, "changeid": changeid}
            table = schema.buildset_changes
            store.insert(table, {"id": store.next_id(table), **cause})
        requests = [
            Request(
                id=store.next_id(schema.buildrequests),
                buildset=buildset,
                builderid=builderid,
                priority=priority,
                submitted_at=now,
                waited_for=waited_for,
            )
            for builderid in dict.fromkeys(builderids)
        ]
        for request in requests:
            store.insert(schema.buildrequests, _request_row(request))
        buildset.open_requests = {request.id for request in requests}
        await store.durable()
        self.open[buildset.id] = buildset
        self._tell(buildset, "new", scheduler=scheduler)
        for request in requests:
            self._requests.added(request)
        if not requests:
            self.request_ended(buildset, None)
        return buildset.id, {request.builderid: request.id for request in requests}

    def request_ended(self, buildset: Buildset, request: Request | None) -> None:
        """Count a request that is complete; the buildset is when all of them are."""
        if request is not None:
            buildset.open_requests.discard(request.id)
            buildset.worst = worst_status(buildset.worst, request.results)
        if buildset.open_requests or buildset.complete:
            return
        buildset.complete = True
        buildset.complete_at = self._context.now()
        buildset.results = buildset.worst
        self.open.pop(buildset.id, None)
        values = {
            "complete": True,
            "complete_at": buildset.complete_at,
            "results": buildset.results,
        }
        self._context.store.update(schema.buildsets, buildset.id, values)
        self._context.tell(buildset.as_json, ("buildsets", str(buildset.id), "complete"))

    def _tell(self, buildset: Buildset, event: str, **extra: Any) -> None:
        self._context.bus.publish(
            ("buildsets", str(buildset.id), event), {**buildset.as_json(), **extra}
        )


class Requests:
    """Build requests; those not complete are held in memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.buildsets: Buildsets  # set by Data: the two need each other
        #: Not complete, by id.
        self.open: dict[int, Request] = {}
        #: Not complete and not claimed, by id.
        self.waiting: dict[int, Request] = {}

    def added(self, request: Request) -> None:
        """Take a request that has just been stored."""
        self.open[request.id] = self.waiting[request.id] = request
        self._tell(request, "new")

    async def claim(self, ids: Sequence[int]) -> bool:
        """Take requests for this master: all of them or, where one is gone, none.

        :returns: whether they are ours now; stored when it returns True.
        """
        context = self._context
        wanted = [self.waiting[id] for id in ids if id in self.waiting]
        if len(wanted) != len(ids):
            return False
        now, me = context.now(), context.master_id
        for request in wanted:  # nobody else in this process may take them meanwhile
            request.claimed_by, request.claimed_at = me, now
            self.waiting.pop(request.id, None)
        try:
            await context.store.write(lambda tx: rows.claim(tx, ids, master_id=me, now=now))
        except BaseException as error:
            for request in wanted:
                request.claimed_by = request.claimed_at = None
                if not request.complete:
                    self.waiting[request.id] = request
            if isinstance(error, rows.RequestTaken):
                return False
            raise
        for request in wanted:
            request.waits = None
            self._tell(request, "claimed")
        return True

    def unclaim(self, ids: Iterable[int]) -> None:
        """Let requests wait again."""
        for id in ids:
            request = self.open.get(id)
            if request is None or not request.claimed:
                continue
            request.claimed_by = request.claimed_at = None
            self.waiting[id] = request
            values = {"claimed_by_masterid": None, "claimed_at": None}
            self._context.store.update(schema.buildrequests, id, values)
            self._tell(request, "unclaimed")

    def complete(
        self, ids: Iterable[int], results: int, *, collapsed_into: int | None = None
    ) -> None:
        """End requests with this result; their buildsets, where they were the last.

        :param collapsed_into: the request that does their work as well.
        """
        for id in ids:
            request = self.open.pop(id, None)
            if request is None:
                continue
            now = self._context.now()
            values: dict[str, Any] = {"complete": True, "complete_at": now, "results": results}
            waited = self.waiting.pop(id, None) is not None
            if collapsed_into is not None:
                values["collapsed_into"] = collapsed_into
            if not request.claimed:  # whoever ends a request has taken it: it waits no more
                request.claimed_by, request.claimed_at = self._context.master_id, now
                values |= {"claimed_by_masterid": request.claimed_by, "claimed_at": now}
                if results != CANCELLED:
                    self._tell(request, "claimed")
            request.complete, request.complete_at, request.results = True, now, results
            self._context.store.update(schema.buildrequests, id, values)
            if waited and results == CANCELLED:
                self._tell(request, "cancel")
            self._tell(request, "complete")
            self.buildsets.request_ended(request.buildset, request)

    def set_priority(self, id: int, priority: int) -> None:
        """Let a request go before those of lower priority."""
        request = self.open[id]
        request.priority = priority
        self._context.store.update(schema.buildrequests, id, {"priority": priority})
        self._tell(request, "priority")

    def set_waits(self, request: Request, reason: WaitReason | None) -> None:
        """Say why a request waits; told only if that has changed."""
        if request.waits == reason:
            return
        request.waits = reason
        told = {"buildrequestid": request.id, "waits": reason.as_json() if reason else None}
        self._context.bus.publish(("buildrequests", str(request.id), "waits"), told)

    def _tell(self, request: Request, event: str) -> None:
        self._context.tell(request.as_json, *_keys(request, event))


def _keys(request: Request, event: str) -> tuple[Key, ...]:
    id, builder = str(request.id), str(request.builderid)
    return (
        ("buildrequests", id, event),
        ("builders", builder, "buildrequests", id, event),
        ("buildsets", str(request.buildset.id), "builders", builder, "buildrequests", id, event),
    )


def _buildset_row(buildset: Buildset) -> dict[str, Any]:
    return {
        "id": buildset.id,
        "external_idstring": buildset.external_idstring,
        "reason": buildset.reason,
        "scheduler": buildset.scheduler,
        "submitted_at": buildset.submitted_at,
        "parent_buildid": buildset.parent_buildid,
        "parent_relationship": buildset.parent_relationship,
        "rebuilt_buildid": buildset.rebuilt_buildid,
        "properties_json": json.dumps(properties_as_json(buildset.properties)),
    }


def _request_row(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "buildsetid": request.buildset.id,
        "builderid": request.builderid,
        "priority": request.priority,
        "submitted_at": request.submitted_at,
        "waited_for": request.waited_for,
    }
