"""Random acts, with failures of every kind at every point, against a simple model.

The model carries the acts out one after the other, each on a copy of what is stored. A store brings
them together, splits them again where one is bad, and starts anew where the connection is lost;
what it holds at the end, what it answers and what it announces has to be the same.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select
from twisted.internet.defer import Deferred

from ci_master.events.bus import Bus
from ci_master.storage import schema, writer
from ci_master.storage.batch import carry_out
from ci_master.storage.texts import storable
from ci_master.storage.transaction import Group
from tests.fakes.store import InstantStore
from tests.storage.harness import Desk
from tests.storage.troubles import lost_connection

p, b = schema.projects, schema.builders

BAD = {"no": "text"}


@dataclass(frozen=True)
class AddProject:
    """A new project. ``late``: its description is made in the writer's thread, or cannot be."""

    id: int
    name: str
    slug: Any
    late: str | None


@dataclass(frozen=True)
class AddBuilder:
    """A new builder of a project, which there may be or not."""

    id: int
    projectid: int


@dataclass(frozen=True)
class Change:
    """Other values for columns of a project."""

    id: int
    values: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Call:
    """A function: ``fine``, ``raises``, ``writes``, ``writes and raises`` or ``cut`` off once."""

    kind: str
    id: int


@dataclass(frozen=True)
class Act:
    """Operations that belong together.

    :ivar part_of: number of the group that it is a part of.
    :ivar ends: number of the group that it concludes.
    :ivar pause: all before it are answered before it is handed over.
    """

    ops: tuple[Any, ...]
    part_of: int | None
    ends: int | None
    durable: bool
    pause: bool


class Refused(Exception):
    """The model's database does not take this."""


@dataclass
class Model:
    """What is stored, as dicts of rows."""

    projects: dict[int, dict[str, Any]] = field(default_factory=dict)
    builders: dict[int, int] = field(default_factory=dict)

    def copy(self) -> "Model":
        rows = {id: dict(row) for id, row in self.projects.items()}
        return Model(rows, dict(self.builders))

    def carry_out(self, act: Act) -> None:
        waiting: list[Any] = []
        for op in act.ops:
            if isinstance(op, AddProject) and op.late == "bad":
                raise Refused("late")
        for op in act.ops:
            if isinstance(op, Call):
                self._flush(waiting)
                waiting = []
                self._call(op)
            else:
                waiting.append(op)
        self._flush(waiting)

    def _flush(self, ops: Sequence[Any]) -> None:
        added: dict[int, dict[str, Any]] = {}
        changed: dict[int, dict[str, Any]] = {}
        for op in ops:
            if isinstance(op, AddProject):
                if op.id in added:
                    raise Refused("two of one id")
                made = None if op.late is None else "made"
                added[op.id] = {"name": op.name, "slug": op.slug, "description": made}
            elif isinstance(op, Change):
                row = added.get(op.id) or changed.setdefault(op.id, {})
                row.update(op.values)
        for id, row in added.items():
            if id in self.projects:
                raise Refused("id")
            self.projects[id] = {}
            self._put(id, row)
        builders = [op for op in ops if isinstance(op, AddBuilder)]
        if len({op.id for op in builders}) < len(builders):
            raise Refused("two of one id")
        for op in builders:
            if op.id in self.builders or op.projectid not in self.projects:
                raise Refused("builder")
            self.builders[op.id] = op.projectid
        for id, row in changed.items():
            if id not in self.projects:
                raise Refused("no row")
            self._put(id, row)

    def _put(self, id: int, values: dict[str, Any]) -> None:
        if values.get("slug", "") is None or BAD in values.values():
            raise Refused("value")
        names = {row.get("name") for other, row in self.projects.items() if other != id}
        if values.get("name") in names:
            raise Refused("name")
        self.projects[id].update(values)

    def _call(self, call: Call) -> None:
        if call.kind.startswith("writes"):
            self._flush([AddProject(call.id, f"called {call.id}", "s", None)])
        if call.kind.endswith("raises"):
            raise Refused("function")


# -- how acts are made up -------------------------------------------------------------------------

#: Projects that are there already, and their names.
THERE = {1: "a", 2: "b", 3: "c"}

