"""Cancelling requests from the queue: asked with a reason, and told for each what became of it."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

from ci_common.faults import Refused
from ci_common.numbers import MOST_32, whole_number
from ci_www.pages import urls
from ci_www.pages.actions import act
from ci_www.pages.farm import Farm, in_order
from ci_www.pages.formdata import first
from ci_www.pages.page import Ask, Page, Redirect
from ci_www.pages.waits import WaitingRow, waiting_row, why_of
from ci_www.pages.words import plural

#: So many are cancelled by one form at most.
MOST = 2000
#: So many are asked for at once; between such portions others have their turn.
_AT_ONCE = 20
#: So many are named.
_NAMED = 30

#: What may become of a request: name in the URL -> what is said.
OUTCOMES = {
    "cancelled": ("cancelled", "success"),
    "started": ("not cancelled: a build of it runs already", "running"),
    "gone": ("not cancelled: it had ended before", "skipped"),
    "refused": ("not cancelled: you may not do that", "failure"),
}

_BACK = re.compile(r"/queue(?:\?[^#\\\s]*)?|/buildrequests/[0-9]{1,9}")


def numbers_of(values: Iterable[str]) -> list[int]:
    """Ids of requests, each once; what is none is left out."""
    found = (whole_number(value, most=MOST_32) for value in values)
    return list(dict.fromkeys(number for number in found if number is not None))[:MOST]


def spans(numbers: Iterable[int]) -> str:
    """Numbers as ``1-3.7``, short enough for an address."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ".".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def of_spans(text: str) -> list[int]:
    """The numbers of :func:`spans`; nothing of what is not understood."""
    found: list[int] = []
    for part in text.split("."):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        if match:
            begin = int(match[1])
            found += range(begin, min(int(match[2] or begin), begin + MOST) + 1)
        if len(found) > MOST:
            break
    return found[:MOST]


def where_back(text: str) -> str:
    """Where to go afterwards: the queue, or the page of a request."""
    return text if _BACK.fullmatch(text) else "/queue"


@dataclass(slots=True)
class CancelView:
    """The question whether to cancel."""

    rows: list[WaitingRow]
    more: int  # waiting requests that are meant and not shown
    ids: list[int]  # all that are meant and wait
    others: list[tuple[int, str, str]]  # id, URL, why it cannot be cancelled
    back: str


async def question(ask: Ask) -> Page:
    """``/queue/cancel?request=1&request=2`` or ``?all=1&builder=&reason=``"""
    data = ask.data
    farm = Farm(data, await data.requests.reasons())
    if ask.arg("all"):
        ids = _matching(farm, data, ask.arg("builder"), ask.arg("reason"))
    else:
        ids = numbers_of(ask.args.get("request") or [])
    waiting = [data.requests.waiting[one] for one in ids if one in data.requests.waiting]
    others = [
        (one, urls.request(one), OUTCOMES["started" if one in data.requests.open else "gone"][0])
        for one in ids
        if one not in data.requests.waiting
    ]
    shown = waiting[:_NAMED]
    view = CancelView(
        rows=[waiting_row(farm, request, now=ask.now) for request in shown],
        more=len(waiting) - len(shown),
        ids=[request.id for request in waiting],
        others=others[:_NAMED],
        back=where_back(ask.arg("back")),
    )
    title = f"Cancel {plural(len(waiting), 'request')}"
    return Page("cancel.html", title, view, kind="waiting", nav="queue", seq=data.bus.seq)


def _matching(farm: Farm, data: Any, builder: str, reason: str) -> list[int]:
    """What the page of the queue shows with these filters, on all of its pages."""
    return [
        request.id
        for request in in_order(list(data.requests.waiting.values()))
        if (not builder or farm.segment(request.builderid) == builder)
        and (not reason or why_of(farm, request) == reason)
    ][:MOST]


async def cancel(ask: Ask) -> Redirect:
    """Cancel what waits; what has begun or ended meanwhile is left alone, and told."""
    ids = numbers_of(ask.form.get("request") or [])
    if not ids:
        raise Refused(400, "No request is chosen. Tick those that are to be cancelled.")
    outcomes: dict[str, list[int]] = {}

    async def one(number: int) -> None:
        outcomes.setdefault(await _cancel_one(ask, number), []).append(number)

    await in_portions(ids, one, _AT_ONCE)
    if set(outcomes) == {"refused"}:
        ask.demand("cancel", "buildrequests", ids[0])
    back = where_back(first(ask.form, "back"))
    if back.startswith("/buildrequests/"):
        return Redirect(back)
    path, _, query = back.partition("?")
    kept = [part for part in query.split("&") if part and part.split("=")[0] not in OUTCOMES]
    told = [f"{name}={spans(numbers)}" for name, numbers in outcomes.items()]
    return Redirect(f"{path}?{'&'.join(kept + told)}")


async def _cancel_one(ask: Ask, number: int) -> str:
    requests = ask.data.requests
    if number not in requests.waiting:
        return "started" if number in requests.open else "gone"
    try:
        await act(ask, "buildrequests", number, "cancel")
    except Refused as refused:
        if refused.status == 403:
            return "refused"
        if refused.status in (404, 409):  # meanwhile
            return "started" if number in requests.open else "gone"
        raise
    return "cancelled"


async def in_portions(
    things: Sequence[int], work: Callable[[int], Awaitable[None]], portion: int
) -> None:
    """Do something with all of them, some at once."""
    for begin in range(0, len(things), portion):
        started: list[Deferred[None]] = [
            ensureDeferred(work(thing))  # type: ignore[arg-type]  # a coroutine
            for thing in things[begin : begin + portion]
        ]
        await gatherResults(started, consumeErrors=True)


@dataclass(slots=True)
class Told:
    """What became of some requests, in a sentence."""

    kind: str
    count: str  # "3 requests"
    what: str
    links: list[tuple[int, str]]
    more: int


def told(args: Any) -> list[Told]:
    """What the address of a page says became of requests."""
    found = []
    for name, (what, kind) in OUTCOMES.items():
        numbers = of_spans((args.get(name) or [""])[0])
        if numbers:
            links = [(number, urls.request(number)) for number in numbers[:_NAMED]]
            count = plural(len(numbers), "request")
            found.append(Told(kind, count, what, links, len(numbers) - len(links)))
    return found
