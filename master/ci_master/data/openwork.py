"""What waits or is being built, made from rows."""

from collections.abc import Collection

from sqlalchemy import Connection

from ci_common.results import worst_status
from ci_master.data.model import Buildset, Request, properties_from_json
from ci_master.storage import loading


class OpenWork:
    """Buildsets that storage holds as not complete, and their requests that are not.

    :param ids: these buildsets instead.
    """

    def __init__(self, tx: Connection, ids: Collection[int] | None = None) -> None:
        self.buildsets = _buildsets(tx, ids)
        self.requests = _requests(tx, ids, {buildset.id: buildset for buildset in self.buildsets})


def _buildsets(tx: Connection, ids: Collection[int] | None) -> list[Buildset]:
    stamps: dict[int, list[dict[str, object]]] = {}
    for buildsetid, stamp in loading.stamps_of_open_buildsets(tx, ids):
        stamps.setdefault(buildsetid, []).append(stamp)
    rows = loading.open_buildsets(tx, ids)
    parents = loading.parents_of_open_buildsets(tx, ids)
    return [
        Buildset(
            id=row.id,
            reason=row.reason,
            submitted_at=row.submitted_at,
            scheduler=row.scheduler,
            external_idstring=row.external_idstring,
            parent_buildid=row.parent_buildid,
            parent_relationship=row.parent_relationship,
            rebuilt_buildid=row.rebuilt_buildid,
            sourcestamps=stamps.get(row.id, []),
            properties=properties_from_json(row.properties_json),
            parent_requestid=parents.get(row.parent_buildid),
        )
        for row in rows
    ]


def _requests(
    tx: Connection, ids: Collection[int] | None, buildsets: dict[int, Buildset]
) -> list[Request]:
    found = []
    for row in loading.requests_of_open_buildsets(tx, ids):
        buildset = buildsets.get(row.buildsetid)
        if buildset is None:  # it was added a moment ago
            continue
        if row.complete:
            buildset.worst = worst_status(buildset.worst, row.results)
            continue
        buildset.open_requests.add(row.id)
        found.append(
            Request(
                id=row.id,
                buildset=buildset,
                builderid=row.builderid,
                priority=row.priority,
                submitted_at=row.submitted_at,
                waited_for=row.waited_for,
                claimed_at=row.claimed_at,
                claimed_by=row.claimed_by_masterid,
            )
        )
    return found
