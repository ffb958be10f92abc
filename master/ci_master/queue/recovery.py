"""Work that storage holds and nobody does, or that memory and storage disagree about."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from sqlalchemy import Connection
from twisted.logger import Logger

from ci_common.results import RETRY
from ci_master.data.conclusion import TRIES
from ci_master.data.model import BuildRow, Request
from ci_master.storage import reads_builds, unowned
from ci_master.storage.unowned import StoredRequest

#: Rows that are read, and looked at, in one go.
SLICE = 500

#: Builds and buildsets that are mended by one pass at most.
_MENDED = 500


class Recovery:
    """Compares storage with what this master holds in memory, and mends what differs.

    Storage is read a slice at a time. What looks wrong is looked at again once all that was to
    be written before is written, and counts only if nothing of it has changed in memory
    meanwhile: so what is just under way is never taken for lost.

    :param active: gives the ids of the requests whose builds are under way.
    :param arrive: called with a request that waits and may not be in line.
    """

    log = Logger()

    def __init__(
        self,
        data: Any,
        *,
        active: Callable[[], Collection[int]],
        arrive: Callable[[Request], None],
    ) -> None:
        self._data = data
        self._active = active
        self._arrive = arrive
        self._idle_builds: set[int] = set()

    async def run(self) -> None:
        """One pass."""
        await self._requests()
        await self._buildsets()
        await self._builds()

    async def _all_written(self) -> None:
        """All that was asked for is stored, or has failed, also what is tried again."""
        for _ in range(1 + TRIES):
            await self._data.store.transaction("what was asked for before").commit()

    # -- requests

    async def _requests(self) -> None:
        suspects = await self._suspicious_requests()
        for ids in _slices(suspects):
            await self._confirm(ids)

    async def _suspicious_requests(self) -> list[int]:
        """Ids of requests of which memory and storage do not say the same."""
        data, suspects, seen, after = self._data, [], set[int](), 0
        building = {build.request.id for build in data.builds.running.values()}
        while rows := await self._read_open(after):
            for request_id, claimed_by in rows:
                seen.add(request_id)
                request = data.requests.open.get(request_id)
                if request is None or request.claimed_by != claimed_by:
                    suspects.append(request_id)
                elif claimed_by is None:
                    self._arrive(request)
                elif self._is_orphan(request, building):
                    suspects.append(request_id)
            after = rows[-1][0]
        suspects += [id for id in data.requests.open if id <= after and id not in seen]
        if not seen:
            suspects += data.requests.open
        return suspects

    def _read_open(self, after: int) -> Awaitable[Any]:
        def read(tx: Connection) -> Any:
            return unowned.open_requests(tx, after=after, limit=SLICE)

        found: Awaitable[Any] = self._data.store.read(read)
        return found

    def _is_orphan(self, request: Request, building: Collection[int]) -> bool:
        """Whether this master claimed a request, and does not work on it."""
        return (
            request.claimed_by == self._data.master_id
            and request.id not in self._active()
            and request.id not in building
        )

    def _state(self, request_id: int) -> Any:
        """What memory says of a request, to be compared with what it says later."""
        request = self._data.requests.open.get(request_id)
        if request is None:
            return None
        return request.claimed_by, request.claimed_at, request_id in self._active()

    async def _confirm(self, ids: list[int]) -> None:
        """Look again, and mend what is still wrong."""
        data = self._data
        before = {request_id: self._state(request_id) for request_id in ids}
        await self._all_written()
        stored = await data.store.read(lambda tx: unowned.requests(tx, ids))
        building = {build.request.id for build in data.builds.running.values()}
        lost = []
        for request_id in ids:
            if self._state(request_id) != before[request_id]:
                continue
            row, request = stored.get(request_id), data.requests.open.get(request_id)
            if request is not None:
                self._mend(request, row, building)
            elif row is not None and not row.complete:
                lost.append(row)
        if lost:
            await self._recall(lost)

    def _mend(self, request: Request, row: StoredRequest | None, building: Collection[int]) -> None:
        requests, me = self._data.requests, self._data.master_id
        is_active = request.id in self._active()
        if row is None or row.complete:
            if is_active:
                return  # its build will end it
            self.log.warn("request {id} was ended by somebody else", id=request.id)
            if row is None:
                requests.gone(request)
            else:
                requests.complete([request.id], row.results)
        elif row.claimed_by == request.claimed_by:
            if self._is_orphan(request, building):
                self.log.warn("request {id} had no build; it waits again", id=request.id)
                requests.unclaim([request.id])
        elif request.claimed_by == me and is_active:
            self.log.warn("the claim of request {id} was not stored; it is now", id=request.id)
            requests.store_claim(request)
        elif row.claimed_by is None or row.claimed_by == me:
            self.log.warn("request {id} was claimed by nobody who runs", id=request.id)
            requests.found_claimed(request, me)
            requests.unclaim([request.id])
        else:
            requests.found_claimed(request, row.claimed_by)

    async def _recall(self, rows: list[StoredRequest]) -> None:
        """Take up requests that memory has lost: as ended, if a build says so, or as waiting."""
        data, ids = self._data, [row.id for row in rows]
        results = await data.store.read(lambda tx: unowned.final_results(tx, ids))
        for request in await data.recall({row.buildsetid for row in rows}, set(ids)):
            mine = request.claimed_by == data.master_id
            if mine and request.id in results:
                self.log.warn("request {id} was built, and is complete now", id=request.id)
                data.requests.complete([request.id], results[request.id])
                continue
            self.log.warn("request {id} had been lost; it waits again", id=request.id)
            if mine:
                data.requests.unclaim([request.id])
            elif not request.claimed:
                self._arrive(request)

    # -- buildsets

    async def _buildsets(self) -> None:
        data = self._data

        def ended(tx: Connection) -> list[int]:
            return unowned.ended_buildsets(tx, limit=_MENDED)

        suspects = await data.store.read(ended)
        if not suspects:
            return
        await self._all_written()
        still = set(suspects) & set(await data.store.read(ended))
        await data.recall({bsid for bsid in still if bsid not in data.buildsets.open}, set())
        for bsid in sorted(still):
            buildset = data.buildsets.open.get(bsid)
            if buildset is not None and not buildset.open_requests:
                self.log.warn("buildset {id} was complete, and is told to be now", id=bsid)
                data.buildsets.end(buildset)

    # -- builds

    async def _builds(self) -> None:
        self._end_idle_builds()
        data = self._data

        def unfinished(tx: Connection) -> list[int]:
            return unowned.unfinished_builds(tx, data.master_id, limit=_MENDED)

        suspects = self._not_running(await data.store.read(unfinished))
        if not suspects:
            return
        await self._all_written()
        still = self._not_running(set(suspects) & set(await data.store.read(unfinished)))
        for ids in _slices(still):
            now = data.context.now()
            await data.store.write(
                lambda tx, ids=ids, now=now: unowned.end_builds(tx, ids, now=now)
            )
            for build_id in ids:
                self.log.warn("build {id} was run by nobody; it has ended", id=build_id)
                await self._tell_end(build_id)

    def _not_running(self, ids: Iterable[int]) -> list[int]:
        return sorted(id for id in ids if id not in self._data.builds.running)

    async def _tell_end(self, build_id: int) -> None:
        data = self._data
        build = await data.store.read(lambda tx: reads_builds.get(tx, build_id))
        if build is not None:
            data.context.tell(lambda: build, ("builds", str(build_id), "finished"))

    def _end_idle_builds(self) -> None:
        """End builds that memory holds as running in two passes, though nobody runs them."""
        active = self._active()
        idle: dict[int, BuildRow] = {
            build.id: build
            for build in self._data.builds.running.values()
            if build.request.id not in active
        }
        for build_id in idle.keys() & self._idle_builds:
            build = idle.pop(build_id)
            self.log.warn("build {id} was run by nobody; it has ended", id=build_id)
            for step in build.steps:
                if step.complete_at is None:
                    self._data.steps.finish(step, RETRY, False)
            self._data.builds.finish(build, RETRY)
        self._idle_builds = set(idle)


def _slices(ids: list[int]) -> Iterable[list[int]]:
    return (ids[at : at + SLICE] for at in range(0, len(ids), SLICE))
