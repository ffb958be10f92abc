"""What a store promises of transactions, for SQLite, PostgreSQL and the store of the unit tests.

Each act is stored whole or not at all, fails or succeeds alone, and tells its own caller. What it
announces follows its commit.
"""

import gc
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ci_master.events.bus import Bus
from ci_master.storage import schema
from ci_master.storage.batch import TwoRowsOfOneId
from ci_master.storage.engine import may_pass
from ci_master.storage.transaction import Group, Incomplete, RowMissing, Transaction
from tests.fakes.store import InstantStore
from tests.storage.harness import LIMIT_S, Desk
from tests.storage.troubles import lost_connection

p, b, w = schema.projects, schema.builders, schema.workers


class Bench(Protocol):
    """A store, a bus whose keys are kept, and how to wait."""

    store: Any
    bus: Bus
    told: list[str]

    def wait(self) -> None:
        """Until all acts are answered."""


class Real:
    """A store with its writer's thread."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.store = desk.store
        self.bus, self.told = Bus(), []
        self.bus.subscribe_all(lambda seq, key, message: self.told.append("/".join(key)))

    def wait(self) -> None:
        self.desk.settle()


class Fake:
    """The store of the unit tests."""

    def __init__(self) -> None:
        self.store = InstantStore()
        self.bus, self.told = Bus(), []
        self.bus.subscribe_all(lambda seq, key, message: self.told.append("/".join(key)))

    def wait(self) -> None:
        pass


@pytest.fixture(params=["sqlite", "postgresql", "instant"])
def bench(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Bench]:
    if request.param == "instant":
        fake = Fake()
        yield fake
        fake.store.close()
    else:
        yield from _real(_url(request, tmp_path), tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def real(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Real]:
    yield from _real(_url(request, tmp_path), tmp_path)


@pytest.fixture
def on_disk(tmp_path: Any) -> Iterator[Real]:
    """SQLite only: the disk of a server cannot be filled."""
    yield from _real(f"sqlite:///{tmp_path}/state.sqlite", tmp_path)


def _url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.sqlite"
    return str(request.getfixturevalue("postgres_cluster").new_database())


def _real(url: str, tmp_path: Any) -> Iterator[Real]:
    desk = Desk(url, str(tmp_path))
    yield Real(desk)
    desk.close()


def act(bench: Bench, about: str = "an act", group: Group | None = None) -> Transaction:
    return bench.store.transaction(about, bus=bench.bus, group=group)  # type: ignore[no-any-return]  # a store has no type here


def answer(done: "Deferred[None]") -> list[Any]:
    """What a caller is told: empty for now, [None], or [the exception]."""
    told: list[Any] = []
    done.addCallbacks(told.append, lambda failure: told.append(failure.value))
    return told


def rows(bench: Bench, table: Any = p) -> dict[int, Any]:
    bench.wait()
    found: list[Any] = []
    reading = bench.store.read(lambda tx: tx.execute(select(table)).all())
    if isinstance(bench, Real):
        return {row.id: row for row in bench.desk.run(reading)}
    reading.addBoth(found.append)
    return {row.id: row for row in found[0]}


def project(number: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": name or f"p{number}", "slug": "s", "active": True, **more}


def added(bench: Bench, number: int, **more: Any) -> list[Any]:
    """Add a project and tell of it; gives the list in which the answer will be."""
    one = act(bench)
    one.insert(p, project(number, **more))
    one.tell(lambda: {"id": number}, ("added", str(number)))
    return answer(one.commit())


def boom(tx: Connection) -> None:
    raise ValueError("boom")


def boom_after_writing(tx: Connection) -> None:
    tx.execute(p.insert(), project(77))
    raise ValueError("boom")


# -- faults that an act can have, each for itself ------------------------------------------------

Spoil = Callable[[Transaction], object]


def same_id_twice(one: Transaction) -> None:
    one.insert(p, project(50))
    one.insert(p, project(50, "x"))


FAULTS: dict[str, tuple[Spoil, type[BaseException] | tuple[type[BaseException], ...]]] = {
    "a value that no driver can bind": (
        lambda one: one.insert(p, project(50, description={"a": [1]})),
        StatementError,
    ),
    "a list, which one driver would take for text": (
        lambda one: one.insert(p, project(50, description=["a"])),
        StatementError,
    ),
    "NULL where there must be a value": (
        lambda one: one.insert(p, project(50, slug=None)),
        IntegrityError,
    ),
    "an id that is taken": (lambda one: one.insert(p, project(1, "other")), IntegrityError),
    "a name that is taken": (lambda one: one.insert(p, project(50, "p1")), IntegrityError),
    "the same id twice in one act": (
        same_id_twice,
        TwoRowsOfOneId,
    ),
    "a reference to nothing": (
        lambda one: one.insert(b, {"id": 50, "name": "b", "projectid": 4711}),
        IntegrityError,
    ),
    "a whole number that is too large": (
        lambda one: one.update(w, 1, {"last_seen_at": 2**70}),
        (OverflowError, DBAPIError),
    ),
    "a column that there is not": (lambda one: one.insert(p, project(50, colour="red")), Exception),
    "an update of a column that there is not": (
        lambda one: one.update(p, 1, {"colour": "red"}),
        Exception,
    ),
    "an update of a row that there is not": (
        lambda one: one.update(p, 4711, {"slug": "x"}),
        RowMissing,
    ),
    "a function that raises": (lambda one: one.run(boom), ValueError),
    "a function that writes and raises": (
        lambda one: one.run(boom_after_writing),
        ValueError,
    ),
    "a value that cannot be made": (
        lambda one: one.insert(
            p, project(50, description=None), late={"description": lambda: 1 // 0}
        ),
        ZeroDivisionError,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_act_fails_whole_alone_and_tells_its_caller(bench: Bench, fault: str) -> None:
    assert added(bench, 1) is not None
    worker = act(bench)
    worker.insert(w, {"id": 1, "name": "w"})
    worker.submit()
    bench.wait()
    spoil, raised = FAULTS[fault]
    before = added(bench, 2)
    bad, failures = act(bench, "the bad one"), []
    bad.insert(p, project(10))
    bad.update(p, 1, {"slug": "changed"})
    spoil(bad)
    bad.insert(p, project(11))
    bad.tell(dict, ("bad",))
    bad.tell_then(dict, ("bad", "then"))
    bad.after_commit(lambda: bench.told.append("bad followed"))
    bad.on_failure(failures.append)
    told = answer(bad.commit())
    after = added(bench, 3)
    found = rows(bench)
    assert (before, after) == ([None], [None])
    assert isinstance(told[0], raised), told
    assert [failure.value for failure in failures] == told
    assert sorted(found) == [1, 2, 3]
    assert found[1].slug == "s"
    assert bench.told == ["added/1", "added/2", "added/3"]


def test_two_bad_acts_fail_each_for_its_own_reason(bench: Bench) -> None:
    answers = [
        added(bench, 1),
        added(bench, 2, description={"no": 1}),
        added(bench, 3),
        added(bench, 4, name="p3"),
        added(bench, 5),
    ]
    assert sorted(rows(bench)) == [1, 3, 5]
    assert [one[0] for one in (answers[0], answers[2], answers[4])] == [None] * 3
    assert isinstance(answers[1][0], StatementError)
    assert isinstance(answers[3][0], IntegrityError)
    assert bench.told == ["added/1", "added/3", "added/5"]


def test_a_bad_insert_takes_the_update_of_its_row_along(bench: Bench) -> None:
    added_one = added(bench, 1, description={"no": 1})
    change = act(bench)
    change.update(p, 1, {"slug": "new"})
    change.insert(p, project(2))
    changed = answer(change.commit())
    innocent = added(bench, 3)
    assert sorted(rows(bench)) == [3]
    assert isinstance(added_one[0], StatementError)
    assert isinstance(changed[0], RowMissing)
    assert innocent == [None]


def test_a_bad_update_leaves_the_row_that_was_added_just_before(bench: Bench) -> None:
    added_one = added(bench, 1)
    change = act(bench)
    change.update(p, 1, {"slug": "new", "description": {"no": 1}})
    changed = answer(change.commit())
    again = act(bench)
    again.update(p, 1, {"description": "yes"})
    changed_again = answer(again.commit())
    row = rows(bench)[1]
    assert (row.slug, row.description) == ("s", "yes")
    assert (added_one, changed_again) == ([None], [None])
    assert isinstance(changed[0], StatementError)


def test_a_failing_act_between_two_that_depend_on_each_other_leaves_them(bench: Bench) -> None:
    first = added(bench, 1)
    bad = added(bench, 2, slug=None)
    last = act(bench)
    last.insert(b, {"id": 1, "name": "b", "projectid": 1})
    last.update(p, 1, {"slug": "last"})
    done = answer(last.commit())
    assert rows(bench, b)[1].projectid == 1
    assert rows(bench)[1].slug == "last"
    assert (first, done) == ([None], [None])
    assert isinstance(bad[0], IntegrityError)


def test_a_bad_value_is_bad_though_another_act_replaces_it_at_once(bench: Bench) -> None:
    first = added(bench, 1, description={"no": 1})
    change = act(bench)
    change.update(p, 1, {"description": "yes"})
    changed = answer(change.commit())
    second = added(bench, 2, name="a")
    taken = added(bench, 3, name="a")
    rename = act(bench)
    rename.update(p, 2, {"name": "b"})
    renamed = answer(rename.commit())
    found = rows(bench)
    assert {number: row.name for number, row in found.items()} == {2: "b"}
    assert isinstance(first[0], StatementError)
    assert isinstance(changed[0], RowMissing)
    assert isinstance(taken[0], IntegrityError)
    assert (second, renamed) == ([None], [None])


def test_an_act_may_not_refer_to_what_a_later_one_adds(bench: Bench) -> None:
    early = act(bench)
    early.insert(b, {"id": 1, "name": "b", "projectid": 1})
    refused = answer(early.commit())
    added(bench, 1)
    one = act(bench)
    one.insert(b, {"id": 2, "name": "c", "projectid": 2})
    one.insert(p, project(2))
    taken = answer(one.commit())
    assert sorted(rows(bench, b)) == [2]
    assert isinstance(refused[0], IntegrityError)
    assert taken == [None]


def test_names_are_exchanged_in_the_order_of_the_acts(bench: Bench) -> None:
    for number in (1, 2, 3):
        added(bench, number)
    bench.wait()
    answers = []
    for number, values in (
        (3, {"name": "other"}),
        (1, {"name": "p2", "slug": "x"}),  # it is still taken
        (2, {"name": "free"}),
        (1, {"name": "p2", "slug": "y"}),  # now it is not
    ):
        change = act(bench)
        change.update(p, number, values)
        answers.append(answer(change.commit()))
    found = rows(bench)
    assert [found[n].name for n in (1, 2, 3)] == ["p2", "free", "other"]
    assert found[1].slug == "y"
    assert isinstance(answers[1][0], IntegrityError)
    assert answers[0] == answers[2] == answers[3] == [None]


def test_values_are_made_once_however_often_a_row_is_tried(bench: Bench) -> None:
    made: list[int] = []
    given = project(1, description=None)
    change: dict[str, Any] = {}

    def make(number: int) -> str:
        made.append(number)
        return f"made {number}"

    one = act(bench)
    one.insert(p, given, late={"description": lambda: make(1)})
    stored = answer(one.commit())
    bad = added(bench, 2, slug=None)
    two = act(bench)
    two.update(p, 1, change, late={"slug": lambda: make(2)})
    changed = answer(two.commit())
    row = rows(bench)[1]
    assert (row.description, row.slug) == ("made 1", "made 2")
    assert made == [1, 2]
    assert (given["description"], change) == (None, {})  # what the caller has stays as it is
    assert (stored, changed) == ([None], [None])
    assert isinstance(bad[0], IntegrityError)


class WatchedRow(dict[str, Any]):
    """A row of which one can tell when it is gone."""


def test_what_was_stored_is_forgotten_without_the_garbage_collector(bench: Bench) -> None:
    gone = threading.Event()  # the writer's thread may be the last that lets go of it
    row = WatchedRow(id=1, name="a", slug="a")
    weakref.finalize(row, gone.set)
    one = act(bench)
    one.insert(p, row)
    one.after_commit(lambda: None)
    del row
    gc.disable()
    try:
        one.submit()
        del one
        bench.wait()
        assert gone.wait(LIMIT_S)
    finally:
        gc.enable()


def test_text_that_no_database_takes_is_stored_as_far_as_it_can_be(bench: Bench) -> None:
    done = added(bench, 1, description="a\0b\ud800c", name="n" * 300)
    row = rows(bench)[1]
    assert done == [None]
    assert row.description == "a\N{REPLACEMENT CHARACTER}b?c"
    assert len(row.name) == 256


def test_events_and_callbacks_follow_in_order_and_one_that_fails_stops_nothing(
    bench: Bench,
) -> None:
    def stumble() -> None:
        bench.told.append("stumbles")
        raise KeyError("after the commit")

    def refuse(key: Any, message: Any) -> None:
        raise KeyError("a listener")

    bench.bus.subscribe(("one",), refuse)
    state = ["before"]
    one = act(bench)
    one.insert(p, project(1))
    one.tell(lambda: {"as": state[0]}, ("one",))
    one.after_commit(stumble)
    one.after_commit(lambda: state.__setitem__(0, "after"))
    one.tell_then(lambda: {"as": state[0]}, ("two",))
    messages: list[Any] = []
    bench.bus.subscribe(("two",), lambda key, message: messages.append(message["as"]))
    bench.bus.subscribe(("one",), lambda key, message: messages.append(message["as"]))
    done = answer(one.commit())
    other = added(bench, 2)
    bench.wait()
    assert bench.told == ["one", "stumbles", "two", "added/2"]
    assert messages == ["before", "after"]
    assert (done, other) == ([None], [None])


def test_what_is_asked_for_while_others_are_told_comes_later(bench: Bench) -> None:
    def hear(key: Any, message: Any) -> None:
        if message["id"] == 1:
            added(bench, 3)

    bench.bus.subscribe(("added", None), hear)
    added(bench, 1)
    added(bench, 2)
    bench.wait()
    bench.wait()
    assert sorted(bench.told) == ["added/1", "added/2", "added/3"]
    assert bench.told.index("added/3") > bench.told.index("added/1")


def test_nobody_is_told_before_it_is_stored(bench: Bench) -> None:
    seen: list[Any] = []

    def look(tx: Connection) -> None:
        seen.append(list(tx.execute(select(p.c.id)).scalars()))

    reading = bench.store.read_here if isinstance(bench, Real) else bench.store.read
    one = act(bench)
    one.insert(p, project(1))
    one.after_commit(lambda: reading(look))
    one.submit()
    bench.wait()
    assert seen == [[1]]


def test_an_end_fails_if_a_part_is_lost_and_then_knows_of_it(bench: Bench) -> None:
    build = Group()
    step = Group(build)
    end = act(bench, "the end", build)
    end.insert(p, project(3))
    end.concludes(build)
    part = act(bench, "a part", step)
    part.insert(p, project(1, slug=None))
    part.submit()
    other = act(bench, "another part", step)
    other.insert(p, project(2))
    other.submit()
    ended = answer(end.commit())
    assert sorted(rows(bench)) == [2]
    assert isinstance(ended[0], Incomplete)
    assert (step.lost, build.lost) == (["a part"], ["a part"])
    assert build.summary() == "could not be stored: a part"
    again = act(bench, "the end", build)
    again.insert(p, project(3))
    again.concludes(build)
    ended_again = answer(again.commit())
    unrelated = act(bench)
    unrelated.insert(p, project(4))
    unrelated.concludes(Group())
    unrelated_ended = answer(unrelated.commit())
    assert sorted(rows(bench)) == [2, 3, 4]
    assert (ended_again, unrelated_ended) == ([None], [None])


def test_an_event_without_rows_keeps_its_place(bench: Bench) -> None:
    added(bench, 1)
    alone = act(bench)
    alone.tell(dict, ("alone",))
    alone.submit()
    added(bench, 2, slug=None)
    added(bench, 3)
    bench.wait()
    assert bench.told == ["added/1", "alone", "added/3"]


def test_a_function_sees_the_rows_of_its_act_and_gives_an_answer(bench: Bench) -> None:
    one = act(bench)
    one.insert(p, project(1))
    found = one.run(lambda tx: tx.execute(select(p.c.id)).scalars().all())
    one.insert(p, project(2))
    done = answer(one.commit())
    assert sorted(rows(bench)) == [1, 2]
    assert (done, found.value) == ([None], [1])


def test_one_bad_row_among_many_costs_nobody_else(bench: Bench) -> None:
    answers = [added(bench, n, **({"slug": None} if n == 333 else {})) for n in range(1, 501)]
    assert len(rows(bench)) == 499
    assert [n for n, told in enumerate(answers, 1) if told != [None]] == [333]


# -- what only a real database does -------------------------------------------------------------


@contextmanager
def trouble(bench: Real, make: Callable[[int], BaseException | None]) -> Iterator[list[int]]:
    """Let commits of the writer fail, as long as ``make(n)`` gives an error for the n-th one."""
    writer, tries = bench.store._writer, []
    commit = writer._commit

    def failing(batch: Any) -> None:
        tries.append(len(batch))
        error = make(len(tries))
        if error is not None:
            writer._connected().invalidate()
            raise error
        commit(batch)

    writer._commit = failing
    yield tries
    del writer._commit


def test_after_a_lost_connection_all_is_written_and_values_are_made_once(real: Real) -> None:
    made: list[int] = []

    def make() -> str:
        made.append(1)
        return "made"

    calls: list[int] = []
    with trouble(real, lambda n: lost_connection() if n < 3 else None) as tries:
        one = act(real)
        one.insert(p, project(1), late={"description": make})
        stored = answer(one.commit())
        work = act(real)
        work.run(lambda tx: calls.append(1))
        worked = answer(work.commit())
        bad = added(real, 2, slug=None)
        assert rows(real)[1].description == "made"
    assert len(tries) >= 3
    assert (made, calls) == ([1], [1])
    assert (stored, worked) == ([None], [None])
    assert isinstance(bad[0], IntegrityError)


def test_a_connection_that_is_lost_in_the_middle_of_a_batch_undoes_nothing_twice(
    real: Real,
) -> None:
    seen: list[int] = []

    def cut(tx: Connection) -> None:
        seen.append(tx.execute(select(p.c.id)).scalars().all().count(1))
        if len(seen) == 1:
            raise lost_connection()

    before = added(real, 1)
    work = act(real)
    work.run(cut)
    worked = answer(work.commit())
    after = added(real, 2)
    assert sorted(rows(real)) == [1, 2]
    assert seen == [1, 1]
    assert (before, worked, after) == ([None], [None], [None])
    assert real.told == ["added/1", "added/2"]


def test_a_commit_that_is_refused_as_a_whole_is_tried_act_by_act(real: Real) -> None:
    with trouble(real, lambda n: RuntimeError("no such batch") if n == 1 else None):
        answers = [added(real, 1), added(real, 2, slug=None), added(real, 3)]
        assert sorted(rows(real)) == [1, 3]
    assert answers[0] == answers[2] == [None]
    assert isinstance(answers[1][0], IntegrityError)


def test_where_the_database_stays_away_everybody_is_told_at_the_stop(real: Real) -> None:
    followed: list[Failure] = []
    with trouble(real, lambda n: lost_connection()):
        one = added(real, 1)
        silent = act(real)
        silent.insert(p, project(2))
        silent.on_failure(followed.append)
        silent.submit()
        waiting = real.store.committed()
        heard = answer(waiting)
        real.store._writer.give_up()
        last = real.store.transaction("the last one")
        last.insert(p, project(3))
        with pytest.raises(OperationalError):
            real.desk.run(last.commit())
    assert isinstance(one[0], OperationalError)
    assert isinstance(followed[0].value, OperationalError)
    assert heard == [None]
    assert not real.told


def test_a_full_disk_loses_nothing(on_disk: Real) -> None:
    on_disk.wait()
    writer = on_disk.store._writer
    driver = writer._connected().connection.driver_connection
    pages = driver.execute("PRAGMA page_count").fetchone()[0]
    driver.execute(f"PRAGMA max_page_count={pages + 8}")
    waited: list[int] = []

    def make_room(longest: float) -> None:
        waited.append(1)
        driver.execute("PRAGMA max_page_count=1000000")

    writer._stopping.wait = make_room
    big = {"description": "x" * 10_000}
    answers = [added(on_disk, n, **big) for n in range(1, 40)]
    answers.append(added(on_disk, 40, slug=None))
    assert len(rows(on_disk)) == 39
    assert waited == [1]
    assert all(told == [None] for told in answers[:-1])
    assert isinstance(answers[-1][0], IntegrityError)


def test_a_row_that_an_index_cannot_hold_is_a_bad_row(real: Real) -> None:
    """PostgreSQL calls it an operational error, as it calls a lost connection."""
    chance = random.Random(7)  # text that does not become small when it is compressed
    lengths = {"object_name": 512, "class_name": 128, "key": 255}
    state = {
        name: "".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(length))
        for name, length in lengths.items()
    }
    one = act(real)
    one.insert(schema.object_state, {"id": 1, **state, "value_json": "1"})
    told = answer(one.commit())
    other = added(real, 1)
    assert sorted(rows(real)) == [1]
    assert other == [None]
    if real.desk.url.startswith("sqlite"):
        assert told == [None]
    else:
        assert isinstance(told[0], OperationalError)
        assert not may_pass(told[0])


def test_text_is_refused_by_a_trigger_for_one_act_only(real: Real) -> None:
    """A reason that is in the database itself is no different from ours."""
    real.desk.run(real.store.write(_refuse_slug))
    answers = [added(real, 1), added(real, 2, slug="refused"), added(real, 3)]
    assert sorted(rows(real)) == [1, 3]
    assert answers[0] == answers[2] == [None]
    assert isinstance(answers[1][0], DBAPIError)


def _refuse_slug(tx: Connection) -> None:
    if tx.dialect.name == "sqlite":
        tx.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON projects WHEN new.slug = 'refused'"
                " BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        )
    else:
        tx.execute(text("ALTER TABLE projects ADD CHECK (slug <> 'refused')"))
