"""Rows of build requests."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, update

from ci_master.storage.schema import buildrequests as t
from ci_master.storage.schema import changes

_AT_ONCE = 500


class RequestTaken(Exception):
    """Another master claimed a request first, or it was completed; look at the queue again."""


#: Built once: to build a statement costs more than to run it.
_CLAIM = (
    update(t)
    .where(
        t.c.id.in_(bindparam("ids", expanding=True)),
        t.c.claimed_by_masterid.is_(None),
        ~t.c.complete,
    )
    .values(claimed_by_masterid=bindparam("master"), claimed_at=bindparam("now"))
)


def claim(tx: Connection, request_ids: Sequence[int], *, master_id: int, now: int) -> None:
    """Take requests, or raise RequestTaken. One statement, so no race."""
    done = tx.execute(_CLAIM, {"ids": list(request_ids), "master": master_id, "now": now})
    if done.rowcount != len(request_ids):
        raise RequestTaken(list(request_ids))


def newest_changes(tx: Connection, stamp_ids: Sequence[int]) -> dict[int, int]:
    """Source stamp id -> id of its newest change, for those of these stamps that have some."""
    found: dict[int, int] = {}
    for at in range(0, len(stamp_ids), _AT_ONCE):
        query = (
            select(changes.c.sourcestampid, func.max(changes.c.id))
            .where(changes.c.sourcestampid.in_(stamp_ids[at : at + _AT_ONCE]))
            .group_by(changes.c.sourcestampid)
        )
        found.update((stampid, changeid) for stampid, changeid in tx.execute(query))
    return found
