"""What came of a build, as those hear of it who do not look at pages: what failed, of which
changes, and what was before.

A builder's status is that of a *line*: the same branches of the same repositories, with their
projects and code bases (a build that names no repository, such as a forced one, is of any). A
build of a feature branch says nothing of the main one; a build with a patch is somebody's trial,
and says nothing of any; and one that did not come to a result of its own (it was cancelled,
retried, skipped, or broke) neither breaks the line nor mends it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, func, select
from sqlalchemy.sql.elements import ColumnElement

from ci_common.results import FAILURE, SUCCESS, WARNINGS
from ci_master.storage import build_changes, views_changes
from ci_master.storage.schema import (
    buildrequests,
    builds,
    buildset_sourcestamps,
    buildsets,
    sourcestamps,
)
from ci_master.storage.views_builds import add_failing_steps, build_line

#: Results that say how a line is.
TELLING = (SUCCESS, WARNINGS, FAILURE)
#: So many builds of a builder are looked through for the one before on a line.
FURTHEST_BACK = 20_000
_PAGE = 50

#: Code base -> branch, repository, project.
Line = dict[str, tuple[str, str, str]]


@dataclass(slots=True)
class Outcome:
    """What came of a build.

    :ivar failure: what failed, in one line; empty if nothing did.
    :ivar step: name of the step that failed, if one did.
    :ivar changes: what it was asked for; where nothing is recorded, what its sources are.
    :ivar before: id of the build before it on its line that says how that is, if there is one.
    :ivar trial: whether it was of somebody's patch.
    """

    failure: str = ""
    step: str = ""
    changes: Sequence[views_changes.ChangeLine] = field(default_factory=list)
    before: int | None = None
    trial: bool = False


def of_build(tx: Connection, buildid: int) -> Outcome:
    """The outcome of a stored build; an empty one if there is no such build."""
    query = (
        select(builds, buildrequests, buildsets)
        .select_from(
            builds.join(buildrequests, buildrequests.c.id == builds.c.buildrequestid).join(
                buildsets, buildsets.c.id == buildrequests.c.buildsetid
            )
        )
        .where(builds.c.id == buildid)
    )
    row = tx.execute(query).first()
    if row is None:
        return Outcome()
    line = build_line(row)
    add_failing_steps(tx, [line])
    found = build_changes.of_build(tx, buildid)
    changes = views_changes.by_ids(tx, found.asked or found.all)
    before, trial = _before(tx, line.builderid, line.number, line.buildsetid)
    return Outcome(
        failure=line.failure,
        step=line.failing.name if line.failing else "",
        changes=sorted(changes, key=lambda change: change.id),
        before=before,
        trial=trial,
    )


def before(tx: Connection, buildid: int) -> int | None:
    """Id of the build before one on its line that says how that is; None if there is none."""
    query = select(builds.c.builderid, builds.c.number, buildrequests.c.buildsetid).where(
        builds.c.id == buildid, buildrequests.c.id == builds.c.buildrequestid
    )
    row = tx.execute(query).first()
    return None if row is None else _before(tx, *row)[0]


def _before(
    tx: Connection, builderid: int, number: int, buildsetid: int
) -> tuple[int | None, bool]:
    line, trial = _lines_of(tx, [buildsetid]).get(buildsetid, ({}, False))
    if trial:
        return None, True
    least = number - FURTHEST_BACK
    while True:
        candidates = _page(tx, builderid, least, number, line)
        lines = _lines_of(tx, [bsid for _, _, bsid in candidates])
        for buildid, _number, bsid in candidates:
            other, has_patch = lines.get(bsid, ({}, False))
            if not has_patch and _same(line, other):
                return buildid, False
        if len(candidates) < _PAGE:
            return None, False
        number = candidates[-1][1]


def _page(
    tx: Connection, builderid: int, least: int, below: int, line: Line
) -> list[tuple[int, int, int]]:
    """(id, number, buildset) of builds that may be of a line, the newest first."""
    b, r = builds.c, buildrequests.c
    query = select(b.id, b.number, r.buildsetid).where(
        b.builderid == builderid,
        b.number < below,
        b.number >= least,
        b.complete_at.is_not(None),
        b.results.in_(TELLING),
        r.id == b.buildrequestid,
    )
    if line:  # what has none of its stamps is left out by the database
        link = buildset_sourcestamps.c
        has_one = select(link.id).where(
            link.buildsetid == r.buildsetid,
            link.sourcestampid == sourcestamps.c.id,
            _is(*min(line.items())),
        )
        query = query.where(has_one.exists())
    rows = tx.execute(query.order_by(b.number.desc()).limit(_PAGE))
    return [(row[0], row[1], row[2]) for row in rows]


def _same(line: Line, other: Line) -> bool:
    """Whether two builds are of one line."""
    return line.keys() == other.keys() and all(
        mine[0] == its[0]
        and all(not a or not b or a == b for a, b in zip(mine[1:], its[1:], strict=True))
        for mine, its in ((mine, other[codebase]) for codebase, mine in line.items())
    )


def _is(codebase: str, stamp: tuple[str, str, str]) -> ColumnElement[bool]:
    """That a source stamp may be of a line with this one."""
    branch, *places = stamp
    s = sourcestamps.c
    return and_(
        s.patchid.is_(None),
        s.codebase == codebase,
        func.coalesce(s.branch, "") == branch,
        *(
            column.in_(("", place))
            for column, place in zip((s.repository, s.project), places, strict=True)
            if place
        ),
    )


def _lines_of(tx: Connection, buildset_ids: Collection[int]) -> dict[int, tuple[Line, bool]]:
    """Buildset -> its line, and whether it has a patch."""
    if not buildset_ids:
        return {}
    link, s = buildset_sourcestamps.c, sourcestamps.c
    query = select(link.buildsetid, s.patchid, s.codebase, s.branch, s.repository, s.project).where(
        link.buildsetid.in_(set(buildset_ids)), s.id == link.sourcestampid
    )
    lines: dict[int, Line] = {}
    trials = set()
    for buildsetid, patchid, codebase, branch, *places in tx.execute(query):
        lines.setdefault(buildsetid, {})[codebase] = (branch or "", *places)
        if patchid is not None:
            trials.add(buildsetid)
    return {bsid: (line, bsid in trials) for bsid, line in lines.items()}
