"""What REST reads of steps and logs."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select

from ci_master.storage.reads_page import Columns, Page, count_of, rows_of
from ci_master.storage.schema import builders, builds, logs, steps, workers

Json = dict[str, Any]

STEP_COLUMNS: Columns = {
    "stepid": steps.c.id,
    "number": steps.c.number,
    "name": steps.c.name,
    "buildid": steps.c.buildid,
    "started_at": steps.c.started_at,
    "locks_acquired_at": steps.c.locks_acquired_at,
    "complete": steps.c.complete_at.is_not(None),
    "complete_at": steps.c.complete_at,
    "results": steps.c.results,
    "state_string": steps.c.state_string,
    "hidden": steps.c.hidden,
}
_STEP_FIELDS = tuple(STEP_COLUMNS)
_STEPS: Select[Any] = select(
    *(STEP_COLUMNS[name].label(name) for name in _STEP_FIELDS), steps.c.urls_json
)

LOG_COLUMNS: Columns = {
    "logid": logs.c.id,
    "name": logs.c.name,
    "slug": logs.c.slug,
    "stepid": logs.c.stepid,
    "complete": logs.c.complete,
    "num_lines": logs.c.num_lines,
    "type": logs.c.type,
}
_LOG_FIELDS = tuple(LOG_COLUMNS)
_LOGS: Select[Any] = select(*(LOG_COLUMNS[name].label(name) for name in _LOG_FIELDS))


# Built once: to build a statement costs more than to run it.
_STEP_BY_ID = _STEPS.where(steps.c.id == bindparam("of"))
_STEP_BY_NUMBER = _STEPS.where(
    (steps.c.buildid == bindparam("of")) & (steps.c.number == bindparam("which"))
)
_STEP_BY_NAME = _STEPS.where(
    (steps.c.buildid == bindparam("of")) & (steps.c.name == bindparam("which"))
)
_LOG_BY_ID = _LOGS.where(logs.c.id == bindparam("of"))
_LOG_BY_SLUG = _LOGS.where((logs.c.stepid == bindparam("of")) & (logs.c.slug == bindparam("at")))


def _step_json(row: Row[Any]) -> Json:
    step = dict(zip(_STEP_FIELDS, row, strict=False))
    step["complete"] = step["complete_at"] is not None
    step["hidden"] = bool(step["hidden"])
    step["urls"] = json.loads(row.urls_json)
    return step


def _log_json(row: Row[Any]) -> Json:
    log = dict(zip(_LOG_FIELDS, row, strict=True))
    log["complete"] = bool(log["complete"])
    return log


def step(tx: Connection, stepid: int) -> Json | None:
    """The step with this id."""
    row = tx.execute(_STEP_BY_ID, {"of": stepid}).first()
    return None if row is None else _step_json(row)


def step_of(tx: Connection, buildid: int, which: int | str) -> Json | None:
    """A build's step, by number or by name."""
    query = _STEP_BY_NUMBER if isinstance(which, int) else _STEP_BY_NAME
    row = tx.execute(query, {"of": buildid, "which": which}).first()
    return None if row is None else _step_json(row)


def steps_page(tx: Connection, buildid: int, page: Page) -> tuple[list[Json], int]:
    """A build's steps, and how many match."""
    query = _STEPS.where(steps.c.buildid == buildid)
    rows = rows_of(tx, query, STEP_COLUMNS, page, default_order=[steps.c.number])
    total = len(rows)
    if page.limit is not None or page.offset:
        total = count_of(tx, query, STEP_COLUMNS, page)
    return [_step_json(row) for row in rows], total


def log(tx: Connection, logid: int) -> Json | None:
    """The log with this id."""
    row = tx.execute(_LOG_BY_ID, {"of": logid}).first()
    return None if row is None else _log_json(row)


def log_of(tx: Connection, stepid: int, slug: str) -> Json | None:
    """A step's log by its slug."""
    row = tx.execute(_LOG_BY_SLUG, {"of": stepid, "at": slug}).first()
    return None if row is None else _log_json(row)


def logs_page(tx: Connection, stepid: int, page: Page) -> tuple[list[Json], int]:
    """A step's logs, and how many match."""
    query = _LOGS.where(logs.c.stepid == stepid)
    rows = rows_of(tx, query, LOG_COLUMNS, page, default_order=[logs.c.id])
    total = len(rows)
    if page.limit is not None or page.offset:
        total = count_of(tx, query, LOG_COLUMNS, page)
    return [_log_json(row) for row in rows], total


@dataclass(frozen=True, slots=True)
class LogOrigin:
    """Where a log comes from, as the head of its download says."""

    logid: int
    type: str
    slug: str
    num_bytes: int
    step: str
    build_number: int
    builder: str
    worker: str | None


def log_origin(tx: Connection, logid: int) -> LogOrigin | None:
    """Where the log with this id comes from."""
    joined = (
        logs.join(steps, steps.c.id == logs.c.stepid)
        .join(builds, builds.c.id == steps.c.buildid)
        .join(builders, builders.c.id == builds.c.builderid)
        .outerjoin(workers, workers.c.id == builds.c.workerid)
    )
    query = select(
        logs.c.id,
        logs.c.type,
        logs.c.slug,
        logs.c.num_bytes,
        steps.c.name,
        builds.c.number,
        builders.c.name,
        workers.c.name,
    ).select_from(joined)
    row = tx.execute(query.where(logs.c.id == logid)).first()
    return None if row is None else LogOrigin(*row)
