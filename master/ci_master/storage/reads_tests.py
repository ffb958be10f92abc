"""What REST reads of test results, code bases, their commits and branches."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from ci_master.storage.reads_page import Columns, Page, count_of, rows_of
from ci_master.storage.schema import (
    codebase_branches,
    codebase_commits,
    codebases,
    test_result_sets,
    test_results,
)

Json = dict[str, Any]


class Plain:
    """A family of rows that REST shows column by column."""

    def __init__(self, table: Table, id_field: str) -> None:
        self.columns: Columns = {
            id_field if column.name == "id" else column.name: column for column in table.c
        }
        self._table = table
        self._booleans = [c.name for c in table.c if c.type.python_type is bool]
        self._query: Select[Any] = select(
            *(column.label(name) for name, column in self.columns.items())
        )

    def page(
        self, tx: Connection, page: Page, of: Mapping[str, Any] | None = None
    ) -> tuple[list[Json], int]:
        """Rows and how many match; all have the values that ``of`` names."""
        query = self._query
        for field, value in (of or {}).items():
            query = query.where(self.columns[field] == value)
        rows = rows_of(tx, query, self.columns, page, default_order=[self._table.c.id])
        total = len(rows)
        if page.limit is not None or page.offset:
            total = count_of(tx, query, self.columns, page)
        return [self._json(row._mapping) for row in rows], total

    def one(self, tx: Connection, of: Mapping[str, Any]) -> Json | None:
        """The first row with these values."""
        query = self._query
        for field, value in of.items():
            query = query.where(self.columns[field] == value)
        row = tx.execute(query.limit(1)).first()
        return None if row is None else self._json(row._mapping)

    def _json(self, row: Mapping[Any, Any]) -> Json:
        one = dict(row)
        for name in self._booleans:
            one[name] = bool(one[name])
        return one


TEST_SETS = Plain(test_result_sets, "test_result_setid")
TEST_RESULTS = Plain(test_results, "test_resultid")
CODEBASES = Plain(codebases, "codebaseid")
COMMITS = Plain(codebase_commits, "commitid")
BRANCHES = Plain(codebase_branches, "branchid")


def parents_of(tx: Connection, codebaseid: int) -> dict[int, int | None]:
    """Commit id -> id of its parent, for all commits of a code base."""
    t = codebase_commits
    query = select(t.c.id, t.c.parent_commitid).where(t.c.codebaseid == codebaseid)
    return {commit: parent for commit, parent in tx.execute(query)}
