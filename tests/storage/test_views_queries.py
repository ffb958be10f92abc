"""What pages ask of storage: right answers, and a fixed number of statements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert, update

from ci_common.failures import StepFailure
from ci_master.data import views
from ci_master.storage import (
    schema,
    views_builds,
    views_changes,
    views_logs,
    views_requests,
    views_waterfall,
)

T = 1_763_640_000
BUILDS = 40


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """Collects the statements sent meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def fill(tx: Connection) -> None:
    """One builder with BUILDS builds of as many changes; every fourth failed in its 2nd step."""

    def add(table: Any, **row: Any) -> None:
        tx.execute(insert(table), row)

    add(schema.masters, id=1, name="m", active=True, last_active=T)
    add(schema.builders, id=1, name="b", tags_json="[]")
    add(schema.workers, id=1, name="w", info_json="{}", paused=False, graceful=False)
    for n in range(1, BUILDS + 1):
        at = T + n * 100
        add(
            schema.sourcestamps, id=n, hash=f"{n:040}", branch="main" if n % 2 else "old",
            revision=f"{n:040}", repository="", project="", codebase="", created_at=at,
        )  # fmt: skip
        add(
            schema.changes, id=n, author="Ana <a@b>", comments=f"\nchange {n}\nmore",
            branch="main", revision=f"{n:040}", when_timestamp=at, repository="", project="",
            codebase="", files_json='["a.c"]', properties_json="{}", sourcestampid=n,
        )  # fmt: skip
        add(
            schema.buildsets, id=n, reason="push", submitted_at=at, complete=True,
            properties_json='{"owner": ["ana", "Change"]}',
        )  # fmt: skip
        add(schema.buildset_sourcestamps, id=n, buildsetid=n, sourcestampid=n)
        add(
            schema.buildrequests, id=n, buildsetid=n, builderid=1, priority=0, submitted_at=at,
            waited_for=False, complete=True, results=0,
        )  # fmt: skip
        bad = n % 4 == 0
        add(
            schema.builds, id=n, number=n, builderid=1, buildrequestid=n, workerid=1, masterid=1,
            started_at=at, complete_at=at + 50, locks_duration_s=0, state_string="x",
            results=2 if bad else 0,
        )  # fmt: skip
        add(schema.build_properties, id=n, properties_json='{"p": [1, "Step"]}')
        for number in range(2):
            add(
                schema.steps, id=2 * n + number, buildid=n, number=number, name=f"step{number}",
                started_at=at, complete_at=at + 20, state_string="text", urls_json="[]",
                results=2 if bad and number else 0, hidden=False,
            )  # fmt: skip
    add(
        schema.logs, id=1, stepid=2, name="stdio", slug="stdio", type="s", complete=True,
        num_lines=4, num_bytes=30,
    )  # fmt: skip
    text = b"one\n\x1b[31mTw\x1b[0mo two\nthree\nTWO\n"
    add(
        schema.logchunks, id=1, logid=1, first_line=0, line_count=4, num_bytes=len(text),
        runs_json=f'[["h", 1, 4], ["o", 3, {len(text) - 4}]]', compression=0, content=text,
    )  # fmt: skip
    add(schema.worker_events, id=1, workerid=1, at=T - 50, kind="paused", reason="disk")
    add(schema.worker_events, id=2, workerid=1, at=T + 50, kind="unpaused")


@pytest.fixture
def filled(database: Engine) -> Engine:
    with database.begin() as tx:
        fill(tx)
    return database


def ask(engine: Engine, question: Callable[[Connection], Any], most: int) -> Any:
    """The answer, which must not take more than so many statements."""
    with engine.connect() as tx, counted(engine) as seen:
        answer = question(tx)
    assert len(seen) <= most, seen
    return answer


def test_a_page_of_builds_is_newest_first_with_subject_and_failing_step(filled: Engine) -> None:
    rows = ask(filled, lambda tx: views_builds.of_builder(tx, 1, before=40, limit=5), 4)
    assert [row.number for row in rows] == [39, 38, 37, 36, 35]
    assert rows[3].failing == StepFailure(1, "step1", 2, "text")
    assert rows[3].failure == "step1: text"
    assert rows[0].stamps[0].subject == "change 39" and rows[0].owner == "ana"


