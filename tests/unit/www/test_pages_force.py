"""The force form: every type of parameter, there and back."""

from types import SimpleNamespace
from typing import Any

import pytest

from ci_www.pages.force import force_view
from ci_www.pages.forcefields import controls, names_of, to_args
from tests.tools.demo_forms import FIELDS, field

SCHEDULER = SimpleNamespace(
    name="force", label="Force", buttonName="Go", builderNames=["a", "b"], enabled=True
)


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("reason", "text", "force build"),
        ("priority", "int", "0"),
        ("branch", "text", "main"),
        ("project", "fixed", "demo"),
        ("notes", "textarea", ""),
        ("level", "select", "debug"),
        ("target", "combo", "x86_64"),
        ("parts", "checks", "['core']"),
        ("workername", "select", "-any-"),
        ("artifact", "file", ""),
        ("options_cc", "text", "gcc"),
        ("extra_name", "text", ""),
    ],
)
def test_each_type_has_its_control_and_default(name: str, kind: str, value: str) -> None:
    control = names_of(controls(FIELDS, None, {}))[name]
    assert control.kind == kind
    if kind != "checks":
        assert control.value == value
    else:
        assert control.values == ["core"]


def test_hidden_fields_are_not_shown() -> None:
    assert "secretly" not in names_of(controls(FIELDS, None, {}))


def test_who_has_signed_in_cannot_be_another() -> None:
    control = names_of(controls(FIELDS, None, {}, user="ana"))["username"]
    assert (control.kind, control.value) == ("fixed", "ana")


def test_an_unticked_box_stays_unticked_when_the_form_comes_back() -> None:
    assert names_of(controls(FIELDS, None, {}))["slow"].checked
    assert not names_of(controls(FIELDS, {"slow": ["off"]}, {}, posted=True))["slow"].checked
    assert names_of(controls(FIELDS, {"slow": ["off", "on"]}, {}, posted=True))["slow"].checked


def test_what_is_posted_becomes_arguments_by_full_name() -> None:
    form = {
        "reason": ["because"],
        "slow": ["off", "on"],
        "options_lto": ["off"],
        "parts": ["", "core", "docs"],
        "notes": ["one\r\ntwo"],
        "artifact": ["\udcff\udcfe"],
        "project": ["not what is configured"],
        "secretly": ["stolen"],
        "unknown": ["x"],
    }
    assert to_args(FIELDS, form) == {
        "reason": "because",
        "slow": True,
        "options_lto": False,
        "parts": ["core", "docs"],
        "notes": "one\ntwo",
        "artifact": b"\xff\xfe",
    }


def test_errors_stand_at_their_fields_and_in_the_summary() -> None:
    view = force_view(
        SCHEDULER,
        FIELDS,
        chosen=["a"],
        values={"ticks": ["1.5"]},
        errors={"ticks": "a whole number is needed", "": "Choose"},
        posted=True,
    )
    assert view.problems == [("Ticks", "f-ticks", "a whole number is needed")]
    assert view.general == ["Choose"]
    ticks = names_of(view.fields)["ticks"]
    assert (ticks.value, ticks.error) == ("1.5", "a whole number is needed")


def test_a_group_knows_of_errors_inside_it() -> None:
    groups: list[Any] = controls(FIELDS, None, {"options_cc": "no such compiler"})
    tabs = next(one for one in groups if one.tabs)
    assert [panel.has_error for panel in tabs.fields] == [True, False]


def test_a_value_that_is_no_choice_is_kept_for_the_reader_to_see() -> None:
    spec = field("list", "x", choices=["a"], strict=True)
    control = controls([spec], {"x": ["zz"]}, {})[0]
    assert control.value == "zz" and control.choices == ["zz", "a"]
