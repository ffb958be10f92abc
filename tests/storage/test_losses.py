"""What becomes of logs, steps, builds and requests of which a part cannot be stored."""

import gc
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from ci_common.results import EXCEPTION, SUCCESS
from ci_master.data.builders import BuilderSpec
from ci_master.data.logs import BACKLOG_BYTES, CHUNK_BYTES, LogWriter
from ci_master.data.model import BuildRow, StepRow
from ci_master.storage import logchunks, schema
from tests.storage.harness import Desk
from tests.storage.troubles import lost_connection


@pytest.fixture
def build(desk: Desk) -> BuildRow:
    desk.run(desk.data.builders.sync([BuilderSpec("b")]))
    desk.run(desk.data.workers.sync({"w": [1]}))
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1]))
    request = desk.data.requests.open[requests[1]]
    assert desk.run(desk.data.requests.claim([request.id]))
    return desk.data.builds.start(1, request, None)


@pytest.fixture
def step(desk: Desk, build: BuildRow) -> StepRow:
    return desk.data.steps.add(build, "make")


def stored(desk: Desk, table: Any) -> list[Any]:
    for _ in range(4):  # what is asked for because something failed may fail as well
        desk.settle()
    return list(desk.run(desk.store.read(lambda tx: tx.execute(select(table)).all())))


def lines(desk: Desk, log: LogWriter) -> list[str]:
    for _ in range(4):
        desk.settle()
    found = desk.run(desk.store.read(lambda tx: logchunks.lines(tx, log.id, 0, 10_000_000)))
    return found.decode().splitlines()


def refuse(desk: Desk, what: str) -> None:
    """Have the database itself refuse chunks, as ``what`` says of their first line."""

    def forbid(tx: Any) -> None:
        if tx.dialect.name == "sqlite":
            for event in ("INSERT", "UPDATE"):
                tx.execute(
                    text(
                        f"CREATE TRIGGER refuse_{event} BEFORE {event} ON logchunks WHEN new.{what}"
                        " BEGIN SELECT RAISE(ABORT, 'refused'); END"
                    )
                )
        else:
            tx.execute(text(f"ALTER TABLE logchunks ADD CHECK (NOT {what}) NOT VALID"))

    desk.run(desk.store.write(forbid))


def finish(desk: Desk, build: BuildRow, step: StepRow) -> None:
    """End the step, the build and the request at once, all of them green."""
    desk.data.steps.finish(step, SUCCESS, False)
    desk.data.builds.finish(build, SUCCESS)
    desk.data.requests.complete([build.request.id], SUCCESS)


def results_told(desk: Desk, *event: str) -> list[Any]:
    return [
        message["results"]
        for key, message in zip(desk.events, desk.messages, strict=True)
        if (key[0], key[-1]) == event and len(key) == 3
    ]


def test_all_lines_come_back_though_bad_reasons_are_stored_beside_them(
    desk: Desk, step: StepRow
) -> None:
    log = desk.data.logs.open(step, "stdio")
    worker = desk.data.workers.by_name["w"]
    wanted, refused = [], []
    for number in range(60):
        for part in range(5):
            text = "".join(f"{number} {part} {line}\n" for line in range(200))
            log.append("o", text.encode())
            wanted += [f"o{line}" for line in text.splitlines()]
        desk.data.logs.flush()
        bad: Any = {"a": [number]}
        paused = desk.data.workers.set_paused(worker, True, bad)
        paused.addErrback(lambda failure: refused.append(failure.value))
        desk.reactor.advance(0)
        if number % 7 == 0:
            desk.settle()
    log.finish()
    assert lines(desk, log) == wanted
    assert log.num_lines == len(wanted) == stored(desk, schema.logs)[0].num_lines
    assert len(refused) == 60
    assert all(isinstance(error, SQLAlchemyError) for error in refused)
    assert not worker.paused
    assert stored(desk, schema.workers)[0].paused is False


