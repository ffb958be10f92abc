"""The present, as pages look at it: builders with what they run, what waits and who may do it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from ci_common.revisions import built
from ci_master.data.waits import WaitReasons
from ci_www.pages import urls
from ci_www.pages.words import BROKEN, Kind, Mark, kind_of, mark_of

_NO_REASONS = WaitReasons()
#: Kinds of results that say how a builder does.
_RESULTS = BROKEN | {"success", "warnings"}


@dataclass(slots=True)
class RunningNow:
    """A build that runs."""

    builder: str
    segment: str
    number: int
    url: str
    started_at: int
    usual_s: int | None
    text: str  # the step it is at
    reason: str
    owner: str
    worker: str | None
    branch: str
    revision: str
    id: int = 0


@dataclass(slots=True)
class WorkerNow:
    """A worker as a builder sees it."""

    id: int
    name: str
    kind: Kind
    word: str
    reason: str = ""


@dataclass(slots=True)
class BuilderNow:
    """A builder with all that memory knows."""

    id: int
    name: str
    segment: str
    url: str
    active: bool
    tags: list[str]
    description: str
    projectid: int | None
    mark: Mark  # of the latest finished build
    latest: dict[str, Any] | None
    recent: list[tuple[int, int]]
    streak: int
    streak_since: int | None
    last_success_at: int | None
    median_s: int | None
    running: list[RunningNow] = field(default_factory=list)
    waiting: int = 0
    waits: str = ""  # why the first one waits
    workers: list[WorkerNow] = field(default_factory=list)

    @property
    def online(self) -> int:
        """How many of its workers could work."""
        return sum(1 for worker in self.workers if worker.kind in ("success", "running"))

    @property
    def broken(self) -> bool:
        """Whether its latest build failed."""
        return self.mark.kind in BROKEN

    @property
    def without_result(self) -> bool:
        """Whether none of its builds came to a result: they were retried, cancelled or skipped."""
        return self.latest is not None and self.mark.kind not in _RESULTS

    @property
    def last_good(self) -> int | None:
        """Number of the last build that did well, if it is one of the recent ones."""
        return next((number for number, results in self.recent if results in (0, 1)), None)

    @property
    def success_share(self) -> int | None:
        """Share of successes among the recent builds, in percent."""
        counted = [results for _number, results in self.recent if results in (0, 1, 2, 4)]
        if not counted:
            return None
        return round(100 * sum(1 for results in counted if results in (0, 1)) / len(counted))


def worker_state(row: Any, busy: int = 0) -> Mark:
    """The state of a worker: shape and word."""
    if row.paused:
        return Mark("paused", "paused")
    if not row.connected:
        return Mark("offline", "offline")
    if row.graceful:
        return Mark("paused", "shutting down")
    if busy:
        return Mark("running", "busy")
    return Mark("success", "idle")


def property_text(properties: Any, name: str) -> str:
    """The value of a property as text, empty if it is missing."""
    value = properties.get(name)
    return str(value[0]) if value and value[0] else ""


def owner_text(buildset: Any) -> str:
    """Who asked for a buildset."""
    owner = property_text(buildset.properties, "owner")
    if not owner:
        owners = buildset.properties.get("owners", [None])[0]
        owner = str(owners[0]) if owners else ""
    return owner


class Farm:
    """An index over the registries, made for one request and then dropped.

    Made in the reactor, at little cost; from then on it holds its own copies, so what is made
    of it may be made in a thread.

    :param reasons: why requests wait, a :class:`ci_master.data.waits.WaitReasons`; pages that
        show waiting requests give those of this moment.
    """

    def __init__(self, data: Any, reasons: Any = _NO_REASONS) -> None:
        self.reasons = reasons
        self._rows: dict[int, Any] = dict(data.builders.by_id)
        self._worker_rows: dict[int, Any] = dict(data.workers.by_id)
        self._builds: list[Any] = list(data.builds.running.values())
        self._running: dict[int, list[Any]] = {}
        self._workers: dict[int, set[int]] = {}
        self.busy: dict[int, list[Any]] = {}  # worker id -> its builds
        for build in self._builds:
            self._running.setdefault(build.builderid, []).append(build)
            if build.workerid is not None:
                self.busy.setdefault(build.workerid, []).append(build)
        #: Builder id -> its waiting requests.
        self.waiting: dict[int, list[Any]] = {
            builderid: list(requests.values())
            for builderid, requests in data.requests.waiting.by_builder.items()
        }
        for worker in self._worker_rows.values():
            for builderid, _master in worker.configured_on:
                self._workers.setdefault(builderid, set()).add(worker.id)

    def segment(self, builderid: int) -> str:
        """What stands for a builder in URLs."""
        row = self._rows.get(builderid)
        return urls.builder_segment(builderid, row.name) if row else str(builderid)

    def builder_name(self, builderid: int) -> str:
        """The builder's name; its id if it is gone."""
        row = self._rows.get(builderid)
        return row.name if row else f"builder {builderid}"

    def worker_name(self, workerid: int | None) -> str | None:
        """The worker's name, None if there is none."""
        row = None if workerid is None else self._worker_rows.get(workerid)
        return row.name if row else None

    def running_build(self, build: Any) -> RunningNow:
        """One running build."""
        builder = self._rows[build.builderid]
        segment = urls.builder_segment(builder.id, builder.name)
        buildset = build.request.buildset
        stamp = buildset.sourcestamps[0] if buildset.sourcestamps else {}
        return RunningNow(
            builder=builder.name,
            segment=segment,
            number=build.number,
            url=urls.build(segment, build.number),
            started_at=build.started_at,
            usual_s=builder.summary.median_s,
            text=current_step(build),
            reason=buildset.reason,
            owner=owner_text(buildset),
            worker=self.worker_name(build.workerid),
            branch=stamp.get("branch") or "",
            revision=built(build.got_revision, stamp.get("codebase", ""), stamp.get("revision"))
            or "",
            id=build.id,
        )

    def running(self) -> list[RunningNow]:
        """All running builds, the one that started last on top."""
        rows = sorted(self._builds, key=lambda b: (-b.started_at, -b.id))
        return [self.running_build(row) for row in rows if row.builderid in self._rows]

    def waiting_of(self, builderid: int, limit: int) -> list[Any]:
        """The first waiting requests of a builder, in the queue's order."""
        return in_order(self.waiting.get(builderid, []))[:limit]

    def worker_now(self, row: Any) -> WorkerNow:
        """One worker."""
        mark = worker_state(row, len(self.busy.get(row.id, ())))
        return WorkerNow(row.id, row.name, mark.kind, mark.word, row.pause_reason or "")

    def builder(self, row: Any) -> BuilderNow:
        """One builder."""
        summary = row.summary
        segment = urls.builder_segment(row.id, row.name)
        waiting = self.waiting.get(row.id, [])
        workers = [self._worker_rows[one] for one in self._workers.get(row.id, ())]
        latest = summary.latest
        first = first_of(waiting)
        return BuilderNow(
            id=row.id,
            name=row.name,
            segment=segment,
            url=urls.builder(segment),
            active=bool(row.masterids),
            tags=list(row.tags),
            description=row.description or "",
            projectid=row.projectid,
            mark=mark_of(latest["results"]) if latest else Mark("none", "never built"),
            latest=latest,
            recent=list(summary.recent),
            streak=summary.streak_length,
            streak_since=summary.streak_since_number,
            last_success_at=summary.last_success_at,
            median_s=summary.median_s,
            running=[self.running_build(one) for one in self._running.get(row.id, ())],
            waiting=len(waiting),
            waits=self._why(first),
            workers=sorted(map(self.worker_now, workers), key=lambda worker: worker.name),
        )

    def _why(self, request: Any) -> str:
        waits = self.reasons.of(request) if request is not None else None
        return waits.text if waits is not None else ""

    def builders(self) -> list[BuilderNow]:
        """All builders, by name."""
        rows = sorted(self._rows.values(), key=lambda row: row.name.lower())
        return [self.builder(row) for row in rows]


