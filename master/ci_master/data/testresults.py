"""Test results: sets of a step, and the results in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ci_master.data.context import Context
from ci_master.data.model import BuildRow, StepRow
from ci_master.storage import schema
from ci_master.storage.transaction import Group, Transaction


class _OpenSet(NamedTuple):
    """A set that is not complete, and what its results are a part of."""

    row: Mapping[str, Any]
    group: Group


#: Categories of sets whose results are counted: the results tell which they are, or all of them
#: have passed, or failed.
PASS_FAIL, PASS_ONLY, FAIL_ONLY = "pass_fail", "pass_only", "fail_only"


@dataclass(slots=True)
class Counts:
    """How many results of a set that is not complete have passed and failed."""

    passed: int = 0
    failed: int = 0

    def take(self, category: str, value: str) -> None:
        """Count one result. In a set of booleans, 0 has failed and other integers have passed."""
        if category == PASS_ONLY:
            self.passed += 1
        elif category == FAIL_ONLY:
            self.failed += 1
        else:
            try:
                passed = int(value) != 0
            except ValueError:
                return
            self.passed += passed
            self.failed += not passed


class TestResults:
    """Adds sets and results; they are read from storage."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sets: dict[int, _OpenSet] = {}  # those not complete
        self._counts: dict[int, Counts] = {}

    def add_set(
        self, build: BuildRow, step: StepRow, *, description: str | None, category: str,
        value_unit: str,
    ) -> int:  # fmt: skip
        """Begin a set of results of one kind; gives its id."""
        table = schema.test_result_sets
        row: dict[str, Any] = {
            "id": self._context.store.next_id(table),
            "builderid": build.builderid,
            "buildid": build.id,
            "stepid": step.id,
            "description": description,
            "category": category,
            "value_unit": value_unit,
            "tests_passed": None,
            "tests_failed": None,
            "complete": False,
        }
        act = self._context.transaction("a set of test results", step.group)
        act.insert(table, row)
        self._sets[row["id"]] = _OpenSet(row, step.group)
        if category in (PASS_ONLY, FAIL_ONLY) or (category, value_unit) == (PASS_FAIL, "boolean"):
            self._counts[row["id"]] = Counts()
        self._tell(act, row, "new")
        act.submit()
        return int(row["id"])

    def add(self, set_id: int, results: Sequence[Mapping[str, Any]]) -> None:
        """Add results: value and, where known, test_name, test_code_path, line, duration_ns."""
        store, table = self._context.store, schema.test_results
        known, counts = self._sets[set_id], self._counts.get(set_id)
        builderid, category = known.row["builderid"], known.row["category"]
        act = self._context.transaction("test results", known.group)
        for result in results:
            if counts is not None:
                counts.take(category, str(result["value"]))
            act.insert(
                table,
                {
                    "id": store.next_id(table),
                    "builderid": builderid,
                    "test_result_setid": set_id,
                    "test_name": result.get("test_name"),
                    "test_code_path": result.get("test_code_path"),
                    "line": result.get("line"),
                    "duration_ns": result.get("duration_ns"),
                    "value": str(result["value"]),
                },
            )
        act.submit()

    def complete_set(
        self, set_id: int, *, tests_passed: int | None = None, tests_failed: int | None = None
    ) -> None:
        """End a set. May be asked for twice.

        :param tests_passed: None for what was counted, where the set's category can be counted.
        :param tests_failed: likewise.
        """
        known, counts = self._sets.pop(set_id, None), self._counts.pop(set_id, None)
        if known is None:
            return
        if counts is not None:
            tests_passed = counts.passed if tests_passed is None else tests_passed
            tests_failed = counts.failed if tests_failed is None else tests_failed
        values = {"tests_passed": tests_passed, "tests_failed": tests_failed, "complete": True}
        act = self._context.transaction("the end of a set of test results", known.group)
        act.update(schema.test_result_sets, set_id, values)
        self._tell(act, {**known.row, **values}, "completed")
        act.submit()

    def _tell(self, act: Transaction, row: Mapping[str, Any], event: str) -> None:
        message = {key: value for key, value in row.items() if key != "id"}
        act.tell(
            lambda: {"test_result_setid": row["id"], **message},
            ("test_result_sets", str(row["id"]), event),
        )
