"""One builder: its state, what waits, and the table of its builds."""

from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls
from ci_www.pages.farm import BuilderNow, Farm
from ci_www.pages.lines import BuildRow, build_row
from ci_www.pages.lookup import find_builder
from ci_www.pages.page import Ask, Page
from ci_www.pages.plot import Plot, duration_plot
from ci_www.pages.waits import WaitingRow, waiting_row
from ci_www.pages.words import kind_of

#: So many waiting requests are shown; the queue's page has the others.
SHOWN_WAITING = 10
PAGE_SIZE = 50
_RESULTS = ("success", "warnings", "failure", "skipped", "exception", "retry", "cancelled")


@dataclass(slots=True)
class BuilderView:
    """The page."""

    builder: BuilderNow
    rows: list[BuildRow]
    waiting: list[WaitingRow]
    plot: Plot | None
    forces: list[tuple[str, str]]  # label of the button, URL
    filters: list[tuple[str, str]]  # what is filtered, URL without it
    branch: str
    result: str
    older: str
    newest: str
    description: Any
    faults: list[str]  # what is wrong with functions of the configuration
    last: str = ""


def builder_view(
    farm: Farm,
    builder: BuilderNow,
    lines: list[Any],
    durations: list[tuple[int, int, int]],
    waiting: list[Any],
    *,
    now: float,
    forces: list[tuple[str, str]] | None = None,
    branch: str = "",
    result: str = "",
    worker: str = "",
    before: int | None = None,
) -> BuilderView:
    """Make the view."""
    given = {"branch": branch, "result": result, "worker": worker}

    def here(**changed: str) -> str:
        return urls.with_query(builder.url, **{**given, **changed})

    filters = [(f"{name} {value}", here(**{name: ""})) for name, value in given.items() if value]
    rows = [build_row(farm, line, usual_s=builder.median_s) for line in lines]
    return BuilderView(
        builder=builder,
        rows=rows,
        waiting=[waiting_row(farm, request, now=now) for request in waiting],
        plot=duration_plot(durations, builder.segment, builder.median_s),
        forces=forces or [],
        filters=filters,
        branch=branch,
        result=result,
        older=here(before=str(lines[-1].number)) if len(lines) == PAGE_SIZE else "",
        newest=here() if before is not None else "",
        description=None,
        faults=[one.text for one in farm.reasons.faults if one.builderid in (None, builder.id)],
    )


def _label(scheduler: Any) -> str:
    """What the author called the button; its usual word if nobody has named it."""
    given = str(scheduler.buttonName or scheduler.label or scheduler.name)
    if given != scheduler.name:
        return given
    return "Force build" if given.lower() == "force" else f"Force build: {given}"


def force_buttons(parts: Any, builder_name: str) -> list[tuple[str, str]]:
    """The force schedulers that may build it: label of the button, URL of the form."""
    return [
        (_label(one), urls.force(one.name, builder_name))
        for one in parts.force_schedulers()
        if builder_name in one.builderNames
    ]


async def builder(ask: Ask, name: str) -> Page:
    """``/builders/<b>``"""
    data = ask.data
    seq = data.bus.seq
    row = find_builder(data, name)
    farm = Farm(data, await data.requests.reasons([row.id]))
    here = farm.builder(row)
    result, branch, worker = ask.arg("result"), ask.arg("branch"), ask.arg("worker")
    worker_row = data.workers.by_name.get(worker)
    lines, durations, _running = await ask.views.builder(
        row.id,
        before=ask.number("before"),
        limit=PAGE_SIZE,
        results=_RESULTS.index(result) if result in _RESULTS else None,
        branch=branch or None,
        workerid=worker_row.id if worker_row else None,
    )
    view = builder_view(
        farm,
        here,
        lines,
        durations,
        farm.waiting_of(row.id, SHOWN_WAITING),
        now=ask.now,
        forces=force_buttons(ask.parts, row.name),
        branch=branch,
        result=result if result in _RESULTS else "",
        worker=worker if worker_row else "",
        before=ask.number("before"),
    )
    word = here.mark.word if here.latest else "never built"
    return Page(
        "builder.html",
        f"{row.name} \u2013 {word}",
        view,
        kind=kind_of(here.latest["results"]) if here.latest else "none",
        nav="builders",
        topics=(
            f"builders/{row.id}/builds/*/*",
            f"builders/{row.id}/buildrequests/*/*",
            f"builders/{row.id}/waits",
            "workers/*/*",
        ),
        seq=seq,
    )
