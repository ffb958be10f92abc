"""What a page function is given, and what it hands back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from ci_common.numbers import whole_number
from ci_www.proxies import path_before

#: More than any id, line or number of seconds that a page is asked for.
_MOST = 10**11


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and how they like it."""

    user: str | None = None
    theme: str = "auto"  # auto, light, dark
    zone: tzinfo = UTC
    zone_name: str = ""  # empty: not known yet, the browser will tell
    relative: bool = False
    csrf: str = ""


@dataclass(slots=True)
class Ask:
    """One request for a page."""

    parts: Any  # ci_www.server.WebParts
    views: Any  # ci_master.data.views.Views
    viewer: Viewer
    now: float
    path: str
    args: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict)  # of a POST
    request: Any = None
    #: Raises Refused if the viewer may not do it: (action, kind, key).
    demand: Callable[[str, str, Any], None] = lambda _action, _kind, _key: None

    @property
    def prefix(self) -> str:
        """The path below which people find the site; empty for the root of its host."""
        return path_before(self.parts.config.buildbotURL)

    @property
    def data(self) -> Any:
        """The registries and actions."""
        return self.parts.data

    def arg(self, name: str, default: str = "") -> str:
        """The first value of a query argument."""
        return (self.args.get(name) or [default])[0]

    def number(self, name: str) -> int | None:
        """A query argument that is a whole number, or None."""
        return whole_number(self.arg(name), most=_MOST)


@dataclass(slots=True)
class Page:
    """A page to be rendered: its template, and the view that the template shows as ``v``."""

    template: str
    title: str
    view: Any
    kind: str = "none"  # of the shape in the title and the favicon
    nav: str = ""  # the entry of the bar that is current
    topics: tuple[str, ...] = ()  # events that the page wants to hear of
    status: int = 200
    modules: tuple[str, ...] = ()  # scripts besides base.mjs
    wide: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go elsewhere."""

    url: str
    code: int = 303


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not a page."""

    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200


@dataclass(frozen=True, slots=True)
class Stream:
    """A long answer, sent piece by piece."""

    pieces: Callable[[], Any]  # an async iterator of bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


Answer = Page | Redirect | Raw | Stream
PageFunction = Callable[..., Awaitable[Answer]]


class NotThere(Exception):
    """What was asked for does not exist.

    :param what: a sentence that names it.
    :param nearest: (label, url) of existing things that may be meant.
    """

    def __init__(self, what: str, nearest: list[tuple[str, str]] | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.nearest = nearest or []
