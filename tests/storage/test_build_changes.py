"""Which changes a build has: those that it was asked for, and those since the last success."""

from typing import Any

import pytest
from sqlalchemy import Connection, event

from ci_common.results import FAILURE, SKIPPED, SUCCESS
from ci_common.revisions import built
from ci_master.data.builders import BuilderSpec
from ci_master.data.model import BuildRow
from ci_master.queue.actions import rebuild_build
from ci_master.storage import (
    build_changes,
    changes,
    reads_builds,
    views_builds,
    views_changes,
    views_requests,
)
from ci_master.storage.reads_page import Page
from tests.storage.harness import Desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.run(desk.data.builders.sync([BuilderSpec("b1"), BuilderSpec("b2")]))
    return desk


def change(desk: Desk, revision: str | None, **fields: Any) -> int:
    fields = {"author": "a", "comments": "c", "branch": "main", "repository": "r", **fields}
    return desk.run(desk.data.changes.add(revision=revision, **fields))


def stamp_of(desk: Desk, changeid: int) -> int:
    (found,) = desk.run(desk.data.changes.get_many([changeid]))
    ssid: int = found["sourcestamp"]["ssid"]
    return ssid


def ask(desk: Desk, *changeids: int, stamps: Any = None, builder: int = 1, **more: Any) -> int:
    """Ask for a build of changes, as a scheduler does: of the stamp of the last one."""
    stamps = [stamp_of(desk, changeids[-1])] if stamps is None else stamps
    _, requests = desk.run(
        desk.data.buildsets.add(
            builderids=[builder], sourcestamps=stamps, changeids=changeids, **more
        )
    )
    return requests[builder]


def begin(desk: Desk, request_id: int) -> BuildRow:
    desk.run(desk.data.requests.claim([request_id]))
    request = desk.data.requests.open[request_id]
    return desk.data.builds.start(request.builderid, request, None)


def build(desk: Desk, request_id: int, results: int = SUCCESS) -> int:
    """Build a request; gives the build's id."""
    row = begin(desk, request_id)
    desk.data.builds.finish(row, results)
    desk.data.requests.complete([request_id], results)
    desk.settle()
    return row.id


def changes_of(desk: Desk, buildid: int) -> list[int]:
    return list(desk.run(desk.store.read(lambda tx: build_changes.of_build(tx, buildid))).all)


def test_the_first_build_has_all_changes_that_it_was_asked_for(desk: Desk) -> None:
    change(desk, "r0")  # long before anybody built
    ids = [change(desk, f"r{number}") for number in (1, 2, 3)]
    first = build(desk, ask(desk, *ids), FAILURE)
    assert changes_of(desk, first) == ids
    # While it runs it has the same ones, though nothing of it may be stored yet.
    later = [change(desk, "r4"), change(desk, "r5")]
    row = begin(desk, ask(desk, *later))
    asked, found = desk.run(desk.data.changes.of_build(1, row.number, [row.request.id]))
    assert list(asked) == [one["changeid"] for one in found] == later


def test_from_the_second_build_on_it_has_those_since_the_last_success(desk: Desk) -> None:
    ids = [change(desk, f"r{number}") for number in range(6)]
    assert changes_of(desk, build(desk, ask(desk, *ids[:2]))) == ids[:2]
    assert changes_of(desk, build(desk, ask(desk, ids[2]), FAILURE)) == [ids[2]]
    # ids[3] was never built alone: it was not important, or came while the tree was not quiet.
    assert changes_of(desk, build(desk, ask(desk, ids[4]))) == ids[2:5]
    assert changes_of(desk, build(desk, ask(desk, ids[5]))) == [ids[5]]


def test_changes_of_other_repositories_projects_and_branches_are_none_of_its(desk: Desk) -> None:
    first = change(desk, "r1", project="p")
    build(desk, ask(desk, first))
    change(desk, "x1", repository="other", project="p")
    change(desk, "x2", project="other")
    change(desk, "x3", project="p", branch="dev")
    change(desk, "x4", project="p", branch=None)
    change(desk, "x5", project="p", codebase="lib")
    last = change(desk, "r2", project="p")
    assert changes_of(desk, build(desk, ask(desk, last))) == [last]
    # Nor does a success of theirs count as one of its own.
    foreign = change(desk, "x6", repository="other", project="p")
    assert changes_of(desk, build(desk, ask(desk, foreign))) == [foreign]
    failed = change(desk, "r3", project="p")
    build(desk, ask(desk, failed), FAILURE)
    build(desk, ask(desk, change(desk, "x7", repository="other", project="p")))
    newest = change(desk, "r4", project="p")
    assert changes_of(desk, build(desk, ask(desk, newest))) == [failed, newest]
    (told,) = desk.run(desk.data.changes.get_many([newest]))
    assert told["parent_changeids"] == [failed]


