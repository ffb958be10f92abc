"""What is not in a final state, read a slice at a time, to be compared with what a master knows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from ci_common.results import RETRY
from ci_master.storage.recovery import CUT_OFF, end_steps
from ci_master.storage.schema import buildrequests, builds, buildsets


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What storage holds of a request, as far as it says who owns it."""

    id: int
    buildsetid: int
    claimed_by: int | None
    complete: bool
    results: int


_OPEN = select(buildrequests.c.id, buildrequests.c.claimed_by_masterid)


def open_requests(tx: Connection, *, after: int, limit: int) -> Sequence[tuple[int, int | None]]:
    """(id, master that claimed it) of requests that are not complete, by id.

    :param after: only those with a higher id.
    """
    r = buildrequests.c
    query = _OPEN.where(~r.complete, r.id > after).order_by(r.id).limit(limit)
    return [(id, claimed_by) for id, claimed_by in tx.execute(query)]


def requests(tx: Connection, ids: Collection[int]) -> dict[int, StoredRequest]:
    """The requests with these ids."""
    r = buildrequests.c
    columns = (r.id, r.buildsetid, r.claimed_by_masterid, r.complete, r.results)
    rows = tx.execute(select(*columns).where(r.id.in_(ids)))
    return {row.id: StoredRequest(*row) for row in rows}


def final_results(tx: Connection, request_ids: Collection[int]) -> dict[int, int]:
    """Request id -> result of its newest build, where that is not to be tried again."""
    b = builds.c
    query = (
        select(b.buildrequestid, b.results)
        .where(b.buildrequestid.in_(request_ids), b.complete_at.is_not(None), b.results != RETRY)
        .order_by(b.id)
    )
    return {request_id: results for request_id, results in tx.execute(query)}


def ended_buildsets(tx: Connection, *, limit: int) -> list[int]:
    """Ids of buildsets that are not complete, although all of their requests are."""
    r, s = buildrequests.c, buildsets.c
    # A list that is made once: asked for each buildset, SQLite may go through all open requests.
    waiting = select(r.buildsetid).where(~r.complete)
    query = select(s.id).where(~s.complete, s.id.not_in(waiting)).order_by(s.id).limit(limit)
    return list(tx.execute(query).scalars())


def unfinished_builds(tx: Connection, master_id: int, *, limit: int) -> list[int]:
    """Ids of a master's builds that have not ended."""
    b = builds.c
    query = select(b.id).where(b.complete_at.is_(None), b.masterid == master_id)
    return list(tx.execute(query.order_by(b.id).limit(limit)).scalars())


def end_builds(tx: Connection, ids: Sequence[int], *, now: int) -> None:
    """End builds that nobody runs: they have been cut off."""
    mine = builds.c.id.in_(ids) & builds.c.complete_at.is_(None)
    values = {"complete_at": now, "results": RETRY, "state_string": CUT_OFF}
    tx.execute(update(builds).where(mine).values(values))
    end_steps(tx, ids, now)
