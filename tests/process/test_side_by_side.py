"""REST beside a stock master: every path, filter and order is answered alike."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from ci_common.results import SKIPPED
from tests.conftest import missing
from tests.process.buildbot_peer import why_no_peer
from tests.process.side_by_side import Site, both, normal, plural_of

pytestmark = [pytest.mark.process, pytest.mark.peer]

#: Their text has the worker's environment in it.
_TEXTS = ("/contents", "/raw", "/raw_inline")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    if why_no_peer():
        missing(why_no_peer())
    yield from both(tmp_path_factory.mktemp("sites"))


def specs(site: Site) -> dict[str, Any]:
    return {one["path"]: one for one in site.all("application.spec")}


def fault_of(stock: tuple[int, Any], ours: tuple[int, Any]) -> str:
    """What is wrong with our status; empty if nothing is. Where the other fails, we may refuse."""
    if stock[0] == 500:
        return "" if ours[0] in (200, 400, 404) else f"{ours}"
    if stock[0] != ours[0]:
        return f"{stock[0]} {str(stock[1])[:300]} there, {ours[0]} {str(ours[1])[:300]} here"
    return ""


def test_we_have_all_of_its_paths_with_the_same_types(sites: tuple[Site, Site]) -> None:
    stock, ours = map(specs, sites)
    assert {path: ours.get(path) for path in stock} == stock
    assert list(ours) == sorted(ours)
    assert sites[0].all("") == sites[1].all("")


#: We say whether a project is configured; it says null.
EXTRA = ("projects", "projects/n:projectid", "projects/i:projectname")


def test_every_path_leads_to_the_same(sites: tuple[Site, Site]) -> None:
    wrong = []
    for pattern in specs(sites[0]):
        if pattern == "application.spec":
            continue
        stock, ours = (site.ask(site.path(pattern)) for site in sites)
        fault = fault_of(stock, ours)
        if not fault and stock[0] == ours[0] == 200 and not pattern.endswith(_TEXTS):
            there, here = normal(stock[1]), normal(ours[1])
            if pattern == "buildsets":  # one of which nothing ran is skipped here, a success there
                for one in (*there["buildsets"], *here["buildsets"]):
                    one["results"] = 0 if one["results"] == SKIPPED else one["results"]
                there, here = normal(there), normal(here)
            if pattern in EXTRA:
                for project in (*there["projects"], *here["projects"]):
                    del project["active"]
            fault = f"\n  there {there}\n  here  {here}" if there != here else ""
        wrong += [f"{pattern}: {fault}"] if fault else []
    assert not wrong, "\n".join(wrong)


def test_what_is_missing_on_the_way_is_answered_alike(sites: tuple[Site, Site]) -> None:
    wrong = []
    for pattern in specs(sites[0]):
        for place, element in enumerate(pattern.split("/")):
            if ":" not in element:
                continue
            stock, ours = (site.ask(site.path(pattern, place)) for site in sites)
            fault = fault_of(stock, ours)
            if (stock[0], ours[0]) == (200, 404) and stock[1][plural_of(stock[1])]:
                fault = ""  # it forgets what is missing, and gives what others have
            wrong += [f"{pattern} without {element}: {fault}"] if fault else []
    assert not wrong, "\n".join(wrong)


VALUES = {"number": ["1", "x"], "boolean": ["1", "x"], "text": ["good", "1"]}
OPERATORS = ("", "__eq", "__ne", "__lt", "__ge", "__contains", "__in", "__notin", "__bogus")


def queries(fields: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Every kind of field with every operator, and every order; each with the field's type."""
    seen: set[str] = set()
    for field in fields:
        name, kind = field["name"], field["type"].removesuffix(" or None")
        yield f"order=-{name}", kind
        yield f"field={name}", kind
        if kind in seen:
            continue
        seen.add(kind)
        plain = "number" if kind in ("integer", "datetime") else kind
        for value in VALUES.get(plain, VALUES["text"]):
            for operator in OPERATORS:
                yield f"{name}{operator}={quote(value)}", kind
    for query in ("limit=-1", "limit=0", "limit=x", "offset=x", "offset=1", "limit", "foo=1",
                  "field=zz", "order=zz", "foo__eq=1", "limit=99999999999"):  # fmt: skip
        yield query, ""


def may_refuse(query: str, kind: str) -> bool:
    """What we refuse with a reason though the other master may answer: it has no meaning."""
    if query.startswith("order="):
        return kind not in ("integer", "datetime", "boolean", "string", "identifier")
    if "__contains" in query:
        return kind in ("integer", "datetime", "boolean")
    return kind == "list" and ("__lt" in query or "__ge" in query)


def test_every_query_is_answered_alike(sites: tuple[Site, Site]) -> None:
    wrong, asked = [], set()
    for pattern, spec in specs(sites[0]).items():
        fields = spec["type_spec"].get("fields", [])
        last = pattern.rpartition("/")[2]
        is_single = ":" in last or pattern.endswith(_TEXTS) or last in ("value", "logchunks")
        if is_single or spec["type"] in asked or not fields:
            continue
        asked.add(spec["type"])
        for query, kind in queries(fields):
            stock, ours = (site.ask(f"{site.path(pattern)}?{query}") for site in sites)
            fault = fault_of(stock, ours)
            if fault and ours[0] == 400 and may_refuse(query, kind):
                fault = "" if ours[1]["error"] else "no reason is given"
            wrong += [f"{pattern}?{query} ({kind}): {fault}"] if fault else []
    assert len(asked) > 15
    assert not wrong, "\n".join(wrong)


def test_chunks_of_logs_are_the_same(sites: tuple[Site, Site]) -> None:
    numbers = [None, "-1", "0", "1", "3", "4", "99999999999", "x"]
    for limit in numbers:
        for offset in numbers:
            given = {"limit": limit, "offset": offset}
            query = "&".join(f"{name}={value}" for name, value in given.items() if value)
            found = []
            for site in sites:
                status, body = site.ask(f"{site.path('logs/n:logid/contents')}?{query}")
                chunk = body["logchunks"][0] if status == 200 else {}
                found.append((status, chunk.get("content"), chunk.get("firstline")))
            assert found[0] == found[1], query


def test_calls_that_are_wrong_are_refused_alike(sites: tuple[Site, Site]) -> None:
    good = {"jsonrpc": "2.0", "id": 1, "method": "nope", "params": {}}
    bodies = [json.dumps({**good, "id": id}) for id in (1, "x", None, [], {}, 1.5)]
    bodies += [json.dumps({**good, "id": float(text)}) for text in ("nan", "-inf")]
    bodies += [json.dumps({**good, "jsonrpc": version}) for version in ("1.0", 2.0, None)]
    bodies += [json.dumps({**good, "params": params}) for params in ([], None, "x")]
    bodies += [json.dumps({k: v for k, v in good.items() if k != name}) for name in good]
    bodies += [f"[{json.dumps(good)}]", "[]", "null", "", "{", '"x"']
    for body in bodies:
        stock, ours = (site.ask(site.path("builds/n:buildid"), body) for site in sites)
        assert (stock[0], stock[1]["error"]["code"]) == (ours[0], ours[1]["error"]["code"]), body
