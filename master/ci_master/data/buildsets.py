"""What is to be built: buildsets and their requests."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ci_common.results import CANCELLED, worst_status
from ci_master.data.attempts import Asked, Attempts
from ci_master.data.conclusion import conclude
from ci_master.data.context import Context
from ci_master.data.model import (
    Buildset,
    PropertyDict,
    Request,
    WaitingRequests,
    WaitReason,
    properties_as_json,
)
from ci_master.data.sourcestamps import SourceStamps
from ci_master.data.waits import CodeFault, Explainer, WaitReasons
from ci_master.events.bus import Key
from ci_master.storage import requests as rows
from ci_master.storage import schema
from ci_master.storage.transaction import Transaction


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
        if parent_buildid is not None and rebuilt_buildid is None:
            stamps = await self._sourcestamps.resolve(list(sourcestamps))
            sourcestamps = ssids = [int(stamp["ssid"]) for stamp in stamps]
            asked = Asked.of(
                scheduler=scheduler,
                waited_for=waited_for,
                builderids=builderids,
                ssids=ssids,
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
            properties=dict(properties or {}),
        )
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
        buildset.open_requests = {request.id for request in requests}
        act = context.transaction("a buildset")
        row = _buildset_row(buildset)
        act.insert(schema.buildsets, row if requests else {**row, **_ended(now, buildset.worst)})
        self._add_stamps(act, buildset, list(sourcestamps))
        causes = schema.buildset_changes
        for changeid in dict.fromkeys(changeids):
            cause = {"buildsetid": buildset.id, "changeid": changeid}
            act.insert(causes, {"id": store.next_id(causes), **cause})
        for request in requests:
            act.insert(schema.buildrequests, _request_row(request))
        act.after_commit(lambda: self._added(buildset, requests))
        act.tell_then(
            lambda: {**buildset.as_json(), "scheduler": scheduler},
            ("buildsets", str(buildset.id), "new"),
        )
        for request in requests:
            act.tell_then(request.as_json, *_keys(request, "new"))
        if not requests:
            act.after_commit(lambda: self._end(buildset))
            ended = _ended(now, buildset.worst)
            act.tell_then(
                lambda: {**buildset.as_json(), **ended}, ("buildsets", str(buildset.id), "complete")
            )
        await act.commit()
        return buildset.id, {request.builderid: request.id for request in requests}

    def _added(self, buildset: Buildset, requests: Sequence[Request]) -> None:
        self.open[buildset.id] = buildset
        for request in requests:
            self._requests.open[request.id] = self._requests.waiting[request.id] = request

    def _add_stamps(
        self, act: Transaction, buildset: Buildset, stamps: list[Mapping[str, Any] | int]
    ) -> None:
        """Link the buildset with its source stamps, which are stored if they are new."""
        table, next_id = schema.buildset_sourcestamps, self._context.store.next_id
        link_ids = [next_id(table) for _ in stamps]

        def links(found: Sequence[Mapping[str, Any]]) -> list[dict[str, int]]:
            ssids = dict.fromkeys(stamp["ssid"] for stamp in found)
            return [
                {"id": link_id, "buildsetid": buildset.id, "sourcestampid": ssid}
                for link_id, ssid in zip(link_ids, ssids, strict=False)
            ]

        known = [self._sourcestamps.known(stamp) for stamp in stamps]
        if None not in known:
            buildset.sourcestamps = [stamp for stamp in known if stamp is not None]
            for link in links(buildset.sourcestamps):
                act.insert(table, link)
            return
        finders = [self._sourcestamps.finder(stamp) for stamp in stamps]

        def find(tx: Connection) -> list[dict[str, Any]]:
            found = [finder(tx) for finder in finders]
            tx.execute(insert(table), links(found))
            return found

        resolved = act.run(find)

        def remember() -> None:
            buildset.sourcestamps = resolved.value
            for stamp in resolved.value:
                self._sourcestamps.remember(stamp)

        act.after_commit(remember)

    def count(self, act: Transaction, buildset: Buildset, request: Request) -> None:
        """Count a request that is complete; the buildset is when all of them are.

        It may be called once more for a request, with a worse result.

        :param act: the end of the request.
        """
        buildset.open_requests.discard(request.id)
        buildset.worst = worst_status(buildset.worst, request.results)
        if buildset.open_requests:
            return
        self._end(buildset)
        assert buildset.complete_at is not None
        act.update(schema.buildsets, buildset.id, _ended(buildset.complete_at, buildset.worst))
        act.tell(buildset.as_json, ("buildsets", str(buildset.id), "complete"))

    def end(self, buildset: Buildset) -> None:
        """End a buildset of which all requests are complete, should nobody have done so."""
        self._end(buildset)
        assert buildset.complete_at is not None
        act = self._context.transaction(f"the end of buildset {buildset.id}")
        act.update(schema.buildsets, buildset.id, _ended(buildset.complete_at, buildset.worst))
        act.tell(buildset.as_json, ("buildsets", str(buildset.id), "complete"))
        act.submit()

    def _end(self, buildset: Buildset) -> None:
        if not buildset.complete:
            buildset.complete = True
            buildset.complete_at = self._context.now()
            self.open.pop(buildset.id, None)
        buildset.results = buildset.worst


class Requests:
    """Build requests; those not complete are held in memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.buildsets: Buildsets  # set by Data: the two need each other
        #: Not complete, by id.
        self.open: dict[int, Request] = {}
        #: Not complete and not claimed, by id.
        self.waiting = WaitingRequests()
        #: who knows why they wait; None: what was said last of each counts
        self.explainer: Explainer | None = None

    async def reasons(self, builderids: Collection[int] | None = None) -> WaitReasons:
        """Why requests wait, as of now.

        :param builderids: of which builders; None: of all.
        """
        if self.explainer is None:
            return WaitReasons()
        return await self.explainer.reasons(builderids)

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

        def taken() -> None:
            for request in wanted:
                request.waits = None

        act = context.transaction("the claim of build requests")
        act.run(lambda tx: rows.claim(tx, ids, master_id=me, now=now))
        act.after_commit(taken)
        for request in wanted:
            self._tell(act, request, "claimed")
        try:
            await act.commit()
        except BaseException as error:
            for request in wanted:
                request.claimed_by = request.claimed_at = None
                if not request.complete:
                    self.waiting[request.id] = request
            if isinstance(error, rows.RequestTaken):
                return False
            raise
        return True

    def unclaim(self, ids: Iterable[int]) -> None:
        """Let requests wait again.

        One for which that cannot be stored stays claimed; whoever looks for claimed requests
        without a build finds it later.
        """
        for id in ids:
            request = self.open.get(id)
            if request is not None and request.claimed:
                self._unclaim(request)

    def _unclaim(self, request: Request) -> None:
        before = request.claimed_by, request.claimed_at

        def undo(failure: Failure) -> None:
            if self.waiting.pop(request.id, None) is not None:
                request.claimed_by, request.claimed_at = before

        request.claimed_by = request.claimed_at = None
        self.waiting[request.id] = request
        act = self._context.transaction(f"that build request {request.id} waits again")
        values = {"claimed_by_masterid": None, "claimed_at": None}
        act.update(schema.buildrequests, request.id, values)
        self._tell(act, request, "unclaimed")
        act.on_failure(undo)
        act.submit()

    def store_claim(self, request: Request) -> None:
        """Store that this master has a request which it works on already."""
        act = self._context.transaction(f"the claim of build request {request.id}")
        values = {"claimed_by_masterid": request.claimed_by, "claimed_at": request.claimed_at}
        act.update(schema.buildrequests, request.id, values)
        act.submit()

    def found_claimed(self, request: Request, master_id: int) -> None:
        """Note what storage says: that a master has a request. Unclaim it if that is not so."""
        request.claimed_by, request.claimed_at = master_id, self._context.now()
        self.waiting.pop(request.id, None)
        self._context.tell(request.as_json, *_keys(request, "claimed"))

    def gone(self, request: Request) -> None:
        """Forget a request that storage has no more, as if it had been cancelled."""
        self.open.pop(request.id, None)
        self.waiting.pop(request.id, None)
        request.complete, request.complete_at = True, self._context.now()
        request.results = CANCELLED
        request.buildset.open_requests.discard(request.id)
        request.buildset.worst = worst_status(request.buildset.worst, CANCELLED)
        self._context.tell(request.as_json, *_keys(request, "complete"))

    def complete(
        self, ids: Iterable[int], results: int, *, collapsed_into: int | None = None
    ) -> None:
        """End requests with this result; their buildsets, where they were the last.

        The result is EXCEPTION if something of the build could not be stored. That may turn
        out only after this call, but before anybody is told of the end.

        :param collapsed_into: the request that does their work as well.
        """
        more = {} if collapsed_into is None else {"collapsed_into": collapsed_into}
        for id in ids:
            self._complete(id, results, more)

    def cancel(self, id: int) -> "Deferred[None]":
        """End a request as CANCELLED; fires when that is stored."""
        done: Deferred[None] = Deferred()

        def told(failure: Failure | None) -> None:
            if failure is None:
                done.callback(None)
            else:
                done.errback(failure)

        self._complete(id, CANCELLED, {}, told)
        return done

    def _complete(
        self,
        id: int,
        results: int,
        more: Mapping[str, Any],
        told: Callable[[Failure | None], None] | None = None,
    ) -> None:
        request = self.open.pop(id, None)
        if request is None:
            if told is not None:
                told(None)
            return
        now, waited = self._context.now(), self.waiting.pop(id, None) is not None
        events = ["complete"]
        if waited and results == CANCELLED:
            events.insert(0, "cancel")
        values = {"complete": True, "complete_at": now, **more}
        if not request.claimed:  # whoever ends a request has taken it: it waits no more
            request.claimed_by, request.claimed_at = self._context.master_id, now
            values |= {"claimed_by_masterid": request.claimed_by, "claimed_at": now}
            if results != CANCELLED:
                events.insert(0, "claimed")
        request.complete, request.complete_at, request.results = True, now, results
        conclude(request, partial(self._end, request, events, values), told)

    def _end(
        self, request: Request, events: Sequence[str], values: Mapping[str, Any]
    ) -> Transaction:
        act = self._context.transaction(f"the end of build request {request.id}")
        act.update(schema.buildrequests, request.id, {**values, "results": request.results})
        for event in events:
            self._tell(act, request, event)
        self.buildsets.count(act, request.buildset, request)
        return act

    def set_priority(self, id: int, priority: int) -> "Deferred[None]":
        """Let a request go before those of lower priority, once that is stored; fires then."""
        request = self.open[id]
        act = self._context.transaction(f"the priority of build request {id}")
        act.update(schema.buildrequests, id, {"priority": priority})
        act.after_commit(lambda: setattr(request, "priority", priority))
        act.tell_then(request.as_json, *_keys(request, "priority"))
        return act.commit()

    def set_waits(self, request: Request, reason: WaitReason | None) -> None:
        """Say why a request waits; told only if that has changed."""
        if request.waits == reason:
            return
        request.waits = reason
        told = {"buildrequestid": request.id, "waits": reason.as_json() if reason else None}
        self._context.tell(lambda: told, ("buildrequests", str(request.id), "waits"))

    def tell_waits(self, builderid: int, reason: WaitReason | None) -> None:
        """Tell that the requests of a builder wait for another reason than before."""
        told = {"builderid": builderid, "waits": reason.as_json() if reason else None}
        self._context.tell(lambda: told, ("builders", str(builderid), "waits"))

    def tell_faults(self, faults: Collection[CodeFault]) -> None:
        """Tell what is wrong with functions of the configuration by now."""
        told = {"faults": [{"builderid": one.builderid, "text": one.text} for one in faults]}
        self._context.tell(lambda: told, ("faults", "changed"))

    def _tell(self, act: Transaction, request: Request, event: str) -> None:
        act.tell(request.as_json, *_keys(request, event))


def _keys(request: Request, event: str) -> tuple[Key, ...]:
    id, builder = str(request.id), str(request.builderid)
    return (
        ("buildrequests", id, event),
        ("builders", builder, "buildrequests", id, event),
        ("buildsets", str(request.buildset.id), "builders", builder, "buildrequests", id, event),
    )


def _ended(complete_at: int, results: int) -> dict[str, Any]:
    return {"complete": True, "complete_at": complete_at, "results": results}


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
