"""Which changes and source stamps a filter lets pass."""

import re

import pytest

from ci_master.data.change import Change
from ci_master.data.filters import ChangeFilter, GerritChangeFilter, SourceStampFilter
from tests.fakes.schedulers import a_change


def change(**fields):
    return Change.from_json(a_change(**fields))


CASES = [
    ({}, {}, True),
    ({"branch": "main"}, {}, True),
    ({"branch": ["dev", "main"]}, {}, True),
    ({"branch": "dev"}, {}, False),
    ({"branch": None}, {}, False),
    ({"branch": None}, {"branch": None}, True),
    ({"branch": [None, "main"]}, {"branch": None}, True),
    ({"branch_not_eq": "main"}, {}, False),
    ({"branch_not_eq": [None]}, {}, True),
    ({"branch_re": "ma"}, {}, True),
    ({"branch_re": "in"}, {}, False),
    ({"branch_re": ["x", re.compile("m")]}, {}, True),
    ({"branch_re": ".*"}, {"branch": None}, False),
    ({"branch_not_re": ".*"}, {"branch": None}, True),
    ({"branch_not_re": "ma"}, {}, False),
    ({"branch_fn": lambda branch: branch == "main"}, {}, True),
    ({"branch_fn": lambda branch: False}, {}, False),
    ({"project": "p"}, {"project": "p"}, True),
    ({"project": "p"}, {"project": "q"}, False),
    ({"category": "c"}, {}, False),
    ({"category_not_eq": "c"}, {}, True),
    ({"repository_re": "git:"}, {}, True),
    ({"codebase": "x"}, {"codebase": "x"}, True),
    ({"filter_fn": lambda c: "a.c" in c.files}, {}, True),
    ({"filter_fn": lambda c: c.who == "nobody"}, {}, False),
    ({"property_eq": {"p": "v"}}, {"properties": {"p": ["v", "Change"]}}, True),
    ({"property_eq": {"p": "v"}}, {}, False),
    ({"property_eq": {"p": ["", "v"]}}, {}, True),
    ({"property_not_eq": {"p": "v"}}, {}, True),
    ({"property_re": {"p": "v+"}}, {"properties": {"p": ["vv", "Change"]}}, True),
    ({"property_re": {"p": ".*"}}, {}, True),
    ({"property_not_re": {"p": "v"}}, {"properties": {"p": ["vv", "Change"]}}, False),
    ({"branch": "main", "project": "p"}, {}, False),
]


@pytest.mark.parametrize(("arguments", "fields", "passes"), CASES)
def test_a_change_passes_if_all_conditions_hold(arguments, fields, passes):
    filter = ChangeFilter(**arguments)
    assert filter.filter_change(change(**fields)) is passes
    assert passes is False or filter.could_pass(a_change(**fields))


@pytest.mark.parametrize(
    "arguments",
    [
        {"branch": 3},
        {"project": [1]},
        {"branch_re": 7},
        {"branch_re": "("},
        {"property_eq": "p"},
        {"filter_fn": "p"},
        {"project_fn": 1},
    ],
)
def test_arguments_of_a_wrong_type_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ChangeFilter(**arguments)


def test_a_filter_says_why_a_change_does_not_pass():
    why_not = ChangeFilter(branch=["dev", "rel"]).why_not(change())
    assert why_not == "its branch 'main' is not one of 'dev', 'rel'"


def test_filters_made_alike_are_equal():
    assert ChangeFilter(branch="a", project_re="x") == ChangeFilter(branch="a", project_re="x")
    assert ChangeFilter(branch="a") != ChangeFilter(branch="b")
    assert ChangeFilter(branch=None) != ChangeFilter()


def test_a_subclass_may_decide_alone():
    class Mine(ChangeFilter):
        def filter_change(self, change):
            return change.branch == "other"

    assert Mine(branch="main").could_pass(a_change(branch="other"))
    assert Mine(branch="main").filter_change(change(branch="other"))


@pytest.mark.parametrize(
    ("arguments", "passes"),
    [
        ({"eventtype": "patchset-created"}, True),
        ({"eventtype": ["ref-updated"]}, False),
        ({"eventtype_re": "patch"}, True),
        ({"eventtype_fn": lambda kind: kind.endswith("created")}, True),
        ({"branch": "main"}, True),
        ({"branch": "dev"}, False),
        ({"branch_re": "ma.n"}, True),
        ({"branch_fn": lambda branch: branch == "dev"}, False),
        ({"project": "p", "branch": "main"}, False),
    ],
)
def test_a_gerrit_filter_looks_at_the_events_properties(arguments, passes):
    properties = {
        "event.type": ["patchset-created", "Change"],
        "event.change.branch": ["main", "Change"],
    }
    topic = change(branch="refs/changes/1", properties=properties)
    assert GerritChangeFilter(**arguments).filter_change(topic) is passes


@pytest.mark.parametrize(
    ("arguments", "passes"),
    [
        ({}, True),
        ({"branch_eq": "main"}, True),
        ({"branch_eq": None}, False),
        ({"project_eq": ["p", ""]}, True),
        ({"repository_re": "git"}, True),
        ({"codebase_not_eq": ""}, False),
        ({"filter_fn": lambda ss: ss["revision"] == "r1"}, True),
    ],
)
def test_a_source_stamp_filter_looks_at_a_rest_dict(arguments, passes):
    assert SourceStampFilter(**arguments).is_matched(a_change()["sourcestamp"]) is passes
