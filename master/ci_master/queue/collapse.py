"""Merging requests: what a newer request does as well need not be built for an older one."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from ci_common.jsontext import comparable_json
from ci_common.results import SKIPPED
from ci_master.builds.builder import Builder
from ci_master.data.model import Buildset, Request
from ci_master.queue.board import Board
from ci_master.queue.line import Likeness
from ci_master.queue.usercode import CodeFailed, Mistakes, ask
from ci_master.storage import requests as rows

#: Source of the properties that a person typed into a form.
_FORM = "Force Build Form"

#: The function that an author may give.
_RULE = "collapseRequests"

Stamp = Mapping[str, Any]


class Collapser:
    """Ends older requests of a builder that a new one makes superfluous.

    :ivar default: ``collapseRequests`` of the configuration.
    """

    def __init__(
        self, data: Any, board: Board, master: Any, clock: Any, mistakes: Mistakes
    ) -> None:
        self._clock = clock
        self._mistakes = mistakes
        self._data = data
        self._board = board
        self._master = master
        self.default: Any = None
        #: How many waiting requests new ones have been compared with so far.
        self.looks = 0

    def rule(self, builder: Builder) -> Any:
        """None (only requests that do the same), True (Buildbot's rule), False, or a function."""
        own = builder.config.collapseRequests
        return self.default if own is None else own

    def likeness(self, builder: Builder) -> Likeness:
        """What a builder's requests have in common that may be collapsed."""
        rule = self.rule(builder)
        if rule is None:
            return same_work
        return buildbot_likeness if rule is True else _alone

    def concerns(self, request: Request, builder: Builder) -> bool:
        """Whether a new request of a builder could end others at all."""
        line, rule = self._board.lines[builder.name], self.rule(builder)
        if not line or rule is False:
            return False
        if callable(rule) and self._mistakes.rests(builder.name, _RULE):
            return False
        return callable(rule) or bool(line.alike(request))

    async def collapse(self, request: Request, builder: Builder) -> None:
        """End the waiting requests that this new one stands for too."""
        rule, line = self.rule(builder), self._board.lines[builder.name]
        if callable(rule):
            ended = await self._by_function(rule, request, builder)
        else:
            others = line.alike(request)
            self.looks += len(others)
            ended = await self._alike(request, others, strictly=rule is None)
        requests = self._data.requests
        if request.id not in requests.waiting:
            return
        ids = [
            other.id
            for other in ended
            if other.id in requests.waiting
            and other.id in line
            and not (rule is None and other.priority > request.priority)
        ]
        for request_id in ids:
            self._board.remove_id(request.builderid, request_id)
        requests.complete(ids, SKIPPED, collapsed_into=request.id)

    async def _by_function(self, rule: Any, request: Request, builder: Builder) -> list[Request]:
        """Those of which the author's function says so."""
        ended, new = [], request.as_json()
        try:
            for other in self._board.lines[builder.name]:
                if other is not request:
                    self.looks += 1
                    old = other.as_json()
                    if await ask(self._clock, _RULE, rule, self._master, builder, new, old):
                        ended.append(other)
        except CodeFailed as failed:
            self._mistakes.note(builder.name, failed)
            return []
        self._mistakes.passed(builder.name, _RULE)
        return ended

    async def _alike(
        self, new: Request, others: Iterable[Request], *, strictly: bool
    ) -> list[Request]:
        candidates = [other for other in others if is_newer(new, other)]
        if not strictly:
            ids = sorted({id for one in (new, *candidates) for id in _stamp_ids(one.buildset)})
            changes = await self._newest_changes(ids if candidates else [])
            return [one for one in candidates if stamps_agree(new, one, changes)]
        undecided = [one for one in candidates if not same_revisions(new, one)]
        ids = sorted({id for one in (new, *undecided) for id in _stamp_ids(one.buildset)})
        changes = await self._newest_changes(ids if undecided else [])
        return [one for one in candidates if at_least_as_new(new, one, changes)]

    async def _newest_changes(self, stamp_ids: list[int]) -> dict[int, int]:
        """Source stamp id -> id of its newest change, for those that have some."""
        if not stamp_ids:
            return {}
        found: dict[int, int] = await self._data.store.read(
            lambda tx: rows.newest_changes(tx, stamp_ids)
        )
        return found


# -- what requests must have in common: each function is a Likeness


def _alone(request: Request) -> None:
    return None


def same_work(request: Request) -> Hashable | None:
    """All that decides what a build does, but for the revisions.

    None for what is never collapsed: what a person asked for, or a build waits for, or somebody
    outside knows by an id of its own; and patches, which are nowhere else.
    """
    buildset = request.buildset
    if request.waited_for or buildset.external_idstring or made_by_hand(buildset):
        return None
    properties = {
        name: value
        for name, (value, source) in buildset.properties.items()
        if not (name == "scheduler" and source == "Scheduler")
    }
    return _with_places(buildset, properties)


def buildbot_likeness(request: Request) -> Hashable | None:
    """What Buildbot compares: places of the sources, and the properties of the scheduler."""
    properties = {
        name: value
        for name, (value, source) in request.buildset.properties.items()
        if source == "Scheduler" and name != "scheduler"
    }
    return _with_places(request.buildset, properties)


def made_by_hand(buildset: Buildset) -> bool:
    """Whether a person asked for these very builds: by a form, or as a rebuild."""
    return buildset.rebuilt_buildid is not None or any(
        source == _FORM for _, source in buildset.properties.values()
    )


def _with_places(buildset: Buildset, properties: Mapping[str, Any]) -> Hashable | None:
    stamps = buildset.sourcestamps
    if any(stamp.get("patch") for stamp in stamps):
        return None
    keys = ("codebase", "repository", "branch", "project")
    places = [tuple(stamp[key] for key in keys) for stamp in stamps]
    if len(places) > 1:
        places.sort(key=lambda place: place[0])
    return (*places, comparable_json(properties, default=repr))


# -- which of them stands for which


def is_newer(new: Request, other: Request) -> bool:
    """Whether a request was made after another one."""
    return (new.submitted_at, new.id) > (other.submitted_at, other.id)


def same_revisions(new: Request, other: Request) -> bool:
    """Whether two requests that are alike are for the same sources."""
    its = _by_codebase(other.buildset)
    return all(
        stamp["revision"] == its[codebase]["revision"]
        for codebase, stamp in _by_codebase(new.buildset).items()
    )


def at_least_as_new(new: Request, other: Request, changes: Mapping[int, int]) -> bool:
    """Whether a request is for the sources of another one that is like it, or for newer ones.

    :param changes: source stamp id -> id of its newest change.
    """
    its = _by_codebase(other.buildset)
    for codebase, stamp in _by_codebase(new.buildset).items():
        old = its[codebase]
        if stamp["revision"] == old["revision"]:
            continue
        mine, older = changes.get(stamp["ssid"]), changes.get(old["ssid"])
        if mine is None or older is None or mine < older:
            return False
    return True


def stamps_agree(new: Request, other: Request, changes: Mapping[int, int]) -> bool:
    """Buildbot's rule: both sides have changes, or neither does and the revisions are equal.

    :param changes: source stamp id -> id of its newest change.
    """
    its = _by_codebase(other.buildset)
    for codebase, stamp in _by_codebase(new.buildset).items():
        old = its[codebase]
        both = (stamp["ssid"] in changes, old["ssid"] in changes)
        if both == (True, True):
            continue
        if any(both) or stamp["revision"] != old["revision"]:
            return False
    return True


def _by_codebase(buildset: Buildset) -> Mapping[str, Stamp]:
    return {stamp["codebase"]: stamp for stamp in buildset.sourcestamps}


def _stamp_ids(buildset: Buildset) -> list[int]:
    return [stamp["ssid"] for stamp in buildset.sourcestamps]