def test_a_build_has_the_changes_of_all_requests_that_it_stands_for(desk: Desk) -> None:
    ids = [change(desk, f"r{number}") for number in range(4)]
    a, b, c = ask(desk, ids[0]), ask(desk, ids[1], ids[2]), ask(desk, ids[3])
    desk.data.requests.complete([a], SKIPPED, collapsed_into=b)
    desk.data.requests.complete([b], SKIPPED, collapsed_into=c)
    built = build(desk, c)
    assert changes_of(desk, built) == ids
    assert desk.run(desk.data.changes.of_buildset(3)) == ids
    for changeid in ids:  # and each of them leads to the build
        found = desk.run(
            desk.store.read(lambda tx, one=changeid: reads_builds.of_change(tx, one, Page()))
        )
        assert [one["buildid"] for one in found] == [built]


def test_a_change_that_was_built_with_others_shows_what_became_of_it(desk: Desk) -> None:
    ids = [change(desk, "r1"), change(desk, "r2")]
    request = ask(desk, *ids)
    build(desk, request)
    stamps = [stamp_of(desk, one) for one in ids]
    found = desk.run(desk.store.read(lambda tx: views_changes.verdicts(tx, stamps)))
    assert [(one.stampid, one.requestid, one.results) for one in found] == [
        (stamps[0], request, SUCCESS),
        (stamps[1], request, SUCCESS),
    ]


def test_the_page_of_a_change_lists_every_build_that_was_built_with_it(desk: Desk) -> None:
    ids = [change(desk, f"r{number}") for number in range(3)]
    collapsed, taker = ask(desk, ids[0]), ask(desk, *ids[1:])
    desk.data.requests.complete([collapsed], SKIPPED, collapsed_into=taker)
    build(desk, taker, FAILURE)
    again = ask(desk, *ids[1:])
    build(desk, again)
    for changeid in ids:
        found = desk.run(
            desk.store.read(lambda tx, one=changeid: views_changes.verdicts_of_change(tx, one))
        )
        wanted = [(taker, FAILURE), (again, SUCCESS)]
        assert [(one.requestid, one.results) for one in found] == wanted[: 1 + (changeid != ids[0])]
        assert all(one.number is not None for one in found)


def test_a_change_without_a_revision_does_not_show_builds_of_others(desk: Desk) -> None:
    ids = [change(desk, None) for _ in range(2)]  # they share one source stamp
    requests = [ask(desk, one) for one in ids]
    for changeid, request in zip(ids, requests, strict=True):
        found = desk.run(
            desk.store.read(lambda tx, one=changeid: views_changes.verdicts_of_change(tx, one))
        )
        assert [one.requestid for one in found] == [request]


@pytest.mark.parametrize(
    ("value", "revision"),
    [
        ("abc", "abc"),
        ({"": "abc"}, "abc"),
        (42, "42"),
        (None, None),
        ({"lib": "x"}, None),
        ("", None),
    ],
)
def test_a_forced_build_says_what_it_has_built(desk: Desk, value: Any, revision: Any) -> None:
    request = desk.data.requests.open[ask(desk, stamps=[{"codebase": "", "branch": "main"}])]
    row = desk.data.builds.start(request.builderid, request, None)
    told: list[Any] = []
    desk.data.bus.subscribe(("builds", str(row.id), "update"), lambda key, m: told.append(m))
    desk.data.builds.set_properties(row, {"got_revision": (value, "Git")})
    desk.settle()
    assert len(told) == (value not in (None, ""))

    def shown(tx: Any) -> list[Any]:
        line = views_builds.find(tx, row.builderid, row.number)
        detail = views_builds.detail(tx, row.builderid, row.number)
        request_line = views_requests.buildset(tx, request.buildset.id).requests[0]
        return [
            line.stamps[0].revision,
            detail.build.stamps[0].revision,
            built(request_line.got_revision, "", None),
            built(row.got_revision, "", None),
        ]

    assert desk.run(desk.store.read(shown)) == [revision] * 4


def test_a_build_of_a_revision_that_was_asked_for_says_that_one(desk: Desk) -> None:
    stamps = [{"codebase": "", "revision": "v1"}, {"codebase": "lib"}]
    request = desk.data.requests.open[ask(desk, stamps=stamps)]
    row = desk.data.builds.start(request.builderid, request, None)
    got = {"": "1111", "lib": "2222"}
    desk.data.builds.set_properties(row, {"got_revision": (got, "Git")})
    desk.settle()
    line = desk.run(desk.store.read(lambda tx: views_builds.find(tx, row.builderid, row.number)))
    assert sorted(one.revision for one in line.stamps) == ["2222", "v1"]


