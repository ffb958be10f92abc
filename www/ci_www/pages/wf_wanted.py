"""What a reader wants the waterfall to show, as its query string says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci_common.numbers import MOST_32, finite_number, whole_number
from ci_www.pages import times, urls
from ci_www.pages.wf_layout import LEAST_SCALE, MOST_SCALE

DEFAULT_S = 12 * 3600
_LONGEST_S = 14 * 24 * 3600


@dataclass(slots=True)
class Wanted:
    """What is to be shown."""

    start: int
    end: int
    frozen: bool  # whether the end is given, and not now
    tags: list[str] = field(default_factory=list)
    builders: list[str] = field(default_factory=list)
    project: str = ""
    branch: str = ""
    committer: str = ""
    failures: bool = False
    scale: float | None = None  # None: chosen to fit
    fold: bool = True
    steps: str = ""
    empty: bool = True
    col: int = 0

    def url(self, **changed: Any) -> str:
        """The page with some of it changed."""
        values = {name: changed.get(name, getattr(self, name)) for name in self.__slots__}
        keep_range = values["frozen"] or "start" in changed
        span = values["end"] - values["start"]
        return urls.with_query(
            "/waterfall",
            tag=values["tags"],
            builder=values["builders"],
            project=values["project"],
            branch=values["branch"],
            committer=values["committer"],
            failures="1" if values["failures"] else None,
            scale=f"{values['scale']:g}" if values["scale"] else None,
            idle=None if values["fold"] else "show",
            steps=values["steps"],
            empty=None if values["empty"] else "0",
            col=str(values["col"]) if values["col"] else None,
            from_=times.iso(values["start"]) if keep_range
            else None if span == DEFAULT_S else f"-{span // 60}m",
            to=times.iso(values["end"]) if keep_range else None,
        )  # fmt: skip

    def toggle(self, tag: str) -> str:
        """Include a tag; exclude it if it is included; let it go if it is excluded."""
        rest = [one for one in self.tags if one.lstrip("-") != tag]
        if tag in self.tags:
            return self.url(tags=[*rest, f"-{tag}"])
        return self.url(tags=rest if f"-{tag}" in self.tags else [*rest, tag])

    def shifted(self, share: float) -> str:
        """The same span, earlier (below 0) or later."""
        by = int((self.end - self.start) * share)
        return self.url(start=self.start + by, end=self.end + by, frozen=True)

    def before(self, end: float) -> str:
        """The same span, up to a moment."""
        at = int(end)
        return self.url(start=at - (self.end - self.start), end=at, frozen=True)


def wanted_from(args: Mapping[str, list[str]], now: float) -> Wanted:
    """What a query string asks for; also understands the arguments of older waterfalls."""

    def first(*names: str) -> str:
        return next((args[name][0] for name in names if args.get(name)), "")

    to = times.moment(first("to", "last_time"), now) if first("to", "last_time") else None
    end = min(to, int(now)) if to is not None else int(now)
    begin = times.moment(first("from", "first_time"), now) if first("from", "first_time") else None
    start = begin if begin is not None and begin < end else end - DEFAULT_S
    start = max(start, end - _LONGEST_S)
    scale = finite_number(first("scale"))
    scale = None if scale is None else min(MOST_SCALE, max(LEAST_SCALE, scale))
    return Wanted(
        start=start,
        end=end,
        frozen=to is not None and to < now - 5,
        tags=[tag.lstrip("+") for tag in [*args.get("tag", []), *args.get("category", [])] if tag],
        builders=list(args.get("builder", [])),
        project=first("project"),
        branch=first("branch"),
        committer=first("committer"),
        failures=first("failures", "failures_only") in ("1", "true"),
        scale=scale,
        fold=first("idle") != "show",
        steps=first("steps") if first("steps") in ("0", "1") else "",
        empty=first("empty") != "0",
        col=whole_number(first("col"), most=MOST_32) or 0,
    )