@pytest.mark.parametrize("refused", ["num_bytes = 11", "first_line = 2"])
def test_lines_that_cannot_be_stored_are_named_and_the_build_is_not_green(
    desk: Desk, build: BuildRow, step: StepRow, refused: str
) -> None:
    refuse(desk, refused)
    log = desk.data.logs.open(step, "stdio")
    log.append("o", b"one\ntwo\n")
    desk.data.logs.flush()
    log._begin_chunk()
    log.append("o", b"three\nfour\n")
    desk.data.logs.flush()
    log._begin_chunk()
    log.append("o", b"five\n")
    log.finish()
    finish(desk, build, step)
    missing = "h[2 lines could not be stored here; the log of the master says why]"
    there = ["oone", "otwo", missing, "h", "ofive"]
    if refused == "first_line = 2":  # nothing at all can be put there
        there = ["oone", "otwo", "ofive"]
    assert lines(desk, log) == there
    row = stored(desk, schema.logs)[0]
    assert (row.num_lines, row.complete) == (len(there), True)
    assert log.num_lines == row.num_lines
    for table in (schema.steps, schema.builds):
        (one,) = stored(desk, table)
        assert one.results == EXCEPTION
        assert "could not be stored: lines of log 'stdio'" in one.state_string
    assert stored(desk, schema.buildrequests)[0].results == EXCEPTION
    assert stored(desk, schema.buildsets)[0].results == EXCEPTION
    for kind, event in (("steps", "finished"), ("builds", "finished")):
        assert results_told(desk, kind, event) == [EXCEPTION]
    assert results_told(desk, "buildrequests", "complete") == [EXCEPTION]
    assert results_told(desk, "buildsets", "complete") == [EXCEPTION]
    summary = desk.data.builders.by_id[1].summary
    assert (summary.recent, summary.durations) == ([(1, EXCEPTION)], [])
    assert (summary.last_success_at, summary.streak_results) == (None, EXCEPTION)


