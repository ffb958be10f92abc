"""Finding what a URL names, and what may have been meant if it is not there."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from ci_common.numbers import MOST_32, whole_number
from ci_www.pages import urls
from ci_www.pages.page import NotThere

_LONGEST_NAME = 256


class Moved(Exception):
    """The thing has a better name: go there (308)."""

    def __init__(self, segment: str, better: str) -> None:
        super().__init__(better)
        self.segment = segment
        self.better = better


def find_builder(data: Any, name: str) -> Any:
    """The row of a builder given by name or id.

    :raises Moved: if it was given by its id, and its name can stand in a URL.
    :raises NotThere: if there is none; names the nearest ones.
    """
    row = data.builders.by_name.get(name)
    if row is not None:
        return row
    number = whole_number(name, most=MOST_32)
    if number is not None:
        row = data.builders.by_id.get(number)
        if row is not None:
            segment = urls.builder_segment(row.id, row.name)
            if segment != name:
                raise Moved(name, segment)
            return row
    near = _near(name, data.builders.by_name)
    found = [
        (f"builder {one}", urls.builder(urls.builder_segment(data.builders.by_name[one].id, one)))
        for one in near
    ]
    raise NotThere(
        f"There is no builder \u201c{name}\u201d.", [*found, ("all builders", "/builders")]
    )


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The known names that may be meant. A name that nobody gave a thing is not compared."""
    return get_close_matches(name, list(known), n=3) if len(name) <= _LONGEST_NAME else []


def find_worker(data: Any, name: str) -> Any:
    """The row of a worker given by name or id.

    :raises NotThere: if there is none; names the nearest ones.
    """
    number = whole_number(name, most=MOST_32)
    row = data.workers.by_name.get(name) or data.workers.by_id.get(number)
    if row is not None:
        return row
    near = _near(name, data.workers.by_name)
    found = [(f"worker {one}", urls.worker(one)) for one in near]
    raise NotThere(f"There is no worker \u201c{name}\u201d.", [*found, ("all workers", "/workers")])
