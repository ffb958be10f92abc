"""Builds as pages show them: lists, one build with everything around it, neighbours.

Each function costs a fixed number of statements, whatever the number of rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.engine import Connection, Row

from ci_common.failures import StepFailure
from ci_common.revisions import built, from_text
from ci_master.storage.schema import (
    build_properties,
    buildrequests,
    builds,
    buildset_sourcestamps,
    buildsets,
    changes,
    logs,
    patches,
    sourcestamps,
    steps,
)
from ci_master.storage.views_acts import ActLine

FAILED = (2, 4)  # failure, exception


@dataclass(slots=True)
class StampLine:
    """A source stamp with the newest change that has it."""

    id: int
    codebase: str
    branch: str | None
    revision: str | None
    repository: str
    project: str
    patchid: int | None
    changeid: int | None = None
    subject: str | None = None
    author: str | None = None
    revlink: str | None = None
    patch_author: str | None = None
    patch_comment: str | None = None


@dataclass(slots=True)
class BuildLine:
    """One build in a list: its own columns, and what its request and buildset say."""

    id: int
    number: int
    builderid: int
    workerid: int | None
    started_at: int
    complete_at: int | None
    results: int | None
    state_string: str
    requestid: int
    submitted_at: int
    priority: int
    buildsetid: int
    reason: str
    scheduler: str | None
    parent_buildid: int | None
    parent_relationship: str | None
    rebuilt_buildid: int | None
    owner: str | None
    locks_duration_s: int
    stamps: list[StampLine] = field(default_factory=list)
    failure: str = ""  # what failed, in one line
    failed_step: int | None = None  # number of the step that did
    failing: StepFailure | None = None
    got_revision: dict[str, str] = field(default_factory=dict)  # codebase -> what it has built


@dataclass(slots=True)
class LogLine:
    """A log of a step."""

    id: int
    stepid: int
    name: str
    slug: str
    type: str
    complete: bool
    num_lines: int
    num_bytes: int


@dataclass(slots=True)
class StepLine:
    """A step with its logs."""

    id: int
    number: int
    name: str
    started_at: int | None
    locks_acquired_at: int | None
    complete_at: int | None
    state_string: str
    results: int | None
    urls: list[dict[str, str]]
    hidden: bool
    logs: list[LogLine] = field(default_factory=list)
    exit_code: int | None = None
    ending: str = ""
    error_line: str = ""


@dataclass(slots=True)
class BuildDetail:
    """Everything the page of one build shows."""

    build: BuildLine
    steps: list[StepLine]
    properties: dict[str, tuple[Any, str]]
    older: int | None
    newer: int | None
    planned: list[tuple[str, int]]  # steps of the last finished build: name, seconds
    children: list[BuildLine] = field(default_factory=list)
    parent: BuildLine | None = None
    acts: list[ActLine] = field(default_factory=list)  # what people did to it
    #: The other builds of its request: those before were retried.
    tries: list[BuildLine] = field(default_factory=list)


def _builds() -> Select[Any]:
    return select(builds, buildrequests, buildsets).select_from(
        builds.join(buildrequests, buildrequests.c.id == builds.c.buildrequestid).join(
            buildsets, buildsets.c.id == buildrequests.c.buildsetid
        )
    )


def owner_of(properties: dict[str, Any]) -> str | None:
    """Who asked for it: the property ``owner``, else the first of ``owners``."""
    value = properties.get("owner", [None])[0]
    if not value:
        owners = properties.get("owners", [[]])[0]
        value = owners[0] if isinstance(owners, list) and owners else None
    return str(value) if value else None


def build_line(row: Row[Any]) -> BuildLine:
    """A row of ``builds`` joined with its request and buildset."""
    m = row._mapping
    return BuildLine(
        id=m[builds.c.id],
        number=m[builds.c.number],
        builderid=m[builds.c.builderid],
        workerid=m[builds.c.workerid],
        started_at=m[builds.c.started_at],
        complete_at=m[builds.c.complete_at],
        results=m[builds.c.results],
        state_string=m[builds.c.state_string],
        requestid=m[buildrequests.c.id],
        submitted_at=m[buildrequests.c.submitted_at],
        priority=m[buildrequests.c.priority],
        buildsetid=m[buildsets.c.id],
        reason=m[buildsets.c.reason],
        scheduler=m[buildsets.c.scheduler],
        parent_buildid=m[buildsets.c.parent_buildid],
        parent_relationship=m[buildsets.c.parent_relationship],
        rebuilt_buildid=m[buildsets.c.rebuilt_buildid],
        owner=owner_of(json.loads(m[buildsets.c.properties_json])),
        locks_duration_s=m[builds.c.locks_duration_s],
        failure=m[builds.c.failure],
        failed_step=m[builds.c.failed_step],
        got_revision=from_text(m[builds.c.got_revision]),
    )


def stamps_of(
    tx: Connection, buildset_ids: Iterable[int], *, with_changes: bool = True
) -> dict[int, list[StampLine]]:
    """The source stamps of buildsets, each with its newest change. Two statements.

    :param with_changes: False leaves the changes out, and the second statement.
    """
    ids = sorted(set(buildset_ids))
    if not ids:
        return {}
    query = (
        select(
            buildset_sourcestamps.c.buildsetid, sourcestamps, patches.c.author, patches.c.comment
        )
        .select_from(
            buildset_sourcestamps.join(
                sourcestamps, sourcestamps.c.id == buildset_sourcestamps.c.sourcestampid
            ).outerjoin(patches, patches.c.id == sourcestamps.c.patchid)
        )
        .where(buildset_sourcestamps.c.buildsetid.in_(ids))
        .order_by(buildset_sourcestamps.c.id)
    )
    found: dict[int, list[StampLine]] = {}
    by_id: dict[int, list[StampLine]] = {}
    for row in tx.execute(query):
        m = row._mapping
        stamp = StampLine(
            id=m[sourcestamps.c.id],
            codebase=m[sourcestamps.c.codebase],
            branch=m[sourcestamps.c.branch],
            revision=m[sourcestamps.c.revision],
            repository=m[sourcestamps.c.repository],
            project=m[sourcestamps.c.project],
            patchid=m[sourcestamps.c.patchid],
            patch_author=m[patches.c.author],
            patch_comment=m[patches.c.comment],
        )
        found.setdefault(m[buildset_sourcestamps.c.buildsetid], []).append(stamp)
        by_id.setdefault(stamp.id, []).append(stamp)
    if not with_changes:
        return found
    newest = (
        select(func.max(changes.c.id))
        .where(changes.c.sourcestampid.in_(by_id))
        .group_by(changes.c.sourcestampid)
    )
    query = select(
        changes.c.sourcestampid,
        changes.c.id,
        changes.c.comments,
        changes.c.author,
        changes.c.revlink,
    ).where(changes.c.id.in_(newest))
    for stampid, changeid, comments, author, revlink in tx.execute(query):
        for stamp in by_id[stampid]:
            stamp.changeid, stamp.author, stamp.revlink = changeid, author, revlink
            stamp.subject = subject_of(comments)
    return found


def as_built(stamps: list[StampLine], got: Mapping[str, str]) -> list[StampLine]:
    """The sources of a build: where the newest revision was asked for, the one that was found."""
    if not got:
        return stamps
    return [replace(stamp, revision=built(got, stamp.codebase, stamp.revision)) for stamp in stamps]


def subject_of(comments: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in comments.splitlines() if line.strip()), "")


def add_failing_steps(tx: Connection, lines: Sequence[BuildLine]) -> None:
    """Name the step that made each build fail, or else the first that failed. One statement."""
    by_id = {line.id: line for line in lines if line.results in FAILED}
    if not by_id:
        return
    query = (
        select(
            steps.c.buildid,
            steps.c.number,
            steps.c.name,
            steps.c.results,
            steps.c.state_string,
            steps.c.exit_code,
            steps.c.ending,
            steps.c.error_line,
        )
        .where(steps.c.buildid.in_(by_id), steps.c.results.in_(FAILED))
        .order_by(steps.c.buildid, steps.c.number)
    )
    for buildid, *known in tx.execute(query):
        line, step = by_id[buildid], StepFailure(*known)
        if line.failing is None or step.number == line.failed_step:
            line.failing = step
            line.failure = line.failure or step.line


def with_context(tx: Connection, lines: list[BuildLine]) -> list[BuildLine]:
    """Fill in source stamps and failing steps. Three statements."""
    stamps = stamps_of(tx, (line.buildsetid for line in lines))
    for line in lines:
        line.stamps = as_built(stamps.get(line.buildsetid, []), line.got_revision)
    add_failing_steps(tx, lines)
    return lines


def of_builder(
    tx: Connection,
    builderid: int,
    *,
    before: int | None = None,
    limit: int = 50,
    results: int | None = None,
    branch: str | None = None,
    workerid: int | None = None,
) -> list[BuildLine]:
    """Builds of a builder, newest first, below number ``before``. Four statements."""
    query = _builds().where(builds.c.builderid == builderid)
    if before is not None:
        query = query.where(builds.c.number < before)
    if results is not None:
        query = query.where(builds.c.results == results)
    if workerid is not None:
        query = query.where(builds.c.workerid == workerid)
    if branch is not None:
        stamped = select(buildset_sourcestamps.c.buildsetid).where(
            buildset_sourcestamps.c.buildsetid == buildsets.c.id,
            buildset_sourcestamps.c.sourcestampid == sourcestamps.c.id,
            sourcestamps.c.branch == branch,
        )
        query = query.where(stamped.exists())
    query = query.order_by(builds.c.number.desc()).limit(limit)
    return with_context(tx, [build_line(row) for row in tx.execute(query)])


def of_worker(tx: Connection, workerid: int, *, limit: int = 50) -> list[BuildLine]:
    """Builds that ran on a worker, newest first. Four statements."""
    query = _builds().where(builds.c.workerid == workerid).order_by(builds.c.id.desc()).limit(limit)
    return with_context(tx, [build_line(row) for row in tx.execute(query)])


def recent(tx: Connection, *, limit: int = 20) -> list[BuildLine]:
    """The builds that finished last. Four statements."""
    query = _builds().where(builds.c.complete_at.is_not(None))
    query = query.order_by(builds.c.complete_at.desc(), builds.c.id.desc()).limit(limit)
    return with_context(tx, [build_line(row) for row in tx.execute(query)])


def by_ids(tx: Connection, ids: Iterable[int]) -> dict[int, BuildLine]:
    """Builds by id with their context. Four statements."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    query = _builds().where(builds.c.id.in_(wanted))
    lines = with_context(tx, [build_line(row) for row in tx.execute(query)])
    return {line.id: line for line in lines}


