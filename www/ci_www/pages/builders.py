"""All builders, what they do now and how they have been doing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ci_www.pages import urls
from ci_www.pages.farm import BuilderNow, Farm, worst_kind
from ci_www.pages.page import Ask, Page, Redirect
from ci_www.pages.words import plural

PAGE_SIZE = 100

_STATES = ("failing", "warnings", "success", "none", "other", "running", "waiting")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which builders are wanted."""

    text: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    state: str = ""
    retired: bool = False
    sort: str = ""
    group: str = ""

    @classmethod
    def from_args(cls, args: Mapping[str, list[str]]) -> "Filter":
        """From a query string; what is not understood is left out."""
        tags = [tag for tag in args.get("tag", []) if tag.strip("+-")]

        def first(name: str) -> str:
            return (args.get(name) or [""])[0].strip()

        return cls(
            text=first("q"),
            include=tuple(tag.lstrip("+") for tag in tags if tag[0] != "-"),
            exclude=tuple(tag[1:] for tag in tags if tag[0] == "-"),
            state=first("state") if first("state") in _STATES else "",
            retired=first("retired") == "1",
            sort=first("sort"),
            group=first("group"),
        )

    def url(self, **changed: Any) -> str:
        """The page with some of the filter changed."""
        new = replace(self, **changed)
        return urls.with_query(
            "/builders",
            q=new.text,
            tag=[*new.include, *("-" + tag for tag in new.exclude)],
            state=new.state,
            retired="1" if new.retired else None,
            sort=new.sort,
            group=new.group,
        )

    def cycle(self, tag: str) -> str:
        """Include a tag; exclude it if it is included; let it go if it is excluded."""
        if tag in self.include:
            include = tuple(one for one in self.include if one != tag)
            return self.url(include=include, exclude=(*self.exclude, tag))
        if tag in self.exclude:
            return self.url(exclude=tuple(one for one in self.exclude if one != tag))
        return self.url(include=(*self.include, tag))

    def accepts(self, builder: BuilderNow) -> bool:
        """Whether a builder is wanted."""
        if not builder.active and not self.retired:
            return False
        if self.text and self.text.lower() not in builder.name.lower():
            return False
        tags = set(builder.tags)
        if not tags.issuperset(self.include) or tags.intersection(self.exclude):
            return False
        match self.state:
            case "failing":
                return builder.broken
            case "running":
                return bool(builder.running)
            case "waiting":
                return bool(builder.waiting)
            case "other":
                return builder.without_result
            case "":
                return True
            case kind:
                return builder.mark.kind == kind


_NO_TIME = 0
_SORTS = {
    "": lambda b: b.name.lower(),
    "name": lambda b: b.name.lower(),
    "latest": lambda b: -((b.latest or {}).get("complete_at") or _NO_TIME),
    "median": lambda b: -(b.median_s or -1),
    "ok": lambda b: 101 if b.success_share is None else b.success_share,
    "result": lambda b: ("failure exception warnings success none".find(b.mark.kind), b.name),
}


@dataclass(slots=True)
class BuildersView:
    """The page."""

    filter: Filter
    groups: list[tuple[str, list[BuilderNow]]]
    shown: int
    total: int
    failing: int
    retired: int
    tags: list[tuple[str, int, str, str]]  # tag, how many, "in"/"out"/"", URL that toggles it
    older: str = ""
    newer: str = ""


def builders_view(
    builders: list[BuilderNow],
    wanted: Filter,
    *,
    projects: Mapping[int, str] | None = None,
    start: int = 0,
) -> BuildersView:
    """Make the view."""
    found = [builder for builder in builders if wanted.accepts(builder)]
    found.sort(key=_SORTS.get(wanted.sort, _SORTS[""]))
    page = found[start : start + PAGE_SIZE]
    counts: dict[str, int] = {}
    for builder in builders:
        if builder.active or wanted.retired:
            for tag in builder.tags:
                counts[tag] = counts.get(tag, 0) + 1
    for tag in (*wanted.include, *wanted.exclude):
        counts.setdefault(tag, 0)

    def side(tag: str) -> str:
        return "in" if tag in wanted.include else "out" if tag in wanted.exclude else ""

    tags = [(tag, counts[tag], side(tag), wanted.cycle(tag)) for tag in sorted(counts)]
    base = wanted.url()
    joint = "&" if "?" in base else "?"
    return BuildersView(
        filter=wanted,
        groups=_grouped(page, wanted, projects or {}),
        shown=len(found),
        total=sum(1 for builder in builders if builder.active or wanted.retired),
        failing=sum(1 for builder in found if builder.broken),
        retired=sum(1 for builder in builders if not builder.active),
        tags=tags,
        older=f"{base}{joint}from={start + PAGE_SIZE}" if len(found) > start + PAGE_SIZE else "",
        newer=f"{base}{joint}from={max(0, start - PAGE_SIZE)}" if start else "",
    )


def _grouped(
    page: Iterable[BuilderNow], wanted: Filter, projects: Mapping[int, str]
) -> list[tuple[str, list[BuilderNow]]]:
    by_project = wanted.group == "project" or (not wanted.group and projects)
    if wanted.group == "tag":
        groups: dict[str, list[BuilderNow]] = {}
        for builder in page:
            groups.setdefault(builder.tags[0] if builder.tags else "", []).append(builder)
    elif by_project:
        groups = {}
        for builder in page:
            name = projects.get(builder.projectid, "") if builder.projectid is not None else ""
            groups.setdefault(name, []).append(builder)
    else:
        return [("", list(page))]
    return sorted(groups.items(), key=lambda item: (not item[0], item[0].lower()))


def named_exactly(data: Any, text: str) -> str:
    """The page of the builder or worker with this name; empty if there is none.

    A worker's is meant only where no builder's name contains the text.
    """
    if not text:
        return ""
    row = data.builders.by_name.get(text)
    low = text.lower()
    names = [name for name in data.builders.by_name if low in name.lower()]
    if row is None:
        same = [name for name in names if name.lower() == low]
        row = data.builders.by_name[same[0]] if len(same) == 1 else None
    if row is not None:
        return urls.builder(urls.builder_segment(row.id, row.name))
    workers = [name for name in data.workers.by_name if name.lower() == low]
    return urls.worker(workers[0]) if workers and not names else ""


async def builders(ask: Ask) -> Page | Redirect:
    """``/builders``; a search for exactly a name opens what has it."""
    data = ask.data
    if set(ask.args) == {"q"}:
        exactly = named_exactly(data, ask.arg("q").strip())
        if exactly:
            return Redirect(exactly, 302)
    seq = data.bus.seq
    projects = getattr(data, "projects", None)
    names = {row.id: row.name for row in projects.by_id.values()} if projects else {}
    farm = Farm(data, await data.requests.reasons())
    wanted, start = Filter.from_args(ask.args), ask.number("from") or 0

    def work() -> tuple[list[BuilderNow], BuildersView]:
        found = farm.builders()
        return found, builders_view(found, wanted, projects=names, start=start)

    found, view = await ask.parts.in_thread(work)
    return Page(
        "builders.html",
        f"Builders: {plural(view.failing, 'failing', 'failing')}" if view.failing else "Builders",
        view,
        kind=worst_kind(found),
        nav="builders",
        topics=("builds/*/*", "buildrequests/*/*", "workers/*/*", "builders/*/*"),
        seq=seq,
    )
