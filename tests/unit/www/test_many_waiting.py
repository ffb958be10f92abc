"""Thousands of waiting requests: what pages and REST lists make of them stays bounded."""

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from ci_master.data.endpoints.reader import Reader
from ci_master.data.model import Buildset, Request, WaitingRequests, WaitReason
from ci_www.pages.builder import SHOWN_WAITING, builder_view
from ci_www.pages.farm import Farm, first_of, in_order
from ci_www.pages.queue import MOST_REASONS, PAGE_SIZE, queue_view
from ci_www.rest.api import Api
from tests.fakes.web import NOW, FakeWeb

MANY = 25_000
BUILDERS = 100


class CountingRequest(Request):
    """Counts how often a resource is made of one."""

    made = 0

    def as_json(self) -> dict[str, Any]:
        CountingRequest.made += 1
        return super().as_json()


@pytest.fixture(scope="module")
def web() -> Any:
    web = FakeWeb()
    data = web.data
    opened = ensureDeferred(web.open())
    assert opened.called
    buildset = Buildset(1, "why", NOW, properties={"owner": ("ann", "Form")})
    for id in range(1, MANY + 1):
        waits = WaitReason("busy", f"worker {id % 1000} is busy")
        request = CountingRequest(
            id, buildset, 1 + id % BUILDERS, id % 3, NOW + id // 100, waits=waits
        )
        data.requests.open[id] = data.requests.waiting[id] = request
    yield web
    web.close()


def ask(web: Any, uri: str) -> list[dict[str, Any]]:
    """The answer of REST; no more resources are made than are asked for, and nothing is read."""
    before, CountingRequest.made = web.store.reads, 0
    request = web.request("GET", uri, headers={"accept": "application/json"})
    Api(web.parts, Reader(web.data)).render(request)
    assert request.status == 200, request.body
    found: list[dict[str, Any]] = json.loads(request.body)["buildrequests"]
    assert CountingRequest.made == len(found)
    assert web.store.reads == before
    return found


def test_a_list_of_requests_makes_no_more_than_it_shows(web: Any) -> None:
    for uri in (
        "buildrequests?claimed=false&limit=200",
        "buildrequests?complete=false&limit=200&property=*",
        "buildrequests?claimed=0&complete=0&order=-priority&order=submitted_at&limit=50",
        "builders/7/buildrequests?claimed=false&order=-buildrequestid",
        "builders/7/buildrequests?complete=false&limit=50&field=buildrequestid&field=complete",
    ):
        assert 0 < len(ask(web, uri)) <= 250, uri
    found = ask(web, "buildrequests?claimed=0&order=-priority&order=buildrequestid&limit=2")
    assert [one["buildrequestid"] for one in found] == [2, 5]
    assert ask(web, "buildrequests?claimed=false&complete=true") == []
    assert ask(web, "buildrequests?claimed=false&claimed_at__gt=1&buildsetid=1&results=-1") == []


def test_pages_show_a_part_and_count_the_rest(web: Any) -> None:
    farm = Farm(web.data)
    waiting = list(web.data.requests.waiting.values())
    view = queue_view(farm, waiting, now=NOW, start=20_000)
    assert (len(view.rows), view.total, view.shown) == (PAGE_SIZE, MANY, MANY)
    assert view.rows[0].position == 20_001
    assert len(view.reasons) == MOST_REASONS
    segment = farm.segment(1)
    view = queue_view(farm, waiting, now=NOW, builder=segment, reason="worker 100 is busy")
    assert (view.shown, len(view.rows)) == (MANY // 1000, MANY // 1000)
    row = web.data.builders.by_id[1]
    first = farm.waiting_of(row.id, SHOWN_WAITING)
    page = builder_view(farm, farm.builder(row), [], [], first, now=NOW)
    assert (len(page.waiting), page.builder.waiting) == (SHOWN_WAITING, MANY // BUILDERS)
    assert page.waiting[0].id == first_of(farm.waiting[1]).id


def test_the_first_is_that_of_the_queue() -> None:
    chance = random.Random(3)
    rows = [
        SimpleNamespace(id=id, priority=chance.randrange(3), submitted_at=chance.randrange(5))
        for id in range(60)
    ]
    chance.shuffle(rows)
    expected = sorted(rows, key=lambda r: (-r.priority, r.submitted_at, r.id))
    assert in_order(rows) == expected
    assert first_of(rows) is expected[0]
    assert first_of([]) is None


def test_waiting_requests_are_known_by_builder() -> None:
    waiting = WaitingRequests()
    requests = [Request(id, Buildset(1, "", 0), id % 2, 0, 0) for id in range(1, 5)]
    for request in requests:
        waiting[request.id] = request
    assert {key: list(of) for key, of in waiting.by_builder.items()} == {1: [1, 3], 0: [2, 4]}
    assert waiting.pop(3) is requests[2]
    assert waiting.pop(3, None) is None
    del waiting[1]
    assert (list(waiting), list(waiting.by_builder)) == ([2, 4], [0])
