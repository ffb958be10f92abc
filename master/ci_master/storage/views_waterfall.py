"""What happened in a range of time: builds, their steps, and what workers went through."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select, union_all
from sqlalchemy.engine import Connection
from sqlalchemy.sql.selectable import CompoundSelect

from ci_master.storage.schema import (
    IS_LONG_BUILD,
    LONG_BUILD_S,
    buildrequests,
    builds,
    buildset_sourcestamps,
    buildsets,
    sourcestamps,
    steps,
    worker_events,
)

#: Results of steps that say why a build did not end well: failure and exception.
_BROKEN = (2, 4)


@dataclass(slots=True)
class BoxStep:
    """A step inside a build's box."""

    number: int
    name: str
    started_at: int
    complete_at: int | None
    results: int | None


@dataclass(slots=True)
class BoxBuild:
    """A build in the range."""

    id: int
    number: int
    builderid: int
    workerid: int | None
    started_at: int
    complete_at: int | None
    results: int | None
    state_string: str
    reason: str = ""
    failure: str = ""  # what failed, in one line
    stampids: list[int] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    steps: list[BoxStep] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WorkerMoment:
    """A worker came, went, was paused and so on."""

    workerid: int
    at: int
    kind: str
    reason: str | None


def _running_in(start: int, end: int) -> CompoundSelect[Any]:
    """Ids of the builds that ran at some moment of a range.

    Each part reads as much as it finds, and a day's builds: those that began not long before the
    range or in it; those that began earlier and still run; and those that took long.
    """
    b = builds.c
    earlier = start - LONG_BUILD_S
    return union_all(
        select(b.id).where(
            b.started_at.between(earlier, end),
            or_(b.complete_at.is_(None), b.complete_at >= start),
        ),
        select(b.id).where(b.complete_at.is_(None), b.started_at < earlier),
        select(b.id).where(IS_LONG_BUILD, b.started_at < earlier, b.complete_at >= start),
    )


def builds_between(
    tx: Connection, builder_ids: Iterable[int], start: int, end: int, *, limit: int = 3000
) -> list[BoxBuild]:
    """Builds that ran at some moment from ``start`` to ``end``, newest first. Two statements.

    Where there are more than ``limit``, those that began last and those that still run are given.
    """
    query = (
        select(
            builds.c.id,
            builds.c.number,
            builds.c.builderid,
            builds.c.workerid,
            builds.c.started_at,
            builds.c.complete_at,
            builds.c.results,
            builds.c.state_string,
            buildsets.c.reason,
            builds.c.failure,
            buildrequests.c.buildsetid,
        )
        .select_from(
            builds.join(buildrequests, buildrequests.c.id == builds.c.buildrequestid).join(
                buildsets, buildsets.c.id == buildrequests.c.buildsetid
            )
        )
        .where(
            builds.c.id.in_(_running_in(start, end)),
            builds.c.builderid.in_(sorted(set(builder_ids))),
        )
        .order_by(
            builds.c.complete_at.is_(None).desc(), builds.c.started_at.desc(), builds.c.id.desc()
        )
        .limit(limit)
    )
    found: list[BoxBuild] = []
    by_set: dict[int, list[BoxBuild]] = {}
    for row in tx.execute(query):
        box = BoxBuild(*row[:10])
        found.append(box)
        by_set.setdefault(row.buildsetid, []).append(box)
    found.sort(key=lambda box: (box.started_at, box.id), reverse=True)
    if by_set:
        stamped = (
            select(buildset_sourcestamps.c.buildsetid, sourcestamps.c.id, sourcestamps.c.branch)
            .select_from(
                buildset_sourcestamps.join(
                    sourcestamps, sourcestamps.c.id == buildset_sourcestamps.c.sourcestampid
                )
            )
            .where(buildset_sourcestamps.c.buildsetid.in_(by_set))
        )
        for buildsetid, stampid, branch in tx.execute(stamped):
            for box in by_set[buildsetid]:
                box.stampids.append(stampid)
                box.branches.append(branch or "")
    return found


def add_steps(tx: Connection, boxes: Iterable[BoxBuild], *, only_telling: bool = False) -> None:
    """Fill in the steps that were started and are not hidden. One statement.

    :param only_telling: leave out those that ended well.
    """
    by_id = {box.id: box for box in boxes}
    if not by_id:
        return
    query = (
        select(
            steps.c.buildid,
            steps.c.number,
            steps.c.name,
            steps.c.started_at,
            steps.c.complete_at,
            steps.c.results,
        )
        .where(
            steps.c.buildid.in_(by_id), steps.c.started_at.is_not(None), steps.c.hidden.is_(False)
        )
        .order_by(steps.c.buildid, steps.c.number)
    )
    if only_telling:
        query = query.where(or_(steps.c.complete_at.is_(None), steps.c.results.in_(_BROKEN)))
    for buildid, *rest in tx.execute(query):
        by_id[buildid].steps.append(BoxStep(*rest))


def last_end_before(tx: Connection, builder_ids: Iterable[int], before: int) -> int | None:
    """When the last build before ``before`` started: where to look if a range is empty."""
    query = select(func.max(builds.c.started_at)).where(
        builds.c.started_at < before, builds.c.builderid.in_(sorted(set(builder_ids)))
    )
    return tx.execute(query).scalar()


def worker_moments(
    tx: Connection, worker_ids: Iterable[int], start: int, end: int
) -> list[WorkerMoment]:
    """What happened to workers in the range, and the last thing before it of each kind pair.

    :returns: oldest first. Two statements.
    """
    ids = sorted(set(worker_ids))
    if not ids:
        return []
    columns = (
        worker_events.c.workerid,
        worker_events.c.at,
        worker_events.c.kind,
        worker_events.c.reason,
    )
    before = (
        select(func.max(worker_events.c.id))
        .where(worker_events.c.workerid.in_(ids), worker_events.c.at < start)
        .group_by(worker_events.c.workerid, worker_events.c.kind)
    )
    query = select(*columns).where(worker_events.c.id.in_(before))
    query = query.order_by(worker_events.c.at, worker_events.c.id)
    found = [WorkerMoment(*row) for row in tx.execute(query)]
    query = select(*columns).where(
        worker_events.c.workerid.in_(ids), worker_events.c.at >= start, worker_events.c.at <= end
    )
    query = query.order_by(worker_events.c.at, worker_events.c.id)
    return found + [WorkerMoment(*row) for row in tx.execute(query)]


def moments_of(tx: Connection, workerid: int, *, limit: int = 50) -> list[WorkerMoment]:
    """The last things that happened to a worker, newest first."""
    query = select(
        worker_events.c.workerid,
        worker_events.c.at,
        worker_events.c.kind,
        worker_events.c.reason,
    ).where(worker_events.c.workerid == workerid)
    query = query.order_by(worker_events.c.at.desc(), worker_events.c.id.desc()).limit(limit)
    return [WorkerMoment(*row) for row in tx.execute(query)]
