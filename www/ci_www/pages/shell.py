"""What surrounds every page: the title of the site and the counts in the bar."""

from dataclasses import dataclass
from typing import Any

from ci_www.pages import urls


@dataclass(frozen=True, slots=True)
class Shell:
    """The bar of every page."""

    title: str
    title_url: str
    waiting: int
    workers_wrong: int
    failing: int


def make_shell(data: Any, config: Any) -> Shell:
    """Counts from memory; nothing is read."""
    wrong = sum(
        1
        for worker in data.workers.by_id.values()
        if worker.configured_on and (not worker.connected or worker.paused)
    )
    failing = sum(
        1
        for builder in data.builders.by_id.values()
        if builder.masterids and (builder.summary.latest or {}).get("results") in (2, 4)
    )
    return Shell(
        title=str(getattr(config, "title", None) or "CI"),
        title_url=urls.web_link(str(getattr(config, "titleURL", None) or "/")) or "/",
        waiting=len(data.requests.waiting),
        workers_wrong=wrong,
        failing=failing,
    )
