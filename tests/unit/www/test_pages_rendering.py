"""Whole pages from made-up registries: hostile names, empty farms, regions, lists of builders."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ci_master.data.model import (
    Builder,
    BuilderSummary,
    BuildRow,
    Buildset,
    Request,
    WaitingRequests,
    WaitReason,
    WorkerRow,
)
from ci_www.pages.assets import Assets
from ci_www.pages.builders import Filter, builders_view
from ci_www.pages.farm import Farm
from ci_www.pages.home import home_view
from ci_www.pages.missing import Problem, problem_page
from ci_www.pages.page import Page, Viewer
from ci_www.pages.queue import queue_view
from ci_www.pages.render import Renderer
from ci_www.pages.shell import Shell, make_shell
from ci_www.pages.site import STATIC
from ci_www.pages.workers import workers_view

NOW = 1_763_640_000
EVIL = "<img src=x onerror=alert(1)>\"'&"
SHELL = Shell("CI", "/", 0, 0, 0)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(Assets(STATIC))


def waiting_requests(*requests: Request) -> WaitingRequests:
    found = WaitingRequests()
    for request in requests:
        found[request.id] = request
    return found


def registries(name: str = "linux", *, failed: bool = False) -> Any:
    """One builder with a finished, a running and a waiting build, on one worker."""
    latest = {
        "number": 3,
        "results": 2 if failed else 0,
        "complete_at": NOW - 60,
        "state_string": name,
    }
    summary = BuilderSummary(
        latest=latest,
        recent=[(3, 2 if failed else 0), (2, 0)],
        streak_results=latest["results"],
        streak_length=1,
        streak_since_number=3,
        durations=[60],
    )
    builder = Builder(1, name, description=name, tags=[name], masterids=[1], summary=summary)
    worker = WorkerRow(1, name, configured_on=[(1, 1)], connected_to=[1], info={"host": name})
    buildset = Buildset(
        1,
        name,
        NOW - 100,
        properties={"owner": (name, "x")},
        sourcestamps=[{"branch": name, "revision": name}],
    )
    waiting = Request(1, buildset, 1, 0, NOW - 100, waits=WaitReason("busy", name, ((name, EVIL),)))
    running = BuildRow(9, 4, 1, Request(2, buildset, 1, 0, NOW - 100), 1, 1, NOW - 30)
    running.state_string = name
    by = SimpleNamespace
    return by(
        builders=by(by_id={1: builder}, by_name={name: builder}),
        workers=by(by_id={1: worker}, by_name={name: worker}),
        builds=by(running={9: running}),
        requests=by(waiting=waiting_requests(waiting)),
    )


def pages(data: Any) -> dict[str, Page]:
    """The pages that need no history."""
    farm = Farm(data)
    builders = farm.builders()
    workers = list(data.workers.by_id.values())
    waiting = list(data.requests.waiting.values())
    return {
        "home": Page("home.html", "x", home_view(farm, builders, workers, waiting, [])),
        "builders": Page("builders.html", "x", builders_view(builders, Filter(text=""))),
        "queue": Page("queue.html", "x", queue_view(farm, waiting, now=NOW)),
        "workers": Page("workers.html", "x", workers_view(farm, workers)),
        "problem": problem_page(Problem(404, EVIL, [(EVIL, "/builders")])),
    }


@pytest.mark.parametrize("name", ["home", "builders", "queue", "workers", "problem"])
def test_hostile_names_stay_text(renderer: Renderer, name: str) -> None:
    page = pages(registries(EVIL, failed=True))[name]
    html = renderer.page(page, SHELL, Viewer(user=EVIL), NOW).decode()
    assert "<img" not in html
    assert re.search(r"href=\"[^\"]*javascript:", html) is None
    assert "&lt;img" in html


@pytest.mark.parametrize("name", ["home", "builders", "queue", "workers", "problem"])
def test_pages_hold_no_inline_script_or_style(renderer: Renderer, name: str) -> None:
    html = renderer.page(pages(registries())[name], SHELL, Viewer(), NOW).decode()
    assert re.search(r"<[^>]*\s(?:style|on\w+)=|<style|<script(?![^>]*\ssrc=)", html) is None
    assert html.count("<h1") == 1 and "<title>" in html


def test_half_a_surrogate_pair_does_not_stop_a_page(renderer: Renderer) -> None:
    page, shell = pages(registries())["home"], replace(SHELL, title="a\udcffb")
    assert b"a?b" in renderer.page(page, shell, Viewer(), NOW)
    assert renderer.regions(page, shell, Viewer(), NOW, ["nav", "running"])


def test_a_region_is_the_same_html_as_in_the_page(renderer: Renderer) -> None:
    page = pages(registries())["home"]
    whole = renderer.page(page, SHELL, Viewer(), NOW)
    part = renderer.regions(page, SHELL, Viewer(), NOW, ["running", "trouble"])
    assert part is not None
    assert part.split(b"</section>")[0].strip() in whole
    assert renderer.regions(page, SHELL, Viewer(), NOW, ["no-such"]) is None
    assert b"data-region" in (renderer.regions(page, SHELL, Viewer(), NOW, ["nav"]) or b"")


def test_an_empty_farm_says_what_to_do_next(renderer: Renderer) -> None:
    by = SimpleNamespace
    none = by(by_id={}, by_name={})
    data = by(
        builders=none, workers=none, builds=by(running={}), requests=by(waiting=waiting_requests())
    )
    texts = {"home": "tutorial", "builders": "tutorial", "queue": "Nothing waits"}
    for name, text in texts.items():
        assert text in renderer.page(pages(data)[name], SHELL, Viewer(), NOW).decode()
    assert "create-worker" in renderer.page(pages(data)["workers"], SHELL, Viewer(), NOW).decode()


def test_the_bar_counts_what_waits_and_what_is_wrong() -> None:
    data = registries(failed=True)
    data.workers.by_id[1].paused = True
    shell = make_shell(data, SimpleNamespace(title="T", titleURL="/"))
    assert (shell.waiting, shell.workers_wrong, shell.failing) == (1, 1, 1)


def test_a_builder_tells_what_it_does_now() -> None:
    one = Farm(registries("linux", failed=True)).builders()[0]
    assert (one.broken, one.waiting, one.online, one.success_share) == (True, 1, 1, 50)
    assert (one.running[0].number, one.running[0].usual_s) == (4, 60)
    assert one.workers[0].word == "busy"


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        ({}, 1),
        ({"q": ["LIN"]}, 1),
        ({"q": ["mac"]}, 0),
        ({"tag": ["linux"]}, 1),
        ({"tag": ["-linux"]}, 0),
        ({"tag": ["linux", "slow"]}, 0),
        ({"state": ["failing"]}, 0),
        ({"state": ["running"]}, 1),
        ({"state": ["waiting"]}, 1),
        ({"state": ["nonsense"]}, 1),
    ],
)
def test_builders_are_filtered(args: dict[str, list[str]], shown: int) -> None:
    builders = Farm(registries()).builders()
    assert builders_view(builders, Filter.from_args(args)).shown == shown


def test_a_retired_builder_is_hidden_but_counted() -> None:
    data = registries()
    data.builders.by_id[1].masterids = []
    view = builders_view(Farm(data).builders(), Filter())
    assert (view.shown, view.retired) == (0, 1)
    assert builders_view(Farm(data).builders(), Filter(retired=True)).shown == 1
