"""Merging requests: what a newer request does as well need not be built for an older one."""

from collections.abc import Iterable, Mapping
from typing import Any

from ci_common.aio import call_override
from ci_common.results import SKIPPED
from ci_master.builds.builder import Builder
from ci_master.data.model import Buildset, Request
from ci_master.queue.board import Board
from ci_master.storage import views_changes


class Collapser:
    """Ends older requests of a builder that a new one makes superfluous.

    :ivar default: ``collapseRequests`` of the configuration; None stands for True.
    """

    def __init__(self, data: Any, board: Board, master: Any) -> None:
        self._data = data
        self._board = board
        self._master = master
        self.default: Any = None

    def rule(self, builder: Builder) -> Any:
        """True, False, or a function."""
        for rule in (builder.config.collapseRequests, self.default):
            if rule is not None:
                return rule
        return True

    def concerns(self, builder: Builder) -> bool:
        """Whether a new request of a builder could end others at all."""
        return bool(self._board.lines[builder.name]) and self.rule(builder) is not False

    async def collapse(self, request: Request, builder: Builder) -> None:
        """End the waiting requests that this new one stands for too."""
        rule = self.rule(builder)
        others = [other for other in self._board.lines[builder.name] if other is not request]
        if rule is True:
            ended = await self._alike(request, others)
        else:
            new = request.as_json()
            ended = [
                other
                for other in others
                if await call_override(rule, self._master, builder, new, other.as_json())
            ]
        waiting = self._data.requests.waiting
        if request.id not in waiting:
            return
        active = [other.id for other in ended if other.id in self._board.lines[builder.name]]
        ids = [one for one in active if one in waiting]
        if ids:
            for other in ended:
                self._board.remove(other)
            self._data.requests.complete(ids, SKIPPED)

    async def _alike(self, new: Request, others: Iterable[Request]) -> list[Request]:
        candidates = [other for other in others if may_stand_for(new, other)]
        undecided = [
            other for other in candidates if not same_revisions(new.buildset, other.buildset)
        ]
        with_changes: set[int] = set()
        ids = sorted({id for one in (new, *candidates) for id in _stamp_ids(one.buildset)})
        if candidates and (undecided or ids):
            with_changes = await self._with_changes(ids)
        return [other for other in candidates if stamps_agree(new, other, with_changes)]

    async def _with_changes(self, stamp_ids: list[int]) -> set[int]:
        """Which of these source stamps have changes."""
        lines = await self._data.store.read(lambda tx: views_changes.of_stamps(tx, stamp_ids))
        return {line.stampid for line in lines}


def may_stand_for(new: Request, other: Request) -> bool:
    """Whether two requests agree in all but changes and revisions."""
    if new.buildset is other.buildset:
        return True
    if (new.submitted_at, new.id) < (other.submitted_at, other.id):
        return False
    mine, its = _by_codebase(new.buildset), _by_codebase(other.buildset)
    if mine.keys() != its.keys():
        return False
    for codebase, stamp in mine.items():
        old = its[codebase]
        if any(stamp[key] != old[key] for key in ("repository", "branch", "project")):
            return False
        if stamp.get("patch") or old.get("patch"):
            return False
    return _decisive(new.buildset) == _decisive(other.buildset)


def same_revisions(new: Buildset, other: Buildset) -> bool:
    """Whether the source stamps are of the same revisions."""
    mine, its = _by_codebase(new), _by_codebase(other)
    return all(
        stamp["revision"] == its.get(name, {}).get("revision") for name, stamp in mine.items()
    )


def stamps_agree(new: Request, other: Request, with_changes: set[int]) -> bool:
    """The rule for changes: both sides have some, or neither does and the revisions are equal.

    :param with_changes: ids of source stamps that have changes.
    """
    if new.buildset is other.buildset:
        return True
    its = _by_codebase(other.buildset)
    for codebase, stamp in _by_codebase(new.buildset).items():
        old = its[codebase]
        both = (stamp["ssid"] in with_changes, old["ssid"] in with_changes)
        if both == (True, True):
            continue
        if any(both) or stamp["revision"] != old["revision"]:
            return False
    return True


def _by_codebase(buildset: Buildset) -> Mapping[str, Mapping[str, Any]]:
    return {stamp["codebase"]: stamp for stamp in buildset.sourcestamps}


def _stamp_ids(buildset: Buildset) -> list[int]:
    return [stamp["ssid"] for stamp in buildset.sourcestamps]


def _decisive(buildset: Buildset) -> dict[str, Any]:
    """The properties that make a difference."""
    return {
        name: value
        for name, (value, source) in buildset.properties.items()
        if source == "Scheduler" and name != "scheduler"
    }
