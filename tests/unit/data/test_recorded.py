"""What a reload calls the same, and what it calls changed."""

import copy
import re
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ci_master.builds.renderables import Property, Renderer
from ci_master.data.faults import collecting_faults
from ci_master.data.recorded import ComparableMixin, Recorded, accumulated, record_of, same


class Thing(Recorded):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass


class Other(Thing):
    pass


def twice(text: str, name: str, **names: Any) -> tuple[Any, Any]:
    """The same definition, loaded two times, as a reload does."""
    found = []
    for _ in range(2):
        space: dict[str, Any] = {"Thing": Thing, "Renderer": Renderer, **names}
        exec(compile(text, "master.cfg", "exec"), space)
        found.append(space[name])
    return found[0], found[1]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1),
        ("a", "a"),
        ([1, (2, {"k": [3]})], [1, (2, {"k": [3]})]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2}, {2, 1}),
        (Thing(1, k=[2]), Thing(1, k=[2])),
        (re.compile("a+", re.I), re.compile("a+", re.I)),
        (Property("a", "d"), Property("a", "d")),
        (Property("a") + 1, Property("a") + 1),
        (partial(len, [1]), partial(len, [1])),
        (len, len),
        ("a".join, "a".join),
        (Path("a"), Path("a")),
    ],
)
def test_what_is_made_alike_is_the_same(a: Any, b: Any) -> None:
    assert same(a, b)
    assert hash(record_of(a)) == hash(record_of(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, True),
        (1, 1.0),
        ("a", b"a"),
        ([1], (1,)),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 2}),
        (Thing(1), Thing(2)),
        (Thing(1), Thing(k=1)),
        (Thing(1), Other(1)),
        (Thing(Thing(1)), Thing(Thing(2))),
        (re.compile("a"), re.compile("a", re.I)),
        (Property("a"), Property("b")),
        (Property("a") + 1, Property("a") - 1),
        (lambda: 1, lambda: 2),
        (lambda: "a", lambda: "b"),
        (lambda a=1: a, lambda a=2: a),
        (lambda a: a, lambda b: b),
        (partial(len, [1]), partial(len, [2])),
        (object(), object()),
        (len, max),
        (Thing, Other),
    ],
)
def test_what_differs_is_not_the_same(a: Any, b: Any) -> None:
    assert not same(a, b)


@pytest.mark.parametrize(
    "text",
    [
        "def x(props): return props['a']",
        "x = lambda n: n + 1",
        "limit = 3\ndef x(n): return n < limit",
        "def helper(n): return n\ndef x(n): return helper(n)",
        "def x(n): return n and x(n - 1)",
        "def make(n):\n    def inner(): return n\n    return inner\nx = make(3)",
        "class x(Thing):\n    limit = 3\n    def run(self): return self.limit",
        "class Step(Thing):\n    def run(self): return 1\nx = Step('a', [Step('b')])",
        "class C:\n    def m(self): return 1\nc = C()\ndef x(): return c",
        "x = Renderer(lambda props: props.getProperty('a'))",
        "y = []\ny.append(y)\nx = y",
    ],
)
def test_a_reload_of_the_same_text_gives_the_same(text: str) -> None:
    assert same(*twice(text, "x"))


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("def x(n): return n < VALUE", "3", "4"),
        ("limit = VALUE\ndef x(n): return n < limit", "3", "4"),
        ("limit = [VALUE]\ndef x(n): return [n for _ in limit]", "3", "4"),
        ("def helper(n): return VALUE\ndef x(n): return helper(n)", "3", "4"),
        ("def make(n):\n    def inner(): return n\n    return inner\nx = make(VALUE)", "3", "4"),
        ("class Step(Thing):\n    def run(self): return VALUE\nx = Step('a')", "3", "4"),
        ("class B:\n    v = VALUE\nclass S(Thing, B): pass\nx = S('a')", "3", "4"),
        ("x = Renderer(lambda props: props.getProperty(VALUE))", "'a'", "'b'"),
    ],
)
def test_a_reload_of_changed_code_is_noticed(text: str, before: str, after: str) -> None:
    old, _ = twice(text.replace("VALUE", before), "x")
    new, _ = twice(text.replace("VALUE", after), "x")
    assert not same(old, new)


def test_code_that_only_moved_is_the_same() -> None:
    old, _ = twice("def x(n): return n", "x")
    new, _ = twice("\n\n# a comment\n\ndef x(n): return n", "x")
    assert same(old, new)


def test_the_line_that_made_it_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "master.cfg"
    with collecting_faults(str(path)):
        space: dict[str, Any] = {"Thing": Thing}
        exec(compile("\n\nx = Thing(1)", str(path), "exec"), space)
    assert space["x"].config_where == "master.cfg:3"
    assert Thing(1).config_where == ""
    assert same(space["x"], Thing(1))


def test_a_copy_keeps_the_record() -> None:
    thing = Thing(1, k=2)
    assert same(copy.copy(thing), thing)
    assert same(copy.deepcopy(thing), thing)


class Base(ComparableMixin):
    compare_attrs: ClassVar[tuple[str, ...]] = ("a",)

    def __init__(self, a: Any, b: Any = 0, c: Any = 0) -> None:
        self.a = a
        self.b = b
        self.c = c


class Derived(Base):
    compare_attrs: ClassVar[tuple[str, ...]] = ("b",)


def test_comparable_objects_compare_the_attributes_of_all_their_classes() -> None:
    assert accumulated(Derived, "compare_attrs") == ("a", "b")
    assert Derived(1, 2, 3) == Derived(1, 2, 4)
    assert Derived(1, 2) != Derived(1, 3)
    assert Derived(1, 2) != Derived(2, 2)
    assert Base(1, 2) == Base(1, 3)
    assert Base(1) != Derived(1)
    assert hash(Base([1], 2)) == hash(Base([1], 3))
    assert sorted([Base(2), Base(1)])[0].a == 1
    assert Base(1) <= Base(1) < Base(2)
    assert Base(2) > Base(1) >= Base(1)
    assert not Base(1) < Derived(2)
    assert not Base(2) > Derived(1)
    assert Derived(1, 2).getConfigDict() == {"a": 1, "b": 2}
    assert same(Derived(1, 2, 3), Derived(1, 2, 4))
    assert not same(Derived(1, 2), Derived(1, 3))
