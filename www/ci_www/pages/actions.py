"""Buttons: what is posted to the page of a thing is done to that thing."""

from typing import Any

from ci_common.faults import Refused
from ci_www.pages import urls
from ci_www.pages.formdata import first
from ci_www.pages.lookup import find_builder, find_worker
from ci_www.pages.page import Ask, NotThere, Redirect

_LONGEST_REASON = 500


async def act(ask: Ask, kind: str, key: Any, method: str) -> Any:
    """Do it, in the name of who looks.

    :raises Refused: if they may not, or it cannot be done.
    """
    ask.demand(method, kind, key)
    args = {
        "owner": ask.viewer.user or "anonymous",
        "reason": first(ask.form, "reason")[:_LONGEST_REASON],
    }
    return await ask.data.actions.call(kind, key, method, args)


def _wanted(ask: Ask, *methods: str) -> str:
    method = first(ask.form, "action")
    if method not in methods:
        raise Refused(400, f"There is no action \u201c{method}\u201d here.")
    return method


async def build_action(ask: Ask, name: str, number: str) -> Redirect:
    """Stop or rebuild."""
    row = find_builder(ask.data, name)
    method = _wanted(ask, "stop", "rebuild")
    line = await ask.views.build_line(row.id, int(number))
    if line is None:
        raise NotThere(f"There is no build #{number} of {row.name}.")
    result = await act(ask, "builds", line.id, method)
    if method == "rebuild" and result and result[1]:
        return Redirect(urls.request_or_build(next(iter(result[1].values()))))
    return Redirect(urls.build(urls.builder_segment(row.id, row.name), int(number)))


async def request_action(ask: Ask, requestid: str) -> Redirect:
    """Cancel."""
    method = _wanted(ask, "cancel")
    await act(ask, "buildrequests", int(requestid), method)
    return Redirect(urls.request(int(requestid)))


async def worker_action(ask: Ask, name: str) -> Redirect:
    """Pause, resume, shut down."""
    row = find_worker(ask.data, name)
    method = _wanted(ask, "pause", "unpause", "stop", "kill")
    await act(ask, "workers", row.id, method)
    return Redirect(urls.worker(row.name))
