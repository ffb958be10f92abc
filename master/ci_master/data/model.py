"""What the master holds in memory: everything that is not in a final state, and who does it.

Each class is a resource of the REST model; ``as_json()`` gives it as such a dict. They hold what
the rows in storage hold: rows are written from them, and after a restart they are made from rows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from statistics import median
from typing import TYPE_CHECKING, Any

from ci_common.results import EXCEPTION, FAILURE, SKIPPED, SUCCESS, WARNINGS
from ci_master.data.waits import WaitReason as WaitReason
from ci_master.storage.transaction import Group

if TYPE_CHECKING:
    from ci_master.data.logs import LogWriter

#: What buildsets and requests have as their result before their end.
NO_RESULT = -1

#: name -> (value, source)
PropertyDict = dict[str, tuple[Any, str]]


def properties_as_json(properties: Mapping[str, tuple[Any, str]]) -> dict[str, list[Any]]:
    """Properties in the form of REST and of storage: name -> [value, source]."""
    return {name: [value, source] for name, (value, source) in properties.items()}


def properties_from_json(text: str) -> PropertyDict:
    """Properties as stored."""
    return {name: (value, source) for name, (value, source) in json.loads(text).items()}


@dataclass(slots=True)
class MasterRow:
    """A master of this database."""

    id: int
    name: str
    active: bool
    last_active: int

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "masterid": self.id,
            "name": self.name,
            "active": self.active,
            "last_active": self.last_active,
        }


@dataclass(slots=True)
class BuilderSummary:
    """What pages show of a builder, kept so that they need not look at its builds."""

    RECENT = 15
    DURATIONS = 10
    #: Results that say how a builder does; others count only until there is one of these.
    TELLING = (SUCCESS, WARNINGS, FAILURE, EXCEPTION)

    #: The last build that says how the builder does, as REST dict with ``failure`` (what failed, in
    #: one line); None if none ever ended.
    latest: dict[str, Any] | None = None
    #: (number, result) of the builds that ended last, newest first.
    recent: list[tuple[int, int]] = field(default_factory=list)
    #: How many builds in a row had the newest result, and since which number.
    streak_results: int | None = None
    streak_length: int = 0
    streak_since_number: int | None = None
    last_success_at: int | None = None
    #: Seconds that the last successful builds took, newest first.
    durations: list[int] = field(default_factory=list)
    #: When a build last ended, whatever came of it.
    ended_at: int | None = None
    #: What ``last_success_at`` was before the build that ended last; not stored.
    success_before: int | None = None

    @property
    def median_s(self) -> int | None:
        """Median seconds of the last successful builds; None if there were none."""
        return int(median(self.durations)) if self.durations else None

    def take(self, build: "BuildRow") -> None:
        """Count a build that has just ended, or ended otherwise than was said before."""
        assert build.results is not None and build.complete_at is not None
        if any(number == build.number for number, _ in self.recent):
            self._correct(build)
            return
        self.recent = [(build.number, build.results), *self.recent[: self.RECENT - 1]]
        self.ended_at = build.complete_at
        known = self.latest is not None and self.latest["results"] in self.TELLING
        if known and build.results not in self.TELLING:
            return
        self.latest = {**build.as_json(), "failure": build.failure}
        if self.streak_results == build.results:
            self.streak_length += 1
        else:
            self.streak_results, self.streak_length = build.results, 1
            self.streak_since_number = build.number
        if build.results in (0, 1):
            self.success_before, self.last_success_at = self.last_success_at, build.complete_at
            took = build.complete_at - build.started_at
            self.durations = [took, *self.durations[: self.DURATIONS - 1]]

    def _correct(self, build: "BuildRow") -> None:
        """Count a build otherwise than before, which did not succeed after all."""
        assert build.results is not None
        place = [number for number, _ in self.recent].index(build.number)
        if self.recent[place][1] in (0, 1):  # its duration counts no more
            newer = sum(results in (0, 1) for _, results in self.recent[:place])
            del self.durations[newer : newer + 1]
            if newer == 0:
                self.last_success_at = self.success_before
        self.recent[place] = (build.number, build.results)
        if self.latest is not None and self.latest["buildid"] == build.id:
            self.latest = {**build.as_json(), "failure": build.failure}
        counted = [one for one in self.recent if one[1] in self.TELLING] or self.recent
        self.streak_results = counted[0][1]
        alike = list(takewhile(lambda one: one[1] == self.streak_results, counted))
        self.streak_length, self.streak_since_number = len(alike), alike[-1][0]

    def to_text(self) -> str:
        """As stored."""
        return json.dumps(
            [
                self.latest,
                self.recent,
                self.streak_results,
                self.streak_length,
                self.streak_since_number,
                self.last_success_at,
                self.durations,
                self.ended_at,
            ],
            separators=(",", ":"),
        )

    @classmethod
    def from_text(cls, text: str) -> "BuilderSummary":
        """From what :meth:`to_text` gave."""
        latest, recent, *others = json.loads(text)
        return cls(latest, [(number, results) for number, results in recent], *others)


@dataclass(slots=True, eq=False)
class Builder:
    """A builder that this or another master has, or had."""

    id: int
    name: str
    description: str | None = None
    description_format: str | None = None
    description_html: str | None = None
    projectid: int | None = None
    tags: list[str] = field(default_factory=list)
    masterids: list[int] = field(default_factory=list)
    next_number: int = 1
    summary: BuilderSummary = field(default_factory=BuilderSummary)

    @property
    def active(self) -> bool:
        """Whether any master is configured with it."""
        return bool(self.masterids)

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "builderid": self.id,
            "name": self.name,
            "masterids": self.masterids,
            "description": self.description,
            "description_format": self.description_format,
            "description_html": self.description_html,
            "projectid": self.projectid,
            "tags": self.tags,
        }


WORKER_INFO_FIELDS = ("admin", "host", "access_uri", "version")


@dataclass(slots=True, eq=False)
class WorkerRow:
    """A worker that is or was configured."""

    id: int
    name: str
    info: dict[str, Any] = field(default_factory=dict)
    paused: bool = False
    pause_reason: str | None = None
    graceful: bool = False
    connected_to: list[int] = field(default_factory=list)  # ids of masters
    configured_on: list[tuple[int, int]] = field(default_factory=list)  # (builderid, masterid)
    last_seen_at: int | None = None

    @property
    def connected(self) -> bool:
        """Whether any master has it connected."""
        return bool(self.connected_to)

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "workerid": self.id,
            "name": self.name,
            # nothing is known of a worker that has never connected
            "workerinfo": {key: self.info.get(key) for key in WORKER_INFO_FIELDS if self.info},
            "paused": self.paused,
            "pause_reason": self.pause_reason,
            "graceful": self.graceful,
            "connected_to": [{"masterid": master} for master in self.connected_to],
            "configured_on": [
                {"builderid": builder, "masterid": master} for builder, master in self.configured_on
            ],
        }


@dataclass(slots=True, eq=False)
class SchedulerRow:
    """A scheduler that is or was configured."""

    id: int
    name: str
    enabled: bool = True
    masterid: int | None = None


@dataclass(slots=True, eq=False)
class ChangeSourceRow:
    """A change source that is or was configured."""

    id: int
    name: str
    masterid: int | None = None


@dataclass(slots=True, eq=False)
class ProjectRow:
    """A project that is or was configured."""

    id: int
    name: str
    slug: str
    description: str | None = None
    description_format: str | None = None
    description_html: str | None = None
    active: bool = True

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "projectid": self.id,
            "name": self.name,
            "slug": self.slug,
            "active": self.active,
            "description": self.description,
            "description_format": self.description_format,
            "description_html": self.description_html,
        }


@dataclass(slots=True, eq=False)
class CodebaseRow:
    """A code base of a project that is or was configured."""

    id: int
    projectid: int
    name: str
    slug: str

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "codebaseid": self.id,
            "projectid": self.projectid,
            "name": self.name,
            "slug": self.slug,
        }


@dataclass(slots=True, eq=False)
class Buildset:
    """Requests that were made together, of the same sources."""

    id: int
    reason: str
    submitted_at: int
    scheduler: str | None = None
    external_idstring: str | None = None
    complete: bool = False
    complete_at: int | None = None
    results: int | None = None
    parent_buildid: int | None = None
    parent_relationship: str | None = None
    rebuilt_buildid: int | None = None
    sourcestamps: list[dict[str, Any]] = field(default_factory=list)
    properties: PropertyDict = field(default_factory=dict)
    #: Ids of its requests that are not complete yet, and the worst result of those that are:
    #: SKIPPED, which is no success, for as long as nothing of it ran.
    open_requests: set[int] = field(default_factory=set)
    worst: int = SKIPPED
    #: The request of the build that triggered it, if that is known.
    parent_requestid: int | None = None
    #: What is stored of the builds that are made for it.
    group: Group = field(default_factory=Group)

    def as_json(self) -> dict[str, Any]:
        """What events tell; REST says :data:`NO_RESULT` where this has no result yet."""
        return {
            "bsid": self.id,
            "external_idstring": self.external_idstring,
            "reason": self.reason,
            "rebuilt_buildid": self.rebuilt_buildid,
            "submitted_at": self.submitted_at,
            "complete": self.complete,
            "complete_at": self.complete_at,
            "results": self.results,
            "sourcestamps": self.sourcestamps,
            "parent_buildid": self.parent_buildid,
            "parent_relationship": self.parent_relationship,
        }


@dataclass(slots=True, eq=False)
class Request:
    """A build that is wanted."""

    id: int
    buildset: Buildset
    builderid: int
    priority: int
    submitted_at: int
    waited_for: bool = False
    claimed_at: int | None = None
    claimed_by: int | None = None
    complete: bool = False
    complete_at: int | None = None
    results: int = NO_RESULT
    waits: WaitReason | None = None
    #: What is stored of its build.
    group: Group = field(default_factory=Group)

    @property
    def claimed(self) -> bool:
        """Whether a master has taken it."""
        return self.claimed_by is not None

    def as_json(self) -> dict[str, Any]:
        """The REST resource, without its properties."""
        return {
            "buildrequestid": self.id,
            "buildsetid": self.buildset.id,
            "builderid": self.builderid,
            "priority": self.priority,
            "claimed": self.claimed_by is not None,
            "claimed_at": self.claimed_at,
            "claimed_by_masterid": self.claimed_by,
            "complete": self.complete,
            "results": self.results,
            "submitted_at": self.submitted_at,
            "complete_at": self.complete_at,
            "waited_for": self.waited_for,
            "properties": None,
        }


class WaitingRequests(dict[int, Request]):
    """Requests that wait, by id, in the order in which they came; and those of each builder.

    Thousands may wait: who wants those of one builder, or only how many there are, does not look
    at the others. Only item assignment, deletion and ``pop`` change it.
    """

    def __init__(self) -> None:
        super().__init__()
        #: Builder id -> its waiting requests by id; a builder without any is not there.
        self.by_builder: dict[int, dict[int, Request]] = {}

    def __setitem__(self, id: int, request: Request) -> None:
        super().__setitem__(id, request)
        self.by_builder.setdefault(request.builderid, {})[id] = request

    def __delitem__(self, id: int) -> None:
        request = self[id]
        super().__delitem__(id)
        of_builder = self.by_builder[request.builderid]
        del of_builder[id]
        if not of_builder:
            del self.by_builder[request.builderid]

    def pop(self, id: int, default: Any = None) -> Any:
        """Take one out; ``default`` if it is not there."""
        request = self.get(id)
        if request is None:
            return default
        del self[id]
        return request


@dataclass(slots=True, eq=False)
class StepRow:
    """A step of a build."""

    id: int
    number: int
    name: str
    buildid: int
    started_at: int | None = None
    locks_acquired_at: int | None = None
    complete_at: int | None = None
    state_string: str = "pending"
    results: int | None = None
    urls: list[dict[str, str]] = field(default_factory=list)
    hidden: bool = False
    #: How its last program that failed ended, and what its log says of it: see
    #: :class:`ci_common.failures.StepFailure`.
    exit_code: int | None = None
    ending: str = ""
    error_line: str = ""
    logs: "list[LogWriter]" = field(default_factory=list)
    #: What is stored of it and of its logs.
    group: Group = field(default_factory=Group)

    def as_json(self) -> dict[str, Any]:
        """The REST resource."""
        return {
            "stepid": self.id,
            "number": self.number,
            "name": self.name,
            "buildid": self.buildid,
            "started_at": self.started_at,
            "locks_acquired_at": self.locks_acquired_at,
            "complete": self.complete_at is not None,
            "complete_at": self.complete_at,
            "results": self.results,
            "state_string": self.state_string,
            "urls": self.urls,
            "hidden": self.hidden,
        }


@dataclass(slots=True, eq=False)
class BuildRow:
    """A build that runs, or has just ended."""

    id: int
    number: int
    builderid: int
    request: Request
    workerid: int | None
    masterid: int
    started_at: int
    complete_at: int | None = None
    state_string: str = "created"
    results: int | None = None
    locks_duration_s: int = 0
    #: What failed, in one line, and the number of the step that did, if one did.
    failure: str = ""
    failed_step: int | None = None
    properties: PropertyDict = field(default_factory=dict)
    #: codebase -> the revision that it has built, once that is known
    got_revision: dict[str, str] = field(default_factory=dict)
    steps: list[StepRow] = field(default_factory=list)
    #: REST dicts of the changes that it was asked for, while it runs.
    asked_changes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def group(self) -> Group:
        """What is stored of it and of its steps."""
        return self.request.group

    def as_json(self) -> dict[str, Any]:
        """The REST resource, without its properties."""
        return {
            "buildid": self.id,
            "number": self.number,
            "builderid": self.builderid,
            "buildrequestid": self.request.id,
            "workerid": self.workerid,
            "masterid": self.masterid,
            "started_at": self.started_at,
            "complete": self.complete_at is not None,
            "complete_at": self.complete_at,
            "locks_duration_s": self.locks_duration_s,
            "state_string": self.state_string,
            "results": self.results,
            "properties": {},
        }
