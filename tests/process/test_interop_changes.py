"""Changes that others send: the stock client, our client, a form by HTTP."""

import json
import os
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import SUCCESS
from tests.conftest import missing
from tests.process.buildbot_peer import PEER_VARIABLE, why_no_peer
from tests.process.farm import BIN, Master, farm_in, wait_until

pytestmark = pytest.mark.process

CONFIG = """
c['protocols']['pb']['port'] = PB
c['change_source'].append(changes.PBChangeSource(port=PB, user='alice', passwd='wonder'))
builder('test', sh(util.Interpolate('echo %(prop:branch)s %(prop:size)s')))
c['schedulers'].append(schedulers.AnyBranchScheduler(
    name='all', builderNames=['test'], treeStableTimer=None,
    change_filter=util.ChangeFilter(project='demo')))
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master that takes changes, and a worker that builds them."""
    for farm in farm_in(tmp_path_factory.mktemp("changes")):
        made = farm.master()
        made.configure(f"PB = 'tcp:{made.pb_port}:interface=127.0.0.1'\n{CONFIG}")
        made.start()
        farm.worker(made)
        made.wait_for_worker()
        yield made
        assert "Traceback" not in made.log()


@pytest.fixture(params=["ours", pytest.param("stock", marks=pytest.mark.peer)])
def client(request: pytest.FixtureRequest) -> str:
    """The program that has a 'sendchange'."""
    if request.param == "ours":
        return str(BIN / "ci-master")
    if why_no_peer():
        missing(why_no_peer())
    return os.environ[PEER_VARIABLE]


def send(client: str, master: Master, *words: str, auth: str = "alice:wonder") -> tuple[int, str]:
    """Status and output of a 'sendchange'."""
    done = subprocess.run(
        [client, "sendchange", f"--master=127.0.0.1:{master.pb_port}", f"--auth={auth}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": "/nonexistent", "PYTHONUTF8": "1"},
    )
    return done.returncode, done.stdout + done.stderr


def changes(master: Master) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = master.rest.all("changes?order=changeid")
    return found


def test_a_change_that_is_sent_is_stored_whole_and_built(
    master: Master, client: str, tmp_path: Path
) -> None:
    before = len(changes(master))
    comments = tmp_path / "comments"
    comments.write_text("fixes\nthe œuvre\n")
    status, said = send(
        client, master,
        "--who=Zoë <zoe@example.org>", "--repository=git://x/y", "--vc=git", "--project=demo",
        "--branch=main", "--category=good", "--codebase=", "--revision=abc123",
        "--property=size:3", "--property=shape:round", f"--logfile={comments}",
        "--when=1700000000", "--revlink=http://x/abc", "a/one.c", "b/twö.c",
    )  # fmt: skip
    assert status == 0, said
    assert "change sent successfully" in said
    change = wait_until(lambda: changes(master)[before:], "the change")[0]
    expected = {
        "author": "Zoë <zoe@example.org>",
        "repository": "git://x/y",
        "project": "demo",
        "branch": "main",
        "category": "good",
        "codebase": "",
        "revision": "abc123",
        "revlink": "http://x/abc",
        "when_timestamp": 1700000000,
        "files": ["a/one.c", "b/twö.c"],
        "comments": "fixes\nthe œuvre\n",
    }
    assert {name: change[name] for name in expected} == expected
    assert change["properties"]["size"] == ["3", "Change"]

    def built() -> list[Any]:
        return [
            build
            for build in master.rest.all("builds")
            if build["complete"]
            and change["changeid"]
            in [one["changeid"] for one in master.rest.all(f"builds/{build['buildid']}/changes")]
        ]

    (build,) = wait_until(built, "its build")
    assert build["results"] == SUCCESS
    assert master.log_text(build, "shell") == "main 3\n"


def test_a_change_of_a_stranger_is_refused(master: Master, client: str) -> None:
    before = changes(master)
    for auth in ("alice:wrong", "mallory:wonder", "w1:secret"):
        status, said = send(client, master, "--who=x", "--branch=main", "f", auth=auth)
        assert status != 0, said
    assert changes(master) == before


def hook(master: Master, fields: dict[str, Any]) -> tuple[int, str]:
    """Status and text of a change sent by HTTP."""
    query = urllib.parse.urlencode(fields)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, body = master.rest.open("POST", "/change_hook/base", query.encode(), headers)
    return status, body.decode()


def test_a_change_comes_by_http(master: Master) -> None:
    before = len(changes(master))
    fields = {
        "author": "Zoë",
        "committer": "Carl",
        "comments": "a story\n",
        "files": json.dumps(["ä.c", "b.c"]),
        "revision": "r1",
        "branch": "side",
        "project": "demo",
        "repository": "git://x/y",
        "category": "c",
        "revlink": "http://x",
        "when_timestamp": "1700000001",
        "properties": json.dumps({"size": 7, "list": [1]}),
    }
    status, _ = master.rest.open("GET", f"/change_hook/base?{urllib.parse.urlencode(fields)}")
    assert status == 405
    assert hook(master, fields) == (200, "1 change found")
    change = changes(master)[before]
    assert change["files"] == ["b.c", "ä.c"]
    assert (change["author"], change["committer"]) == ("Zoë", "Carl")
    assert change["when_timestamp"] == 1700000001
    assert change["properties"] == {"size": [7, "Change"], "list": [[1], "Change"]}
