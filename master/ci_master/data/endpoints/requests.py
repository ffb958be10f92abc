"""Endpoints of build requests, buildsets and source stamps."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from ci_master.data.endpoints.answers import Answer, Rows, World
from ci_master.data.model import NO_RESULT, Request, properties_as_json
from ci_master.data.resultspec import Json, ResultSpec
from ci_master.storage import reads_changes, reads_requests
from ci_master.storage.reads_builds import chosen

Args = dict[str, Any]


def _as_json(request: Request, names: list[str]) -> Json:
    found = request.as_json()
    if names:
        found["properties"] = chosen(properties_as_json(request.buildset.properties), names)
    return found


#: Field -> its value in a request that is held in memory.
_VALUES: dict[str, Callable[[Request], Any]] = {
    "buildrequestid": attrgetter("id"),
    "buildsetid": attrgetter("buildset.id"),
    "claimed_by_masterid": attrgetter("claimed_by"),
    "properties": lambda request: None,
    **{
        name: attrgetter(name)
        for name in (
            "builderid",
            "priority",
            "claimed",
            "claimed_at",
            "complete",
            "results",
            "submitted_at",
            "complete_at",
            "waited_for",
        )
    },
}


def _held(world: World, spec: ResultSpec, builderid: int | None) -> Iterable[Request] | None:
    """The requests among which those asked for are, if they are all held in memory."""
    requests = world.data.requests
    if spec.value_of("claimed") is False:  # nor complete
        if builderid is None:
            return requests.waiting.values()
        return requests.waiting.by_builder.get(builderid, {}).values()
    if spec.value_of("complete") is not False:
        return None
    if builderid is None:
        return requests.open.values()
    return [one for one in requests.open.values() if one.builderid == builderid]


async def buildrequests(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Build requests, all or those of a builder. Those not complete come from memory."""
    of = {}
    if args:
        builderid = world.builder_id(args)
        if builderid is None:
            return []
        of["builderid"] = builderid
    wanted = spec.properties
    held = _held(world, spec, of.get("builderid"))
    if held is not None:
        items = [_as_json(one, wanted) for one in spec.pick(held, _VALUES)]
        return Rows(items, len(items))
    return await world.page(
        spec,
        reads_requests.REQUEST_COLUMNS,
        lambda tx, page: reads_requests.requests_page(tx, page, of=of, properties=wanted),
    )


async def buildrequest(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One build request."""
    requestid, wanted = args["buildrequestid"], spec.properties
    held = world.data.requests.open.get(requestid)
    if held is not None:
        return _as_json(held, wanted)
    return await world.sql(lambda tx: reads_requests.request(tx, requestid, properties=wanted))


async def buildsets(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Buildsets."""
    return await world.page(spec, reads_requests.SET_COLUMNS, reads_requests.buildsets_page)


async def buildset(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One buildset."""
    held = world.data.buildsets.open.get(args["bsid"])
    if held is not None:
        return {**held.as_json(), "results": NO_RESULT}
    return await world.sql(lambda tx: reads_requests.buildset(tx, args["bsid"]))


async def sourcestamps(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Source stamps, all or those of a buildset."""
    bsid = args.get("buildsetid")
    return await world.counted_page(
        spec,
        reads_changes.STAMP_COLUMNS,
        lambda tx, page: reads_changes.stamps_page(tx, page, buildsetid=bsid),
    )


async def sourcestamp(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One source stamp."""
    return await world.sql(lambda tx: reads_changes.stamp(tx, args["ssid"]))
