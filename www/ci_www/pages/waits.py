"""A waiting request as a row: what it is, and the sentence that says why it waits."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls
from ci_www.pages.farm import Farm, owner_text

#: Said of a request that nobody has given a reason for.
NOT_LOOKED_AT = "The queue has not looked at it yet"


def why_of(farm: Farm, request: Any) -> str:
    """Why a request waits, as a sentence that is the same as long as the reason is."""
    waits = farm.reasons.of(request)
    return waits.text if waits else NOT_LOOKED_AT


def wait_counts(farm: Farm, waiting: Iterable[Any]) -> list[tuple[str, int]]:
    """How many requests wait for the same reason, most first."""
    counts = Counter(why_of(farm, request) for request in waiting)
    return counts.most_common()


@dataclass(slots=True)
class WaitingRow:
    """One waiting request."""

    id: int
    url: str
    builder: str
    builder_url: str
    branch: str
    revision: str
    reason: str
    owner: str
    scheduler: str
    priority: int
    since: int
    kind: str  # of the wait
    why: str
    expected: Any  # ci_master.data.waits.Expected: the end of what it waits for; None if unknown
    links: list[tuple[str, str]]
    age_s: int
    position: int = 0


def waiting_row(farm: Farm, request: Any, *, now: float, position: int = 0) -> WaitingRow:
    """Make the row of a request."""
    buildset = request.buildset
    stamp = buildset.sourcestamps[0] if buildset.sourcestamps else {}
    waits = farm.reasons.of(request)
    return WaitingRow(
        id=request.id,
        url=urls.request(request.id),
        builder=farm.builder_name(request.builderid),
        builder_url=urls.builder(farm.segment(request.builderid)),
        branch=stamp.get("branch") or "",
        revision=stamp.get("revision") or "",
        reason=buildset.reason,
        owner=owner_text(buildset),
        scheduler=buildset.scheduler or "",
        priority=request.priority,
        since=request.submitted_at,
        kind=waits.kind if waits else "",
        why=waits.text if waits else NOT_LOOKED_AT,
        expected=waits.expected if waits else None,
        links=[(label, url) for label, url in waits.links if urls.web_link(url)] if waits else [],
        age_s=max(0, int(now) - request.submitted_at),
        position=position,
    )
