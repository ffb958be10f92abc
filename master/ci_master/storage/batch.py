"""Many transactions carried out as one: few statements, and each fails or succeeds alone."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update
from twisted.python.failure import Failure

from ci_master.storage.engine import may_pass
from ci_master.storage.schema import metadata
from ci_master.storage.transaction import (
    Group,
    Incomplete,
    Insert,
    Row,
    RowMissing,
    Run,
    Transaction,
    Update,
)

_ORDER = {table.name: position for position, table in enumerate(metadata.sorted_tables)}
_INSERTS = {table.name: insert(table) for table in metadata.sorted_tables}
_BLANKS: dict[str, dict[str, Any]] = {
    table.name: {
        column.name: column.default.arg if column.default is not None else None  # type: ignore[attr-defined]  # all our defaults are scalars
        for column in table.columns
    }
    for table in metadata.sorted_tables
}
_UPDATES: dict[tuple[str, tuple[str, ...]], Any] = {}


class TwoRowsOfOneId(Exception):
    """Two rows of one id are to be inserted, so one of them has to fail."""


def carry_out(connection: Connection, batch: Sequence[Transaction]) -> None:
    """Write these transactions, in order, within the transaction that the connection is in.

    Those that only write rows are brought together into few statements. If that fails, the
    half of them and the other half are tried, and so on: what is left over is the one that
    cannot be stored. Each of those steps is a savepoint, so a failed transaction leaves nothing.
    ``failure`` of each says what became of it.

    :raises DBAPIError: if trying again later may help; then nothing is decided.
    """
    attempt = _Attempt(connection)
    together: list[Transaction] = []
    for transaction in batch:
        transaction.failure = None
        if transaction.has_functions:
            attempt.write_all(together)
            together = []
            attempt.write_one(transaction)
        else:
            together.append(transaction)
    attempt.write_all(together)


def fail_all(batch: Sequence[Transaction], failure: Failure) -> None:
    """Note that none of these could be stored."""
    for transaction in batch:
        transaction.failure = failure


def note_losses(batch: Sequence[Transaction]) -> None:
    """Count what groups have lost, once it is certain."""
    for transaction in batch:
        for group in transaction.losers():
            group.count += 1


class _Attempt:
    """One try at a batch."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lost: dict[Group, int] = {}

    def write_all(self, some: list[Transaction]) -> None:
        """Write transactions that have no functions: together, or what of them can be stored."""
        if len(some) == 1:
            self.write_one(some[0])
        elif some and not self._written_together(some):
            half = len(some) // 2
            self.write_all(some[:half])
            self.write_all(some[half:])

    def _written_together(self, some: list[Transaction]) -> bool:
        try:
            for transaction in some:
                transaction.prepare()
                if transaction.misses_a_part(self._lost):
                    return False
            rows = Rows()
            for transaction in some:
                for op in transaction.ops:
                    rows.add(op)
            with self._connection.begin_nested():
                rows.flush(self._connection)
        except Exception as error:
            if self._all_is_off(error):
                raise
            return False
        return True

    def write_one(self, transaction: Transaction) -> None:
        """Write one transaction, or note why that cannot be."""
        try:
            transaction.prepare()
            if transaction.misses_a_part(self._lost):
                raise Incomplete(transaction.about)
            if transaction.ops:
                with self._connection.begin_nested():
                    self._write(transaction)
        except Exception as error:
            if self._all_is_off(error):
                raise
            transaction.failure = Failure()
            for group in transaction.losers():
                self._lost[group] = self._lost.get(group, 0) + 1

    def _all_is_off(self, error: BaseException) -> bool:
        """Whether nothing of this attempt is left, or will be, so that all must be tried again.

        SQLite ends the transaction by itself where the disk is full. To go back to a savepoint
        then fails as well, and that is the error that is seen.
        """
        seen: BaseException | None = error
        while seen is not None:
            if may_pass(seen):
                return True
            seen = seen.__context__
        driver = self._connection.connection.driver_connection
        return getattr(driver, "in_transaction", True) is False

    def _write(self, transaction: Transaction) -> None:
        rows = Rows()
        for op in transaction.ops:
            if isinstance(op, Run):
                rows.flush(self._connection)
                rows = Rows()
                op.answer.value = op.function(self._connection)
            else:
                rows.add(op)
        rows.flush(self._connection)


class Rows:
    """Inserts and updates by id, in the order asked for as far as anyone can tell.

    An update of a row that is itself still waiting is merged into it. Inserts go table by
    table, referred-to tables first, then the updates.
    """

    def __init__(self) -> None:
        self._inserts: dict[str, dict[int, dict[str, Any]]] = {}
        self._updates: dict[str, dict[int, dict[str, Any]]] = {}
        self._tables: dict[str, Table] = {}

    def add(self, op: Insert | Update | Run) -> None:
        """Take a row to be written, or changed.

        :raises TwoRowsOfOneId: if a row with its id waits already.
        """
        name = op.table.name  # type: ignore[union-attr]  # whoever calls sorts out the functions
        if isinstance(op, Insert):
            rows = self._inserts.setdefault(name, {})
            row_id = op.row["id"]
            if row_id in rows:
                raise TwoRowsOfOneId(f"{name} {row_id}")
            rows[row_id] = _whole(name, op.row)
        elif isinstance(op, Update) and op.values:
            waiting = self._inserts.get(name)
            if waiting is not None and op.row_id in waiting:
                waiting[op.row_id].update(op.values)
                return
            self._tables[name] = op.table
            self._updates.setdefault(name, {}).setdefault(op.row_id, {}).update(op.values)

    def flush(self, connection: Connection) -> None:
        """Write everything, in a few statements.

        :raises RowMissing: if there is no row to be updated.
        """
        for name in sorted(self._inserts, key=_ORDER.__getitem__):
            connection.execute(_INSERTS[name], list(self._inserts[name].values()))
        for name, changed in self._updates.items():
            by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
            for row_id, values in changed.items():
                parameters = {f"v_{key}": value for key, value in values.items()}
                parameters["row_id"] = row_id
                by_columns.setdefault(tuple(sorted(values)), []).append(parameters)
            for columns, parameter_list in by_columns.items():
                _update(connection, self._update_of(name, columns), parameter_list, name)

    def _update_of(self, name: str, columns: tuple[str, ...]) -> Any:
        statement = _UPDATES.get((name, columns))
        if statement is None:
            table = self._tables[name]
            statement = (
                update(table)
                .where(table.c.id == bindparam("row_id"))
                .values({column: bindparam(f"v_{column}") for column in columns})
            )
            _UPDATES[name, columns] = statement
        return statement


def _whole(name: str, row: Row) -> dict[str, Any]:
    """The row with a value for each column, so that all rows of a table make one statement."""
    blank = _BLANKS[name]
    whole = {**blank, **row}
    if len(whole) != len(blank):
        raise KeyError(f"{name} has no columns {sorted(whole.keys() - blank.keys())}")
    return whole


def _update(connection: Connection, statement: Any, parameters: list[Any], name: str) -> None:
    """Update rows by id, and see that they were there."""
    if len(parameters) == 1 or connection.dialect.supports_sane_multi_rowcount:
        changed = connection.execute(statement, parameters).rowcount
    else:  # the driver does not count, and sends one by one anyway
        changed = sum(connection.execute(statement, one).rowcount for one in parameters)
    if changed != len(parameters):
        ids = [one["row_id"] for one in parameters]
        raise RowMissing(f"{name} {', '.join(map(str, ids[:10]))}: not there, or not all of them")
