"""Endpoints of builds, their properties, data and changes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ci_master.data.endpoints.answers import Answer, Attachment, NotFound, Rows, World
from ci_master.data.model import BuildRow, properties_as_json
from ci_master.data.resultspec import Json, ResultSpec
from ci_master.storage import build_changes, reads_builds, reads_changes, reads_requests

Args = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BuildRef:
    """A build as a path names it: by id, or by builder and number."""

    buildid: int | None
    builderid: int | None
    number: int

    @classmethod
    def of(cls, world: World, args: Args) -> "BuildRef":
        """What the path's arguments say."""
        if "buildid" in args:
            return cls(args["buildid"], None, 0)
        return cls(None, world.builder_id(args), args["build_number"])

    def resolve(self, tx: Connection) -> int | None:
        """The build's id, if it may exist."""
        if self.buildid is not None or self.builderid is None:
            return self.buildid
        return reads_builds.id_of(tx, self.builderid, self.number)

    def running(self, world: World) -> BuildRow | None:
        """The build, if it runs on this master."""
        running = world.data.builds.running
        if self.buildid is not None:
            return running.get(self.buildid)
        for build_ in running.values():
            if build_.number == self.number and build_.builderid == self.builderid:
                return build_
        return None

    def get(self, tx: Connection) -> Json | None:
        """The build as stored."""
        if self.buildid is not None:
            return reads_builds.get(tx, self.buildid)
        if self.builderid is None:
            return None
        return reads_builds.get_by_number(tx, self.builderid, self.number)


async def build(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One build."""
    ref = BuildRef.of(world, args)
    running = ref.running(world)
    if running is not None:
        found = running.as_json()
        if spec.properties:
            properties_ = properties_as_json(running.properties)
            found["properties"] = reads_builds.chosen(properties_, spec.properties)
        return found

    def read(tx: Connection) -> Json | None:
        stored = ref.get(tx)
        if stored is not None and spec.properties:
            reads_builds.add_properties(tx, [stored], spec.properties)
        return stored

    return await world.sql(read)


async def builds(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Builds, all or those of a builder, a request, a change or a worker."""
    columns, wanted = reads_builds.COLUMNS, spec.properties
    if "changeid" in args:
        changeid = args["changeid"]
        return await world.page(
            spec,
            columns,
            lambda tx, page: reads_builds.of_change(tx, changeid, page, properties=wanted),
        )
    of: dict[str, int] = {
        name: args[name] for name in ("buildrequestid", "workerid") if name in args
    }
    if "builderid" in args or "buildername" in args:
        builderid = world.builder_id(args)
        if builderid is None:
            return []
        of["builderid"] = builderid
    return await world.page(
        spec, columns, lambda tx, page: reads_builds.page_of(tx, page, of=of, properties=wanted)
    )


async def triggered_builds(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Builds that a build caused."""
    buildid, wanted = args["buildid"], spec.properties
    return await world.page(
        spec,
        reads_builds.COLUMNS,
        lambda tx, page: reads_builds.triggered_by(tx, buildid, page, properties=wanted),
    )


# -- properties -------------------------------------------------------------------------------


async def _properties(world: World, args: Args) -> Json | None:
    if "bsid" in args:
        bsid = args["bsid"]
        buildset = world.data.buildsets.open.get(bsid)
        if buildset is not None:
            return properties_as_json(buildset.properties)
        return (await world.sql(lambda tx: reads_requests.set_properties(tx, [bsid]))).get(bsid)
    if "changeid" in args:
        change_ = await world.sql(lambda tx: reads_changes.change(tx, args["changeid"]))
        return None if change_ is None else change_["properties"]
    ref = BuildRef.of(world, args)
    running = ref.running(world)
    if running is not None:
        return properties_as_json(running.properties)

    def read(tx: Connection) -> Json | None:
        buildid = ref.resolve(tx)
        if buildid is None:
            return None
        return reads_builds.properties_of(tx, [buildid]).get(buildid)

    return await world.sql(read)


async def properties(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The properties of a build or buildset as one object."""
    return await _properties(world, args) or {}


async def property_list(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The properties of a build, buildset or change, one by one."""
    found = await _properties(world, args)
    if found is None and "changeid" in args:
        return None
    listed = [
        {"name": name, "source": source, "value": json.dumps(value)}
        for name, (value, source) in (found or {}).items()
    ]
    items, total = spec.apply(listed)
    return Rows(items, len(items) if spec.is_cut() else total)


# -- data and changes ---------------------------------------------------------------------------


async def build_data_list(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The values attached to a build."""
    ref = BuildRef.of(world, args)

    def read(tx: Connection) -> list[Json]:
        buildid = ref.resolve(tx)
        return [] if buildid is None else reads_builds.data_of(tx, buildid)

    return await world.sql(read)


async def build_data(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One value attached to a build, without its bytes."""
    ref = BuildRef.of(world, args)

    def read(tx: Connection) -> Json | None:
        buildid = ref.resolve(tx)
        found = [] if buildid is None else reads_builds.data_of(tx, buildid, args["name"])
        return found[0] if found else None

    return await world.sql(read)


async def build_data_value(world: World, args: Args, spec: ResultSpec) -> Answer:
    """The bytes of a value attached to a build."""
    ref = BuildRef.of(world, args)

    def read(tx: Connection) -> bytes | None:
        buildid = ref.resolve(tx)
        return None if buildid is None else reads_builds.data_value(tx, buildid, args["name"])

    content = await world.sql(read)
    return None if content is None else Attachment(content, args["name"])


async def changes(world: World, args: Args, spec: ResultSpec) -> Answer:
    """Changes, all or those of a build, a buildset or a source stamp; newest first."""
    columns = reads_changes.CHANGE_COLUMNS
    if "bsid" in args:
        bsid = args["bsid"]
        return await world.page(
            spec,
            columns,
            lambda tx, page: reads_changes.changes_page(
                tx, page, ids=build_changes.of_buildset(tx, bsid)
            ),
        )
    if "ssid" in args:
        ssid = args["ssid"]
        return await world.page(
            spec, columns, lambda tx, page: reads_changes.changes_page(tx, page, ssid=ssid)
        )
    if "build_number" not in args and "buildid" not in args:
        return await world.page(spec, columns, reads_changes.changes_page)
    ref = BuildRef.of(world, args)

    def ids_of_build(tx: Connection) -> Sequence[int]:
        buildid = ref.resolve(tx)
        if buildid is None or not reads_builds.exists(tx, buildid):
            raise NotFound
        return build_changes.of_build(tx, buildid).all

    return await world.page(
        spec,
        columns,
        lambda tx, page: reads_changes.changes_page(tx, page, ids=ids_of_build(tx)),
    )


async def change(world: World, args: Args, spec: ResultSpec) -> Answer:
    """One change."""
    return await world.sql(lambda tx: reads_changes.change(tx, args["changeid"]))
