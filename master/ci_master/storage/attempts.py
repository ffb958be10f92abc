"""What builds of one request have triggered, one attempt after the other."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ci_master.storage.schema import buildrequests, builds, buildset_sourcestamps, buildsets


@dataclass(frozen=True)
class Triggered:
    """A buildset that a build triggered."""

    bsid: int
    results: int | None
    waited_for: bool
    requests: dict[int, int]  # builder id -> request id
    ssids: set[int]
    properties: dict[str, Any]  # name -> (value, source)


def triggered_before(
    tx: Connection, request_id: int, buildid: int, scheduler: str | None
) -> list[Triggered]:
    """What other builds of a request had a scheduler ask for, oldest first.

    :param buildid: the build of the request that is under way.
    """
    attempts = select(builds.c.id).where(
        builds.c.buildrequestid == request_id, builds.c.id != buildid
    )
    earlier = list(tx.execute(attempts).scalars())
    if not earlier:
        return []
    query = (
        select(buildsets.c.id, buildsets.c.results, buildsets.c.properties_json)
        .where(buildsets.c.parent_buildid.in_(earlier), buildsets.c.scheduler == scheduler)
        .order_by(buildsets.c.id)
    )
    return [_triggered(tx, *row) for row in tx.execute(query).all()]


def _triggered(tx: Connection, bsid: int, results: int | None, properties: str) -> Triggered:
    r, s = buildrequests.c, buildset_sourcestamps.c
    asked = tx.execute(
        select(r.builderid, r.id, r.waited_for).where(r.buildsetid == bsid).order_by(r.id)
    ).all()
    stamps = tx.execute(select(s.sourcestampid).where(s.buildsetid == bsid)).scalars()
    return Triggered(
        bsid,
        results,
        any(row.waited_for for row in asked),
        {row.builderid: row.id for row in asked},
        set(stamps),
        json.loads(properties),
    )


def requests_of_builds(tx: Connection, buildids: Collection[int]) -> dict[int, int]:
    """Build id -> id of its request."""
    query = select(builds.c.id, builds.c.buildrequestid).where(builds.c.id.in_(buildids))
    return {buildid: requestid for buildid, requestid in tx.execute(query)}
