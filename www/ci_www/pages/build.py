"""One build: what came out, why it was run, its steps with their times and logs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci_common.results import RETRY
from ci_www.pages import urls
from ci_www.pages.acts import Act, acts_of
from ci_www.pages.bits import person
from ci_www.pages.buildsteps import TAIL_LINES, StepView, step_views
from ci_www.pages.farm import Farm
from ci_www.pages.lines import BuildRow, build_row
from ci_www.pages.lookup import find_builder
from ci_www.pages.page import Ask, NotThere, Page, Redirect
from ci_www.pages.words import BROKEN, Mark, mark_of

TABS = ("steps", "changes", "properties")


@dataclass(slots=True)
class Source:
    """A source stamp in a sentence."""

    codebase: str
    branch: str
    revision: str
    revlink: str
    change_url: str
    subject: str
    author: str
    repository: str
    patch: str


@dataclass(slots=True)
class PropertyRow:
    """One property."""

    name: str
    value: str
    source: str


@dataclass(slots=True)
class BuildView:
    """The page."""

    id: int
    builder: str
    builderid: int
    segment: str
    builder_url: str
    number: int
    url: str
    mark: Mark
    complete: bool
    text: str
    failing: tuple[str, str, str] | None  # step, why it failed, URL
    sources: list[Source]
    reason: str
    owner: str
    scheduler: str
    worker: str | None
    started_at: int
    complete_at: int | None
    took_s: float
    waited_s: int
    locks_s: int
    usual_s: int | None
    request_url: str
    streak: tuple[str, int, str] | None  # in words, number and URL of its first build
    last_good: tuple[int, str] | None  # number and URL, of a builder that fails
    why_retried: str
    retried_as: BuildRow | None  # the next build of the same request
    retry_of: BuildRow | None
    parent: BuildRow | None
    parent_relationship: str
    rebuilt: BuildRow | None
    children: list[BuildRow]
    older: str
    newer: str
    tab: str
    steps: list[StepView] = field(default_factory=list)
    hidden_steps: list[StepView] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)
    properties: list[PropertyRow] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)


def property_rows(properties: Mapping[str, tuple[Any, str]]) -> list[PropertyRow]:
    """Properties by name; values that are not text as JSON."""
    rows = []
    for name, (value, source) in sorted(properties.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append(PropertyRow(name, text, source))
    return rows


def source_of(stamp: Any) -> Source:
    """A source stamp in a sentence."""
    return Source(
        codebase=stamp.codebase,
        branch=stamp.branch or "",
        revision=stamp.revision or "",
        revlink=urls.web_link(stamp.revlink) or "",
        change_url=urls.change(stamp.changeid) if stamp.changeid else "",
        subject=stamp.subject or "",
        author=person(stamp.author),
        repository=stamp.repository,
        patch=(stamp.patch_comment or f"patch by {stamp.patch_author}") if stamp.patchid else "",
    )


def _streak(farm_builder: Any, line: Any, mark: Mark) -> tuple[str, int, str] | None:
    """How this build stands to those before it, if it is the latest one."""
    latest = farm_builder.latest
    if latest is None or latest["number"] != line.number or farm_builder.streak < 2:
        return None
    since = farm_builder.streak_since
    words = f"{mark.word} {farm_builder.streak} times in a row, since"
    return words, since, urls.build(farm_builder.segment, since)


def _last_good(farm_builder: Any, mark: Mark) -> tuple[int, str] | None:
    number = farm_builder.last_good
    if number is None or mark.kind not in BROKEN:
        return None
    return number, urls.build(farm_builder.segment, number)


def _other_tries(farm: Farm, detail: Any) -> tuple[BuildRow | None, BuildRow | None]:
    """The build that replaced this one, and the one that it replaced."""
    line = detail.build
    after = next((one for one in detail.tries if one.id > line.id), None)
    before = next((one for one in reversed(detail.tries) if one.id < line.id), None)
    return (
        build_row(farm, after) if after is not None and line.results == RETRY else None,
        build_row(farm, before) if before is not None and before.results == RETRY else None,
    )


def build_view(
    farm: Farm,
    builder: Any,
    found: tuple[Any, Mapping[int, list[tuple[str, str]]], list[Any]],
    *,
    now: float,
    tab: str = "steps",
    open_step: int | None = None,
    others: Mapping[int, Any] | None = None,
) -> BuildView:
    """Make the view from what :meth:`ci_master.data.views.Views.build` gave.

    :param builder: the :class:`~ci_www.pages.farm.BuilderNow`.
    :param others: builds by id, for naming the rebuilt one.
    """
    detail, tails, changes = found
    line = detail.build
    complete = line.complete_at is not None
    mark = mark_of(line.results, complete=complete)
    segment = builder.segment
    failing = None
    if line.failing:
        step = line.failing
        failing = (step.name, step.why, urls.step(segment, line.number, step.number))
    row_of = (others or {}).get(line.rebuilt_buildid)
    retried_as, retry_of = _other_tries(farm, detail)
    steps, hidden = step_views(detail, tails, segment, now=now, open_step=open_step)
    return BuildView(
        id=line.id,
        builder=builder.name,
        builderid=builder.id,
        segment=segment,
        builder_url=builder.url,
        number=line.number,
        url=urls.build(segment, line.number),
        mark=mark,
        complete=complete,
        text=line.failure or line.state_string,
        failing=failing,
        sources=[source_of(stamp) for stamp in line.stamps],
        reason=line.reason,
        owner=line.owner or "",
        scheduler=line.scheduler or "",
        worker=farm.worker_name(line.workerid),
        started_at=line.started_at,
        complete_at=line.complete_at,
        took_s=(line.complete_at or now) - line.started_at,
        waited_s=max(0, line.started_at - line.submitted_at),
        locks_s=line.locks_duration_s,
        usual_s=builder.median_s,
        request_url=urls.request(line.requestid),
        streak=_streak(builder, line, mark),
        last_good=_last_good(builder, mark),
        why_retried=line.failure if line.results == RETRY else "",
        retried_as=retried_as,
        retry_of=retry_of,
        parent=build_row(farm, detail.parent) if detail.parent else None,
        parent_relationship=line.parent_relationship or "Triggered by",
        rebuilt=build_row(farm, row_of) if row_of else None,
        children=[build_row(farm, child) for child in detail.children],
        older=urls.build(segment, detail.older) if detail.older is not None else "",
        newer=urls.build(segment, detail.newer) if detail.newer is not None else "",
        tab=tab,
        steps=steps,
        hidden_steps=hidden,
        changes=changes,
        properties=property_rows(detail.properties),
        acts=acts_of(detail.acts),
    )


async def build(
    ask: Ask, name: str, number: str, tab: str = "steps", step: str | None = None
) -> Page:
    """``/builders/<b>/builds/<n>`` and its tabs."""
    data = ask.data
    seq = data.bus.seq
    row = find_builder(data, name)
    farm = Farm(data)
    here = farm.builder(row)
    open_step = int(step) if step is not None else None
    found = await ask.views.build(
        row.id, int(number), tail_lines=TAIL_LINES if tab == "steps" else 0, open_step=open_step
    )
    if found is None:
        raise _no_build(here, int(number))
    rebuilt = found[0].build.rebuilt_buildid
    others = await ask.views.builds_by_id([rebuilt]) if rebuilt else {}
    view = build_view(farm, here, found, now=ask.now, tab=tab, open_step=open_step, others=others)
    mine = f"builds/{view.id}"
    live = (f"{mine}/*", f"{mine}/steps/*/*", f"{mine}/properties/update")
    logs = tuple(
        f"logs/{log.id}/append" for one in view.steps for log in one.logs if not log.complete
    )
    topics = (f"builders/{row.id}/builds/*/new",)
    return Page(
        "build.html",
        f"{here.name} #{view.number} \u2013 {view.mark.word}",
        view,
        kind=view.mark.kind,
        nav="builders",
        topics=topics if view.complete else (*live, *logs, *topics),
        modules=("build.mjs",),
        seq=seq,
    )


def _no_build(builder: Any, number: int) -> NotThere:
    nearest = [(f"builder {builder.name}", builder.url)]
    if builder.latest:
        last = builder.latest["number"]
        nearest.insert(0, (f"its latest build, #{last}", urls.build(builder.segment, last)))
    return NotThere(f"There is no build #{number} of {builder.name}.", nearest)


_ALIASES = {"latest": None, "latest-success": (0, 1), "latest-failure": (2, 4)}


async def build_alias(ask: Ask, name: str, alias: str) -> Redirect:
    """``/builders/<b>/builds/latest``, ``/latest-success``, ``/latest-failure``."""
    row = find_builder(ask.data, name)
    number = await ask.views.latest_number(row.id, _ALIASES[alias])
    if number is None:
        what = alias.replace("-", " ")
        raise NotThere(
            f"{row.name} has no {what} build.",
            [(f"builder {row.name}", urls.builder(urls.builder_segment(row.id, row.name)))],
        )
    return Redirect(urls.build(urls.builder_segment(row.id, row.name), number), 302)


async def build_by_id(ask: Ask, buildid: str) -> Redirect:
    """``/builds/<buildid>``: to the canonical URL."""
    place = await ask.views.place_of_build(int(buildid))
    if place is None:
        raise NotThere(f"There is no build with id {buildid}.", [("all builders", "/builders")])
    return Redirect(urls.build(Farm(ask.data).segment(place[0]), place[1]), 308)