def test_builds_can_be_filtered_by_branch_result_and_worker(filled: Engine) -> None:
    rows = ask(
        filled,
        lambda tx: views_builds.of_builder(tx, 1, branch="old", results=2, workerid=1, limit=3),
        4,
    )
    assert [row.number for row in rows] == [40, 36, 32]


def test_one_build_with_all_around_it_is_a_fixed_number_of_statements(filled: Engine) -> None:
    found = ask(filled, lambda tx: views_builds.detail(tx, 1, 8), 8)
    assert (found.older, found.newer, found.properties) == (7, 9, {"p": (1, "Step")})
    assert [step.results for step in found.steps] == [0, 2]
    assert ask(filled, lambda tx: views_builds.detail(tx, 1, 999), 1) is None


def test_latest_builds_are_found_by_result(filled: Engine) -> None:
    assert ask(filled, lambda tx: views_builds.latest_number(tx, 1), 1) == 40
    assert ask(filled, lambda tx: views_builds.latest_number(tx, 1, (0, 1)), 1) == 39


def test_changes_come_with_what_became_of_them(filled: Engine) -> None:
    rows = ask(filled, lambda tx: views_changes.page(tx, limit=3, text="change 4"), 1)
    assert [row.id for row in rows] == [40, 4]
    verdicts = ask(filled, lambda tx: views_changes.verdicts(tx, [40, 4]), 1)
    assert [(one.number, one.results) for one in verdicts] == [(4, 2), (40, 2)]


def test_a_range_of_the_waterfall_has_builds_steps_and_worker_states(filled: Engine) -> None:
    start, end = T + 1000, T + 1500
    boxes = ask(filled, lambda tx: views_waterfall.builds_between(tx, [1], start, end), 2)
    assert [box.number for box in boxes] == [15, 14, 13, 12, 11, 10]
    ask(filled, lambda tx: views_waterfall.add_steps(tx, boxes), 1)
    assert all(len(box.steps) == 2 for box in boxes)
    moments = ask(filled, lambda tx: views_waterfall.worker_moments(tx, [1], T, T + 100), 2)
    assert [moment.kind for moment in moments] == ["paused", "unpaused"]


