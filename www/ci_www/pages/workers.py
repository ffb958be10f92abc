"""Workers: who is there, what they do, and what people have said of them."""

from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls
from ci_www.pages.farm import Farm, RunningNow, worker_state
from ci_www.pages.lines import BuildRow, build_row
from ci_www.pages.lookup import find_worker
from ci_www.pages.page import Ask, Page
from ci_www.pages.words import Kind, Mark

_ORDER = {"running": 0, "success": 1, "paused": 2, "offline": 3, "quarantined": 2}

_MOMENTS: dict[str, tuple[Kind, str]] = {
    "connected": ("success", "connected"),
    "disconnected": ("offline", "connection ended"),
    "paused": ("paused", "paused"),
    "unpaused": ("success", "resumed"),
    "graceful": ("paused", "asked to shut down when idle"),
    "ungraceful": ("success", "shutdown called off"),
    "killed": ("offline", "told to end at once"),
    "quarantined": ("quarantined", "put into quarantine"),
    "released": ("success", "let out of quarantine"),
}


@dataclass(slots=True)
class WorkerLine:
    """One worker."""

    id: int
    name: str
    url: str
    mark: Mark
    reason: str
    running: list[RunningNow]
    builders: list[tuple[str, str]]  # name, URL
    version: str
    host: str
    admin: str
    last_seen_at: int | None
    connected: bool
    configured: bool
    paused: bool
    graceful: bool


def worker_line(farm: Farm, row: Any) -> WorkerLine:
    """Make the line of one worker."""
    busy = farm.busy.get(row.id, [])
    builders = sorted(
        {builderid for builderid, _m in row.configured_on}, key=lambda one: farm.builder_name(one)
    )
    return WorkerLine(
        id=row.id,
        name=row.name,
        url=urls.worker(row.name),
        mark=worker_state(row, len(busy)),
        reason=(row.pause_reason or "") if row.paused else "",
        running=[farm.running_build(build) for build in busy],
        builders=[(farm.builder_name(b), urls.builder(farm.segment(b))) for b in builders],
        version=str(row.info.get("version") or ""),
        host=str(row.info.get("host") or "").strip(),
        admin=str(row.info.get("admin") or "").strip(),
        last_seen_at=row.last_seen_at,
        connected=row.connected,
        configured=bool(row.configured_on),
        paused=row.paused,
        graceful=row.graceful,
    )


@dataclass(slots=True)
class WorkersView:
    """The page of all workers."""

    rows: list[WorkerLine]
    states: list[tuple[str, int, str, bool]]  # state, how many, URL, chosen
    total: int
    retired: int


def workers_view(farm: Farm, rows: list[Any], *, state: str = "") -> WorkersView:
    """Make the view. Workers that are no longer configured are not shown, only counted."""
    lines = [worker_line(farm, row) for row in rows]
    configured = [line for line in lines if line.configured or line.connected]
    words = ("busy", "idle", "paused", "shutting down", "offline")
    counts = {word: sum(1 for line in configured if line.mark.word == word) for word in words}
    shown = [line for line in configured if not state or line.mark.word == state]
    shown.sort(key=lambda line: (_ORDER.get(line.mark.kind, 9), line.name))
    states = [("all", len(configured), "/workers", not state)]
    states += [
        (word, count, urls.with_query("/workers", state=word), state == word)
        for word, count in counts.items()
        if count or state == word
    ]
    return WorkersView(shown, states, len(configured), len(lines) - len(configured))


async def workers(ask: Ask) -> Page:
    """``/workers``"""
    data = ask.data
    seq = data.bus.seq
    farm, rows = Farm(data), list(data.workers.by_id.values())
    view = await ask.parts.in_thread(lambda: workers_view(farm, rows, state=ask.arg("state")))
    wrong = sum(count for word, count, _u, _c in view.states if word in ("paused", "offline"))
    return Page(
        "workers.html",
        "Workers",
        view,
        kind="offline" if wrong else "success",
        nav="workers",
        topics=("workers/*/*", "builds/*/*"),
        seq=seq,
    )


@dataclass(slots=True)
class WorkerMomentRow:
    """One thing that happened to a worker."""

    mark: Mark
    at: int
    reason: str


@dataclass(slots=True)
class WorkerView:
    """The page of one worker."""

    worker: WorkerLine
    moments: list[WorkerMomentRow]
    builds: list[BuildRow]


def worker_view(farm: Farm, row: Any, lines: list[Any], moments: list[Any]) -> WorkerView:
    """Make the view."""
    rows = []
    for moment in moments:
        kind, word = _MOMENTS.get(moment.kind, ("none", moment.kind))
        rows.append(WorkerMomentRow(Mark(kind, word), moment.at, moment.reason or ""))
    return WorkerView(worker_line(farm, row), rows, [build_row(farm, line) for line in lines])


async def worker(ask: Ask, name: str) -> Page:
    """``/workers/<name>``"""
    data = ask.data
    seq = data.bus.seq
    row = find_worker(data, name)
    lines, moments = await ask.views.worker(row.id)
    view = worker_view(Farm(data), row, lines, moments)
    return Page(
        "worker.html",
        f"{row.name} \u2013 {view.worker.mark.word}",
        view,
        kind=view.worker.mark.kind,
        nav="workers",
        topics=(f"workers/{row.id}/*", f"workers/{row.id}/builds/*/*"),
        seq=seq,
    )
