"""The query language of the REST API."""

import pytest

from ci_master.data.endpoints.entities import ENTITIES, FieldType
from ci_master.data.paths import COLLECTION, InvalidPath, resolve
from ci_master.data.resultspec import BadQuery, Filter, ResultSpec, parse_query

FIELDS = ENTITIES["builder"]
ITEMS = [
    {"builderid": 1, "name": "b1", "description": None, "tags": ["linux", "fast"]},
    {"builderid": 2, "name": "b2", "description": "x", "tags": ["linux"]},
    {"builderid": 3, "name": "B3", "description": "a", "tags": []},
]


def query(text: str, fields: dict[str, FieldType] | None = None) -> ResultSpec:
    args: dict[str, list[str]] = {}
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        args.setdefault(name, []).append(value)
    return parse_query(args.items(), FIELDS if fields is None else fields)


FILTERS = [
    ("", [1, 2, 3]),
    ("name=b1", [1]),
    ("name=b1&name=B3", [1, 3]),
    ("name__eq=b2", [2]),
    ("name__ne=b1", [2, 3]),
    ("name__ne=b1&name__ne=b2", [3]),
    ("name__in=b1&name__in=b2", [1, 2]),
    ("name__notin=b1", [2, 3]),
    ("name__contains=b", [1, 2]),
    ("name__gt=b1", [2]),
    ("builderid__le=2", [1, 2]),
    ("builderid__lt=2&builderid__lt=3", [1, 2, 3]),  # not possible with two values: ignored
    ("name__zz=1", [1, 2, 3]),
    ("foo__eq=1", [1, 2, 3]),
    ("tags__contains=linux", [1, 2]),
    ("tags__contains=fast&tags__contains=none", [1]),
    ("tags=linux", []),
    ("description__ne=x", [1, 3]),
    ("description__gt=a", [2]),
    ("order=name", [3, 1, 2]),
    ("order=-name", [2, 1, 3]),
    ("order=description", [1, 3, 2]),
    ("order=-description", [2, 3, 1]),
    ("limit=2", [1, 2]),
    ("offset=1", [2, 3]),
    ("limit=1&offset=1", [2]),
    ("limit=0", []),
    ("limit=-1", [1, 2, 3]),  # limits nothing
    ("limit=-1&offset=1", [2, 3]),
    ("offset=-2", [1, 2, 3]),
    ("limit=9223372036854775807&offset=1", [2, 3]),
    ("tags__lt=linux&tags__lt=x", [1, 2, 3]),  # ignored before it is looked at
    ("projectid__gt=0", []),
    ("order=-builderid&limit=1&field=builderid", [3]),
]


@pytest.mark.parametrize(("text", "expected"), FILTERS)
def test_a_query_finds_what_it_asks_for(text: str, expected: list[int]) -> None:
    found, _ = query(text).apply(ITEMS)
    assert [item["builderid"] for item in found] == expected


def test_the_total_counts_what_the_limit_cuts_off() -> None:
    assert query("limit=1&tags__contains=linux").apply(ITEMS)[1] == 2


def test_only_the_fields_asked_for_are_given() -> None:
    assert query("field=name&name=b1").apply(ITEMS)[0] == [{"name": "b1"}]


