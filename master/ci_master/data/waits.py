"""Why requests wait, all of one moment: what pages, REST and events say is made from this."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ci_common.durations import duration

if TYPE_CHECKING:
    from ci_master.data.model import Request


@dataclass(frozen=True, slots=True)
class Expected:
    """The end of a build that would let a request go on.

    :ivar at: unix seconds: as long after the build's start as its builder's builds usually take.
    :ivar who: the worker and the build, where the sentence does not name them already.
    """

    at: float
    who: str = ""

    def tells(self, now: float) -> str:
        """``is expected free in 40 s``, or how long ago it was."""
        if self.at >= now:
            return f"is expected free in {duration(self.at - now)}"
        return f"was expected free {duration(now - self.at)} ago"

    def said(self, now: float) -> str:
        """The end of a sentence about why a request waits."""
        which, who = ("first", f" ({self.who})") if self.who else ("it", "")
        return f"; {which} {self.tells(now)}{who}"


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Why a request waits: a sentence for a person, and links to the cause."""

    kind: (
        str  # offline, paused, quarantined, stopping, busy, lock, order, builder, held, error, ...
    )
    text: str
    links: tuple[tuple[str, str], ...] = ()  # (label, path of a page)
    #: what it waits for the end of, where that can be foretold
    expected: Expected | None = None

    def said(self, now: float) -> str:
        """The whole sentence, at a moment."""
        return self.text if self.expected is None else self.text + self.expected.said(now)

    def as_json(self) -> dict[str, object]:
        """As told to browsers and programs."""
        links = [{"label": label, "url": url} for label, url in self.links]
        expected_at = None if self.expected is None else int(self.expected.at)
        return {"kind": self.kind, "text": self.text, "links": links, "expected_at": expected_at}


@dataclass(frozen=True, slots=True)
class CodeFault:
    """A function of the configuration that failed when it was asked last.

    :ivar builderid: whose it is; None: it is for all builders.
    """

    builderid: int | None
    what: str
    text: str
    since: float


@dataclass(frozen=True, slots=True)
class WaitReasons:
    """The reasons of many requests, all of the same moment. May be asked in a thread.

    :ivar own: request -> its reason, for those that differ from others of their builder.
    :ivar of_builders: builder -> why its requests wait; None: a worker would be free.
    :ivar ahead: builder -> request -> how many go first, for builders that have a free worker.
    :ivar first: builder -> what keeps its first request, where a worker is free.
    :ivar faults: what is wrong with functions of the configuration.
    """

    own: Mapping[int, WaitReason | None] = field(default_factory=dict)
    of_builders: Mapping[int, WaitReason | None] = field(default_factory=dict)
    ahead: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    first: Mapping[int, WaitReason | None] = field(default_factory=dict)
    faults: Collection[CodeFault] = ()

    def of(self, request: "Request") -> WaitReason | None:
        """Why a request waits; None if nothing keeps it."""
        if request.id in self.own:
            return self.own[request.id]
        if request.builderid not in self.of_builders:
            return request.waits
        reason = self.of_builders[request.builderid]
        if reason is not None:
            return reason
        ahead = self.ahead.get(request.builderid, {}).get(request.id, 0)
        if ahead:
            what = "1 request goes first" if ahead == 1 else f"{ahead} requests go first"
            return WaitReason("order", what)
        return self.first.get(request.builderid)


class Explainer(Protocol):
    """Who knows why requests wait: the queue."""

    async def reasons(self, builderids: Collection[int] | None = None) -> WaitReasons:
        """The reasons of the waiting requests of some builders (None: of all), as of now."""
        ...
