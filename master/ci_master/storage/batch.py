"""Many transactions carried out as one: few statements, and each fails or succeeds alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    bindparam,
    insert,
    update,
)
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


class OrderMatters(Exception):
    """Acts that cannot be written together: what becomes of one depends on what another does."""


@dataclass(frozen=True)
class _Rules:
    """What of a table's columns matters when rows of several acts are brought together."""

    #: Referring column -> the table it refers to.
    refers: Mapping[str, str]
    #: Columns whose values may be refused because of other rows.
    bound: frozenset[str]
    #: Column -> whether a value can be stored in it, as far as that is certain.
    takes: Mapping[str, Callable[[Any], bool]]


def _rules(table: Table) -> _Rules:
    refers = {
        column.name: key.column.table.name
        for column in table.columns
        for key in column.foreign_keys
    }
    unique: set[str] = {column.name for column in table.columns if column.unique}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint):
            unique |= {column.name for column in constraint.columns}
    takes = {column.name: _taker(column) for column in table.columns}
    return _Rules(refers, frozenset(unique | refers.keys()), takes)


def _taker(column: Column[Any]) -> Callable[[Any], bool]:
    nullable, kind = bool(column.nullable), column.type
    if isinstance(kind, Boolean):
        return lambda value: isinstance(value, bool) or (value is None and nullable)
    if isinstance(kind, Integer):
        bits = 15 if isinstance(kind, SmallInteger) else 63 if isinstance(kind, BigInteger) else 31
        most = 2**bits
        return lambda value: (
            -most <= value < most if type(value) is int else value is None and nullable
        )
    wanted = bytes if isinstance(kind, LargeBinary) else str
    return lambda value: isinstance(value, wanted) or (value is None and nullable)


_RULES = {table.name: _rules(table) for table in metadata.sorted_tables}


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
            rows = Rows()
            for transaction in some:
                if transaction.is_late:
                    transaction.prepare()
                if transaction.concluded is not None and transaction.misses_a_part(self._lost):
                    return False
                rows.begin_act()
                for op in transaction.ops:
                    rows.add(op)
            with _Savepoint(self._connection):
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
                with _Savepoint(self._connection):
                    self._write(transaction)
        except Exception as error:
            if self._all_is_off(error):
                raise
            transaction.failure = Failure()
            for group in transaction.losers():
                self._lost[group] = self._lost.get(group, 0) + 1

    def _all_is_off(self, error: BaseException) -> bool:
        """Whether nothing of this attempt is left, or will be, so that all must be tried again."""
        driver = self._connection.connection.driver_connection
        return may_pass(error) or getattr(driver, "in_transaction", True) is False

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


class _Savepoint:
    """What is done within it is undone if it raises. Made for one thing: to cost little."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.exec_driver_sql("SAVEPOINT act")

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        run = self._connection.exec_driver_sql
        if kind is None:
            try:
                run("RELEASE SAVEPOINT act")
            except Exception:
                run("ROLLBACK TO SAVEPOINT act")
                raise
        else:
            run("ROLLBACK TO SAVEPOINT act")
            run("RELEASE SAVEPOINT act")


class Rows:
    """Inserts and updates by id, of one act or of several.

    An update of a row that is itself still waiting is merged into it. Inserts go table by
    table, referred-to tables first, then the updates. That comes to the same as one act after
    the other, or :class:`OrderMatters` is raised.
    """

    def __init__(self) -> None:
        self._inserts: dict[str, dict[int, dict[str, Any]]] = {}
        self._updates: dict[str, dict[int, dict[str, Any]]] = {}
        self._tables: dict[str, Table] = {}
        self._act = 0
        #: What acts before this one refer to, and did not add: table, id -> which act.
        self._referred: dict[tuple[str, int], int] = {}

    def begin_act(self) -> None:
        """What is added from now on is of another act."""
        self._act += 1

    def add(self, op: Insert | Update | Run) -> None:
        """Take a row to be written, or changed.

        :raises TwoRowsOfOneId: if a row with its id waits already.
        :raises OrderMatters: if it cannot be written together with what other acts write.
        """
        if isinstance(op, Insert):
            self._insert(op)
        elif isinstance(op, Update) and op.values:
            self._update(op)

    def _insert(self, op: Insert) -> None:
        name, row_id = op.table.name, op.row["id"]
        rows = self._inserts.setdefault(name, {})
        if row_id in rows:
            raise TwoRowsOfOneId(f"{name} {row_id}")
        rows[row_id] = _whole(name, op.row)
        if not self._act:
            return
        if row_id in self._updates.get(name, ()):
            raise OrderMatters(f"{name} {row_id} is changed before it is added")
        if self._referred.get((name, row_id), self._act) != self._act:
            raise OrderMatters(f"{name} {row_id} is referred to before it is added")
        for column, other in _RULES[name].refers.items():
            target = op.row.get(column)
            if target is not None and target not in self._inserts.get(other, ()):
                self._referred.setdefault((other, target), self._act)

    def _update(self, op: Update) -> None:
        name = op.table.name
        rules = _RULES[name]
        if self._act and not rules.bound.isdisjoint(op.values):
            raise OrderMatters(f"{name} {op.row_id} changes what other rows depend on")
        row = self._inserts.get(name, {}).get(op.row_id)
        if row is None:
            self._tables[name] = op.table
            row = self._updates.setdefault(name, {}).setdefault(op.row_id, {})
        if self._act:
            for column in op.values:
                if column in row and not rules.takes[column](row[column]):
                    raise OrderMatters(f"{name} {op.row_id}: a value may be one that is refused")
        row.update(op.values)

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
