"""What a master does to its rows when it starts: what it left running has been cut off."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from ci_common.results import CANCELLED, RETRY
from ci_master.storage import outbox
from ci_master.storage.logchunks import close_gaps, with_gaps
from ci_master.storage.schema import (
    builder_masters,
    buildrequests,
    builds,
    configured_workers,
    connected_workers,
    leases,
    logchunks,
    logs,
    masters,
    steps,
)

#: The text of what was cut off.
CUT_OFF = "retry master restarted"


def last_seen(tx: Connection) -> int | None:
    """When a master was last known to run; None if none ever was.

    It says so every few seconds; what it began after that is known as well.
    """
    begun = select(func.max(steps.c.started_at)).where(steps.c.complete_at.is_(None))
    begun = begun.where(steps.c.buildid == builds.c.id, builds.c.complete_at.is_(None))
    times = [
        select(func.max(masters.c.last_active)),
        select(func.max(leases.c.renewed_at)),
        select(func.max(builds.c.started_at)).where(builds.c.complete_at.is_(None)),
        begun,
    ]
    known = [tx.execute(query).scalar() for query in times]
    return max((at for at in known if at is not None), default=None)


def stopped(at: int | None) -> str:
    """That the master stopped, and when it was last known to run."""
    if at is None:
        return "the master stopped"
    return f"the master stopped at {time.strftime('%H:%M:%S %Z', time.localtime(at))}"


def register_master(tx: Connection, name: str, *, now: int) -> int:
    """The id of the master with this name, which is active from now on."""
    known = tx.execute(select(masters.c.id).where(masters.c.name == name)).scalar()
    if known is None:
        new_id = tx.execute(select(func.coalesce(func.max(masters.c.id), 0))).scalar_one() + 1
        row = {"id": new_id, "name": name, "active": True, "last_active": now}
        tx.execute(insert(masters), row)
        return new_id
    values = {"active": True, "last_active": now}
    tx.execute(update(masters).where(masters.c.id == known).values(values))
    return known


def all_masters(tx: Connection) -> list[int]:
    """Ids of all masters of this database. None of them runs when one has just taken its lease:

    not this one, which is only about to, and no other; a machine that was renamed leaves a master
    of its old name behind.
    """
    return list(tx.execute(select(masters.c.id)).scalars())


def bury(
    tx: Connection, dead: Sequence[int], *, me: int, now: int, stopped_at: int | None = None
) -> list[int]:
    """End what dead masters left unfinished: builds as RETRY, and their requests wait again.

    :param stopped_at: when they were last known to run.
    :returns: ids of those builds.
    """
    theirs = builds.c.masterid.in_(dead) & builds.c.complete_at.is_(None)
    abandoned = list(tx.execute(select(builds.c.id).where(theirs)).scalars())
    ended = {"complete_at": now, "results": RETRY, "state_string": CUT_OFF}
    tx.execute(update(builds).where(theirs).values(**ended, failure=stopped(stopped_at)))
    if abandoned:
        end_steps(tx, abandoned, now)
        outbox.add_ends(tx, abandoned, now)
    tx.execute(
        update(buildrequests)
        .where(buildrequests.c.claimed_by_masterid.in_(dead) & ~buildrequests.c.complete)
        .values(claimed_by_masterid=None, claimed_at=None)
    )
    tx.execute(delete(connected_workers).where(connected_workers.c.masterid.in_(dead)))
    others = [master for master in dead if master != me]
    if others:
        tx.execute(update(masters).where(masters.c.id.in_(others)).values(active=False))
        for table in (builder_masters, configured_workers):
            tx.execute(delete(table).where(table.c.masterid.in_(others)))
    return abandoned


def end_steps(tx: Connection, build_ids: Sequence[int], now: int) -> None:
    """End the steps and logs of builds that have been cut off."""
    open_steps = steps.c.buildid.in_(build_ids) & steps.c.complete_at.is_(None)
    step_ids = list(tx.execute(select(steps.c.id).where(open_steps)).scalars())
    begun = steps.c.started_at.is_not(None)
    tx.execute(
        update(steps)
        .where(open_steps & begun)
        .values(complete_at=now, results=RETRY, state_string=CUT_OFF)
    )
    tx.execute(
        update(steps)
        .where(open_steps & ~begun)
        .values(complete_at=now, results=CANCELLED, state_string="not run")
    )
    if not step_ids:
        return
    # What was stored of their logs stays, and counts.
    stored = (
        select(func.coalesce(func.sum(logchunks.c.line_count), 0))
        .where(logchunks.c.logid == logs.c.id)
        .scalar_subquery()
    )
    stored_bytes = (
        select(func.coalesce(func.sum(logchunks.c.num_bytes), 0))
        .where(logchunks.c.logid == logs.c.id)
        .scalar_subquery()
    )
    tx.execute(
        update(logs)
        .where(logs.c.stepid.in_(step_ids) & ~logs.c.complete)
        .values(complete=True, num_lines=stored, num_bytes=stored_bytes)
    )
    for log_id in with_gaps(tx, select(logs.c.id).where(logs.c.stepid.in_(step_ids))):
        close_gaps(tx, log_id, complete=True)
