"""The changes of a build: one definition, for REST, pages, mail, properties and steps alike.

A build was *asked* for changes: those that its buildset was made of, and those of all requests
that were collapsed into its own. Where nobody recorded them (a person forced a build of a
revision), they are the changes of its source stamps.

A build *has* these changes and, for each line of development that it builds, all since the one
of the builder's last successful build before: what could be the cause of its result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)

from ci_common.results import SUCCESS
from ci_master.storage.schema import (
    buildrequests,
    builds,
    buildset_changes,
    buildset_sourcestamps,
    changes,
)

#: Of the changes since the last success a build has no more than so many, the newest: where a
#: builder has failed for years, nobody looks for the cause among them all.
MOST = 1000


class Line(NamedTuple):
    """A line of development: changes of one line follow each other.

    Statements that ask for :data:`IS_OF_LINE` are run with ``_asdict()`` of one.
    """

    codebase: str
    branch: str | None
    repository: str
    project: str


#: Whether a change belongs to a line of development.
IS_OF_LINE = and_(
    changes.c.branch.is_not_distinct_from(bindparam("branch")),
    *(changes.c[name] == bindparam(name) for name in ("codebase", "repository", "project")),
)


@dataclass(frozen=True, slots=True)
class BuildChanges:
    """Ids of the changes of a build, ascending.

    :ivar asked: those that it was asked for.
    :ivar all: those and the ones since the last success.
    """

    asked: Sequence[int] = ()
    all: Sequence[int] = ()


_LINE = (changes.c.codebase, changes.c.branch, changes.c.repository, changes.c.project)


def _recorded(buildsetid: ColumnElement[int]) -> ColumnElement[bool]:
    return exists().where(buildset_changes.c.buildsetid == buildsetid)


def _known_to(buildsetid: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a change came before a buildset, as far as a recorded change of its stamp tells."""
    other = changes.alias("of_same_stamp")
    newest = (
        select(func.max(other.c.id))
        .select_from(buildset_changes.join(other, other.c.id == buildset_changes.c.changeid))
        .where(
            buildset_changes.c.buildsetid == buildsetid,
            other.c.sourcestampid == changes.c.sourcestampid,
        )
        .scalar_subquery()
    )
    return changes.c.id <= func.coalesce(newest, changes.c.id)


def _found_by_requests() -> Any:
    """(asked, change, line) of requests and all that were collapsed into them.

    A stamp without a revision is shared by all changes that have none, so it tells nothing where
    the changes are recorded; where they are not, the newest of them has to do. A stamp is also
    shared by a change of the same revision that came later, which nobody asked for.
    """
    meant = (
        select(buildrequests.c.id, buildrequests.c.buildsetid)
        .where(buildrequests.c.id.in_(bindparam("ids", expanding=True)))
        .cte("meant", recursive=True)
    )
    collapsed = buildrequests.alias("collapsed")
    meant = meant.union(
        select(collapsed.c.id, collapsed.c.buildsetid).join(
            meant, collapsed.c.collapsed_into == meant.c.id
        )
    )
    asked = (
        select(literal(1).label("asked"), changes.c.id, *_LINE)
        .select_from(meant)
        .join(buildset_changes, buildset_changes.c.buildsetid == meant.c.buildsetid)
        .join(changes, changes.c.id == buildset_changes.c.changeid)
    )
    recorded = _recorded(meant.c.buildsetid)
    same_stamp = changes.alias("same_stamp")
    newest = (
        select(func.max(same_stamp.c.id))
        .where(same_stamp.c.sourcestampid == changes.c.sourcestampid)
        .scalar_subquery()
    )
    of_stamps = (
        select(case((recorded, 0), else_=1).label("asked"), changes.c.id, *_LINE)
        .select_from(meant)
        .join(buildset_sourcestamps, buildset_sourcestamps.c.buildsetid == meant.c.buildsetid)
        .join(changes, changes.c.sourcestampid == buildset_sourcestamps.c.sourcestampid)
        .where(
            or_(
                and_(
                    changes.c.revision.is_not(None),
                    _known_to(meant.c.buildsetid),
                ),
                and_(~recorded, changes.c.id == newest),
            )
        )
    )
    return union_all(asked, of_stamps)


