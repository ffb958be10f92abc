"""Rows that wait to be written, brought into few statements."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, update

from ci_master.storage.schema import metadata

Row = dict[str, Any]

#: Called in the writer's thread on a row of this table before it is written.
Prepare = Callable[[Row], None]

_PREPARE: dict[str, Prepare] = {}
_ORDER = {table.name: position for position, table in enumerate(metadata.sorted_tables)}
_INSERTS = {table.name: insert(table) for table in metadata.sorted_tables}
_BLANKS: dict[str, Row] = {
    table.name: {
        column.name: column.default.arg if column.default is not None else None  # type: ignore[attr-defined]  # all our defaults are scalars
        for column in table.columns
    }
    for table in metadata.sorted_tables
}
_UPDATES: dict[tuple[str, tuple[str, ...]], Any] = {}


def prepared_by(table: Table, prepare: Prepare) -> None:
    """Have costly parts of this table's rows (compression) made in the writer's thread."""
    _PREPARE[table.name] = prepare


class UnitOfWork:
    """Inserts and updates by id, in the order asked for as far as anyone can tell.

    An update of a row that is itself still waiting is merged into it. Inserts go table by
    table, referred-to tables first, then the updates.
    """

    def __init__(self) -> None:
        self._inserts: dict[str, dict[int, Row]] = {}
        self._updates: dict[str, dict[int, Row]] = {}
        self._tables: dict[str, Table] = {}

    def __bool__(self) -> bool:
        return bool(self._inserts or self._updates)

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Write a new row; it has an ``id``."""
        self._tables[table.name] = table
        self._inserts.setdefault(table.name, {})[row["id"]] = {**_BLANKS[table.name], **row}

    def update(self, table: Table, row_id: int, values: Mapping[str, Any]) -> None:
        """Change columns of the row with this id."""
        waiting = self._inserts.get(table.name)
        if waiting is not None and row_id in waiting:
            waiting[row_id].update(values)
            return
        self._tables[table.name] = table
        self._updates.setdefault(table.name, {}).setdefault(row_id, {}).update(values)

    def flush(self, connection: Connection) -> None:
        """Write everything, in a few statements."""
        for name in sorted(self._inserts, key=_ORDER.__getitem__):
            rows = list(self._inserts[name].values())
            _prepare(name, rows)
            connection.execute(_INSERTS[name], rows)
        for name, changed in self._updates.items():
            by_columns: dict[tuple[str, ...], list[Row]] = {}
            for row_id, values in changed.items():
                _prepare(name, [values])
                parameters = {f"v_{key}": value for key, value in values.items()}
                parameters["row_id"] = row_id
                by_columns.setdefault(tuple(sorted(values)), []).append(parameters)
            for columns, parameter_list in by_columns.items():
                connection.execute(self._update_of(name, columns), parameter_list)

    def flush_one_by_one(self, connection: Connection) -> list[tuple[str, int, Exception]]:
        """Write each row within a savepoint of its own.

        :returns: what could not be written: table, id and why.
        """
        failed = []
        for name in sorted(self._inserts, key=_ORDER.__getitem__):
            for row_id, row in self._inserts[name].items():
                try:
                    with connection.begin_nested():
                        connection.execute(_INSERTS[name], row)
                except Exception as error:
                    failed.append((name, row_id, error))
        for name, changed in self._updates.items():
            for row_id, values in changed.items():
                parameters = {f"v_{key}": value for key, value in values.items()}
                try:
                    with connection.begin_nested():
                        connection.execute(
                            self._update_of(name, tuple(sorted(values))),
                            {**parameters, "row_id": row_id},
                        )
                except Exception as error:
                    failed.append((name, row_id, error))
        return failed

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


def _prepare(name: str, rows: list[Row]) -> None:
    prepare = _PREPARE.get(name)
    if prepare is not None:
        for row in rows:
            prepare(row)
