"""Endpoints of what is held in memory: builders, workers, masters and the like."""

from typing import Any, cast

from ci_common.aio import settle
from ci_master.data.endpoints.answers import Answer, World
from ci_master.data.endpoints.entities import type_spec
from ci_master.data.paths import ENDPOINTS
from ci_master.data.resultspec import Json, ResultSpec

Args = dict[str, Any]


#: In the order in which clients have always found them.
_ROOTLINKS = (
    "builders",
    "builds",
    "buildrequests",
    "codebases",
    "workers",
    "logchunks",
    "buildsets",
    "changes",
    "changesources",
    "masters",
    "sourcestamps",
    "schedulers",
    "forceschedulers",
    "projects",
)


async def rootlinks(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Names of the collections at the root."""
    return [{"name": name} for name in _ROOTLINKS]


async def specs(world: World, args: Args, spec: ResultSpec) -> Answer:
    """What the API is made of: all paths with the types of what is there, sorted by path."""
    types = {endpoint.type: type_spec(endpoint.type) for endpoint in ENDPOINTS}
    by_path = {pattern[1:]: one for one in ENDPOINTS for pattern in one.patterns}
    return [
        {"path": path, "type": one.type, "plural": one.plural, "type_spec": types[one.type]}
        for path, one in sorted(by_path.items(), key=lambda item: item[0])
    ]


# -- builders ---------------------------------------------------------------------------------


async def builder(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One builder."""
    builderid = world.builder_id(args)
    found = None if builderid is None else world.data.builders.by_id.get(builderid)
    if found is None or ("masterid" in args and args["masterid"] not in found.masterids):
        return None
    return found.as_json()


async def builders(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All builders, or those of a master, a project or a worker."""
    found = list(world.data.builders.by_id.values())
    if "masterid" in args:
        found = [one for one in found if args["masterid"] in one.masterids]
    if "projectid" in args:
        found = [one for one in found if one.projectid == args["projectid"]]
    if "workerid" in args:
        worker = world.data.workers.by_id.get(args["workerid"])
        wanted = {pair[0] for pair in worker.configured_on} if worker else set()
        found = [one for one in found if one.id in wanted]
    return [one.as_json() for one in found]


# -- workers ----------------------------------------------------------------------------------


def _seen_from(worker: Json, args: Args) -> Json | None:
    """A worker as seen from the builder and master of the path; None if it is not theirs."""
    masterid, builderid = args.get("masterid"), args.get("builderid")
    if masterid is None and builderid is None:
        return worker
    configured = [
        pair
        for pair in worker["configured_on"]
        if masterid in (None, pair["masterid"]) and builderid in (None, pair["builderid"])
    ]
    connected = [one for one in worker["connected_to"] if masterid in (None, one["masterid"])]
    if not configured and (builderid is not None or not connected):
        return None
    return {**worker, "configured_on": configured, "connected_to": connected}


async def worker(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One worker."""
    workers_ = world.data.workers
    found = (
        workers_.by_id.get(args["workerid"])
        if "workerid" in args
        else workers_.by_name.get(args["name"])
    )
    return None if found is None else _seen_from(found.as_json(), args)


async def workers(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All workers, or those of a builder or master."""
    seen = (_seen_from(one.as_json(), args) for one in world.data.workers.by_id.values())
    return [one for one in seen if one is not None]


# -- masters, schedulers, change sources, projects -----------------------------------------------


def _masters_of(world: World, args: Args) -> list[Json]:
    masters_ = world.data.masters.values()
    if "builderid" in args:
        builder_ = world.data.builders.by_id.get(args["builderid"])
        wanted = builder_.masterids if builder_ else []
        return [one.as_json() for one in masters_ if one.id in wanted]
    return [one.as_json() for one in masters_]


async def masters(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All masters, or those of a builder."""
    return _masters_of(world, args)


async def master(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One master."""
    return _first(_masters_of(world, args), "masterid", args["masterid"])


def _of_master(found: list[Json], args: Args) -> list[Json]:
    if "masterid" not in args:
        return found
    return [one for one in found if one["master"] and one["master"]["masterid"] == args["masterid"]]


def _first(found: list[Json], field: str, value: object) -> Json | None:
    return next((one for one in found if one[field] == value), None)


async def schedulers(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All schedulers, or those of a master."""
    family = world.data.schedulers
    return _of_master([family.as_json(row) for row in family.by_id.values()], args)


async def scheduler(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One scheduler."""
    family = world.data.schedulers
    row = family.by_id.get(args["schedulerid"])
    return None if row is None else next(iter(_of_master([family.as_json(row)], args)), None)


async def changesources(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All change sources, or those of a master."""
    family = world.data.changesources
    return _of_master([family.as_json(row) for row in family.by_id.values()], args)


async def changesource(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One change source."""
    family = world.data.changesources
    row = family.by_id.get(args["changesourceid"])
    return None if row is None else next(iter(_of_master([family.as_json(row)], args)), None)


async def projects(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All projects."""
    return [one.as_json() for one in world.data.projects.by_id.values()]


async def project(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One project."""
    family = world.data.projects
    if "projectid" in args:
        found = family.by_id.get(args["projectid"])
    else:
        found = family.by_name.get(args["projectname"])
    return None if found is None else found.as_json()


# -- force schedulers ---------------------------------------------------------------------------


async def _force_schedulers(world: World) -> list[Json]:
    return [await settle(one.as_json()) for one in world.force_schedulers()]


async def forceschedulers(world: World, args: Args, spec: ResultSpec) -> Answer:
    """All force schedulers, or those that can force a builder."""
    found = await _force_schedulers(world)
    if "builderid" in args:
        builder_ = world.data.builders.by_id.get(args["builderid"])
        if builder_ is None:
            return None
        found = [one for one in found if builder_.name in one["builder_names"]]
    return found


async def forcescheduler(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One force scheduler."""
    for one in world.force_schedulers():
        if one.name == args["schedulername"]:
            return cast("Json", await settle(one.as_json()))
    return None
