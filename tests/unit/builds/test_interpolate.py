"""Interpolate and WithProperties, by tables."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from ci_common.faults import ConfigError
from ci_master.builds.properties import Interpolate, Property, WithProperties, renderer
from tests.unit.builds.rendering_help import properties, rendered

# What each selector finds: a value that is true, one that exists and is false, one that is
# None, and one that does not exist.
PLACES = {
    "prop": ("prop:yes", "prop:zero", "prop:none", "prop:missing"),
    "kw": ("kw:yes", "kw:zero", "kw:none", "kw:missing"),
    "worker": ("worker:admin", "worker:empty", "worker:note", "worker:missing"),
    "src": ("src:lib:branch", "src:lib:project", "src::branch", "src:other:branch"),
}
TRUE_TEXT = {"prop": "Y", "kw": "Y", "worker": "me", "src": "main"}
FALSE_TEXT = {"prop": "0", "kw": "0", "worker": "", "src": ""}

# suffix -> what it gives for a true, a false, a None and a missing value
SUFFIXES: dict[str, tuple[str, str, str, str]] = {
    "": ("{true}", "{false}", "", ""),
    ":-D": ("{true}", "{false}", "", "D"),
    ":~D": ("{true}", "D", "D", "D"),
    ":+T": ("T", "T", "T", ""),
    ":?:T:F": ("T", "T", "T", "F"),
    ":?|T|F": ("T", "T", "T", "F"),
    ":#?:T:F": ("T", "F", "F", "F"),
    ":#?xTxF": ("T", "F", "F", "F"),
    ":-": ("{true}", "{false}", "", ""),
    ":?::F": ("", "", "", "F"),
    ":-%(prop:yes)s": ("{true}", "{false}", "", "Y"),
    ":~<%(kw:yes)s>": ("{true}", "<Y>", "<Y>", "<Y>"),
    ":+%(prop:missing:-q)s": ("q", "q", "q", ""),
    ":?:%(prop:yes)s:%(kw:zero)s": ("Y", "Y", "Y", "0"),
}

VALUES: dict[str, Any] = {"yes": "Y", "zero": 0, "none": None}

CASES = [
    (selector, suffix, place, outcome)
    for selector, places in PLACES.items()
    for suffix, outcomes in SUFFIXES.items()
    for place, outcome in zip(places, outcomes, strict=True)
]


@pytest.mark.parametrize(("selector", "suffix", "place", "outcome"), CASES)
def test_every_suffix_acts_alike_for_every_selector(
    selector: str, suffix: str, place: str, outcome: str
) -> None:
    wanted = outcome.format(true=TRUE_TEXT[selector], false=FALSE_TEXT[selector])
    placeholder = Interpolate(f"%({place}{suffix})s", **VALUES)
    assert rendered(placeholder, **VALUES) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ""),
        ("plain", "plain"),
        ("50%% done", "50% done"),
        ("%%(prop:a)s", "%(prop:a)s"),
        ("%(prop:a)5s|", "    A|"),
        ("%(prop:a)-3s|", "A  |"),
        ("%(prop:a)r", "'A'"),
        ("%(prop:n)d", "7"),
        ("%(prop:n)05.1f", "007.0"),
        ("%(prop:n)x", "7"),
        ("%(prop:list)s", "['p', 'q']"),
        ("%(prop:a)s-%(prop:n)s-%(prop:a)s", "A-7-A"),
        ("%(prop:x:-a:b)s", "a:b"),
        ("%(prop:x:-50%%)s", "50%"),
        ("%(prop:x:-(a))s", "(a)"),
        ("%(prop:x:-%(prop:a)s:y)s", "A:y"),
        ("%(prop:a:?:x:y:z)s", "x"),
        ("%(prop:x:?:x:y:z)s", "y:z"),
        ("%(prop:a:?:x:)s", "x"),
        ("%(prop:a:?|%(prop:x:?|1|2)s|no)s", "2"),
        ("%(prop:)s", ""),
        ("%(prop:é.-_)s", ""),
        ("%(src::revision)s %(src:lib:revision)s", "r1 r2"),
        ("%(src::bogus:-d)s", "d"),
        ("%(secret:key)s", "s3cret"),
        ("%(secret:key:+set)s", "set"),
        ("%(secret:key:?:t:f)s", "t"),
    ],
)
def test_a_text_is_filled_in(text: str, wanted: str) -> None:
    assert rendered(Interpolate(text), a="A", n=7, list=["p", "q"]) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("100%", "incomplete format"),
        ("date +%s", "without a name"),
        ("%(prop:a)s %s", "not enough arguments"),
        ("%(prop:a", "incomplete format key"),
        ("%(prop)s", "no selector"),
        ("%()s", "no selector"),
        ("%(foo:a)s", "unknown selector 'foo'"),
        ("%(porp:a)s", "did you mean 'prop'"),
        ("%(prop:a b)s", "other characters"),
        ("%(kw:a/b)s", "other characters"),
        ("%(src:a)s", "no attribute of the source stamp"),
        ("%(src:c d:branch)s", "codebase 'c d'"),
        ("%(prop:a:bogus)s", "not understood"),
        ("%(prop:a:)s", "not understood"),
        ("%(prop:a:#x)s", "not understood"),
        ("%(prop:a:?)s", "no separator"),
        ("%(prop:a:#?)s", "no separator"),
        ("%(prop:a:?:x)s", "':' is not found"),
        ("%(prop:a:?:(x:y))s", "':' is not found"),
        ("%(prop:a:-%(foo:b)s)s", "unknown selector 'foo'"),
    ],
)
def test_a_text_that_cannot_be_understood_is_a_fault(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        Interpolate(text)


def test_positional_and_keyword_arguments_do_not_mix() -> None:
    with pytest.raises(ConfigError, match="not both"):
        Interpolate("%s", "a", k=1)


@pytest.mark.parametrize(
    ("placeholder", "wanted"),
    [
        (Interpolate("%s-%s", "x", Property("a")), "x-A"),
        (Interpolate("%d%%", 5), "5%"),
        (Interpolate("%s", ["q", Property("a")]), "['q', 'A']"),
        (Interpolate("%(kw:q)s", q=Property("a")), "A"),
        (Interpolate("%(kw:q)s", q=Interpolate("<%(prop:a)s>")), "<A>"),
        (Interpolate("%(kw:q:~none)s", q=renderer(lambda props: "")), "none"),
    ],
)
def test_arguments_may_be_placeholders(placeholder: Interpolate, wanted: str) -> None:
    assert rendered(placeholder, a="A") == wanted


def test_a_property_that_is_a_placeholder_is_filled_in() -> None:
    assert rendered(Interpolate("%(prop:a)s"), a=Interpolate("x%(prop:b)s"), b=9) == "x9"


def test_a_secret_is_masked_once_it_was_used() -> None:
    props = properties()
    assert props.cleanupTextFromSecrets("s3cret") == "s3cret"
    rendered(Interpolate("%(secret:key)s"), props)
    assert props.cleanupTextFromSecrets("my s3cret!") == "my <key>!"


@pytest.mark.parametrize("text", ["%(secret:none)s", "%(secret:none:-d)s"])
def test_a_secret_that_nobody_knows_is_an_error(text: str) -> None:
    with pytest.raises(KeyError, match="none"):
        rendered(Interpolate(text))


def test_source_stamps_are_found_before_there_is_a_build() -> None:
    props = properties()
    props.build = None
    props.sourcestamps = [{"codebase": "", "branch": "dev"}]
    assert rendered(Interpolate("%(src::branch)s%(src:x:branch)s%(worker:a)s"), props) == "dev"


def test_what_must_be_waited_for_comes_later() -> None:
    late: Deferred[str] = Deferred()
    placeholder = Interpolate("%(prop:a)s %(kw:x)s %(kw:y)s", x=renderer(lambda _: late), y=2)
    results: list[Any] = []
    properties(a=1).render(placeholder).addCallback(results.append)
    assert results == []
    late.callback("now")
    assert results == ["1 now 2"]


@settings(max_examples=40, database=None, deadline=None)
@given(st.text())
def test_any_text_survives_with_its_percent_signs_doubled(text: str) -> None:
    assert rendered(Interpolate(text.replace("%", "%%"))) == text


@settings(max_examples=40, database=None, deadline=None)
@given(st.text(), st.text())
def test_any_value_comes_through_as_it_is(value: str, tail: str) -> None:
    escaped = tail.replace("%", "%%")
    assert rendered(Interpolate(f"%(prop:a)s{escaped}"), a=value) == value + tail


@settings(max_examples=40, database=None, deadline=None)
@given(st.text())
def test_a_format_is_either_refused_at_once_or_rendered(text: str) -> None:
    try:
        placeholder = Interpolate("%(prop:a:-" + text + ")s")
    except ConfigError:
        return
    try:
        assert isinstance(rendered(placeholder), str)
    except TypeError as error:  # the text closed the placeholder with a conversion for numbers
        assert "cannot be filled in" in str(error)


def test_a_number_conversion_of_a_text_names_the_format_and_the_value() -> None:
    assert rendered(Interpolate("%(prop:a)d"), a=7) == "7"
    with pytest.raises(TypeError, match=r"'%\(prop:a\)E' cannot be filled in.*'prop:a' is 'x'"):
        rendered(Interpolate("%(prop:a)E"), a="x")


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: WithProperties("%(a)s"), "A"),
        (lambda: WithProperties("%(x:-d)s %(a:-d)s"), "d A"),
        (lambda: WithProperties("%(e:~d)s %(a:~d)s %(x:~d)s"), "d A d"),
        (lambda: WithProperties("%(a:+s)s%(x:+s)s"), "s"),
        (lambda: WithProperties("[%(none)s]"), "[]"),
        (lambda: WithProperties("%s-%s-%s", "a", "none", "x"), "A--"),
        (lambda: WithProperties("%(l)s %(a)s", l=lambda build: build.getUrl()[:4]), "http A"),
        (lambda: WithProperties("%(l)s", l=lambda build: None), ""),
        (lambda: WithProperties("a%%b"), "a%b"),
    ],
)
def test_the_old_form_is_filled_in(make: Callable[[], WithProperties], wanted: str) -> None:
    assert rendered(make(), a="A", e="", none=None) == wanted


def test_the_old_form_needs_its_properties() -> None:
    with pytest.raises(KeyError):
        rendered(WithProperties("%(x)s"))


def test_the_old_form_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ConfigError, match="not both"):
        WithProperties("%s", "a", b=lambda build: 1)
    with pytest.raises(ConfigError, match="'b' is not a function"):
        WithProperties("x", b=1)  # type: ignore[arg-type]
