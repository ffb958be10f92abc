"""What pages read of the past: each question goes to a reader thread, as one piece of work.

The present (running builds, the queue, workers) is in the registries of
:class:`ci_master.data.Data`; here is what only storage knows.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import Connection

from ci_master.storage import build_changes
from ci_master.storage import views_acts as _acts
from ci_master.storage import views_builds as _builds
from ci_master.storage import views_changes as _changes
from ci_master.storage import views_logs as _logs
from ci_master.storage import views_outcome as _outcome
from ci_master.storage import views_requests as _requests
from ci_master.storage import views_waterfall as _waterfall
from ci_master.storage.views_acts import ActLine
from ci_master.storage.views_builds import (
    FAILED,
    BuildDetail,
    BuildLine,
    LogLine,
    StampLine,
    StepLine,
    subject_of,
)
from ci_master.storage.views_changes import ChangeLine, Verdict
from ci_master.storage.views_logs import Found, LogPlace, Span
from ci_master.storage.views_outcome import Outcome
from ci_master.storage.views_requests import BuildsetDetail, RequestLine
from ci_master.storage.views_waterfall import BoxBuild, BoxStep, WorkerMoment

__all__ = [
    "FAILED",
    "ActLine",
    "BoxBuild",
    "BoxStep",
    "BuildDetail",
    "BuildLine",
    "BuildsetDetail",
    "ChangeLine",
    "Found",
    "LogLine",
    "LogPlace",
    "Outcome",
    "Past",
    "RequestLine",
    "Span",
    "StampLine",
    "StepLine",
    "Verdict",
    "Views",
    "WorkerMoment",
    "subject_of",
]

T = TypeVar("T")

#: Results of steps whose logs are shown at once: failure, exception, retry, cancelled.
SHOWN_OPEN = (2, 4, 5, 6)

#: So many logs are shown open at most; each costs a statement.
OPEN_LOGS = 3
#: Logs of at most so many lines are read as a whole: then their headers are known.
WHOLE_LINES = 160

#: So many builds the waterfall shows on one page, and of so many all steps.
_BOXES, _WITH_STEPS = 700, 300

Tail = tuple[int, list[tuple[str, str]]]


class _Reader(Protocol):
    def read(self, function: Callable[[Connection], T]) -> Awaitable[T]: ...


class Past:
    """What the waterfall shows of a range of time."""

    def __init__(
        self,
        builds: list[BoxBuild],
        changes: list[ChangeLine],
        moments: list[WorkerMoment],
        last_active: int | None,
        start: int = 0,
        *,
        cut: bool = False,
    ) -> None:
        self.builds = builds
        self.changes = changes
        self.moments = moments
        self.last_active = last_active
        self.start = start  # everything since then is here
        self.cut = cut  # whether that is later than was asked for, for there was too much


class Views:
    """Questions of pages. Every method is one round trip to a reader thread."""

    def __init__(self, store: _Reader) -> None:
        self._read = store.read

    async def recent_builds(self, limit: int) -> list[BuildLine]:
        """The builds that finished last."""
        return await self._read(lambda tx: _builds.recent(tx, limit=limit))

    async def builder(
        self, builderid: int, running: Iterable[int] = (), **wanted: Any
    ) -> tuple[list[BuildLine], list[tuple[int, int, int]], dict[int, BuildLine]]:
        """A page of builds, the durations of the last ones, and the running ones by id."""
        return await self._read(
            lambda tx: (
                _builds.of_builder(tx, builderid, **wanted),
                _builds.durations(tx, builderid),
                _builds.by_ids(tx, running),
            )
        )

    async def builds_by_id(self, ids: Iterable[int]) -> dict[int, BuildLine]:
        """Some builds with source stamps and failing steps."""
        return await self._read(lambda tx: _builds.by_ids(tx, ids))

    async def build(
        self, builderid: int, number: int, *, tail_lines: int = 0, open_step: int | None = None
    ) -> tuple[BuildDetail, dict[int, list[tuple[str, str]]], list[ChangeLine]] | None:
        """One build, the last lines of the logs that are shown open (by log id), its changes.

        Logs are shown open for a failed or running step, and for ``open_step``.
        """

        def work(tx: Connection) -> Any:
            detail = _builds.detail(tx, builderid, number)
            if detail is None:
                return None
            detail.acts = _acts.of_thing(tx, "builds", detail.build.id)
            tails = {}
            opened = [
                step
                for step in detail.steps
                if step.number == open_step
                or (not step.hidden and (step.results in SHOWN_OPEN or _running(step)))
            ][:OPEN_LOGS]
            for step in opened if tail_lines else ():
                log = next((log for log in step.logs if log.type in "st"), None)
                if log is not None and log.num_lines:
                    tails[log.id] = _logs.tail(tx, log, tail_lines, WHOLE_LINES)
            of_stamps = _changes.of_stamps(tx, [stamp.id for stamp in detail.build.stamps])
            newest = {change.stampid: change for change in sorted(of_stamps, key=lambda c: c.id)}
            for stamp in detail.build.stamps:
                change = newest.get(stamp.id)
                if change is not None:
                    stamp.changeid, stamp.author = change.id, change.author
                    stamp.subject, stamp.revlink = change.subject, change.revlink
            changes = _changes.by_ids(tx, build_changes.of_build(tx, detail.build.id).all)
            return detail, tails, changes

        return await self._read(work)

    async def outcome(self, buildid: int) -> Outcome:
        """What came of a build, for those who do not look at pages."""
        return await self._read(lambda tx: _outcome.of_build(tx, buildid))

    async def build_before(self, buildid: int) -> int | None:
        """Id of the build that says how things were before one."""
        return await self._read(lambda tx: _outcome.before(tx, buildid))

    async def build_line(self, builderid: int, number: int) -> BuildLine | None:
        """One build without its steps."""
        return await self._read(lambda tx: _builds.find(tx, builderid, number))

    async def latest_number(
        self, builderid: int, results: tuple[int, ...] | None = None
    ) -> int | None:
        """The newest build's number, or the newest with one of these results."""
        return await self._read(lambda tx: _builds.latest_number(tx, builderid, results))

    async def place_of_build(self, buildid: int) -> tuple[int, int] | None:
        """(builder id, number) of a build."""
        return await self._read(lambda tx: _builds.place_of(tx, buildid))

    async def log(self, builderid: int, number: int, step: str, slug: str) -> LogPlace | None:
        """Where a log belongs."""
        return await self._read(lambda tx: _logs.find(tx, builderid, number, step, slug))

    async def log_window(self, logid: int, first: int, count: int) -> list[tuple[str, str]]:
        """Some lines, as (stream letter, text)."""
        return await self._read(lambda tx: _logs.window(tx, logid, first, count))

    async def log_text_found(self, logid: int, needle: str, span: Span, *, case: bool) -> Found:
        """Where a log has a text."""
        return await self._read(lambda tx: _logs.find_text(tx, logid, needle, span, case=case))

    async def log_lines_found(
        self, logid: int, hints: Sequence[bytes], wanted: Callable[[str], bool], span: Span
    ) -> Found:
        """The lines of a log for which a function says yes, of those that have a hint."""
        return await self._read(lambda tx: _logs.find_lines(tx, logid, hints, wanted, span))

    async def log_opening(
        self,
        log: LogLine,
        count: int,
        *,
        line: int | None,
        error: tuple[Sequence[bytes], Callable[[str], bool]] | None,
    ) -> tuple[int, list[tuple[str, str]], int | None, int]:
        """What a viewer shows first: lines around ``line``, else around the first error, else
        the end.

        :param line: from 0; None to choose.
        :param error: the hints of :func:`views_logs.find_lines`, and what says whether a line
            tells of an error; looked for at the begin of the log, for a second.
        :returns: number of the first line (from 0), the lines, the line of the error, and how
            many lines of command and environment the log begins with.
        """

        def work(tx: Connection) -> tuple[int, list[tuple[str, str]], int | None, int]:
            found = None
            if error is not None:
                span = Span(0, min(log.num_lines, 200_000), most=1)
                found = next(iter(_logs.find_lines(tx, log.id, *error, span).lines), None)
            middle = line if line is not None else found
            first = log.num_lines - count if middle is None else middle - count // 3
            first = max(0, min(first, log.num_lines - count))
            header = _logs.header_lines(tx, log.id)
            return first, _logs.window(tx, log.id, first, count), found, header

        return await self._read(work)

    async def log_block(self, logid: int, from_line: int) -> tuple[bytes, int | None]:
        """A block of raw text, and the line to go on from."""
        return await self._read(lambda tx: _logs.block(tx, logid, from_line))

    async def worker(self, workerid: int) -> tuple[list[BuildLine], list[WorkerMoment]]:
        """The last builds of a worker, and what happened to it."""
        return await self._read(
            lambda tx: (_builds.of_worker(tx, workerid), _waterfall.moments_of(tx, workerid))
        )

    async def changes(self, **wanted: Any) -> tuple[list[ChangeLine], list[Verdict]]:
        """A page of changes and what became of them."""

        def work(tx: Connection) -> tuple[list[ChangeLine], list[Verdict]]:
            page = _changes.page(tx, **wanted)
            return page, _changes.verdicts(tx, [one.stampid for one in page])

        return await self._read(work)

    async def change(self, changeid: int) -> tuple[ChangeLine, list[Verdict]] | None:
        """One change and what became of it."""

        def work(tx: Connection) -> tuple[ChangeLine, list[Verdict]] | None:
            change = _changes.get(tx, changeid)
            return (change, _changes.verdicts_of_change(tx, changeid)) if change else None

        return await self._read(work)

    async def revision(self, prefix: str) -> tuple[list[ChangeLine], list[Verdict]]:
        """The changes of a revision and what became of them."""

        def work(tx: Connection) -> tuple[list[ChangeLine], list[Verdict]]:
            page = _changes.of_revision(tx, prefix)
            return page, _changes.verdicts(tx, [one.stampid for one in page])

        return await self._read(work)

    async def request(self, requestid: int) -> BuildsetDetail | None:
        """The buildset of a request, with all its requests."""

        def work(tx: Connection) -> BuildsetDetail | None:
            bsid = _requests.buildset_of(tx, requestid)
            found = _requests.buildset(tx, bsid) if bsid is not None else None
            if found is not None:
                found.acts = _acts.of_thing(tx, "buildrequests", requestid)
            return found

        return await self._read(work)

    async def buildset(self, bsid: int) -> BuildsetDetail | None:
        """A buildset with all its requests."""
        return await self._read(lambda tx: _requests.buildset(tx, bsid))

    async def past(
        self,
        builder_ids: Iterable[int],
        worker_ids: Iterable[int],
        *,
        start: int,
        end: int,
        steps: str = "",
    ) -> Past:
        """What happened from ``start`` to ``end``; less than that if a page cannot hold it.

        :param steps: ``1`` for the steps of all builds; else those that ended well are left out
            where there are many builds.
        """
        ids = list(builder_ids)

        def work(tx: Connection) -> Past:
            begin, boxes = start, _waterfall.builds_between(tx, ids, start, end, limit=_BOXES)
            cut = len(boxes) == _BOXES
            if cut:
                finished = [box.started_at for box in boxes if box.complete_at is not None]
                begin = min(finished, default=start)
                boxes = _waterfall.builds_between(tx, ids, begin, end, limit=2 * _BOXES)
            _waterfall.add_steps(tx, boxes, only_telling=steps != "1" and len(boxes) > _WITH_STEPS)
            last = None if boxes else _waterfall.last_end_before(tx, ids, begin)
            return Past(
                boxes,
                _changes.between(tx, begin, end),
                _waterfall.worker_moments(tx, worker_ids, begin, end),
                last,
                begin,
                cut=cut,
            )

        return await self._read(work)


def _running(step: StepLine) -> bool:
    return step.started_at is not None and step.complete_at is None
