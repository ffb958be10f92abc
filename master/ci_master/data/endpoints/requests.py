"""Endpoints of build requests, buildsets and source stamps."""

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


async def buildrequests(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Build requests, all or those of a builder. Those not complete come from memory."""
    of = {}
    if args:
        builderid = world.builder_id(args)
        if builderid is None:
            return []
        of["builderid"] = builderid
    wanted = spec.properties
    if spec.value_of("complete") is False:
        open_requests = world.data.requests.open.values()
        found = [one for one in open_requests if not of or one.builderid == of["builderid"]]
        items, _ = spec.apply([_as_json(one, wanted) for one in found])
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
