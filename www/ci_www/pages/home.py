"""Home: is anything broken, what runs, what waits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls
from ci_www.pages.farm import BuilderNow, Farm, RunningNow, worst_kind
from ci_www.pages.page import Ask, Page
from ci_www.pages.waits import wait_counts
from ci_www.pages.words import Mark, mark_of, plural


@dataclass(slots=True)
class Trouble:
    """One row of what needs attention."""

    mark: Mark
    name: str
    url: str
    what: str
    number: int | None = None
    build_url: str = ""
    streak: int = 0
    since: int | None = None  # number of the first bad build
    since_url: str = ""
    at: int | None = None


@dataclass(slots=True)
class Finished:
    """One row of what has just ended."""

    mark: Mark
    builder: str
    number: int
    url: str
    text: str
    branch: str
    revision: str
    subject: str
    took_s: int
    at: int


@dataclass(slots=True)
class HomeView:
    """The page."""

    counts: list[tuple[str, str, str, str]]  # kind, number, words, url
    trouble: list[Trouble]
    running: list[RunningNow]
    recent: list[Finished]
    all_builders: int
    has_built: bool  # whether any of them has
    calm: str  # what is said where nothing needs attention
    waiting: int
    waits: list[tuple[str, int]]  # reason, how many


def troubles(builders: Iterable[BuilderNow], workers: Iterable[Any]) -> list[Trouble]:
    """Failing builders, the newest break first, then workers that do not work."""
    found = []
    for builder in builders:
        if not builder.broken or not builder.active or builder.latest is None:
            continue
        latest = builder.latest
        found.append(
            Trouble(
                mark=builder.mark,
                name=builder.name,
                url=builder.url,
                what=latest.get("failure") or latest["state_string"],
                number=latest["number"],
                build_url=urls.build(builder.segment, latest["number"]),
                streak=builder.streak,
                since=builder.streak_since,
                since_url=urls.build(builder.segment, builder.streak_since or latest["number"]),
                at=latest["complete_at"],
            )
        )
    found.sort(key=lambda row: (-(row.since == row.number), -(row.at or 0)))
    for worker in sorted(workers, key=lambda row: row.name):
        if not worker.configured_on:
            continue
        url = urls.worker(worker.name)
        if worker.paused:
            reason = f": \u201c{worker.pause_reason}\u201d" if worker.pause_reason else ""
            found.append(Trouble(Mark("paused", "paused"), worker.name, url, f"paused{reason}"))
        elif not worker.connected:
            at = worker.last_seen_at
            what = "worker is offline" if at else "worker has never connected"
            found.append(Trouble(Mark("offline", "offline"), worker.name, url, what, at=at))
    return found


def broken_functions(farm: Farm) -> list[Trouble]:
    """What is wrong with functions of the configuration that choose what is built."""
    found = []
    for fault in farm.reasons.faults:
        of_all = fault.builderid is None
        name = fault.what if of_all else farm.builder_name(fault.builderid)
        url = "/queue" if of_all else urls.builder(farm.segment(fault.builderid))
        mark = Mark("exception", "configuration")
        found.append(Trouble(mark, name, url, fault.text, at=int(fault.since)))
    return found


def home_view(
    farm: Farm, builders: list[BuilderNow], workers: list[Any], waiting: list[Any], recent: Any
) -> HomeView:
    """Make the view."""
    active = [builder for builder in builders if builder.active]
    kinds = [builder.mark.kind for builder in active]
    failing = sum(1 for builder in active if builder.broken)
    configured = [worker for worker in workers if worker.configured_on]
    online = sum(1 for worker in configured if worker.connected and not worker.paused)
    running = farm.running()
    other = sum(1 for builder in active if builder.without_result)
    counts = [
        ("failure" if failing else "none", str(failing), "failing", "/builders?state=failing"),
        ("warnings", str(kinds.count("warnings")), "warnings", "/builders?state=warnings"),
        ("success", str(kinds.count("success")), "ok", "/builders?state=success"),
        ("none", str(kinds.count("none")), "never built", "/builders?state=none"),
        *([("retry", str(other), "without a result", "/builders?state=other")] if other else []),
        ("running", str(len(running)), "running", "#running"),
        ("waiting", str(len(waiting)), "waiting", "/queue"),
        ("offline", f"{online}/{len(configured)}", "workers", "/workers"),
    ]
    return HomeView(
        counts=counts,
        trouble=[*broken_functions(farm), *troubles(active, workers)],
        running=running,
        recent=[_finished(farm, line) for line in recent],
        all_builders=len(active),
        has_built=kinds.count("none") < len(kinds),
        calm=calm(kinds, len(configured)),
        waiting=len(waiting),
        waits=wait_counts(farm, waiting)[:4],
    )


def calm(kinds: Sequence[str], workers: int) -> str:
    """What is said where no builder fails and no worker is missing.

    :param kinds: of the mark of each builder: that of its latest result.
    :param workers: how many are configured.
    """
    total = len(kinds)
    green, warned, never = (kinds.count(kind) for kind in ("success", "warnings", "none"))
    without = total - green - warned - never
    if never == total:
        builders = "Nothing has been built yet"
    elif green == total:
        builders = "The builder is green" if total == 1 else f"All {total} builders are green"
    else:
        counts = (
            (green, "green"),
            (warned, "with warnings"),
            (without, "without a result"),
            (never, "never built"),
        )
        told = ", ".join(f"{number} {words}" for number, words in counts if number)
        builders = f"No builder fails: {told}"
    return f"{builders}. {'Every worker works.' if workers else 'No worker is configured.'}"


def _finished(farm: Farm, line: Any) -> Finished:
    stamp = line.stamps[0] if line.stamps else None
    return Finished(
        mark=mark_of(line.results),
        builder=farm.builder_name(line.builderid),
        number=line.number,
        url=urls.build(farm.segment(line.builderid), line.number),
        text=line.failure or line.state_string,
        branch=(stamp.branch if stamp else None) or "",
        revision=(stamp.revision if stamp else None) or "",
        subject=(stamp.subject if stamp else None) or line.reason,
        took_s=(line.complete_at or line.started_at) - line.started_at,
        at=line.complete_at or line.started_at,
    )


def _title(failing: int, view: HomeView) -> str:
    if failing:
        return plural(failing, "builder failing", "builders failing")
    return "all is well" if view.has_built else "nothing built yet"


async def home(ask: Ask) -> Page:
    """``/``"""
    data = ask.data
    seq = data.bus.seq
    recent = await ask.views.recent_builds(16)
    farm = Farm(data, await data.requests.reasons())
    workers, waiting = list(data.workers.by_id.values()), list(data.requests.waiting.values())

    def work() -> tuple[list[BuilderNow], HomeView]:
        builders = farm.builders()
        return builders, home_view(farm, builders, workers, waiting, recent)

    builders, view = await ask.parts.in_thread(work)
    failing = sum(1 for builder in builders if builder.active and builder.broken)
    return Page(
        "home.html",
        _title(failing, view),
        view,
        kind=worst_kind(builders),
        nav="home",
        topics=("builds/*/*", "buildrequests/*/*", "workers/*/*", "builders/*/*", "faults/changed"),
        seq=seq,
    )
