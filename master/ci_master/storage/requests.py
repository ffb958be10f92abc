"""Rows of build requests."""

from collections.abc import Sequence

from sqlalchemy import Connection, update

from ci_master.storage.schema import buildrequests as t


class RequestTaken(Exception):
    """Another master claimed a request first, or it was completed; look at the queue again."""


def claim(tx: Connection, request_ids: Sequence[int], *, master_id: int, now: int) -> None:
    """Take requests, or raise RequestTaken. One statement, so no race."""
    free = t.c.id.in_(request_ids) & t.c.claimed_by_masterid.is_(None) & ~t.c.complete
    done = tx.execute(update(t).where(free).values(claimed_by_masterid=master_id, claimed_at=now))
    if done.rowcount != len(request_ids):
        raise RequestTaken(list(request_ids))
