"""Changes, and what became of each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ci_www.pages import urls
from ci_www.pages.bits import person
from ci_www.pages.build import PropertyRow, property_rows
from ci_www.pages.farm import Farm
from ci_www.pages.page import Ask, NotThere, Page
from ci_www.pages.words import URGENCY, Kind, Mark, mark_of

PAGE_SIZE = 50


@dataclass(slots=True)
class Outcome:
    """What one builder made of a change."""

    mark: Mark
    builder: str
    url: str
    number: int | None


@dataclass(slots=True)
class ChangeRow:
    """One change."""

    id: int
    url: str
    author: str
    subject: str
    comments: str
    branch: str
    revision: str
    revlink: str
    when: int
    category: str
    repository: str
    project: str
    codebase: str
    files: list[str]
    outcomes: list[Outcome] = field(default_factory=list)
    tally: list[tuple[Mark, int]] = field(default_factory=list)


def change_rows(
    farm: Farm, lines: Iterable[Any], verdicts: Iterable[Any], *, every: bool = False
) -> list[ChangeRow]:
    """Make rows of changes; of several builds by one builder the last one counts.

    :param every: show all builds.
    """
    by_stamp: dict[int, dict[Any, Outcome]] = {}
    for one in verdicts:
        segment = farm.segment(one.builderid)
        if one.complete:
            mark = mark_of(one.results)
        elif one.number is not None:
            mark = mark_of(None, complete=False)
        else:
            mark = Mark("waiting", "waiting")
        where = (
            urls.build(segment, one.number) if one.number is not None
            else urls.request(one.requestid)
        )  # fmt: skip
        outcome = Outcome(mark, farm.builder_name(one.builderid), where, one.number)
        key = (one.builderid, one.requestid, one.number) if every else one.builderid
        by_stamp.setdefault(one.stampid, {})[key] = outcome
    return [_row(line, by_stamp.get(line.stampid, {}).values()) for line in lines]


def _row(line: Any, outcomes: Iterable[Outcome]) -> ChangeRow:
    ordered = sorted(
        outcomes, key=lambda one: (_rank(one.mark.kind), one.builder, -(one.number or 0))
    )
    counts: dict[Mark, int] = {}
    for one in ordered:
        counts[one.mark] = counts.get(one.mark, 0) + 1
    return ChangeRow(
        id=line.id,
        url=urls.change(line.id),
        author=person(line.author),
        subject=line.subject or "(no message)",
        comments=line.comments,
        branch=line.branch or "",
        revision=line.revision or "",
        revlink=urls.web_link(line.revlink) or "",
        when=line.when,
        category=line.category or "",
        repository=line.repository,
        project=line.project,
        codebase=line.codebase,
        files=line.files,
        outcomes=ordered,
        tally=list(counts.items()),
    )


def _rank(kind: Kind) -> int:
    return URGENCY.index(kind) if kind in URGENCY else len(URGENCY)


@dataclass(slots=True)
class ChangesView:
    """The page of changes."""

    rows: list[ChangeRow]
    branch: str
    text: str
    older: str
    newest: str
    title: str = "Changes"
    sources: int = 0


async def changes(ask: Ask) -> Page:
    """``/changes``"""
    data = ask.data
    seq = data.bus.seq
    branch, text = ask.arg("branch"), ask.arg("q").strip()
    before = ask.number("before")
    lines, verdicts = await ask.views.changes(
        before=before, limit=PAGE_SIZE, branch=branch or None, text=text or None
    )
    rows = change_rows(Farm(data), lines, verdicts)
    here = {"branch": branch, "q": text}
    view = ChangesView(
        rows,
        branch,
        text,
        older=urls.with_query("/changes", **here, before=str(lines[-1].id))
        if len(lines) == PAGE_SIZE
        else "",
        newest=urls.with_query("/changes", **here) if before is not None else "",
        sources=len(data.changesources.by_name),
    )
    topics = ("changes/*/*", "buildrequests/*/*", "builds/*/finished")
    return Page("changes.html", "Changes", view, nav="changes", topics=topics, seq=seq)


async def revision(ask: Ask, prefix: str) -> Page:
    """``/revisions/<prefix>``: every build of a revision."""
    seq = ask.data.bus.seq
    lines, verdicts = await ask.views.revision(prefix)
    if not lines:
        raise NotThere(
            f"No change has a revision that begins with \u201c{prefix}\u201d.",
            [("all changes", "/changes")],
        )
    view = ChangesView(
        change_rows(Farm(ask.data), lines, verdicts), "", "", "", "", title=f"Revision {prefix}"
    )
    return Page(
        "changes.html", view.title, view, nav="changes", topics=("builds/*/finished",), seq=seq
    )


@dataclass(slots=True)
class ChangeView:
    """The page of one change."""

    change: ChangeRow
    properties: list[PropertyRow]


async def change(ask: Ask, changeid: str) -> Page:
    """``/changes/<id>``"""
    data = ask.data
    seq = data.bus.seq
    found = await ask.views.change(int(changeid))
    if found is None:
        raise NotThere(f"There is no change {changeid}.", [("all changes", "/changes")])
    line, verdicts = found
    farm = Farm(data)
    row = change_rows(farm, [line], verdicts, every=True)[0]
    latest = change_rows(farm, [line], verdicts)[0].outcomes
    kind = latest[0].mark.kind if latest else "none"
    properties = {name: (pair[0], pair[1]) for name, pair in line.properties.items()}
    return Page(
        "change.html",
        f"Change {changeid}: {row.subject[:60]}",
        ChangeView(row, property_rows(properties)),
        kind=kind,
        nav="changes",
        topics=("builds/*/finished", "buildrequests/*/*"),
        seq=seq,
    )
