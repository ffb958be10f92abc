"""Requests and buildsets as pages show them once they have left the queue."""

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from ci_common.revisions import from_text
from ci_master.storage.schema import buildrequests, builds, buildsets
from ci_master.storage.views_acts import ActLine
from ci_master.storage.views_builds import StampLine, owner_of, stamps_of


@dataclass(slots=True)
class RequestLine:
    """A request with the build that came of it, if any."""

    id: int
    builderid: int
    priority: int
    submitted_at: int
    claimed_at: int | None
    complete: bool
    complete_at: int | None
    results: int
    build: tuple[int, int, int | None] | None = None  # builder id, number, results
    got_revision: dict[str, str] = field(default_factory=dict)  # codebase -> what it has built


@dataclass(slots=True)
class BuildsetDetail:
    """A buildset with all its requests."""

    id: int
    reason: str
    scheduler: str | None
    submitted_at: int
    complete: bool
    complete_at: int | None
    results: int | None
    parent_buildid: int | None
    parent_relationship: str | None
    rebuilt_buildid: int | None
    owner: str | None
    properties: dict[str, tuple[Any, str]]
    stamps: list[StampLine] = field(default_factory=list)
    requests: list[RequestLine] = field(default_factory=list)
    acts: list[ActLine] = field(default_factory=list)  # what people did to the one asked for


def buildset_of(tx: Connection, requestid: int) -> int | None:
    """The buildset that a request belongs to."""
    query = select(buildrequests.c.buildsetid).where(buildrequests.c.id == requestid)
    return tx.execute(query).scalar()


def buildset(tx: Connection, bsid: int) -> BuildsetDetail | None:
    """A buildset, its source stamps, requests and builds. Four statements."""
    row = tx.execute(select(buildsets).where(buildsets.c.id == bsid)).first()
    if row is None:
        return None
    properties = {k: (value, src) for k, (value, src) in json.loads(row.properties_json).items()}
    found = BuildsetDetail(
        row.id,
        row.reason,
        row.scheduler,
        row.submitted_at,
        row.complete,
        row.complete_at,
        row.results,
        row.parent_buildid,
        row.parent_relationship,
        row.rebuilt_buildid,
        owner_of(properties),
        properties,
        stamps_of(tx, [bsid]).get(bsid, []),
    )
    query = (
        select(
            buildrequests,
            builds.c.number,
            builds.c.results.label("build_results"),
            builds.c.got_revision,
        )
        .select_from(buildrequests.outerjoin(builds, builds.c.buildrequestid == buildrequests.c.id))
        .where(buildrequests.c.buildsetid == bsid)
        .order_by(buildrequests.c.id, builds.c.id)
    )
    requests: dict[int, RequestLine] = {}
    for row in tx.execute(query):
        request = requests.setdefault(
            row.id,
            RequestLine(
                row.id,
                row.builderid,
                row.priority,
                row.submitted_at,
                row.claimed_at,
                row.complete,
                row.complete_at,
                row.results,
            ),
        )
        if row.number is not None:
            request.build = (row.builderid, row.number, row.build_results)
            request.got_revision = from_text(row.got_revision)
    found.requests = list(requests.values())
    return found