def of_request(tx: Connection, requestid: int) -> tuple[int, int] | None:
    """The newest build of a request, as (builder id, number)."""
    query = select(builds.c.builderid, builds.c.number).where(builds.c.buildrequestid == requestid)
    row = tx.execute(query.order_by(builds.c.id.desc()).limit(1)).first()
    return (row[0], row[1]) if row else None


def place_of(tx: Connection, buildid: int) -> tuple[int, int] | None:
    """(builder id, number) of a build."""
    query = select(builds.c.builderid, builds.c.number).where(builds.c.id == buildid)
    row = tx.execute(query).first()
    return (row[0], row[1]) if row else None


def latest_number(
    tx: Connection, builderid: int, results: Sequence[int] | None = None
) -> int | None:
    """The number of the newest build, or of the newest one with one of these results."""
    query = select(func.max(builds.c.number)).where(builds.c.builderid == builderid)
    if results is not None:
        query = query.where(builds.c.results.in_(results))
    return tx.execute(query).scalar()


def steps_of(tx: Connection, buildid: int) -> list[StepLine]:
    """The steps of a build with their logs. One statement."""
    found: dict[int, StepLine] = {}
    query = (
        select(steps, logs)
        .select_from(steps.outerjoin(logs, logs.c.stepid == steps.c.id))
        .where(steps.c.buildid == buildid)
        .order_by(steps.c.number, logs.c.id)
    )
    for row in tx.execute(query):
        m = row._mapping
        step = found.get(m[steps.c.id])
        if step is None:
            step = found[m[steps.c.id]] = StepLine(
                m[steps.c.id],
                m[steps.c.number],
                m[steps.c.name],
                m[steps.c.started_at],
                m[steps.c.locks_acquired_at],
                m[steps.c.complete_at],
                m[steps.c.state_string],
                m[steps.c.results],
                json.loads(m[steps.c.urls_json]),
                m[steps.c.hidden],
                exit_code=m[steps.c.exit_code],
                ending=m[steps.c.ending],
                error_line=m[steps.c.error_line],
            )
        if m[logs.c.id] is not None:
            step.logs.append(
                LogLine(
                    m[logs.c.id],
                    m[logs.c.stepid],
                    m[logs.c.name],
                    m[logs.c.slug],
                    m[logs.c.type],
                    m[logs.c.complete],
                    m[logs.c.num_lines],
                    m[logs.c.num_bytes],
                )
            )
    return list(found.values())


