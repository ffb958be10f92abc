"""Reports outlive a kill of the master, a stop and a receiver that is away."""

import json
from http.server import ThreadingHTTPServer
from typing import Any, cast

import pytest

from ci_common.results import RETRY, SUCCESS
from tests.process.farm import Farm, Master, free_port, wait_until
from tests.process.test_reporters import Receiver, serving

pytestmark = pytest.mark.process


def receiver(port: int) -> tuple[ThreadingHTTPServer, list[tuple[dict[str, str], dict[str, Any]]]]:
    here = cast(type[Receiver], type("Here", (Receiver,), {"posts": [], "answers": []}))
    return ThreadingHTTPServer(("127.0.0.1", port), here), here.posts


def statuses(posts: list[Any]) -> dict[int, list[int | None]]:
    """Build id -> results, in the order in which they were told, repetitions left out."""
    found: dict[int, list[int | None]] = {}
    seen = set()
    for headers, body in posts:
        key = json.loads(headers["Idempotency-Key"])
        if key not in seen:
            seen.add(key)
            found.setdefault(body["buildid"], []).append(body["results"])
    return found


def configured(farm: Farm, port: int, body: str = "") -> Master:
    master = farm.master()
    master.configure(
        f"""
builder('quick', sh('true'))
builder('slow', sh('while [ ! -e {farm.directory}/go ]; do sleep 0.1; done'))
force_all()
c['services'] = [reporters.HttpStatusPush('http://127.0.0.1:{port}/', name='forge')]
"""
        + body
    )
    master.start()
    farm.worker(master)
    master.wait_for_worker()
    return master


def test_a_status_never_stays_pending(farm: Farm) -> None:
    port = free_port()
    server, posts = receiver(port)
    with serving(server):
        master = configured(farm, port)
        slow = master.force("slow")
        cut_off = master.build_of(slow)["buildid"]
        wait_until(lambda: statuses(posts).get(cut_off) == [None], "the status of the slow build")
    # Now the forge is away, and builds go on.
    ended = [master.forced("quick")["buildid"] for _ in range(3)]
    master.kill()
    master.start()
    master.wait_for_worker()
    ended.append(master.forced("quick")["buildid"])
    assert master.stop() == 0
    (farm.directory / "go").touch()
    master.start()
    master.wait_for_worker()
    master.finished(slow)
    last = master.build_of(slow)["buildid"]
    before = list(posts)
    server, later = receiver(port)
    with serving(server):

        def all_told() -> bool:
            found = statuses(before + later)
            return all(len(found.get(one, ())) == 2 for one in (cut_off, *ended, last))

        wait_until(all_told, "the statuses of all builds", limit_s=240)
        assert master.stop() == 0
    found = statuses(before + later)
    assert found[cut_off] == [None, RETRY]
    for one in (*ended, last):
        assert found[one] == [None, SUCCESS]
    assert "Traceback" not in master.log()


def test_a_reporter_that_is_new_tells_no_history(farm: Farm) -> None:
    port = free_port()
    server, posts = receiver(port)
    with serving(server):
        master = configured(farm, port)
        first = master.forced("quick")["buildid"]
        wait_until(lambda: len(posts) == 2, "both statuses")
        config = master.home / "master.cfg"
        second = (
            f"c['services'].append(reporters.HttpStatusPush('http://127.0.0.1:{port}/x',"
            " name='new', headers={'X-Who': 'new'}))\n"
        )
        config.write_text(config.read_text() + second)
        master.reload()
        build = master.forced("quick")["buildid"]
        wait_until(lambda: len(posts) == 6, "the statuses of both reporters")
        assert master.stop() == 0
    of_new = [body["buildid"] for headers, body in posts if headers.get("X-Who") == "new"]
    assert of_new == [build, build]
    assert [body["buildid"] for _, body in posts].count(first) == 2
