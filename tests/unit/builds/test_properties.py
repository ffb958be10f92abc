"""The set of properties."""

from typing import Any

import pytest

from ci_master.builds.properties import Interpolate, Properties, PropertiesMixin, properties_of


def test_values_have_sources() -> None:
    props = Properties(a=1)
    props.setProperty("b", [1, "x"], "step")
    assert props.asDict() == {"a": (1, "TEST"), "b": ([1, "x"], "step")}
    assert props.asList() == [("a", 1, "TEST"), ("b", [1, "x"], "step")]
    assert props.getPropertySource("b") == "step"
    assert props["a"] == 1
    assert "a" in props and "z" not in props
    assert props.hasProperty("a") and props.has_key("a")
    assert props.getProperty("z", 3) == 3
    assert Properties.fromDict(props.asDict()) == props
    assert props and not Properties()
    assert repr(Properties(a=1)) == "Properties(**{'a': 1})"


@pytest.mark.parametrize("ask", ["__getitem__", "getPropertySource"])
def test_what_is_not_set_is_a_key_error(ask: str) -> None:
    with pytest.raises(KeyError):
        getattr(Properties(), ask)("a")


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", [object()]])
def test_what_cannot_be_stored_is_refused_by_name(value: Any) -> None:
    with pytest.raises(TypeError, match="property 'thing' cannot be stored as JSON"):
        Properties().setProperty("thing", value, "test")


def test_names_are_checked() -> None:
    props = Properties()
    props.setProperty(b"bytes", 1, "test")
    assert props["bytes"] == 1
    with pytest.raises(TypeError, match="name is a string"):
        props.setProperty(3, 1, "test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="256 characters"):
        props.setProperty("n" * 257, 1, "test")


def test_placeholders_may_be_values() -> None:
    props = Properties()
    props.setProperty("a", {"k": Interpolate("x")}, "Builder")
    assert props.hasProperty("a")


def test_runtime_properties_are_left_behind() -> None:
    first = Properties()
    first.update({"a": 1}, "step", runtime=True)
    first.setProperty("b", 2, "Scheduler")
    second = Properties()
    second.updateFromProperties(first)
    third = Properties()
    third.updateFromPropertiesNoRuntime(second)
    assert second.asDict() == {"a": (1, "step"), "b": (2, "Scheduler")}
    assert third.asDict() == {"b": (2, "Scheduler")}


def test_used_secrets_are_masked() -> None:
    props = Properties()
    props.useSecret("abc", "one")
    props.useSecret("abcd", "two")
    assert props.cleanupTextFromSecrets("abcd abc") == "<two> <one>"


class Thing(PropertiesMixin):
    set_runtime_properties = True

    def __init__(self) -> None:
        self.properties = Properties()

    def getProperties(self) -> Properties:
        return self.properties


def test_what_has_properties_can_be_asked_like_them() -> None:
    thing = Thing()
    thing.setProperty("a", 1)
    thing.setProperty("b", 2, "me", runtime=False)
    assert thing.getProperty("a") == 1 and thing.hasProperty("a") and not thing.has_key("c")
    kept = Properties()
    kept.updateFromPropertiesNoRuntime(properties_of(thing))
    assert kept.asDict() == {"b": (2, "me")}
    results: list[Any] = []
    thing.render(Interpolate("%(prop:a)s")).addCallback(results.append)
    assert results == ["1"]
