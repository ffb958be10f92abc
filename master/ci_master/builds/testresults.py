"""Test results that a step reports, apart from its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from ci_common.aio import to_deferred

if TYPE_CHECKING:
    from ci_master.builds.build import Build


class TestResultsMixin:
    """The methods of a step for test results. They are sets, each of one kind of value."""

    __test__ = False  # no test case, whatever its name looks like to a test runner

    build: Build
    row: Any
    _result_sets: list[int] | None = None

    def addTestResultSet(self, description: str, category: str, value_unit: str) -> Deferred[int]:
        """Begin a set.

        :param category: what the values are about, such as ``pass_fail``.
        :param value_unit: unit of the values, such as ``boolean`` or ``s``.
        :returns: fires with the set's id.
        """
        return to_deferred(self._add_set(description, category, value_unit))

    async def _add_set(self, description: str, category: str, value_unit: str) -> int:
        results = self.build.services.data.test_results
        set_id: int = results.add_set(
            self.build.row,
            self.row,
            description=description,
            category=category,
            value_unit=value_unit,
        )
        if self._result_sets is None:
            self._result_sets = []
        self._result_sets.append(set_id)
        return set_id

    def addTestResult(
        self,
        setid: int,
        value: Any,
        test_name: str | None = None,
        test_code_path: str | None = None,
        line: int | None = None,
        duration_ns: int | None = None,
    ) -> None:
        """Add a result to a set; it needs a ``test_name`` or a ``test_code_path``."""
        if test_name is None and test_code_path is None:
            raise ValueError("a test result needs test_name or test_code_path")
        clean = self.build.getProperties().cleanupTextFromSecrets
        result = {
            "value": clean(str(value)),
            "test_name": None if test_name is None else clean(test_name),
            "test_code_path": None if test_code_path is None else clean(test_code_path),
            "line": line,
            "duration_ns": duration_ns,
        }
        self.build.services.data.test_results.add(setid, [result])

    def _complete_result_sets(self) -> None:
        for set_id in self._result_sets or ():
            self.build.services.data.test_results.complete_set(set_id)