def test_changes_without_revisions_are_told_apart(desk: Desk) -> None:
    ids = [change(desk, None) for _ in range(4)]  # they share one source stamp
    assert changes_of(desk, build(desk, ask(desk, ids[0]))) == [ids[0]]
    first = build(desk, ask(desk, ids[1]), FAILURE)
    assert changes_of(desk, first) == [ids[1]]
    assert changes_of(desk, build(desk, ask(desk, ids[2]))) == ids[1:3]
    assert changes_of(desk, build(desk, ask(desk, ids[3]))) == [ids[3]]
    assert changes_of(desk, first) == [ids[1]]


def test_a_later_change_of_the_same_revision_is_none_of_an_earlier_build(desk: Desk) -> None:
    first = change(desk, "r1")
    earlier = build(desk, ask(desk, first))
    again = change(desk, "r1")
    assert stamp_of(desk, again) == stamp_of(desk, first)
    assert changes_of(desk, earlier) == [first]
    assert changes_of(desk, build(desk, ask(desk, again))) == [again]
    assert changes_of(desk, earlier) == [first]


def test_what_another_codebase_is_suspected_of_is_there_too(desk: Desk) -> None:
    app = [change(desk, f"a{number}", codebase="app") for number in range(3)]
    lib = change(desk, "l0", codebase="lib")
    stamps = [stamp_of(desk, app[0]), stamp_of(desk, lib)]
    build(desk, ask(desk, app[0], stamps=stamps))
    bad = change(desk, "l1", codebase="lib")
    stamps = [stamp_of(desk, app[0]), stamp_of(desk, bad)]
    assert changes_of(desk, build(desk, ask(desk, bad, stamps=stamps), FAILURE)) == [bad]
    stamps[0] = stamp_of(desk, app[1])
    assert changes_of(desk, build(desk, ask(desk, app[1], stamps=stamps))) == [app[1], bad]
    stamps[0] = stamp_of(desk, app[2])
    assert changes_of(desk, build(desk, ask(desk, app[2], stamps=stamps))) == [app[2]]


def test_a_build_of_a_revision_that_nobody_asked_for_by_changes_has_those_of_it(
    desk: Desk,
) -> None:
    ids = [change(desk, "r1"), change(desk, "r2")]
    stamp = {"branch": "main", "revision": "r2", "repository": "r"}
    assert changes_of(desk, build(desk, ask(desk, stamps=[stamp]))) == [ids[1]]
    no_revision = {"branch": "main", "repository": "r"}
    assert changes_of(desk, build(desk, ask(desk, stamps=[no_revision]))) == []


def test_what_is_built_again_has_the_same_changes(desk: Desk) -> None:
    ids = [change(desk, "r1"), change(desk, "r2")]
    a, b = ask(desk, ids[0]), ask(desk, ids[1])
    desk.data.requests.complete([a], SKIPPED, collapsed_into=b)
    first = build(desk, b)
    _, requests = desk.run(rebuild_build(desk.data, first))
    assert changes_of(desk, build(desk, requests[1])) == ids


def test_changes_are_read_by_two_statements_whatever_their_source_stamps(desk: Desk) -> None:
    ids = [change(desk, f"r{number}") for number in range(5)]
    sent: list[str] = []

    def read(tx: Connection) -> list[dict[str, Any]]:
        event.listen(tx, "before_cursor_execute", lambda *args: sent.append(args[2]))
        return changes.get_many(tx, ids)

    found = desk.run(desk.store.read(read))
    assert [one["sourcestamp"]["revision"] for one in found] == ["r0", "r1", "r2", "r3", "r4"]
    assert len([one for one in sent if one.startswith("SELECT")]) == 2


def test_changes_without_a_branch_are_a_line_of_their_own(desk: Desk) -> None:
    """No branch is a value like any other where it is compared."""
    old = change(desk, "r0", branch=None)
    build(desk, ask(desk, old))
    ids = [change(desk, "r1", branch=None), change(desk, "r2"), change(desk, "r3", branch=None)]
    (found,) = desk.run(desk.data.changes.get_many([ids[2]]))
    assert found["parent_changeids"] == [ids[0]]
    assert changes_of(desk, build(desk, ask(desk, ids[2]))) == [ids[0], ids[2]]


def test_of_endless_failures_only_the_newest_changes_count(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_changes, "MOST", 3)
    build(desk, ask(desk, change(desk, "r")))
    ids = [change(desk, f"r{number}") for number in range(8)]
    failed = [build(desk, ask(desk, one), FAILURE) for one in ids]
    assert changes_of(desk, failed[-1]) == ids[-3:]
    assert changes_of(desk, failed[1]) == ids[:2]


def test_changes_are_stored_with_what_was_asked_for_them_or_not_at_all(desk: Desk) -> None:
    first = change(desk, "r1")
    ask(desk, first)
    desk.crash()
    desk.open()
    assert desk.run(desk.data.changes.of_buildset(1)) == [first]
