"""What reports are made of: builds with all that belongs to them, users, and URLs.

Everything is read by ``master.data``, so these functions serve users' own reporters as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ci_common.results import FAILURE, SUCCESS, WARNINGS
from ci_master.reporters.deferring import deferring

Details = dict[str, Any]

#: Results that say how a branch is; the others neither break nor mend it.
TELLING = (SUCCESS, WARNINGS, FAILURE)

#: Of a longer log only the last lines are taken into a report.
MOST_LINES = 20_000


# -- builds


@deferring
async def getPreviousBuild(master: Any, build: Mapping[str, Any]) -> Details | None:
    """The build that says how things were before this one; None if there is none.

    It is the newest one before it of the same builder, branch, repository, project and code base
    that ended as a success, with warnings or as a failure. Builds of somebody's patch say nothing
    of a branch, and have none before them.
    """
    before = await master.data.build_before(build["buildid"])
    if before is None:
        return None
    found: Details | None = await master.data.get(("builds", before))
    return found


@deferring
async def getDetailsForBuildset(
    master: Any,
    bsid: int,
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: Any = None,
    want_logs_content: Any = False,
) -> Details:
    """``{"buildset": ..., "builds": [...]}``, the builds as :func:`getDetailsForBuild` does."""
    buildset = await master.data.get(("buildsets", bsid))
    builds = []
    for request in await _requests_of(master, bsid):
        builds += await master.data.get(("buildrequests", request["buildrequestid"], "builds"))
    await getDetailsForBuilds(
        master,
        buildset,
        builds,
        want_properties=want_properties,
        want_steps=want_steps,
        want_previous_build=want_previous_build,
        want_logs=want_logs,
        add_logs=add_logs,
        want_logs_content=want_logs_content,
    )
    return {"buildset": buildset, "builds": builds}


async def _requests_of(master: Any, bsid: int) -> list[Details]:
    from ci_master.data.resultspec import Filter

    found: list[Details] = await master.data.get(
        ("buildrequests",), filters=[Filter("buildsetid", "eq", [bsid])], order=["buildrequestid"]
    )
    return found


@deferring
async def getDetailsForBuild(
    master: Any,
    build: Details,
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: Any = None,
    want_logs_content: Any = False,
) -> None:
    """Add to a build what belongs to it.

    Always: buildrequest, buildset, builder, parentbuild, parentbuilder, url. As wanted:
    properties, prev_build, and steps with their logs and the content of those.

    :param build: is changed in place.
    :param want_logs_content: True, or the names of the logs whose content is wanted: of the
        log, or of step and log ("compile.stdio").
    """
    request = await master.data.get(("buildrequests", build["buildrequestid"]))
    buildset = await master.data.get(("buildsets", request["buildsetid"]))
    build["buildrequest"] = request
    await getDetailsForBuilds(
        master,
        buildset,
        [build],
        want_properties=want_properties,
        want_steps=want_steps,
        want_previous_build=want_previous_build,
        want_logs=want_logs,
        add_logs=add_logs,
        want_logs_content=want_logs_content,
    )


@deferring
async def getDetailsForBuilds(
    master: Any,
    buildset: Details,
    builds: Iterable[Details],
    want_properties: bool = False,
    want_steps: bool = False,
    want_previous_build: bool = False,
    want_logs: bool = False,
    add_logs: Any = None,
    want_logs_content: Any = False,
) -> None:
    """The same for several builds of one buildset."""
    want_logs_content = want_logs_content or add_logs
    want_logs = want_logs or bool(want_logs_content)
    parent, parent_builder = await _parents(master, buildset)
    for build in builds:
        if "buildrequest" not in build:
            build["buildrequest"] = await master.data.get(
                ("buildrequests", build["buildrequestid"])
            )
        build["buildset"] = buildset
        build["parentbuild"], build["parentbuilder"] = parent, parent_builder
        build["builder"] = await master.data.get(("builders", build["builderid"]))
        build["url"] = getURLForBuild(master, build["builderid"], build["number"])
        if want_properties:
            build["properties"] = await master.data.get(("builds", build["buildid"], "properties"))
        if want_previous_build:
            build["prev_build"] = await getPreviousBuild(master, build)
        if want_steps or want_logs:
            build["steps"] = await _steps(master, build, want_logs, want_logs_content)


@deferring
async def get_details_for_buildrequest(
    master: Any, buildrequest: Mapping[str, Any], build: Details
) -> None:
    """Fill a dict in the form of a build with what is known of a request without any build."""
    buildset = await master.data.get(("buildsets", buildrequest["buildsetid"]))
    build["buildrequest"] = buildrequest
    build["buildset"] = buildset
    build["builderid"] = buildrequest["builderid"]
    build["builder"] = await master.data.get(("builders", buildrequest["builderid"]))
    build["url"] = getURLForBuildrequest(master, buildrequest["buildrequestid"])
    build["results"] = None
    build["complete"] = False
    build["parentbuild"], build["parentbuilder"] = await _parents(master, buildset)


async def _parents(master: Any, buildset: Mapping[str, Any]) -> tuple[Any, Any]:
    parent_id = buildset["parent_buildid"]
    if parent_id is None:
        return None, None
    parent = await master.data.get(("builds", parent_id))
    if parent is None:
        return None, None
    return parent, await master.data.get(("builders", parent["builderid"]))


async def _steps(
    master: Any, build: Mapping[str, Any], want_logs: bool, want_content: Any
) -> list[Details]:
    steps: list[Details] = await master.data.get(("builds", build["buildid"], "steps"))
    for step in steps if want_logs else ():
        step["logs"] = await master.data.get(("steps", step["stepid"], "logs"))
        for log in step["logs"]:
            log["stepname"] = step["name"]
            log["url"] = get_url_for_log(
                master, build["builderid"], build["number"], step["number"], log["slug"]
            )
            log["url_raw"] = get_url_for_log_raw(master, log["logid"], "raw")
            log["url_raw_inline"] = get_url_for_log_raw(master, log["logid"], "raw_inline")
            if should_attach_log(want_content, log):
                first = max(0, log["num_lines"] - MOST_LINES)
                log["content"] = await master.data.get(
                    ("logs", log["logid"], "contents"), offset=first, limit=MOST_LINES
                )
    return steps


def should_attach_log(logs_config: Any, log: Mapping[str, Any]) -> bool:
    """Whether a log is one of those asked for: True (all) or a list of names."""
    if isinstance(logs_config, bool) or not logs_config:
        return bool(logs_config)
    return log["name"] in logs_config or f"{log['stepname']}.{log['name']}" in logs_config


# -- users


@deferring
async def getResponsibleUsersForSourceStamp(master: Any, sourcestampid: int) -> list[str]:
    """The authors of a source stamp's changes and patch, sorted."""
    changes = await master.data.get(("sourcestamps", sourcestampid, "changes"))
    stamp = await master.data.get(("sourcestamps", sourcestampid))
    users = {change["author"] for change in changes}
    return sorted(users | _patch_authors([stamp] if stamp else []))


