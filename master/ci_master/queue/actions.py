"""What people may do to builds and requests: stop, rebuild, cancel, put first."""

from typing import TYPE_CHECKING, Any

from ci_common.faults import Refused
from ci_common.numbers import whole_number
from ci_master.data.actions import OWNER, REASON, named_owner, reason_and_owner
from ci_master.data.arguments import MOST_32, Argument, Arguments, Whole, shown
from ci_master.storage import build_changes, reads_builds, reads_requests

if TYPE_CHECKING:
    from ci_master.queue.queue import Queue

_PRIORITY = Whole(-MOST_32, MOST_32, as_text=True)
PRIORITY = Arguments(Argument("priority", _PRIORITY, required=True), OWNER)


def register(queue: "Queue", data: Any) -> None:
    """Offer the actions of builds and build requests."""

    async def stop(key: Any, args: dict[str, Any]) -> None:
        row = data.builds.running.get(_id(key, "build"))
        if row is None:
            if await data.store.read(lambda tx: reads_builds.get(tx, _id(key, "build"))) is None:
                raise Refused(404, f"there is no build {key}")
            return  # it has ended
        noted = data.acts.note("builds", row.id, "stop", args)
        queue.runs.stop(row.request.id, reason_and_owner(args) or "no reason")
        await noted

    async def rebuild(key: Any, args: dict[str, Any]) -> list[Any]:
        bsid, requests = await rebuild_build(data, _id(key, "build"), named_owner(args))
        await data.acts.note("builds", _id(key, "build"), "rebuild", args)
        return [bsid, requests]

    async def cancel(key: Any, args: dict[str, Any]) -> None:
        request = await _open_request(data, key)
        if request is None:
            return
        if request.claimed:
            if not queue.runs.stop(request.id, reason_and_owner(args) or "no reason"):
                raise Refused(409, f"request {key} is worked on by another master")
            await data.acts.note("buildrequests", request.id, "cancel", args)
            return  # its build ends
        noted = data.acts.note("buildrequests", request.id, "cancel", args)
        if not await queue.cancel(request, reason_and_owner(args) or "no reason"):
            raise Refused(409, f"request {key} is worked on by another master")
        await noted

    async def set_priority(key: Any, args: dict[str, Any]) -> None:
        request = await _open_request(data, key)
        if request is None:
            raise Refused(409, f"request {key} is complete")
        await data.requests.set_priority(request.id, args["priority"])
        why = {**args, "reason": f"to {args['priority']}"}
        await data.acts.note("buildrequests", request.id, "set_priority", why)

    async def find_build(key: Any) -> None:
        number = _id(key, "build")
        if number in data.builds.running:
            return
        if await data.store.read(lambda tx: reads_builds.get(tx, number)) is None:
            raise Refused(404, f"there is no build {key}")

    async def find_request(key: Any) -> None:
        await _open_request(data, key)

    register = data.actions.register
    why = Arguments(REASON, OWNER)
    register("builds", "stop", stop, why, find=find_build)
    register("builds", "rebuild", rebuild, why, find=find_build)
    register("buildrequests", "cancel", cancel, why, find=find_request)
    register("buildrequests", "set_priority", set_priority, PRIORITY, find=find_request)


async def rebuild_build(
    data: Any, build_id: int, owner: str | None = None
) -> tuple[int, dict[int, int]]:
    """Ask again for what a build was: the same sources and properties, its builder only.

    :param owner: who asks, if that is known: the owner of the new build.
    :returns: the new buildset's id, and builder id -> request id.
    :raises Refused: 404, if there is no such build.
    """

    def find(tx: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[int]] | None:
        build = reads_builds.get(tx, build_id)
        request = reads_requests.request(tx, build["buildrequestid"]) if build else None
        buildset = reads_requests.buildset(tx, request["buildsetid"]) if request else None
        if build is None or buildset is None:
            return None
        properties = reads_requests.set_properties(tx, [buildset["bsid"]])
        asked = build_changes.of_build(tx, build_id).asked
        return build, buildset, properties.get(buildset["bsid"], {}), list(asked)

    found = await data.store.read(find)
    if found is None:
        raise Refused(404, f"there is no build {build_id}")
    build, buildset, properties, changeids = found
    if owner is not None:
        properties = {**properties, "owner": (owner, "rebuild")}
    made: tuple[int, dict[int, int]] = await data.buildsets.add(
        builderids=[build["builderid"]],
        sourcestamps=[stamp["ssid"] for stamp in buildset["sourcestamps"]],
        reason="rebuild",
        scheduler="rebuild",
        properties={name: (value, source) for name, (value, source) in properties.items()},
        external_idstring=buildset["external_idstring"],
        parent_buildid=buildset["parent_buildid"],
        parent_relationship=buildset["parent_relationship"],
        rebuilt_buildid=buildset["rebuilt_buildid"] or build_id,
        changeids=changeids,
    )
    return made


async def _open_request(data: Any, key: Any) -> Any:
    """A request that is not complete; None if it is.

    :raises Refused: 404, if there is no such request.
    """
    request_id = _id(key, "build request")
    request = data.requests.open.get(request_id)
    if request is None:
        stored = await data.store.read(lambda tx: reads_requests.request(tx, request_id))
        if stored is None:
            raise Refused(404, f"there is no build request {key}")
    return request


def _id(key: Any, kind: str) -> int:
    number = whole_number(key, most=MOST_32)
    if number is None:
        raise Refused(404, f"there is no {kind} {shown(key)}")
    return number
