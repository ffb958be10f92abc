"""Bad requests to the web server: answered with what is wrong, and nothing is stored."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.process.farm import Master, farm_in

pytestmark = pytest.mark.process

CONFIG = """
builder('quick', sh('echo quick'))
c['schedulers'].append(schedulers.ForceScheduler(name='force', builderNames=['quick'],
    reason=util.StringParameter(name='reason', required=True, maxsize=20),
    properties=[
        util.IntParameter(name='count', label='Count', default=1),
        util.ChoiceStringParameter(name='flavour', label='Flavour',
            choices=['plain', 'sweet'], strict=True, default='plain'),
    ]))
"""

JSON = {"Content-Type": "application/json"}
FORCE = "/api/v2/forceschedulers/force"


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master without workers: what is accepted stays in the queue."""
    for farm in farm_in(tmp_path_factory.mktemp("rest")):
        made = farm.master()
        made.configure(CONFIG)
        made.start()
        yield made


@pytest.fixture(autouse=True)
def nothing_is_stored(master: Master) -> Iterator[None]:
    """What a test sends leaves no trace."""

    def stored() -> Any:
        kinds = ("buildsets", "buildrequests", "changes", "sourcestamps", "builds")
        return [master.rest.get(kind) for kind in kinds]

    before, log = stored(), master.log()
    yield
    assert stored() == before
    assert "Traceback" not in master.log()[len(log) :]


def call(master: Master, path: str, body: Any) -> tuple[int, Any]:
    """Status and error of a request that is refused."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, answer = master.rest.open("POST", path, data, JSON)
    return status, json.loads(answer)["error"]


def rpc(method: str, **params: Any) -> dict[str, Any]:
    """The body of an action."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON parse error"),
        (b"{", "JSON parse error"),
        (b"\xff\xfe\x00", "JSON parse error"),
        (b"[" * 100_000, "JSON parse error"),
        (b"[]", "batch requests are not supported"),
        (b"3", "must be an object"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "force"}', "missing key 'params'"),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "force", "params": {}}', "only JSONRPC 2.0"),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "force", "params": {}}', "'id' must be"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "force", "params": []}', "must be an object"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 7, "params": {}}', "'method' must be a string"),
    ],
)
def test_a_body_that_is_no_call_is_refused(master: Master, body: bytes, said: str) -> None:
    status, error = call(master, FORCE, body)
    assert status == 400
    assert said in error["message"]


def test_a_call_needs_the_content_type_of_json(master: Master) -> None:
    body = json.dumps(rpc("force", builderid=1, reason="x")).encode()
    status, answer = master.rest.open("POST", FORCE, body, {"Content-Type": "text/plain"})
    assert status == 400
    assert "use application/json" in json.loads(answer)["error"]["message"]


@pytest.mark.parametrize(
    ("path", "method", "status", "said"),
    [
        (FORCE, "explode", 501, "explode"),
        ("/api/v2/builds/99999", "stop", 404, "99999"),
        ("/api/v2/builds/x", "stop", 404, "x"),
        ("/api/v2/buildrequests/99999", "cancel", 404, "99999"),
        ("/api/v2/workers/99999", "pause", 404, "99999"),
        ("/api/v2/schedulers/99999", "enable", 404, "99999"),
        ("/api/v2/forceschedulers/nobody", "force", 404, "nobody"),
        ("/api/v2/nothing/at/all", "force", 404, "nothing/at/all"),
        ("/api/v2/builders", "force", 501, "force is not supported"),
    ],
)
def test_what_cannot_be_acted_on_is_named(
    master: Master, path: str, method: str, status: int, said: str
) -> None:
    answer, error = call(master, path, rpc(method))
    assert (answer, said in str(error["message"])) == (status, True), error


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({}, "reason", "needs to be specified"),
        ({"reason": "x" * 21}, "reason", "20"),
        ({"reason": "x", "count": "many"}, "count", "many"),
        ({"reason": "x", "count": {"a": 1}}, "count", ""),
        ({"reason": "x", "flavour": "sour"}, "flavour", "sour"),
        ({"reason": "x", "flavour": ["sour"]}, "flavour", "sour"),
    ],
)
def test_a_field_of_a_form_says_what_is_wrong_with_it(
    master: Master, params: dict[str, Any], field: str, said: str
) -> None:
    status, error = call(master, FORCE, rpc("force", builderid=1, **params))
    assert status == 400
    assert list(error["message"]) == [field], error
    assert said in error["message"][field]