@deferring
async def getResponsibleUsersForBuild(master: Any, buildid: int) -> list[str]:
    """Whose changes a build tested, and who asked for it, sorted."""
    build = await master.data.get(("builds", buildid))
    request = await master.data.get(("buildrequests", build["buildrequestid"]))
    buildset = await master.data.get(("buildsets", request["buildsetid"]))
    changes = await master.data.get(("builds", buildid, "changes"))
    properties = await master.data.get(("builds", buildid, "properties"))
    users = {change["author"] for change in changes}
    return sorted(users | _patch_authors(buildset["sourcestamps"]) | _owners(properties))


@deferring
async def get_responsible_users_for_buildset(master: Any, buildsetid: int) -> list[str]:
    """Whose changes a buildset is of, and who asked for it, sorted."""
    buildset = await master.data.get(("buildsets", buildsetid))
    users = _owners(await master.data.get(("buildsets", buildsetid, "properties")))
    changes = await master.data.get(("buildsets", buildsetid, "changes"))
    users |= {change["author"] for change in changes}
    return sorted(users | _patch_authors(buildset["sourcestamps"]))


def _patch_authors(stamps: Iterable[Mapping[str, Any]]) -> set[str]:
    patches = [stamp["patch"] for stamp in stamps if stamp.get("patch")]
    return {patch["author"] for patch in patches if patch.get("author")}


def _owners(properties: Mapping[str, Sequence[Any]]) -> set[str]:
    owner = properties.get("owner", (None,))[0]
    owners = properties.get("owners", (None,))[0] or []
    return {one for one in (owner, *owners) if one}


# -- URLs


def getURLForBuild(master: Any, builderid: int, build_number: int) -> str:
    """The page of a build."""
    return f"{master.config.buildbotURL}#/builders/{builderid}/builds/{build_number}"


def getURLForBuildrequest(master: Any, buildrequestid: int) -> str:
    """The page of a build request."""
    return f"{master.config.buildbotURL}#/buildrequests/{buildrequestid}"


def get_url_for_log(
    master: Any, builderid: int, build_number: int, step_number: int, log_slug: str
) -> str:
    """The page of a log."""
    build = getURLForBuild(master, builderid, build_number)
    return f"{build}/steps/{step_number}/logs/{log_slug}"


def get_url_for_log_raw(master: Any, logid: int, suffix: str) -> str:
    """A log's text; ``suffix`` is "raw" for a download, "raw_inline" for a look."""
    return f"{master.config.buildbotURL}api/v2/logs/{logid}/{suffix}"


# -- several reports at once


def merge_reports_prop(reports: Iterable[Mapping[str, Any]], prop: str) -> Any:
    """The values of all reports, added up; None if none has any."""
    merged = None
    for report in reports:
        value = report.get(prop)
        if value is not None:
            merged = value if merged is None else merged + value
    return merged


def merge_reports_prop_take_first(reports: Iterable[Mapping[str, Any]], prop: str) -> Any:
    """The value of the first report that has one."""
    return next((one[prop] for one in reports if one.get(prop) is not None), None)
