"""Changes as pages show them, with the builds that each one caused."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import exists, or_, select, union
from sqlalchemy.engine import Connection, Row

from ci_master.storage.schema import (
    buildrequests,
    builds,
    buildset_changes,
    buildset_sourcestamps,
    buildsets,
    changes,
)
from ci_master.storage.views_builds import subject_of

#: A page of a build lists no more of its changes.
_MOST_CHANGES = 500


@dataclass(slots=True)
class ChangeLine:
    """One change in a list."""

    id: int
    author: str
    committer: str | None
    comments: str
    subject: str
    branch: str | None
    revision: str | None
    revlink: str | None
    when: int
    category: str | None
    repository: str
    project: str
    codebase: str
    files: list[str]
    stampid: int
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A request for a change's source stamp and the build that came of it, if one did."""

    stampid: int
    builderid: int
    requestid: int
    number: int | None
    results: int | None
    complete: bool
    reason: str


def change_line(row: Row[Any]) -> ChangeLine:
    """A row of ``changes``."""
    return ChangeLine(
        id=row.id,
        author=row.author,
        committer=row.committer,
        comments=row.comments,
        subject=subject_of(row.comments),
        branch=row.branch,
        revision=row.revision,
        revlink=row.revlink,
        when=row.when_timestamp,
        category=row.category,
        repository=row.repository,
        project=row.project,
        codebase=row.codebase,
        files=json.loads(row.files_json),
        stampid=row.sourcestampid,
        properties=json.loads(row.properties_json),
    )


def page(
    tx: Connection,
    *,
    before: int | None = None,
    limit: int = 50,
    branch: str | None = None,
    author: str | None = None,
    text: str | None = None,
) -> list[ChangeLine]:
    """Changes, newest first, below id ``before``."""
    query = select(changes)
    if before is not None:
        query = query.where(changes.c.id < before)
    if branch is not None:
        query = query.where(changes.c.branch == branch)
    if author is not None:
        query = query.where(changes.c.author.icontains(author, autoescape=True))
    if text is not None:
        query = query.where(
            or_(
                changes.c.comments.icontains(text, autoescape=True),
                changes.c.revision.startswith(text, autoescape=True),
                changes.c.author.icontains(text, autoescape=True),
            )
        )
    return [
        change_line(row) for row in tx.execute(query.order_by(changes.c.id.desc()).limit(limit))
    ]


def get(tx: Connection, changeid: int) -> ChangeLine | None:
    """One change."""
    row = tx.execute(select(changes).where(changes.c.id == changeid)).first()
    return change_line(row) if row else None


def of_revision(tx: Connection, prefix: str, *, limit: int = 50) -> list[ChangeLine]:
    """Changes whose revision starts with ``prefix``, newest first."""
    query = select(changes).where(changes.c.revision.startswith(prefix, autoescape=True))
    return [
        change_line(row) for row in tx.execute(query.order_by(changes.c.id.desc()).limit(limit))
    ]


def between(tx: Connection, start: int, end: int, *, limit: int = 400) -> list[ChangeLine]:
    """Changes made from ``start`` to ``end``, newest first."""
    query = select(changes).where(
        changes.c.when_timestamp >= start, changes.c.when_timestamp <= end
    )
    query = query.order_by(changes.c.when_timestamp.desc(), changes.c.id.desc()).limit(limit)
    return [change_line(row) for row in tx.execute(query)]


def of_stamps(tx: Connection, stamp_ids: Iterable[int]) -> list[ChangeLine]:
    """The changes that have one of these source stamps, newest first."""
    query = select(changes).where(changes.c.sourcestampid.in_(sorted(set(stamp_ids))))
    return [change_line(row) for row in tx.execute(query.order_by(changes.c.id.desc()))]


def by_ids(tx: Connection, ids: Sequence[int]) -> list[ChangeLine]:
    """The changes with these ids, newest first; of very many the newest ones."""
    if not ids:
        return []
    query = select(changes).where(changes.c.id.in_(ids[-_MOST_CHANGES:]))
    return [change_line(row) for row in tx.execute(query.order_by(changes.c.id.desc()))]


def verdicts(tx: Connection, stamp_ids: Iterable[int], *, limit: int = 2000) -> list[Verdict]:
    """What became of source stamps and their changes: every request that was made because of
    them, oldest first. One statement.
    """
    ids = sorted(set(stamp_ids))
    if not ids:
        return []
    places = union(
        select(buildset_sourcestamps.c.sourcestampid, buildset_sourcestamps.c.buildsetid).where(
            buildset_sourcestamps.c.sourcestampid.in_(ids)
        ),
        select(changes.c.sourcestampid, buildset_changes.c.buildsetid)
        .join(buildset_changes, buildset_changes.c.changeid == changes.c.id)
        .where(changes.c.sourcestampid.in_(ids)),
    ).subquery("places")
    return _verdicts(tx, places, limit)


def verdicts_of_change(tx: Connection, changeid: int, *, limit: int = 2000) -> list[Verdict]:
    """What became of one change: every request that was made because of it, and of a build of its
    revision; oldest first. One statement.
    """
    mine = changes.c.id == changeid
    # A stamp without a revision is shared by all changes that have none: it tells nothing where
    # the changes of a buildset are recorded.
    recorded = exists().where(buildset_changes.c.buildsetid == buildset_sourcestamps.c.buildsetid)
    by_stamp = mine & or_(changes.c.revision.is_not(None), ~recorded)
    places = union(
        select(changes.c.sourcestampid, buildset_sourcestamps.c.buildsetid)
        .join(
            buildset_sourcestamps,
            buildset_sourcestamps.c.sourcestampid == changes.c.sourcestampid,
        )
        .where(by_stamp),
        select(changes.c.sourcestampid, buildset_changes.c.buildsetid)
        .join(buildset_changes, buildset_changes.c.changeid == changes.c.id)
        .where(mine),
    ).subquery("places")
    return _verdicts(tx, places, limit)


def _verdicts(tx: Connection, places: Any, limit: int) -> list[Verdict]:
    """What became of buildsets: of a request that was collapsed, what became of its taker.

    :param places: (sourcestampid, buildsetid) of what is asked about.
    """
    meant = (
        select(places.c.sourcestampid, buildrequests.c.id, buildrequests.c.collapsed_into)
        .select_from(places.join(buildrequests, buildrequests.c.buildsetid == places.c.buildsetid))
        .cte("meant", recursive=True)
    )
    taker = buildrequests.alias("taker")
    meant = meant.union(
        select(meant.c.sourcestampid, taker.c.id, taker.c.collapsed_into).select_from(
            meant.join(taker, taker.c.id == meant.c.collapsed_into)
        )
    )
    query = (
        select(
            meant.c.sourcestampid,
            buildrequests.c.builderid,
            buildrequests.c.id,
            builds.c.number,
            builds.c.results,
            buildrequests.c.complete,
            buildsets.c.reason,
        )
        .select_from(
            meant.join(buildrequests, buildrequests.c.id == meant.c.id)
            .join(buildsets, buildsets.c.id == buildrequests.c.buildsetid)
            .outerjoin(builds, builds.c.buildrequestid == buildrequests.c.id)
        )
        .where(meant.c.collapsed_into.is_(None))
        .order_by(buildrequests.c.id, builds.c.id, meant.c.sourcestampid)
        .limit(limit)
    )
    return [Verdict(*row) for row in tx.execute(query)]