def _last_successes() -> tuple[Select[Any], Select[Any]]:
    """(number, change) of the builder's last success with a change of a line: as recorded, and
    of source stamps."""
    by_record = buildrequests.join(
        buildset_changes, buildset_changes.c.buildsetid == buildrequests.c.buildsetid
    ).join(changes, changes.c.id == buildset_changes.c.changeid)
    by_stamp = buildrequests.join(
        buildset_sourcestamps, buildset_sourcestamps.c.buildsetid == buildrequests.c.buildsetid
    ).join(changes, changes.c.sourcestampid == buildset_sourcestamps.c.sourcestampid)
    recorded, of_stamps = (
        select(builds.c.number, changes.c.id)
        .select_from(builds.join(places, buildrequests.c.id == builds.c.buildrequestid))
        .where(
            builds.c.builderid == bindparam("builderid"),
            builds.c.number < bindparam("number"),
            builds.c.results == SUCCESS,
            IS_OF_LINE,
            changes.c.id <= bindparam("tip"),
        )
        .order_by(builds.c.number.desc(), changes.c.id.desc())
        .limit(1)
        for places in (by_record, by_stamp)
    )
    buildset = buildrequests.c.buildsetid
    tells = or_(and_(changes.c.revision.is_not(None), _known_to(buildset)), ~_recorded(buildset))
    return recorded, of_stamps.where(tells)


# Built once: to build a statement costs more than to run it, and each build waits for these.
_FOUND = _found_by_requests()
_LAST_SUCCESS = _last_successes()
_BETWEEN = (
    select(changes.c.id)
    .where(IS_OF_LINE, changes.c.id > bindparam("start"), changes.c.id <= bindparam("tip"))
    .order_by(changes.c.id.desc())
    .limit(bindparam("most"))
)
_REQUESTS = select(buildrequests.c.id).where(buildrequests.c.buildsetid == bindparam("bsid"))
_BUILD = select(builds.c.builderid, builds.c.number, builds.c.buildrequestid).where(
    builds.c.id == bindparam("buildid")
)


def of_build(tx: Connection, buildid: int) -> BuildChanges:
    """The changes of a stored build; none if there is no such build."""
    row = tx.execute(_BUILD, {"buildid": buildid}).first()
    if row is None:
        return BuildChanges()
    return of_requests(tx, row.builderid, row.number, [row.buildrequestid])


def of_requests(
    tx: Connection, builderid: int, number: int, request_ids: Sequence[int]
) -> BuildChanges:
    """The changes of the build of a builder that has this number and answers these requests."""
    asked: set[int] = set()
    tips: dict[Line, int] = {}
    for is_asked, changeid, *of in tx.execute(_FOUND, {"ids": list(request_ids)}):
        if is_asked:
            asked.add(changeid)
        place = Line(*of)
        tips[place] = max(changeid, tips.get(place, 0))
    found = set(asked)
    for line, tip in tips.items():
        start = _last_success(tx, builderid, number, line, tip)
        if start is None:
            found.add(tip)
        elif start < tip:
            between = {"start": start, "tip": tip, "most": MOST, **line._asdict()}
            found.update(tx.execute(_BETWEEN, between).scalars())
    return BuildChanges(sorted(asked), sorted(found))


def of_buildset(tx: Connection, buildsetid: int) -> list[int]:
    """The changes that a buildset was asked for, those collapsed into its requests included."""
    requests = list(tx.execute(_REQUESTS, {"bsid": buildsetid}).scalars())
    return sorted({row.id for row in tx.execute(_FOUND, {"ids": requests}) if row.asked})


def _last_success(tx: Connection, builderid: int, number: int, line: Line, tip: int) -> int | None:
    """The newest change up to ``tip`` that the builder's last success before had of a line."""
    parameters = {"builderid": builderid, "number": number, "tip": tip, **line._asdict()}
    newest: tuple[int, int] | None = None
    for query in _LAST_SUCCESS:
        row = tx.execute(query, parameters).first()
        if row is not None:
            newest = max(newest or (0, 0), (row[0], row[1]))
    return None if newest is None else newest[1]


def requests_of_change(changeid: int) -> Select[Any]:
    """Ids of the requests that were asked for a change, and of those they were collapsed into."""
    stamp = select(changes.c.sourcestampid).where(changes.c.id == changeid).scalar_subquery()
    sets = union(
        select(buildset_changes.c.buildsetid).where(buildset_changes.c.changeid == changeid),
        select(buildset_sourcestamps.c.buildsetid).where(
            buildset_sourcestamps.c.sourcestampid == stamp
        ),
    )
    meant = (
        select(buildrequests.c.id, buildrequests.c.collapsed_into)
        .where(buildrequests.c.buildsetid.in_(sets))
        .cte("meant", recursive=True)
    )
    taker = buildrequests.alias("taker")
    meant = meant.union(
        select(taker.c.id, taker.c.collapsed_into).join(meant, meant.c.collapsed_into == taker.c.id)
    )
    return select(meant.c.id)