def test_a_range_that_holds_too_much_is_whole_from_where_it_begins(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_BOXES", 10)
    with filled.begin() as tx:  # one that began long before, and ended after that
        long = update(schema.builds).where(schema.builds.c.id == 5)
        tx.execute(long.values(complete_at=T + 3950))

    class Store:
        async def read(self, function: Any) -> Any:
            with filled.connect() as tx:
                return function(tx)

    coroutine = views.Views(Store()).past([1], [1], start=T, end=T + 5000)
    with counted(filled) as seen, pytest.raises(StopIteration) as done:
        coroutine.send(None)
    past = done.value.value
    assert (past.cut, past.start) == (True, T + 3100)
    assert [box.number for box in past.builds] == [*range(40, 30, -1), 5]
    assert all(change.when >= past.start for change in past.changes)
    assert len(seen) <= 8


DAY = 86400
WINDOW = (T + 100 * DAY, T + 100 * DAY + 43200)
#: Name -> when it began and ended, from the begin of the window; and whether it ran in it.
RUNS = {
    "running for months": (-90 * DAY, None, True),
    "running since a moment ago": (600, None, True),
    "began before and ended in it": (-4 * DAY, 100, True),
    "began long before and ended after it": (-5 * DAY, 10 * DAY, True),
    "ended at its begin": (-9 * DAY, 0, True),
    "began at its end": (43200, 43300, True),
    "ended before it": (-5 * DAY, -1, False),
    "short and just before it": (-60, -1, False),
    "began after it": (43201, 43300, False),
    "running, but began after it": (43201, None, False),
}


def test_whatever_ran_in_a_range_is_found_however_long_it_took(filled: Engine) -> None:
    start, end = WINDOW
    with filled.begin() as tx:
        for number, (began, ended, _) in enumerate(RUNS.values(), 100):
            tx.execute(
                insert(schema.builds),
                {
                    "id": number, "number": number, "builderid": 1, "buildrequestid": 1,
                    "workerid": 1, "masterid": 1, "started_at": start + began,
                    "complete_at": None if ended is None else start + ended,
                },
            )  # fmt: skip
    boxes = ask(filled, lambda tx: views_waterfall.builds_between(tx, [1], start, end), 2)
    names = dict(enumerate(RUNS, 100))
    assert sorted(names[box.id] for box in boxes) == sorted(n for n, run in RUNS.items() if run[2])
    assert [box.started_at for box in boxes] == sorted((b.started_at for b in boxes), reverse=True)
    few = ask(filled, lambda tx: views_waterfall.builds_between(tx, [1], start, end, limit=2), 2)
    assert [box.complete_at for box in few] == [None, None]  # what runs is never left out


def found(engine: Engine, needle: str, *, case: bool = False, **span: Any) -> views_logs.Found:
    where = views_logs.Span(**{"first": 0, "end": 4, **span})
    return ask(engine, lambda tx: views_logs.find_text(tx, 1, needle, where, case=case), 9)  # type: ignore[no-any-return]


def test_a_search_ignores_escapes_and_names_a_line_for_each_match(filled: Engine) -> None:
    assert found(filled, "two") == views_logs.Found([1, 1, 3], None)
    assert found(filled, "TWO", case=True).lines == [3]
    assert found(filled, "two", first=2).lines == [3]
    assert found(filled, "two", end=3).lines == [1, 1]
    assert found(filled, "").lines == []


def test_a_search_that_takes_long_says_where_to_go_on(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views_logs, "_PIECE", 2)
    assert found(filled, "two", seconds=0) == views_logs.Found([1, 1], 2)
    assert found(filled, "two", seconds=99, most=1) == views_logs.Found([1, 1], 2)
    assert found(filled, "two", seconds=0, first=2) == views_logs.Found([3], None)


def test_a_search_sees_of_a_rewritten_line_what_is_shown_and_counts_lines_right(
    filled: Engine,
) -> None:
    text = b"10% two\r20% one\r\n\x1b]0;no end\nfatal two\r\n\x1b]0;title\x07E   two\n"
    with filled.begin() as tx:
        tx.execute(schema.logchunks.delete())
        row = {"id": 1, "logid": 1, "first_line": 0, "line_count": 4, "num_bytes": len(text)}
        runs = f'[["o", 4, {len(text)}]]'
        tx.execute(
            insert(schema.logchunks), {**row, "runs_json": runs, "compression": 0, "content": text}
        )
    assert found(filled, "two").lines == [2, 3]
    hints = (b"\ne  ", b"fatal")
    asked: list[str] = []

    def wanted(line: str) -> bool:
        asked.append(line)
        return True

    span = views_logs.Span(0, 4)
    lines = ask(filled, lambda tx: views_logs.find_lines(tx, 1, hints, wanted, span), 1)
    assert (lines.lines, asked) == ([2, 3], ["fatal two", "E   two"])


def test_lines_of_headers_are_no_errors(filled: Engine) -> None:
    span = views_logs.Span(0, 4)
    look = [b"o"]
    lines = ask(filled, lambda tx: views_logs.find_lines(tx, 1, look, lambda _l: True, span), 1)
    assert lines == views_logs.Found([1, 3], None)
    assert lines.as_json() == {"lines": [2, 4], "next": None}


def test_a_window_of_a_log_names_the_stream_of_each_line(filled: Engine) -> None:
    rows = ask(filled, lambda tx: views_logs.window(tx, 1, 0, 3), 1)
    assert [letter for letter, _text in rows] == ["h", "o", "o"]
    assert rows[2] == ("o", "three")


def test_a_request_shows_its_whole_buildset(filled: Engine) -> None:
    assert ask(filled, lambda tx: views_requests.buildset_of(tx, 7), 1) == 7
    found = ask(filled, lambda tx: views_requests.buildset(tx, 7), 4)
    assert found.requests[0].build == (1, 7, 0) and found.owner == "ana"