ERRORS = [
    ("foo=1", "unrecognized query parameter 'foo'"),
    ("=", "unrecognized query parameter ''"),
    ("field=zz", "no such field 'zz'"),
    ("order=-zz", "no such field 'zz'"),
    ("field=name&order=builderid", "cannot order on un-selected fields"),
    ("field=name&builderid=1", "cannot filter on un-selected fields"),
    ("limit=x", "invalid limit"),
    ("limit=", "invalid limit"),
    ("offset=1.5", "invalid offset"),
    ("builderid=x", "invalid filter value for builderid"),
    ("builderid__in=x", "invalid filter value for builderid__in"),
    ("name=a\0b", "invalid filter value for name"),
    ("order=tags", "cannot order on 'tags': it is a list"),
    ("order=-masterids", "cannot order on 'masterids': it is a list"),
    ("tags__lt=linux", "'tags' is a list, which has no order: use __contains"),
    ("builderid__contains=1", "'builderid' is a number, which contains nothing: use __eq or __in"),
    ("builderid=99999999999999999999", "invalid filter value for builderid"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_a_query_that_is_wrong_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(BadQuery) as caught:
        query(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["on", "TRUE", "yes", "1"])
def test_booleans_have_many_names(text: str) -> None:
    assert query(f"complete={text}", dict(ENTITIES["build"])).filters[0].values == [True]


def test_other_words_are_no_booleans_and_objects_cannot_be_filtered() -> None:
    for text in ("complete=maybe", "properties=3"):
        with pytest.raises(BadQuery):
            query(text, dict(ENTITIES["build"]))


OF_BUILDS = [
    ("order=properties", "cannot order on 'properties': it is a structure"),
    ("complete__contains=1", "'complete' is a truth value, which contains nothing"),
    ("started_at__contains=1", "'started_at' is a number, which contains nothing"),
    ("properties__eq=1", "invalid filter value for properties__eq"),
]


@pytest.mark.parametrize(("text", "message"), OF_BUILDS)
def test_what_a_kind_of_value_cannot_be_asked_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadQuery) as caught:
        query(text, dict(ENTITIES["build"]))
    assert str(caught.value).startswith(message)


def test_identifiers_are_filtered_by_identifiers() -> None:
    assert query("name__contains=comp", dict(ENTITIES["step"])).filters[0].values == ["comp"]
    with pytest.raises(BadQuery, match="invalid filter value for name__eq"):
        query("name__eq=1", dict(ENTITIES["step"]))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("complete__lt=1", [False]),
        ("complete__le=1", [False, True]),
        ("complete__gt=0", [True]),
        ("complete__ge=1", [True]),
        ("complete__lt=0", []),
    ],
)
def test_truth_values_are_compared_as_numbers_are(text: str, wanted: list[bool]) -> None:
    items = [{"complete": False}, {"complete": True}, {"complete": None}]
    found, _ = query(text, dict(ENTITIES["build"])).apply(items)
    assert [item["complete"] for item in found] == wanted


def test_the_database_gets_what_it_can_answer_and_cuts_only_then() -> None:
    spec = ResultSpec([Filter("a", "eq", [1])], order=["-a"], limit=5, offset=2)
    page, rest = spec.page({"a"})
    assert (page.order, page.limit, page.offset, rest) == ((("a", True),), 5, 2, None)
    spec = ResultSpec([Filter("a", "eq", [1]), Filter("t", "contains", ["x"])], limit=5)
    page, rest = spec.page({"a"})
    assert (len(page.where), page.limit) == (1, None)
    assert rest is not None
    assert (rest.filters, rest.limit) == ([Filter("t", "contains", ["x"])], 5)


PATHS = [
    ("", "rootlinks", {}),
    ("builders", "builders", {}),
    ("builders/12", "builder", {"builderid": 12}),
    ("builders/a b", "builder", {"buildername": "a b"}),
    ("builders/x/builds/3/steps/compile/logs/stdio/contents", "logchunk",
     {"buildername": "x", "build_number": 3, "step_name": "compile", "log_slug": "stdio"}),
    ("builds/7/steps/2", "step", {"buildid": 7, "step_number": 2}),
    ("workers/w-1.example", "worker", {"name": "w-1.example"}),
    ("masters/1/builders/2/workers/3", "worker", {"masterid": 1, "builderid": 2, "workerid": 3}),
    ("forceschedulers/force", "forcescheduler", {"schedulername": "force"}),
    ("application.spec", "specs", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name", "args"), PATHS)
def test_a_path_leads_to_its_endpoint(path: str, name: str, args: dict[str, object]) -> None:
    endpoint, found = resolve(path.split("/") if path else [])
    assert (endpoint.name, found) == (name, args)


@pytest.mark.parametrize("path", ["steps", "builds/x", "builders/", "builders/1/", "builds/1/stop"])
def test_other_paths_are_invalid(path: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        resolve(path.split("/"))
    assert str(caught.value) == f"Invalid path: {path}"


def test_a_number_is_narrower_than_a_name() -> None:
    endpoint, args = resolve(["builders", "1", "builds"])
    assert (endpoint.kind, args) == (COLLECTION, {"builderid": 1})
