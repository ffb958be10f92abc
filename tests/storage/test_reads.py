"""What REST reads, on each kind of database."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from ci_master.storage import (
    build_changes,
    reads_builds,
    reads_changes,
    reads_requests,
    reads_steps,
    reads_tests,
    schema,
)
from ci_master.storage.reads_page import Page, Where


def add(tx: Connection, table: Any, **row: Any) -> None:
    """Insert a row; its id is that of the table's next one unless given."""
    tx.execute(insert(table), row)


def fill(tx: Connection) -> None:
    """Two builders, five builds; builder 1 builds the changes 1..3 of branch main."""
    add(tx, schema.masters, id=1, name="here:/m", active=True, last_active=5)
    add(tx, schema.workers, id=1, name="w1")
    for number in (1, 2):
        add(tx, schema.builders, id=number, name=f"b{number}")
    for number in (1, 2, 3):
        stamp = {"repository": "r", "project": "", "codebase": "", "created_at": 10}
        add(tx, schema.sourcestamps, id=number, hash=f"h{number}", branch="main",
            revision=f"rev{number}", **stamp)  # fmt: skip
        add(tx, schema.changes, id=number, author="Ann", comments="Fix", branch="main",
            revision=f"rev{number}", when_timestamp=10 + number, sourcestampid=number,
            files_json='["a.c"]', properties_json="{}")  # fmt: skip
    for number in range(1, 6):
        add(tx, schema.buildsets, id=number, reason="why", submitted_at=number,
            complete=number < 5, properties_json='{"owner": ["ann", "Form"]}')  # fmt: skip
        stamp_id = min(number, 3)
        add(tx, schema.buildset_sourcestamps, id=number, buildsetid=number,
            sourcestampid=stamp_id)  # fmt: skip
        add(tx, schema.buildrequests, id=number, buildsetid=number, builderid=1 + number % 2,
            submitted_at=number, complete=number < 5, claimed_by_masterid=1)  # fmt: skip
        done = number < 5
        add(tx, schema.builds, id=number, number=(number + 1) // 2, builderid=1 + number % 2,
            buildrequestid=number, workerid=1, masterid=1, started_at=100 + number,
            complete_at=200 + number if done else None, state_string="built",
            results=number % 3 if done else None)  # fmt: skip
        properties = {"owner": [f"o{number}", "Form"], "n": [number, "Step"]}
        add(tx, schema.build_properties, id=number, properties_json=json.dumps(properties))


@pytest.fixture
def tx(database: Engine) -> Any:
    with database.begin() as connection:
        fill(connection)
        yield connection


def ids(builds: list[dict[str, Any]]) -> list[int]:
    return [build["buildid"] for build in builds]


CASES: list[tuple[Page, list[int]]] = [
    (Page(), [1, 2, 3, 4, 5]),
    (Page(order=(("buildid", True),), limit=2), [5, 4]),
    (Page(order=(("buildid", True),), limit=2, offset=1), [4, 3]),
    (Page(offset=3), [4, 5]),
    (Page(limit=0), []),
    (Page((Where("complete", "eq", (False,)),)), [5]),
    (Page((Where("complete", "ne", (False,)),)), [1, 2, 3, 4]),
    (Page((Where("results", "eq", (None,)),)), [5]),
    (Page((Where("results", "ne", (0,)),)), [1, 2, 4, 5]),
    (Page((Where("results", "notin", (0, 1)),)), [2, 5]),
    (Page((Where("buildid", "in", (2, 4, 9)),)), [2, 4]),
    (Page((Where("buildid", "gt", (3,)),)), [4, 5]),
    (Page((Where("buildid", "le", (2,)),)), [1, 2]),
    (Page((Where("state_string", "contains", ("uil",)),)), [1, 2, 3, 4, 5]),
    (Page((Where("state_string", "contains", ("UIL", "%")),)), []),
    (Page(order=(("results", False), ("buildid", True))), [5, 3, 4, 1, 2]),
    (Page(order=(("results", True), ("buildid", False))), [2, 1, 4, 3, 5]),
]


@pytest.mark.parametrize(("page", "expected"), CASES)
def test_a_page_has_the_rows_that_it_asks_for(
    tx: Connection, page: Page, expected: list[int]
) -> None:
    assert ids(reads_builds.page_of(tx, page)) == expected


def test_a_build_reads_as_in_the_api(tx: Connection) -> None:
    assert reads_builds.get_by_number(tx, 2, 3) == {
        "buildid": 5,
        "number": 3,
        "builderid": 2,
        "buildrequestid": 5,
        "workerid": 1,
        "masterid": 1,
        "started_at": 105,
        "complete": False,
        "complete_at": None,
        "locks_duration_s": 0,
        "state_string": "built",
        "results": None,
        "properties": {},
    }


