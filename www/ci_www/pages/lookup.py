"""Finding what a URL names, and what may have been meant if it is not there."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from ci_common.numbers import MOST_32, whole_number
from ci_www.pages import urls
from ci_www.pages.page import NotThere

_LONGEST_NAME = 256
#: Half of a name of so few characters is enough.
_SHORT = 3
#: So many things that may be meant are named.
_MOST_NEAR = 5


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
    found = _near_builders(data, name) or _near_workers(data, name)
    raise NotThere(
        f"There is no builder \u201c{name}\u201d.", [*found, ("all builders", "/builders")]
    )


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The known names that may be meant. A name that nobody gave a thing is not compared."""
    if len(name) > _LONGEST_NAME:
        return []
    by_lower = {one.lower(): one for one in known}
    cutoff = 0.5 if len(name) <= _SHORT else 0.6
    near = get_close_matches(name.lower(), list(by_lower), n=3, cutoff=cutoff)
    return [by_lower[one] for one in near]


#: First parts of paths of pages, and the plural or singular that people type.
_PAGES = {
    "builders": "/builders", "builder": "/builders", "workers": "/workers", "worker": "/workers",
    "changes": "/changes", "queue": "/queue", "waterfall": "/waterfall", "settings": "/settings",
    "about": "/about", "home": "/", "index.html": "/",
}  # fmt: skip


def nearest_pages(data: Any, path: str) -> list[tuple[str, str]]:
    """What may be meant by a path that leads to no page: a page, or what has this name."""
    first, _, rest = unquote(path).strip("/").partition("/")
    name = rest.partition("/")[0] or first
    found = [
        one
        for one in (*_near_builders(data, name), *_near_workers(data, name))
        if one[0].partition(" ")[2].lower() == name.lower()
    ]
    for one in _near(first, _PAGES):
        below = {"/builders": _near_builders, "/workers": _near_workers}.get(_PAGES[one])
        found += below(data, rest.partition("/")[0]) if rest and below else []
        found.append((_called(_PAGES[one]), _PAGES[one]))
    found += [*_near_builders(data, name), *_near_workers(data, name)]
    return list(dict.fromkeys(found))[:_MOST_NEAR]


def _called(page: str) -> str:
    name = page.strip("/") or "overview"
    return f"all {name}" if name in ("builders", "workers", "changes") else name


def _near_builders(data: Any, name: str) -> list[tuple[str, str]]:
    known = data.builders.by_name
    return [
        (f"builder {one}", urls.builder(urls.builder_segment(known[one].id, one)))
        for one in _near(name, known)
    ]


def _near_workers(data: Any, name: str) -> list[tuple[str, str]]:
    return [(f"worker {one}", urls.worker(one)) for one in _near(name, data.workers.by_name)]


def find_worker(data: Any, name: str) -> Any:
    """The row of a worker given by name or id.

    :raises NotThere: if there is none; names the nearest ones.
    """
    number = whole_number(name, most=MOST_32)
    row = data.workers.by_name.get(name) or data.workers.by_id.get(number)
    if row is not None:
        return row
    found = _near_workers(data, name) or _near_builders(data, name)
    raise NotThere(f"There is no worker \u201c{name}\u201d.", [*found, ("all workers", "/workers")])
