"""A build as a row of a table: on the pages of builders, workers, changes and requests."""

from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls
from ci_www.pages.bits import person
from ci_www.pages.farm import Farm
from ci_www.pages.words import Mark, mark_of


@dataclass(slots=True)
class BuildRow:
    """One build in a table."""

    mark: Mark
    builder: str
    builder_url: str
    number: int
    url: str
    branch: str
    revision: str
    change_url: str
    what: str  # subject of the change, or the reason
    owner: str
    started_at: int
    complete_at: int | None
    took_s: int | None
    share: int  # of the usual duration, in percent, at most 200
    waited_s: int
    worker: str | None
    worker_url: str
    text: str
    failing: str  # the step
    failing_why: str
    failing_url: str
    usual_s: int | None


def build_row(farm: Farm, line: Any, *, usual_s: int | None = None) -> BuildRow:
    """Make the row of a :class:`ci_master.data.views.BuildLine`."""
    segment = farm.segment(line.builderid)
    stamp = line.stamps[0] if line.stamps else None
    took = None if line.complete_at is None else line.complete_at - line.started_at
    worker = farm.worker_name(line.workerid)
    return BuildRow(
        mark=mark_of(line.results, complete=line.complete_at is not None),
        builder=farm.builder_name(line.builderid),
        builder_url=urls.builder(segment),
        number=line.number,
        url=urls.build(segment, line.number),
        branch=(stamp.branch if stamp else "") or "",
        revision=(stamp.revision if stamp else "") or "",
        change_url=urls.change(stamp.changeid) if stamp and stamp.changeid else "",
        what=(stamp.subject if stamp else "") or line.reason,
        owner=person(line.owner or (stamp.author if stamp else "")),
        started_at=line.started_at,
        complete_at=line.complete_at,
        took_s=took,
        share=min(200, round(100 * took / usual_s)) if took is not None and usual_s else 0,
        waited_s=max(0, line.started_at - line.submitted_at),
        worker=worker,
        worker_url=urls.worker(worker) if worker else "",
        text=line.failure or line.state_string,
        failing=line.failing.name if line.failing else "",
        failing_why=line.failing.why if line.failing else "",
        failing_url=urls.step(segment, line.number, line.failing.number) if line.failing else "",
        usual_s=usual_s,
    )
