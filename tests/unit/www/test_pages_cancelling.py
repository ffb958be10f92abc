"""Cancelling several requests at once: which are meant, and what is told of each."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from ci_common.faults import Refused
from ci_www.pages import cancelling
from ci_www.pages.cancelling import numbers_of, of_spans, spans, told, where_back
from ci_www.pages.page import Ask, Redirect, Viewer


@given(st.lists(st.integers(0, 10**8), max_size=200))
def test_numbers_survive_the_address(numbers: list[int]) -> None:
    assert of_spans(spans(numbers)) == sorted(set(numbers)) or len(numbers) != len(set(numbers))


@pytest.mark.parametrize("text", ["", "x", "1-", "-3", "1.x.2-1", "0-999999999", "9" * 40])
def test_an_address_somebody_made_up_costs_nothing(text: str) -> None:
    assert len(of_spans(text)) <= cancelling.MOST


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("/queue?builder=a&reason=b", "/queue?builder=a&reason=b"),
        ("/buildrequests/7", "/buildrequests/7"),
        ("", "/queue"),
        ("//evil.example", "/queue"),
        ("https://evil.example/queue", "/queue"),
        ("/queue\\evil", "/queue"),
        ("/queue?a=b\r\nSet-Cookie: x", "/queue"),
        ("/workers/w1", "/queue"),
    ],
)
def test_one_goes_back_to_the_queue_or_a_request_only(text: str, back: str) -> None:
    assert where_back(text) == back


def test_only_ids_are_taken_each_once() -> None:
    assert numbers_of(["3", "x", "3", "-1", "9" * 30, "4"]) == [3, 4]


def test_what_became_of_them_is_told() -> None:
    (one, other) = told({"cancelled": ["1-40"], "started": ["50"], "nonsense": ["1"]})
    assert (one.count, len(one.links), one.more) == ("40 requests", 30, 10)
    assert (other.count, other.links) == ("1 request", [(50, "/buildrequests/50")])


class CancelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls: list[Any] = []
        self.may = True
        requests = SimpleNamespace(waiting={1: 0, 2: 0, 5: 0}, open={1: 0, 2: 0, 3: 0, 5: 0})

        async def call(kind: str, key: int, method: str, args: Any) -> None:
            self.calls.append((key, args["reason"], args["owner"]))
            if key == 5:
                raise Refused(409, "meanwhile")
            del requests.waiting[key], requests.open[key]

        data = SimpleNamespace(requests=requests, actions=SimpleNamespace(call=call))
        self.ask = Ask(
            parts=SimpleNamespace(data=data),
            views=None,
            viewer=Viewer(user="ana"),
            now=0,
            path="/queue/cancel",
            demand=self.demand,
        )

    def demand(self, *_what: Any) -> None:
        if not self.may:
            raise Refused(403, "you may not")

    def cancel(self, *ids: int, back: str = "/queue") -> Redirect:
        form = {"request": [str(one) for one in ids], "reason": ["too old"], "back": [back]}
        self.ask.form = form
        return self.successResultOf(ensureDeferred(cancelling.cancel(self.ask)))

    def test_each_is_told_apart_and_the_filter_stays(self) -> None:
        answer = self.cancel(1, 2, 3, 4, 5, back="/queue?builder=b&cancelled=9")
        assert answer.url == "/queue?builder=b&cancelled=1-2&started=3.5&gone=4"
        assert self.calls[0] == (1, "too old", "ana")
        assert [call[0] for call in self.calls] == [1, 2, 5]  # what has begun is left alone

    def test_who_may_not_is_refused(self) -> None:
        self.may = False
        form = {"request": ["1"], "reason": [""], "back": [""]}
        self.ask.form = form
        failure = self.failureResultOf(ensureDeferred(cancelling.cancel(self.ask)), Refused)
        assert failure.value.status == 403 and self.calls == []

    def test_nothing_chosen_is_said(self) -> None:
        self.ask.form = {}
        failure = self.failureResultOf(ensureDeferred(cancelling.cancel(self.ask)), Refused)
        assert "Tick" in failure.value.reason
