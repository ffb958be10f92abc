"""Which URL is which page."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from ci_www.pages import (
    actions,
    build,
    builder,
    builders,
    cancelling,
    changes,
    force,
    home,
    log,
    queue,
    settings,
    waterfall,
    workers,
)
from ci_www.pages.formdata import read_form
from ci_www.pages.page import PageFunction

_NUMBER = "[0-9]{1,9}"
_PLACEHOLDERS = {"n": _NUMBER, "id": _NUMBER}


class Route:
    """A path with placeholders, as ``/builders/<name>/builds/<number:n>``."""

    def __init__(self, path: str, page: PageFunction, **fixed: str) -> None:
        self.path = path
        self.page = page
        self.fixed = fixed
        pattern = re.sub(
            r"<(\w+)(?::(\w+))?>",
            lambda m: f"(?P<{m[1]}>{_PLACEHOLDERS.get(m[2] or '', '[^/]+')})",
            path,
        )
        self._pattern = re.compile(pattern)

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the placeholders, if the path (still quoted) is of this route."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items()} | self.fixed


_BUILD = "/builders/<name>/builds/<number:n>"
_LOG = f"{_BUILD}/steps/<step>/logs/<slug>"

GET = [
    Route("/", home.home),
    Route("/builders", builders.builders),
    Route("/builders/<name>", builder.builder),
    Route(_BUILD, build.build),
    Route(f"{_BUILD}/changes", build.build, tab="changes"),
    Route(f"{_BUILD}/properties", build.build, tab="properties"),
    Route(f"{_BUILD}/steps/<step:n>", build.build),
    *(
        Route(f"/builders/<name>/builds/{alias}", build.build_alias, alias=alias)
        for alias in ("latest", "latest-success", "latest-failure")
    ),
    Route("/builds/<buildid:id>", build.build_by_id),
    Route("/waterfall", waterfall.waterfall),
    Route("/queue", queue.queue),
    Route("/queue/cancel", cancelling.question),
    Route("/pendingbuildrequests", queue.queue),
    Route("/buildrequests/<requestid:id>", queue.request),
    Route("/buildsets/<bsid:id>", queue.buildset),
    Route("/workers", workers.workers),
    Route("/workers/<name>", workers.worker),
    Route("/changes", changes.changes),
    Route("/changes/<changeid:id>", changes.change),
    Route("/revisions/<prefix>", changes.revision),
    Route("/force/<name>", force.form),
    Route("/settings", settings.settings),
    Route("/about", settings.about),
    Route(_LOG, log.log),
    Route(f"{_LOG}/lines", log.log_lines),
    Route(f"{_LOG}/search", log.log_search),
    Route(f"{_LOG}/errors", log.log_errors),
    Route(f"{_LOG}/raw", log.log_text, how="raw"),
    Route(f"{_LOG}/download", log.log_text, how="download"),
]

POST = [
    Route(_BUILD, actions.build_action),
    Route("/queue/cancel", cancelling.cancel),
    Route("/buildrequests/<requestid:id>", actions.request_action),
    Route("/workers/<name>", actions.worker_action),
    Route("/force/<name>", force.submit),
    Route("/settings", settings.save),
]


def find(routes: list[Route], path: str) -> Iterator[tuple[Route, dict[str, str]]]:
    """The routes that a path is of."""
    for route in routes:
        values = route.match(path)
        if values is not None:
            yield route, values


__all__ = ["GET", "POST", "Route", "find", "read_form"]
