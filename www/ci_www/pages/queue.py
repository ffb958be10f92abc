"""What waits, and why; the page of one request."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from ci_common.revisions import built
from ci_www.pages import urls
from ci_www.pages.acts import acts_of
from ci_www.pages.build import PropertyRow, Source, property_rows, source_of
from ci_www.pages.cancelling import Told, told
from ci_www.pages.farm import Farm, in_order
from ci_www.pages.page import Ask, NotThere, Page, Redirect
from ci_www.pages.times import duration
from ci_www.pages.waits import WaitingRow, wait_counts, waiting_row, why_of
from ci_www.pages.words import Mark, mark_of, plural

PAGE_SIZE = 100
#: So many different reasons are offered as filters, those of most requests.
MOST_REASONS = 100


@dataclass(slots=True)
class QueueView:
    """The page of the queue."""

    rows: list[WaitingRow]
    total: int
    shown: int
    reasons: list[tuple[str, int, str]]  # sentence, how many, URL that shows only those
    builder: str
    reason: str
    older: str
    here: str = "/queue"  # this page with its filters
    builders: list[tuple[str, str, int]] = field(default_factory=list)  # segment, name, how many
    told: list[Told] = field(default_factory=list)  # what became of what was to be cancelled


def queue_view(
    farm: Farm,
    waiting: list[Any],
    *,
    now: float,
    builder: str = "",
    reason: str = "",
    start: int = 0,
) -> QueueView:
    """Make the view.

    :param builder: only requests of this builder (its segment in URLs).
    :param reason: only requests that wait for this reason.
    """
    counts = wait_counts(farm, waiting)
    found: list[tuple[int, Any]] = list(enumerate(in_order(waiting), 1))
    if builder:
        ids = {id for id in farm.waiting if farm.segment(id) == builder}
        found = [one for one in found if one[1].builderid in ids]
    if reason:
        found = [one for one in found if why_of(farm, one[1]) == reason]
    reasons = [
        (text, count, urls.with_query("/queue", reason=None if text == reason else text))
        for text, count in counts[:MOST_REASONS]
    ]
    more = start + PAGE_SIZE
    return QueueView(
        rows=[
            waiting_row(farm, request, now=now, position=place)
            for place, request in found[start:more]
        ],
        total=len(waiting),
        shown=len(found),
        reasons=reasons,
        builder=builder,
        reason=reason,
        here=urls.with_query(
            "/queue", builder=builder, reason=reason, from_=str(start) if start else ""
        ),
        builders=_builders(farm, waiting),
        older=urls.with_query("/queue", builder=builder, reason=reason, from_=str(more))
        if len(found) > more
        else "",
    )


def _builders(farm: Farm, waiting: list[Any]) -> list[tuple[str, str, int]]:
    """The builders for which anything waits: segment, name, how many; by name."""
    counts = Counter(request.builderid for request in waiting)
    names = sorted((farm.builder_name(id), id) for id in counts)
    return [(farm.segment(id), name, counts[id]) for name, id in names]


async def queue(ask: Ask) -> Page:
    """``/queue``"""
    data = ask.data
    seq = data.bus.seq
    farm = Farm(data, await data.requests.reasons())
    waiting = list(data.requests.waiting.values())
    view = await ask.parts.in_thread(
        lambda: queue_view(
            farm,
            waiting,
            now=ask.now,
            builder=ask.arg("builder"),
            reason=ask.arg("reason"),
            start=ask.number("from") or 0,
        )
    )
    view.told = told(ask.args)
    return Page(
        "queue.html",
        f"Queue: {plural(view.total, 'request')} waiting",
        view,
        kind="waiting" if view.total else "success",
        nav="queue",
        modules=("ask.mjs",),
        topics=("buildrequests/*/*", "builders/*/waits"),
        seq=seq,
    )


@dataclass(slots=True)
class Sibling:
    """A request of the same buildset."""

    id: int
    url: str
    builder: str
    builder_url: str
    mark: Mark
    build: str  # "#12", empty if there is none
    build_url: str
    priority: int


@dataclass(slots=True)
class Moment:
    """Something that happened to a request."""

    at: int
    what: str
    url: str = ""


@dataclass(slots=True)
class RequestView:
    """The page of a request."""

    id: int
    builder: str
    builderid: int
    builder_url: str
    mark: Mark
    waiting: WaitingRow | None
    reason: str
    owner: str
    scheduler: str
    priority: int
    build: Sibling | None
    moments: list[Moment]
    sources: list[Source]
    siblings: list[Sibling]
    properties: list[PropertyRow] = field(default_factory=list)


def _sibling(farm: Farm, request: Any) -> Sibling:
    number = request.build[1] if request.build else None
    segment = farm.segment(request.builderid)
    if request.complete:
        mark = mark_of(request.results)
    elif request.claimed_at is not None:
        mark = mark_of(None, complete=False)
    else:
        mark = Mark("waiting", "waiting")
    return Sibling(
        id=request.id,
        url=urls.request(request.id),
        builder=farm.builder_name(request.builderid),
        builder_url=urls.builder(segment),
        mark=mark,
        build="" if number is None else f"#{number}",
        build_url="" if number is None else urls.build(segment, number),
        priority=request.priority,
    )


def request_view(
    farm: Farm, requestid: int, buildset: Any, waiting: Any | None, *, now: float
) -> RequestView:
    """Make the view.

    :param buildset: a :class:`ci_master.data.views.BuildsetDetail`.
    :param waiting: the request in memory, if it waits.
    """
    request = next(one for one in buildset.requests if one.id == requestid)
    mine, got = _sibling(farm, request), request.got_revision
    moments = [Moment(request.submitted_at, "submitted")]
    if request.claimed_at is not None:
        waited = duration(request.claimed_at - request.submitted_at)
        moments.append(Moment(request.claimed_at, f"claimed after {waited}"))
    moments += [Moment(one.at, one.told) for one in acts_of(buildset.acts)]
    if request.complete_at is not None:
        moments.append(Moment(request.complete_at, f"ended: {mine.mark.word}", mine.build_url))
    return RequestView(
        id=requestid,
        builder=mine.builder,
        builderid=request.builderid,
        builder_url=mine.builder_url,
        mark=mine.mark,
        waiting=waiting_row(farm, waiting, now=now) if waiting is not None else None,
        reason=buildset.reason,
        owner=buildset.owner or "",
        scheduler=buildset.scheduler or "",
        priority=request.priority,
        build=mine if mine.build else None,
        moments=moments,
        sources=[
            replace(source_of(one), revision=built(got, one.codebase, one.revision) or "")
            for one in buildset.stamps
        ],
        siblings=[_sibling(farm, one) for one in buildset.requests if one.id != requestid],
        properties=property_rows(buildset.properties),
    )


async def request(ask: Ask, requestid: str) -> Page | Redirect:
    """``/buildrequests/<id>``; goes on to the build if that is asked for and there is one."""
    data = ask.data
    seq = data.bus.seq
    number = int(requestid)
    buildset = await ask.views.request(number)
    if buildset is None:
        raise NotThere(f"There is no build request {number}.", [("the queue", "/queue")])
    waiting = data.requests.waiting.get(number)
    farm = Farm(data, await data.requests.reasons([waiting.builderid] if waiting else []))
    view = request_view(farm, number, buildset, waiting, now=ask.now)
    if view.build is not None and ask.arg("redirect_to_build") in ("true", "1"):
        return Redirect(view.build.build_url, 302)
    return Page(
        "request.html",
        f"Request {number} \u2013 {view.mark.word}",
        view,
        kind=view.mark.kind,
        nav="queue",
        modules=("ask.mjs",),
        topics=(
            f"buildrequests/{number}/*",
            f"builders/{view.builderid}/builds/*/new",
            f"builders/{view.builderid}/waits",
        ),
        seq=seq,
    )


async def buildset(ask: Ask, bsid: str) -> Redirect:
    """``/buildsets/<id>``: the page of its first request shows all of it."""
    found = await ask.views.buildset(int(bsid))
    if found is None or not found.requests:
        raise NotThere(f"There is no buildset {bsid}.", [("the queue", "/queue")])
    return Redirect(urls.request(found.requests[0].id), 302)
