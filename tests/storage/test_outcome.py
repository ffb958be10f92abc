"""What came of a build: which build says how its branch was before, and what failed."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from ci_master.storage import schema, views_outcome

MAIN = {"branch": "main", "repository": "r"}


class Builder:
    """One builder whose builds are made of results and source stamps."""

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        self.stamps: dict[Any, int] = {}
        self.number = 0
        self._add(schema.masters, id=1, name="m", active=True, last_active=0)
        for id in (1, 2):
            self._add(schema.builders, id=id, name=f"b{id}", tags_json="[]")
        self._add(
            schema.patches, id=1, level=1, body=b"x", author="eve", comment="try", subdir=None
        )

    def _add(self, table: Any, **row: Any) -> None:
        self.tx.execute(insert(table), row)

    def build(self, results: int | None, *stamps: dict[str, Any], builderid: int = 1) -> int:
        """The id of a new build."""
        self.number += 1
        n = self.number
        self._add(
            schema.buildsets, id=n, reason="", submitted_at=n, complete=True, properties_json="{}"
        )
        for place, stamp in enumerate(stamps or (MAIN,)):
            key = tuple(sorted(stamp.items(), key=str))
            if key not in self.stamps:
                self.stamps[key] = len(self.stamps) + 1
                self._add(
                    schema.sourcestamps, id=self.stamps[key], hash=f"hash {self.stamps[key]}",
                    created_at=0, **{"repository": "", "project": "", "codebase": "", **stamp},
                )  # fmt: skip
            self._add(
                schema.buildset_sourcestamps, id=10 * n + place, buildsetid=n,
                sourcestampid=self.stamps[key],
            )  # fmt: skip
        self._add(
            schema.buildrequests, id=n, buildsetid=n, builderid=builderid, priority=0,
            submitted_at=n, waited_for=False, complete=True, results=results or 0,
        )  # fmt: skip
        self._add(
            schema.builds, id=n, number=n, builderid=builderid, buildrequestid=n, masterid=1,
            started_at=n, complete_at=None if results is None else n, state_string="",
            results=results, locks_duration_s=0,
        )  # fmt: skip
        return n

    def before(self, buildid: int) -> int | None:
        return views_outcome.before(self.tx, buildid)


@pytest.fixture
def of(database: Engine) -> Any:
    with database.begin() as tx:
        yield Builder(tx)


def test_the_build_before_is_of_the_same_branch(of: Builder) -> None:
    main = of.build(FAILURE)
    of.build(SUCCESS, {**MAIN, "branch": "feature"})
    now = of.build(SUCCESS)
    assert of.before(now) == main
    assert of.before(of.build(SUCCESS, {**MAIN, "branch": "other"})) is None


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"repository": "fork"}, False),
        ({"project": "p2"}, False),
        ({"codebase": "lib"}, False),
        ({"revision": "abc"}, True),
        ({"repository": ""}, True),  # forced: it names none
        ({"branch": None}, False),
        ({"patchid": 1}, False),
    ],
)
def test_what_else_makes_another_line(of: Builder, other: dict[str, Any], same: bool) -> None:
    mine = {**MAIN, "project": "p1"}
    before = of.build(FAILURE, {**mine, **other})
    assert of.before(of.build(SUCCESS, mine)) == (before if same else None)


@pytest.mark.parametrize("results", [EXCEPTION, RETRY, CANCELLED, SKIPPED, None])
def test_what_says_nothing_of_the_branch_is_passed_over(of: Builder, results: int | None) -> None:
    before = of.build(WARNINGS)
    of.build(results)
    assert of.before(of.build(FAILURE)) == before


def test_a_patch_has_no_build_before_it(of: Builder) -> None:
    of.build(SUCCESS)
    trial = of.build(FAILURE, {**MAIN, "patchid": 1})
    assert of.before(trial) is None
    assert views_outcome.of_build(of.tx, trial).trial
    assert of.before(of.build(SUCCESS)) == 1


def test_all_code_bases_count(of: Builder) -> None:
    lib, app = {**MAIN, "codebase": "lib"}, {**MAIN, "codebase": "app"}
    before = of.build(FAILURE, lib, app)
    of.build(SUCCESS, lib, {**app, "branch": "feature"})
    of.build(SUCCESS, lib)
    assert of.before(of.build(SUCCESS, app, lib)) == before


def test_other_builders_and_a_build_that_is_not_there_say_nothing(of: Builder) -> None:
    of.build(SUCCESS, builderid=2)
    assert of.before(of.build(SUCCESS)) is None
    assert of.before(99) is None
    assert views_outcome.of_build(of.tx, 99) == views_outcome.Outcome()


def test_it_is_found_far_back_among_builds_that_look_alike(of: Builder) -> None:
    lib, app = {**MAIN, "codebase": "a"}, {**MAIN, "codebase": "b"}
    before = of.build(FAILURE, lib, app)
    for number in range(120):
        of.build(SUCCESS, lib, {**app, "branch": f"f{number}"})
    assert of.before(of.build(SUCCESS, lib, app)) == before


def test_builds_without_sources_are_of_one_line(of: Builder) -> None:
    before = _without_stamps(of, SUCCESS)
    of.build(FAILURE)
    assert of.before(_without_stamps(of, FAILURE)) == before


def _without_stamps(of: Builder, results: int) -> int:
    made = of.build(results)
    link = schema.buildset_sourcestamps
    of.tx.execute(link.delete().where(link.c.buildsetid == made))
    return made
