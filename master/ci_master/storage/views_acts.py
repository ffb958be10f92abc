"""Who did what to a build or a build request."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import Connection

from ci_master.storage.schema import acts

#: So many of one thing are read, the newest ones.
MOST = 50


@dataclass(frozen=True, slots=True)
class ActLine:
    """Something that somebody did."""

    at: int
    method: str
    owner: str
    reason: str


def of_thing(tx: Connection, kind: str, thing: int) -> list[ActLine]:
    """What was done to it, oldest first. One statement."""
    query = (
        select(acts.c.at, acts.c.method, acts.c.owner, acts.c.reason)
        .where(acts.c.kind == kind, acts.c.thing == thing)
        .order_by(acts.c.id.desc())
        .limit(MOST)
    )
    return [ActLine(*row) for row in tx.execute(query)][::-1]