def test_a_chunk_that_cannot_be_made_leaves_its_place_to_a_line_that_says_so(
    desk: Desk, build: BuildRow, step: StepRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = desk.data.logs.open(step, "stdio")
    log.append("o", b"one\n")
    desk.data.logs.flush()
    desk.settle()
    log._begin_chunk()

    def compress(parts: bytes) -> bytes:
        if b"bad" in parts:
            raise MemoryError("no room for it")
        return good(parts)

    code = logchunks.METHODS[desk.data.context.log_compression]
    good = logchunks._COMPRESS[code]
    monkeypatch.setitem(logchunks._COMPRESS, code, compress)
    log.append("o", b"bad 1\nbad 2\nbad 3\n")
    desk.data.logs.flush()
    log.append("e", b"bad too\n")  # the same chunk, not sent yet
    desk.settle()
    log.append("o", b"last\n")
    log.finish()
    finish(desk, build, step)
    missing = "h[4 lines could not be stored here; the log of the master says why]"
    assert lines(desk, log) == ["oone", missing, "h", "h", "h", "olast"]
    row = stored(desk, schema.logs)[0]
    assert (row.num_lines, log.num_lines, row.complete) == (6, 6, True)
    assert stored(desk, schema.builds)[0].results == EXCEPTION
    assert log.backlog_bytes == 0


@pytest.mark.parametrize("ends", [False, True])
def test_a_log_of_which_nothing_can_be_stored_counts_nothing_and_holds_nobody_up(
    desk: Desk, build: BuildRow, step: StepRow, ends: bool
) -> None:
    refuse(desk, "first_line >= 0")
    log = desk.data.logs.open(step, "stdio")
    line = b"x" * 99 + b"\n"
    for _ in range(BACKLOG_BYTES // CHUNK_BYTES + 2):
        log.append("o", line * (CHUNK_BYTES // 100 + 1))
    assert not log.has_room
    waiting = log.room()
    if ends:
        log.finish()
        finish(desk, build, step)
    desk.settle()
    assert waiting.called
    desk.settle()
    log.append("o", b"more\n")
    assert log.has_room
    log.finish()
    assert lines(desk, log) == []
    row = stored(desk, schema.logs)[0]
    assert (row.num_lines, row.num_bytes, row.complete) == (0, 0, True)
    assert (log.num_lines, log.backlog_bytes) == (0, 0)
    if not ends:
        finish(desk, build, step)
    assert stored(desk, schema.steps)[0].results == EXCEPTION
    assert stored(desk, schema.builds)[0].results == EXCEPTION


def test_back_pressure_ends_when_the_store_gives_up(desk: Desk, step: StepRow) -> None:
    desk.settle()
    log = desk.data.logs.open(step, "stdio")
    log.append("o", b"x\n" * BACKLOG_BYTES)
    waiting = log.room()
    writer: Any = desk.store._writer

    def away(batch: Any) -> None:
        raise lost_connection()

    writer._commit = away
    writer.give_up()
    last = desk.store.transaction("the last one")
    last.insert(schema.masters, {"id": 99, "name": "x", "active": False, "last_active": 0})
    with pytest.raises(SQLAlchemyError):
        desk.run(last.commit())
    del writer._commit
    assert waiting.called


def test_a_build_that_is_not_stored_at_all_ends_its_request_as_an_exception(desk: Desk) -> None:
    desk.run(desk.data.builders.sync([BuilderSpec("b")]))
    made = []
    for _ in range(2):
        _, requests = desk.run(desk.data.buildsets.add(builderids=[1]))
        made.append(desk.data.requests.open[requests[1]])
    first = desk.data.builds.start(1, made[0], None)
    desk.data.builders.by_id[1].next_number = first.number  # so the second one has its number too
    second = desk.data.builds.start(1, made[1], None)
    step = desk.data.steps.add(second, "make")
    log = desk.data.logs.open(step, "stdio")
    log.append("o", b"text\n")
    log.finish()
    finish(desk, second, step)
    desk.data.builds.finish(first, SUCCESS)
    desk.data.requests.complete([made[0].id], SUCCESS)
    (build,) = stored(desk, schema.builds)
    assert (build.id, build.results) == (first.id, SUCCESS)
    assert [row.results for row in stored(desk, schema.buildrequests)] == [SUCCESS, EXCEPTION]
    assert [row.results for row in stored(desk, schema.buildsets)] == [SUCCESS, EXCEPTION]
    assert ("builds", str(second.id), "finished") not in desk.events
    assert results_told(desk, "builds", "finished") == [SUCCESS]


def test_an_end_that_cannot_be_stored_as_it_is_is_an_exception(
    desk: Desk, build: BuildRow, step: StepRow
) -> None:
    text: Any = {"no": "text"}
    step.state_string = text
    finish(desk, build, step)
    (row,) = stored(desk, schema.steps)
    assert row.results == EXCEPTION
    assert row.state_string.startswith(
        "{'no': 'text'} (could not be stored: the end of step 'make'"
    )
    assert stored(desk, schema.builds)[0].results == EXCEPTION


def test_a_build_may_know_of_a_loss_before_it_ends(
    desk: Desk, build: BuildRow, step: StepRow
) -> None:
    value: Any = {"no": "text"}
    desk.data.test_results.add_set(
        build, step, description=value, category="pass_fail", value_unit="boolean"
    )
    desk.settle()
    assert step.group.lost == build.group.lost == ["a set of test results"]
    finish(desk, build, step)
    assert step.results == build.results == EXCEPTION
    assert results_told(desk, "builds", "finished") == [EXCEPTION] or stored(desk, schema.builds)


def test_an_innocent_build_in_the_same_batch_stays_green(
    desk: Desk, build: BuildRow, step: StepRow
) -> None:
    _, requests = desk.run(desk.data.buildsets.add(builderids=[1]))
    other = desk.data.builds.start(1, desk.data.requests.open[requests[1]], None)
    its_step = desk.data.steps.add(other, "make")
    bad: Any = {"no": "text"}
    desk.data.steps.set_state(step, bad)
    finish(desk, other, its_step)
    finish(desk, build, step)
    results = {row.id: row.results for row in stored(desk, schema.builds)}
    assert results == {build.id: EXCEPTION, other.id: SUCCESS}


def test_a_request_that_cannot_be_let_go_stays_claimed(desk: Desk, build: BuildRow) -> None:
    request = build.request
    desk.run(desk.store.write(lambda tx: tx.execute(schema.builds.delete())))
    desk.run(desk.store.write(lambda tx: tx.execute(schema.buildrequests.delete())))
    desk.data.requests.unclaim([request.id])
    assert request.id in desk.data.requests.waiting
    desk.settle()
    assert request.claimed
    assert request.id not in desk.data.requests.waiting


def test_what_a_person_asks_for_holds_only_if_it_is_stored(desk: Desk, build: BuildRow) -> None:
    data = desk.data
    worker = data.workers.by_name["w"]
    bad: Any = {"no": "text"}
    acts = [
        lambda: data.workers.set_paused(worker, True, bad),
        lambda: data.workers.set_graceful(worker, True, bad),
        lambda: data.requests.set_priority(build.request.id, 2**80),
        lambda: data.builds.set_data(build, "name", bad, "source"),
    ]
    told = len(desk.events)
    for ask in acts:
        with pytest.raises((SQLAlchemyError, TypeError, OverflowError)):
            desk.run(ask())
    assert (worker.paused, worker.graceful, build.request.priority) == (False, False, 0)
    assert len(desk.events) == told
    gc.collect()  # nobody failed unseen


def test_state_that_cannot_be_stored_is_as_it_was(desk: Desk) -> None:
    state = desk.data.state
    desk.run(state.set("poller", "P", "rev", 1))
    long = "k" * 300  # two keys that are one when they are cut
    desk.run(state.set("poller", "P", long, 1))
    with pytest.raises(SQLAlchemyError):
        desk.run(state.set("poller", "P", long + "x", 2))
    assert state.get_now("poller", "P", long + "x", None) is None
    assert state.get_now("poller", "P", long) == 1
    desk.run(desk.store.write(lambda tx: tx.execute(schema.object_state.delete())))
    for value in (2, 3):
        state.set_now("poller", "P", "rev", value)
    assert state.get_now("poller", "P", "rev") == 3
    desk.settle()
    assert state.get_now("poller", "P", "rev") == 1


def test_a_reload_that_cannot_be_stored_changes_nothing(desk: Desk, build: BuildRow) -> None:
    bad: Any = {"no": "text"}
    data, told = desk.data, len(desk.events)
    with pytest.raises(SQLAlchemyError):
        desk.run(data.builders.sync([BuilderSpec("new"), BuilderSpec("b", description=bad)]))
    assert list(data.builders.by_name) == ["b"]
    assert data.builders.by_name["b"].description is None
    with pytest.raises(SQLAlchemyError):
        desk.run(data.workers.sync({"w": [1], "w2": [1, 4711]}))
    assert list(data.workers.by_name) == ["w"]
    assert data.workers.by_name["w"].configured_on == [(1, data.master_id)]
    with pytest.raises(SQLAlchemyError):
        desk.run(data.schedulers.sync(["s", 5]))  # type: ignore[list-item]  # no text, on purpose
    assert not data.schedulers.by_name
    assert len(desk.events) == told
    desk.run(data.builders.sync([BuilderSpec("new"), BuilderSpec("b")]))
    assert sorted(data.builders.by_name) == ["b", "new"]


def test_a_buildset_that_cannot_be_stored_leaves_no_trace(desk: Desk, build: BuildRow) -> None:
    bad: Any = {"no": "text"}
    stamp = {"branch": "new", "revision": "abc"}
    told = len(desk.events)
    for more in ({"reason": bad}, {"priority": 2**80}, {"builderids": [4711]}):
        with pytest.raises((SQLAlchemyError, OverflowError)):
            desk.run(
                desk.data.buildsets.add(
                    **{"builderids": [1], "sourcestamps": [stamp], **more}  # type: ignore[arg-type]  # wrong ones, on purpose
                )
            )
    assert len(desk.events) == told
    assert len(desk.data.buildsets.open) == len(desk.data.requests.open) == 1
    assert len(stored(desk, schema.buildsets)) == 1
    assert not [row for row in stored(desk, schema.sourcestamps) if row.branch == "new"]
    desk.run(desk.data.buildsets.add(builderids=[1], sourcestamps=[stamp]))
    assert [row.branch for row in stored(desk, schema.sourcestamps) if row.branch] == ["new"]


def test_a_restart_closes_the_gap_that_a_kill_left(desk: Desk, step: StepRow) -> None:
    log = desk.data.logs.open(step, "stdio")
    for text_ in (b"one\n", b"two\nthree\n", b"four\n"):
        log.append("o", text_)
        desk.data.logs.flush()
        log._begin_chunk()
    desk.settle()
    t = schema.logchunks
    desk.run(desk.store.write(lambda tx: tx.execute(t.delete().where(t.c.first_line == 1))))
    desk.crash()
    desk.open()
    assert lines(desk, log) == ["oone", "ofour"]
    assert stored(desk, schema.logs)[0].num_lines == 2