slugs = st.sampled_from(["s", "t", "u\0\ud800", "v", "w", "x", None, BAD])
new_ids = st.sampled_from([4, 5, 6, 7, 8, 9, 1])
adds = st.builds(
    AddProject,
    new_ids,
    st.sampled_from("defghijklma"),
    slugs,
    st.sampled_from([None, None, None, None, "fine", "fine", "bad"]),
)
builders = st.builds(AddBuilder, st.integers(1, 9), st.integers(1, 6))
ids = st.integers(1, 4)
changes = st.builds(
    Change,
    ids,
    st.lists(
        st.one_of(
            st.tuples(st.just("slug"), slugs),
            st.tuples(st.just("description"), st.sampled_from(["x", "y", "z", None, BAD])),
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
)
renames = st.builds(lambda id, name: Change(id, (("name", name),)), ids, st.sampled_from("abcd"))
calls = st.builds(
    Call, st.sampled_from(["fine", "raises", "writes", "writes and raises", "cut"]), new_ids
)


def in_order(ops: list[Any]) -> tuple[Any, ...]:
    """As an act would be written down; no act changes two names at once."""
    rank = {AddProject: 0, AddBuilder: 1, Change: 2, Call: 3}
    renamed = [op for op in ops if isinstance(op, Change) and op.values[0][0] == "name"]
    kept = [op for op in ops if op not in renamed[1:]]
    return tuple(sorted(kept, key=lambda op: rank[type(op)]))


good_texts = st.sampled_from(["v", "w"])
bad_texts = st.sampled_from([None, BAD])
#: Operations of several acts that have to do with each other, in this order.
stories = st.one_of(
    st.builds(  # a bad value, that a later act replaces
        lambda id, bad, good: [[Change(id, (("slug", bad),))], [Change(id, (("slug", good),))]],
        ids,
        bad_texts,
        good_texts,
    ),
    st.builds(  # a new row, perhaps a bad one, that later acts change
        lambda id, name, slug, more: [[AddProject(id, name, slug, None)], [Change(id, more)]],
        new_ids,
        st.sampled_from("defgh"),
        slugs,
        st.sampled_from([(("slug", "z"),), (("description", "z"),), (("slug", None),)]),
    ),
    st.builds(  # a reference to what comes later
        lambda id, name: [[AddBuilder(id, id)], [AddProject(id, name, "s", None)]],
        st.integers(4, 6),
        st.sampled_from("defgh"),
    ),
    st.builds(  # a change of what comes later
        lambda id, name: [[Change(id, (("slug", "z"),))], [AddProject(id, name, "s", None)]],
        st.integers(4, 6),
        st.sampled_from("defgh"),
    ),
    st.builds(  # names that are given on, in an order that counts
        lambda first, second, more: [
            [Change(3, (("name", "free"),))],
            [Change(first, (("name", "abc"[second - 1]), *more))],
            [Change(second, (("name", "given on"),))],
        ],
        st.integers(1, 2),
        st.integers(1, 3),
        st.sampled_from([(), (("slug", "x"),)]),
    ),
    st.lists(st.one_of(adds, builders, changes, renames), min_size=1, max_size=2).map(
        lambda ops: [ops]
    ),
    calls.map(lambda call: [[call]]),
    st.lists(st.one_of(adds, changes, builders, renames, calls), max_size=3).map(lambda ops: [ops]),
)


@st.composite
def some_acts(draw: st.DrawFn) -> list[Act]:
    """Some stories, the one going on between the acts of the other."""
    told = draw(st.lists(stories, min_size=1, max_size=6))
    order = draw(st.permutations([n for n, story in enumerate(told) for _ in story]))
    if draw(st.booleans()):
        order = sorted(order)
    left = [list(story) for story in told]
    made = []
    for number in order:
        ops = in_order(left[number].pop(0))
        part_of = draw(st.sampled_from([None, None, None, 0, 1]))
        ends = draw(st.sampled_from([None] * 8 + [0, 1]))
        pause = draw(st.integers(0, 9)) == 9
        made.append(Act(ops, part_of, ends, draw(st.booleans()), pause))
    return made


acts = some_acts()
#: Which tries to write a batch fail for a lost connection, and whether at their end.
cuts = st.dictionaries(st.integers(0, 6), st.booleans(), max_size=3)


# -- carrying them out ----------------------------------------------------------------------------


class Tried:
    """Hands acts to a store, and keeps what comes of them."""

    def __init__(self, store: Any, settle: Callable[[], None]) -> None:
        self.store = store
        self.settle = settle
        self.bus = Bus()
        self.told: list[Any] = []
        self.bus.subscribe(("act", None), lambda key, message: self.told.append(int(key[1])))
        self.answers: dict[int, list[Any]] = {}
        self.made: Counter[tuple[int, int]] = Counter()

    def carry_out(self, acts: Sequence[Act]) -> None:
        groups = [Group(), Group()]
        for number, act in enumerate(acts):
            if act.pause:
                self.settle()
            self._hand_over(number, act, groups)
        self.settle()

    def _hand_over(self, number: int, act: Act, groups: Sequence[Group]) -> None:
        group = None if act.part_of is None else groups[act.part_of]
        one = self.store.transaction(f"act {number}", bus=self.bus, group=group)
        for place, op in enumerate(act.ops):
            if isinstance(op, AddProject):
                row = {"id": op.id, "name": op.name, "slug": op.slug}
                make = self._maker(number, place, op.late)
                one.insert(p, row, late=make and {"description": make})
            elif isinstance(op, AddBuilder):
                row = {"id": op.id, "name": f"b{op.id}", "projectid": op.projectid}
                one.insert(b, row)
            elif isinstance(op, Change):
                one.update(p, op.id, dict(op.values))
            else:
                one.run(_function(op))
        if act.ends is not None:
            one.concludes(groups[act.ends])
        one.tell(dict, ("act", str(number)))
        told = self.answers[number] = []
        if act.durable:
            done: Deferred[None] = one.commit()
            done.addCallbacks(told.append, lambda failure: told.append(failure.value))
        else:
            one.after_commit(lambda: told.append(None))
            one.on_failure(lambda failure: told.append(failure.value))
            one.submit()

    def _maker(self, number: int, place: int, late: str | None) -> Callable[[], str] | None:
        if late is None:
            return None

        def make() -> str:
            if late == "bad":
                raise ZeroDivisionError(late)
            self.made[number, place] += 1
            return "made"

        return make


def _function(call: Call) -> Callable[[Connection], None]:
    calls: list[int] = []

    def function(tx: Connection) -> None:
        calls.append(1)
        if call.kind.startswith("writes"):
            row = {"id": call.id, "name": f"called {call.id}", "slug": "s", "active": True}
            tx.execute(p.insert(), row)
        if call.kind.endswith("raises"):
            raise ValueError("raised by a function")
        if call.kind == "cut" and len(calls) == 1:
            raise lost_connection()

    return function


def expected(acts: Sequence[Act], *, at_once: bool) -> tuple[Model, list[bool]]:
    """What the model holds at the end, and which acts succeed.

    :param at_once: each act is answered before the next one is handed over.
    """
    model = Model({id: _there(name) for id, name in THERE.items()})
    succeeded = []
    lost, known = [0, 0], [0, 0]
    for act in acts:
        if act.pause or at_once:
            known = list(lost)
        after = model.copy()
        try:
            if act.ends is not None and lost[act.ends] > known[act.ends]:
                succeeded.append(False)
                continue
            after.carry_out(act)
        except Refused:
            succeeded.append(False)
            if act.part_of is not None:
                lost[act.part_of] += 1
            continue
        model = after
        succeeded.append(True)
    return model, succeeded


def _there(name: str) -> dict[str, Any]:
    return {"name": name, "slug": "s", "description": None}


def read_all(tx: Connection) -> tuple[dict[int, Any], dict[int, int]]:
    projects = {
        row.id: {"name": row.name, "slug": row.slug, "description": row.description}
        for row in tx.execute(select(p))
    }
    return projects, {row.id: row.projectid for row in tx.execute(select(b))}


def begin(tx: Connection) -> None:
    """Leave nothing but the projects that are to be there."""
    tx.execute(delete(b))
    tx.execute(delete(p))
    tx.execute(
        p.insert(), [{"id": id, "active": True, **_there(name)} for id, name in THERE.items()]
    )


def check(
    tried: Tried, acts: Sequence[Act], found: tuple[dict[int, Any], dict[int, int]], at_once: bool
) -> None:
    model, succeeded = expected(acts, at_once=at_once)
    stored = {id: {**row, "slug": storable(row["slug"])} for id, row in model.projects.items()}
    answers = [tried.answers[number] for number in range(len(acts))]
    assert [len(told) for told in answers] == [1] * len(acts)
    assert [told == [None] for told in answers] == succeeded, answers
    assert found == (stored, model.builders)
    assert tried.told == [number for number, good in enumerate(succeeded) if good]
    assert set(tried.made.values()) <= {1}


SETTINGS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def without_cuts(acts: Sequence[Act]) -> list[Act]:
    return [
        Act(
            tuple(op for op in act.ops if not (isinstance(op, Call) and op.kind == "cut")),
            act.part_of,
            act.ends,
            act.durable,
            act.pause,
        )
        for act in acts
    ]


@given(acts)
@settings(max_examples=200, **SETTINGS)  # type: ignore[arg-type]  # a dict of several types
def test_the_store_of_the_unit_tests_does_as_the_model(acts: list[Act]) -> None:
    acts = without_cuts(acts)  # it has no connection
    store = InstantStore()
    try:
        store.write(begin)
        tried = Tried(store, lambda: None)
        tried.carry_out(acts)
        found: list[Any] = []
        store.read(read_all).addBoth(found.append)
        check(tried, acts, found[0], at_once=True)
    finally:
        store.close()


@given(acts, cuts)
@settings(max_examples=200, **SETTINGS)  # type: ignore[arg-type]
def test_a_store_does_as_the_model(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, acts: list[Act], cuts: dict[int, bool]
) -> None:
    tries: list[int] = []

    def cut_off(connection: Connection, batch: Any) -> None:
        at_the_end = cuts.get(len(tries))
        tries.append(1)
        if at_the_end is False:
            raise lost_connection()
        carry_out(connection, batch)
        if at_the_end is True:
            raise lost_connection()

    desk.run(desk.store.write(begin))
    stopping: Any = desk.store._writer
    with monkeypatch.context() as patch:
        patch.setattr(writer, "carry_out", cut_off)
        patch.setattr(stopping._stopping, "wait", lambda longest: None)
        tried = Tried(desk.store, desk.settle)
        tried.carry_out(acts)
    found = desk.run(desk.store.read(read_all))
    check(tried, acts, found, at_once=False)