def find(tx: Connection, builderid: int, number: int) -> BuildLine | None:
    """One build with its context. Four statements."""
    query = _builds().where(builds.c.builderid == builderid, builds.c.number == number)
    row = tx.execute(query).first()
    return with_context(tx, [build_line(row)])[0] if row else None


def detail(tx: Connection, builderid: int, number: int) -> BuildDetail | None:
    """One build with its steps, logs, properties and neighbours; its source stamps are without
    their changes. Four statements, five when it is running.
    """
    others = builds.alias()
    mine = others.c.builderid == builderid
    before = select(func.max(others.c.number)).where(mine, others.c.number < number)
    after = select(func.min(others.c.number)).where(mine, others.c.number > number)
    query = (
        select(
            builds,
            buildrequests,
            buildsets,
            build_properties.c.properties_json.label("own"),
            before.scalar_subquery().label("older"),
            after.scalar_subquery().label("newer"),
        )
        .select_from(
            builds.join(buildrequests, buildrequests.c.id == builds.c.buildrequestid)
            .join(buildsets, buildsets.c.id == buildrequests.c.buildsetid)
            .outerjoin(build_properties, build_properties.c.id == builds.c.id)
        )
        .where(builds.c.builderid == builderid, builds.c.number == number)
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    line = build_line(row)
    stamps = stamps_of(tx, [line.buildsetid], with_changes=False)
    line.stamps = as_built(stamps.get(line.buildsetid, []), line.got_revision)
    lines = steps_of(tx, line.id)
    failed = [step for step in lines if step.results in FAILED]
    failed.sort(key=lambda step: step.number != line.failed_step)
    if failed:
        line.failing = StepFailure.of(failed[0])
        line.failure = line.failure or line.failing.line
    properties = {
        name: (value, source) for name, (value, source) in json.loads(row.own or "{}").items()
    }
    found = BuildDetail(line, lines, properties, row.older, row.newer, [])
    if line.complete_at is None:
        found.planned = _planned(tx, builderid, number)
    found.children = _family(tx, line, found)
    return found


def _planned(tx: Connection, builderid: int, number: int) -> list[tuple[str, int]]:
    """Names and durations of the steps of the last good build: what is still to come."""
    last = (
        select(func.max(builds.c.number))
        .where(
            builds.c.builderid == builderid, builds.c.number < number, builds.c.results.in_((0, 1))
        )
        .scalar_subquery()
    )
    query = (
        select(steps.c.name, steps.c.started_at, steps.c.complete_at)
        .select_from(steps.join(builds, builds.c.id == steps.c.buildid))
        .where(builds.c.builderid == builderid, builds.c.number == last, ~steps.c.hidden)
        .order_by(steps.c.number)
    )
    return [
        (name, max(0, (end or 0) - (start or end or 0))) for name, start, end in tx.execute(query)
    ]


def _family(tx: Connection, line: BuildLine, found: BuildDetail) -> list[BuildLine]:
    """The builds this one triggered; sets ``found.parent`` and ``found.tries``. One statement."""
    which = [buildsets.c.parent_buildid == line.id, builds.c.buildrequestid == line.requestid]
    if line.parent_buildid is not None:
        which.append(builds.c.id == line.parent_buildid)
    family = [
        build_line(row) for row in tx.execute(_builds().where(or_(*which)).order_by(builds.c.id))
    ]
    found.tries = [one for one in family if one.requestid == line.requestid and one.id != line.id]
    found.parent = next((one for one in family if one.id == line.parent_buildid), None)
    return [one for one in family if one.parent_buildid == line.id]


def durations(tx: Connection, builderid: int, *, limit: int = 60) -> list[tuple[int, int, int]]:
    """(number, results, seconds) of the last finished builds, newest first."""
    query = (
        select(builds.c.number, builds.c.results, builds.c.complete_at - builds.c.started_at)
        .where(and_(builds.c.builderid == builderid, builds.c.complete_at.is_not(None)))
        .order_by(builds.c.number.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in tx.execute(query)]