def test_named_properties_come_with_their_builds_and_missing_ones_are_left_out(
    tx: Connection,
) -> None:
    found = reads_builds.page_of(tx, Page(limit=2), of={"builderid": 2}, properties=["n", "zz"])
    assert [build["properties"] for build in found] == [{"n": [1, "Step"]}, {"n": [3, "Step"]}]
    (every,) = reads_builds.page_of(tx, Page(limit=1), properties=["*"])
    assert sorted(every["properties"]) == ["n", "owner"]


def test_builds_are_found_by_change_and_by_the_build_that_triggered_them(tx: Connection) -> None:
    assert ids(reads_builds.of_change(tx, 3, Page())) == [3, 4, 5]
    tx.execute(schema.buildsets.update().where(schema.buildsets.c.id == 4).values(parent_buildid=1))
    assert ids(reads_builds.triggered_by(tx, 1, Page())) == [4]


def test_the_changes_of_a_build_are_those_since_the_last_success(tx: Connection) -> None:
    # builder 2 built change 1 (result 1), change 3 (result 0) and change 3 again
    assert build_changes.of_build(tx, 3).all == [3]
    tx.execute(schema.builds.update().where(schema.builds.c.id == 1).values(results=0))
    assert build_changes.of_build(tx, 3).all == [2, 3]
    # What is built again is still what was asked for, though it was built well before.
    assert build_changes.of_build(tx, 5).all == [3]
    assert build_changes.of_build(tx, 99).all == ()


def test_requests_carry_the_properties_of_their_buildset_if_asked(tx: Connection) -> None:
    plain = reads_requests.requests_page(tx, Page((Where("complete", "eq", (False,)),)))
    assert [(one["buildrequestid"], one["properties"]) for one in plain] == [(5, None)]
    named = reads_requests.request(tx, 5, properties=["owner"])
    assert named is not None
    assert named["properties"] == {"owner": ["ann", "Form"]}
    assert named["claimed"] is True


def test_buildsets_come_with_their_source_stamps(tx: Connection) -> None:
    found = reads_requests.buildsets_page(tx, Page((Where("complete", "eq", (True,)),), limit=2))
    assert [(one["bsid"], one["sourcestamps"][0]["ssid"]) for one in found] == [(1, 1), (2, 2)]
    assert reads_requests.buildset(tx, 99) is None


def test_changes_are_newest_first_and_carry_their_stamp(tx: Connection) -> None:
    found = reads_changes.changes_page(tx, Page(limit=2))
    assert [(one["changeid"], one["sourcestamp"]["ssid"]) for one in found] == [(3, 3), (2, 2)]
    assert reads_changes.changes_page(tx, Page(), ids=[]) == []


def test_the_total_of_stamps_counts_what_the_limit_cuts_off(tx: Connection) -> None:
    items, total = reads_changes.stamps_page(tx, Page(limit=1))
    assert (len(items), total) == (1, 3)
    assert reads_changes.stamps_page(tx, Page(), buildsetid=5)[1] == 1


def test_steps_and_logs_are_found_by_number_name_and_slug(tx: Connection) -> None:
    add(tx, schema.steps, id=7, buildid=1, number=0, name="compile", urls_json='[{"name": "u"}]')
    add(tx, schema.logs, id=9, stepid=7, name="stdio", slug="stdio", type="s", num_lines=4)
    for which in (0, "compile"):
        step = reads_steps.step_of(tx, 1, which)
        assert step is not None
        assert (step["stepid"], step["urls"], step["complete"]) == (7, [{"name": "u"}], False)
    assert reads_steps.steps_page(tx, 1, Page(limit=0))[1] == 1
    log = reads_steps.log_of(tx, 7, "stdio")
    assert log is not None
    assert (log["logid"], log["num_lines"], log["complete"]) == (9, 4, False)
    origin = reads_steps.log_origin(tx, 9)
    assert origin is not None
    assert (origin.builder, origin.build_number, origin.worker) == ("b2", 1, "w1")


def test_data_of_a_build_is_listed_without_its_bytes(tx: Connection) -> None:
    add(tx, schema.build_data, id=1, buildid=1, name="cov", value=b"\0\1", length=2, source="s")
    assert [one["value"] for one in reads_builds.data_of(tx, 1)] == [None]
    assert reads_builds.data_value(tx, 1, "cov") == b"\0\1"
    assert reads_builds.data_value(tx, 1, "other") is None


def test_families_that_are_shown_column_by_column_are_filtered_and_counted(tx: Connection) -> None:
    add(tx, schema.projects, id=1, name="p", slug="p")
    for number in (1, 2, 3):
        add(tx, schema.codebases, id=number, projectid=1, name=f"c{number}", slug="c")
    items, total = reads_tests.CODEBASES.page(tx, Page(limit=1), {"projectid": 1})
    assert (items[0]["codebaseid"], total) == (1, 3)
    assert reads_tests.CODEBASES.one(tx, {"name": "c2"}) == {
        "codebaseid": 2,
        "projectid": 1,
        "name": "c2",
        "slug": "c",
    }