def in_order(requests: Iterable[Any]) -> list[Any]:
    """Requests in the order in which the queue looks at them."""
    # two sorts by what is mostly in order already cost less than one by a key made in Python
    by_time = sorted(requests, key=attrgetter("submitted_at", "id"))
    by_time.sort(key=attrgetter("priority"), reverse=True)
    return by_time


def first_of(requests: Iterable[Any]) -> Any:
    """The request that the queue looks at first; None if there are none."""
    first = None
    for one in requests:
        if (
            first is None
            or one.priority > first.priority
            or (
                one.priority == first.priority
                and (one.submitted_at, one.id) < (first.submitted_at, first.id)
            )
        ):
            first = one
    return first


def current_step(build: Any) -> str:
    """The name of the step that runs, else what the build says of itself."""
    for step in reversed(build.steps):
        if step.started_at is not None and step.complete_at is None and not step.hidden:
            return str(step.name)
    return str(build.state_string)


def worst_kind(builders: Iterable[BuilderNow]) -> Kind:
    """The worst current result: the favicon of overviews."""
    kinds = {builder.mark.kind for builder in builders if builder.active}
    for kind in ("failure", "exception", "warnings", "success"):
        if kind in kinds:
            return kind
    return "none"


__all__ = [
    "BuilderNow",
    "Farm",
    "RunningNow",
    "WorkerNow",
    "current_step",
    "first_of",
    "in_order",
    "kind_of",
    "owner_text",
    "property_text",
    "worker_state",
    "worst_kind",
]