@pytest.mark.parametrize(
    ("path", "method", "params", "name"),
    [
        ("/api/v2/workers/{worker}", "pause", {"reason": {"a": [1]}}, "reason"),
        ("/api/v2/workers/{worker}", "stop", {"reason": "x" * 3_000_000}, "reason"),
        ("/api/v2/schedulers/1", "enable", {"enabled": 1}, "enabled"),
        ("/api/v2/schedulers/1", "enable", {}, "enabled"),
        (FORCE, "force", {"builderid": 1, "reason": "x" * 3_000_000}, "reason"),
        (FORCE, "force", {"builderid": 1, "reason": "x", "priority": float("nan")}, "priority"),
        (FORCE, "force", {"builderid": 1, "reason": "x", "priority": 2**31}, "priority"),
        (FORCE, "force", {"builderid": 1, "reason": "x", "count": 10**400}, "count"),
        (FORCE, "force", {"builderid": 1, "reason": "x", "branch": "b" * 256}, "branch"),
        (FORCE, "force", {"builderid": 1, "reason": "a\0b"}, "reason"),
    ],
)
def test_a_wrong_argument_is_named(
    master: Master, path: str, method: str, params: dict[str, Any], name: str
) -> None:
    worker = master.rest.get("workers")["workers"][0]["workerid"] if "{" in path else 0
    status, error = call(master, path.format(worker=worker), rpc(method, **params))
    assert (status, error["code"]) == (400, -32602), error
    assert name in error["message"]


@pytest.mark.parametrize(
    "params",
    [
        {"builderid": 99},
        {"builderid": "x"},
        {"builderid": [1]},
        {"builderid": {}},
        {"builderNames": 7},
        {"builderNames": [[]]},
        {"builderid": 99, "self": 1, "name": 2},
    ],
)
def test_a_builder_that_cannot_be_forced_is_refused(master: Master, params: dict[str, Any]) -> None:
    status, error = call(master, FORCE, rpc("force", reason="x", **params))
    assert 400 <= status < 500, error
    assert "forces builds of quick; not of" in str(error["message"])


@pytest.mark.parametrize(
    "query",
    [
        "builds?limit=x",
        "builds?offset=x",
        "builds?order=nothing",
        "builds?field=nothing",
        "builds?complete=perhaps",
        "builds?started_at__gt=yesterday",
        "builds/" + "9" * 400,
        "builders/%ff%fe",
        "builders/quick/builds/x",
        "logs/1/contents?offset=x",
        "changes?limit=" + "9" * 400,
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(master: Master, query: str) -> None:
    status, answer = master.rest.open("GET", f"/api/v2/{query}")
    assert 400 <= status < 500, (query, status, answer)
    assert json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("base", b"files=nonsense&author=me", ""),
        ("base", b"files={}&author=me", "files is not a list"),
        ("base", b"files=[3]&author=me", "files is not a list"),
        ("base", b"properties=[]&author=me", "properties is not an object"),
        ("base", b"when=yesterday&author=me", "yesterday"),
        ("base", b"when=nan&author=me", "when"),
        ("base", b"when=inf&author=me", "when"),
        ("base", b"author=%ff%fe", ""),
        ("github", b"payload={}", "'github'"),
        ("%ff", b"", "wasn't whitelisted"),
    ],
)
def test_a_change_hook_refuses_garbage(master: Master, path: str, body: bytes, said: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = master.rest.open("POST", f"/change_hook/{path}", body, headers)
    assert 400 <= status < 500, (status, answer)
    assert said in answer.decode()
