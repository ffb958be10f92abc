"""The force form: every type of parameter, there and back."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from ci_www.pages.assets import Assets
from ci_www.pages.force import _looks_for_builder, force_view
from ci_www.pages.forcefields import controls, names_of, to_args
from ci_www.pages.page import Page, Viewer
from ci_www.pages.render import Renderer
from ci_www.pages.shell import Shell
from ci_www.pages.site import STATIC
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


MANY = SimpleNamespace(
    name="force",
    label="Build any branch",
    buttonName="Go",
    builderNames=[f"builder-{n}" for n in range(28)],
    enabled=True,
)


def html_of(view: Any) -> str:
    page = Page("force.html", view.title, view)
    return Renderer(Assets(STATIC)).page(page, Shell("CI", "/", 0, 0, 0), Viewer(), 1e9).decode()


def test_of_many_builders_the_one_that_is_meant_is_chosen_and_the_others_are_folded() -> None:
    view = force_view(MANY, FIELDS, chosen=["builder-7"])
    assert (view.title, view.chosen_builders, view.open) == (
        "Build any branch", ["builder-7"], False
    )  # fmt: skip
    html = html_of(view)
    assert "<h1>Build any branch</h1>" in html and "on builder-7" in html
    assert "<details><summary>27 other builders</summary>" in html
    assert re.findall(r'value="(builder-\d+)" checked', html) == ["builder-7"]
    assert len(re.findall(r'name="builderNames"', html)) == 28


def test_without_a_builder_all_are_shown_and_none_is_chosen() -> None:
    html = html_of(force_view(MANY, FIELDS, chosen=[]))
    assert "<details open><summary>28 builders</summary>" in html
    assert 'name="builderNames" value="builder-3" checked' not in html


def test_builders_are_found_without_scripts_and_what_is_chosen_stays() -> None:
    view = force_view(MANY, FIELDS, chosen=["builder-7"], find="Builder-2", posted=True)
    assert view.chosen_builders == ["builder-7"]
    assert view.others == ["builder-2", *(f"builder-{n}" for n in range(20, 28))]
    assert "9 of 27 match" in html_of(view) and view.open


@pytest.mark.parametrize(
    ("form", "looks"),
    [
        ({"find_builder": ["1"], "find": ["x"], "found": ["x"]}, True),
        ({"enter": ["1"], "find": ["x"], "found": [""]}, True),
        ({"enter": ["1"], "find": ["x"], "found": ["x"]}, False),
        ({"enter": ["1"], "find": [""], "found": [""]}, False),
        ({"enter": ["1"]}, False),
        ({"find": ["x"], "found": [""]}, False),  # by the button that starts builds
    ],
)
def test_the_enter_key_finds_only_a_name_that_was_just_typed(
    form: dict[str, list[str]], looks: bool
) -> None:
    assert _looks_for_builder(form) is looks


def test_a_scheduler_without_a_label_says_what_is_forced() -> None:
    plain = SimpleNamespace(**{**vars(MANY), "label": "force"})
    assert force_view(plain, FIELDS, chosen=["builder-1"]).title == "Force a build on builder-1"
    assert force_view(plain, FIELDS, chosen=[]).title == "Force builds"


def test_a_field_that_takes_a_list_keeps_every_value() -> None:
    spec = field("text", "hosts", multiple=True, default=["a", "b"], required=True)
    assert controls([spec], None, {})[0].values == ["a", "b", "", ""]
    back = controls([spec], {"hosts": ["x", "", "y"]}, {"hosts": "no"}, posted=True)[0]
    assert (back.kind, back.values, back.error) == ("rows", ["x", "y", "", ""], "no")
    assert to_args([spec], {"hosts": ["x", "", "y"]}) == {"hosts": ["x", "y"]}
    html = html_of(force_view(SCHEDULER, [spec], chosen=["a"], values={"hosts": ["x", "y"]}))
    assert html.count('name="hosts"') == 4 and 'title="needed"' in html


@pytest.mark.parametrize("kind", ["text", "int", "textarea", "bool", "list", "file", "username"])
def test_every_type_shows_its_label_and_its_help_and_whether_it_is_needed(kind: str) -> None:
    spec = field(
        kind, "one", label="The label", tooltip="The help", required=True, choices=["a", "b"]
    )
    html = html_of(force_view(SCHEDULER, [spec], chosen=["a"]))
    assert "The label" in html and "The help" in html and 'title="needed"' in html
    assert 'aria-describedby="f-one-hint"' in html


def test_a_group_shows_its_help() -> None:
    group = field("nested", "g", label="Group", tooltip="Of the group", columns=1, fields=[])
    assert "Of the group" in html_of(force_view(SCHEDULER, [group], chosen=["a"]))


def test_a_form_that_comes_back_says_that_a_file_must_be_chosen_again() -> None:
    spec = field("file", "artifact", maxsize=2048)
    assert controls([spec], None, {})[0].hint == "At most 2 KiB"
    assert "Choose the file again" in controls([spec], {}, {}, posted=True)[0].hint


def test_nothing_is_inherited_unless_somebody_chooses_a_build() -> None:
    spec = field("inherit", "base", choices=["linux/12"], default=None)
    assert controls([spec], None, {})[0].choices == ["", "linux/12"]


def test_what_a_choice_puts_into_other_fields_is_told_to_the_page() -> None:
    spec = field("list", "x", choices=["a"], autopopulate={"a": {"branch": "main"}})
    control = controls([spec], None, {})[0]
    assert json.loads(control.auto) == {"a": {"branch": "main"}}
