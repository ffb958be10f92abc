"""Placeholders other than strings, and the walk that fills them in."""

from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from zope.interface import implementer

from ci_common.faults import ConfigError
from ci_master.builds.interfaces import IRenderable
from ci_master.builds.properties import (
    FlattenList,
    Interpolate,
    Properties,
    Property,
    Secret,
    Transform,
    URLForBuild,
    needs_rendering,
    render_now,
    renderer,
)
from tests.unit.builds.rendering_help import properties, rendered

A = Property("a")
more = [3, [A]]
Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("placeholder", "wanted"),
    [
        (A, 4),
        (Property("zero"), None),
        (Property("zero", "d"), "d"),
        (Property("zero", "d", defaultWhenFalse=False), 0),
        (Property("x"), None),
        (Property("x", "d"), "d"),
        (Property("x", default=A), 4),
        (Property("x", default=[A, (A,)]), [4, (4,)]),
        (Property("nested"), [4]),
        (A + 1, 5),
        (1 + A, 5),
        ((A + 1) * 2 == 10, True),
        (A != 4, False),
        (A - 1, 3),
        (A / 8, 0.5),
        (A // 3, 1),
        (A % 3, 1),
        (A < 5, True),
        (A <= 3, False),
        (A > 3, True),
        (A >= 5, False),
        (A.in_([4, 5]), True),
        (A.in_([Property("x", 1)]), False),
        (Property("zero", 4) == A, True),
        (Interpolate("%(prop:a)s") + "x", "4x"),
        (Interpolate("%(prop:a)s") == "4", True),
        (FlattenList([1, [2, (3, [A])]]), [1, 2, 3, 4]),
        (FlattenList([1, (2, [3])], types=list), [1, (2, [3])]),
        (FlattenList([1, [2]]) + more, [1, 2, 3, 4]),
        (more + FlattenList([[2]]), [3, 4, 2]),
        (FlattenList([1]) + FlattenList([[2]]), [1, 2]),
        (FlattenList([Property("deep")]), [5, 6]),
        (Transform(lambda x, y: [x, y], A, y=2), [4, 2]),
        (Transform(renderer(lambda props: str), A), "4"),
        (Transform(lambda: succeed("later")), "later"),
        (Secret("key"), "s3cret"),
        (URLForBuild, "http://ci/#/builders/1/builds/2"),
        ({"k": A, A: [A]}, {"k": 4, 4: [4]}),
        (Pair(A, 1), Pair(4, 1)),
        ((), ()),
    ],
)
def test_a_placeholder_has_its_value(placeholder: Any, wanted: Any) -> None:
    values: dict[str, Any] = {"a": 4, "zero": 0, "nested": [A], "deep": [5, [6]]}
    result = rendered(placeholder, **values)
    assert result == wanted
    assert type(result) is type(wanted)


def test_a_renderer_may_answer_in_any_way() -> None:
    @renderer
    def plain(props: Properties) -> Any:
        return props.getProperty("a")

    @renderer
    async def coroutine(props: Properties) -> Any:
        return await props.render(Property("a"))

    @renderer
    @inlineCallbacks
    def generator(props: Properties) -> Any:
        value = yield props.render(Property("a"))
        return value

    @renderer
    def another(props: Properties) -> Any:
        return {"k": plain}

    assert rendered([plain, coroutine, generator, another], a=1) == [1, 1, 1, {"k": 1}]


def test_a_renderer_gets_bound_arguments_rendered() -> None:
    collect = renderer(lambda props, *args, **kwargs: (args, kwargs))
    assert rendered(collect.withArgs(A).withArgs(2, k=A), a=4) == ((4, 2), {"k": 4})
    assert rendered(collect) == ((), {})


def test_a_failing_renderer_fails_the_rendering() -> None:
    @renderer
    def bad(props: Properties) -> Any:
        raise KeyError("q")

    with pytest.raises(KeyError):
        rendered([1, bad])


def test_users_classes_are_rendered() -> None:
    @implementer(IRenderable)
    class Mine:
        def getRenderingFor(self, props: Any) -> Any:
            return succeed(props.getProperty("a"))

    assert rendered([Mine(), Mine], a=4) == [4, Mine]


def test_waiting_keeps_the_order_and_fails_with_the_first_failure() -> None:
    first: Deferred[int] = Deferred()
    started: list[str] = []

    def second(props: Properties) -> int:
        started.append("second")
        return 2

    results: list[Any] = []
    value = {"a": [renderer(lambda _: first), renderer(second)], "b": 3}
    properties().render(value).addBoth(results.append)
    assert not started
    first.callback(1)
    assert results == [{"a": [1, 2], "b": 3}]


def test_secrets_that_are_not_known_are_errors() -> None:
    with pytest.raises(KeyError, match="not known"):
        rendered(Secret("other"))
    props = properties()
    props.secrets = None
    with pytest.raises(KeyError, match="no secretsProviders"):
        rendered(Secret("key"), props)


def test_what_is_not_callable_is_a_fault() -> None:
    with pytest.raises(ConfigError):
        Transform(3)
    with pytest.raises(ConfigError):
        renderer(3)  # type: ignore[arg-type]


def test_a_step_may_change_what_it_got() -> None:
    given_value = {"command": ["make", "all"]}
    got = render_now(given_value, Properties())
    got["command"].append("-j2")
    assert given_value == {"command": ["make", "all"]}


def test_the_class_of_a_placeholder_is_none() -> None:
    assert not needs_rendering([Property, {"k": Property}])
    assert needs_rendering([{"k": (Property("a"),)}])
    assert needs_rendering({Property("a"): 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=40, database=None, deadline=None)
@given(json_values)
def test_what_holds_no_placeholder_stays_as_it_is(value: Any) -> None:
    assert not needs_rendering(value)
    assert render_now(value, Properties()) == value
