"""Pages of rows: which rows a reader wants, in which order, and how many.

A column may be an expression; ``columns`` names them as the REST resources do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, false, func, not_, or_, select
from sqlalchemy.sql.elements import ColumnElement

Columns = Mapping[str, ColumnElement[Any]]


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on one field.

    :param op: eq, ne, lt, le, gt, ge, contains, in or notin. With several values, eq and in
        want one of them, ne and notin none of them, contains any of them.
    """

    field: str
    op: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the rows of a query."""

    where: tuple[Where, ...] = ()
    #: (field, whether descending); None sorts lowest.
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0


def rows_of(
    tx: Connection,
    query: Select[Any],
    columns: Columns,
    page: Page,
    *,
    default_order: Sequence[ColumnElement[Any]] = (),
) -> Sequence[Row[Any]]:
    """The rows of a query that a page asks for.

    :param default_order: used when the page names no order.
    """
    dialect = tx.dialect.name
    for where in page.where:
        query = query.where(_condition(columns[where.field], where, dialect))
    if page.order:
        for name, descending in page.order:
            query = query.order_by(_ordered(columns[name], descending, dialect))
    else:
        query = query.order_by(*default_order)
    if page.limit is not None:
        query = query.limit(page.limit)
    elif page.offset and dialect == "sqlite":
        query = query.limit(-1)  # SQLite has no OFFSET without LIMIT
    if page.offset:
        query = query.offset(page.offset)
    return tx.execute(query).all()


def count_of(tx: Connection, query: Select[Any], columns: Columns, page: Page) -> int:
    """How many rows match a page's conditions, before its limit; they are not sorted for that."""
    for where in page.where:
        query = query.where(_condition(columns[where.field], where, tx.dialect.name))
    counted = select(func.count()).select_from(query.order_by(None).subquery())
    return tx.execute(counted).scalar_one()


def _ordered(column: ColumnElement[Any], descending: bool, dialect: str) -> ColumnElement[Any]:
    ordered = column.desc() if descending else column.asc()
    if dialect == "postgresql" and getattr(column, "nullable", False):
        return ordered.nulls_last() if descending else ordered.nulls_first()
    return ordered


def _condition(column: ColumnElement[Any], where: Where, dialect: str) -> ColumnElement[bool]:
    values = where.values
    if where.op in ("eq", "in"):
        return or_(false(), *(_equals(column, value) for value in values))
    if where.op in ("ne", "notin"):
        return and_(*(_differs(column, value) for value in values))
    if where.op == "contains":
        return or_(false(), *(_contains(column, value, dialect) for value in values))
    value = values[0]
    comparisons: dict[str, ColumnElement[bool]] = {
        "lt": column < value,
        "le": column <= value,
        "gt": column > value,
        "ge": column >= value,
    }
    return comparisons[where.op]


def _equals(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if value is None:
        return column.is_(None)
    if isinstance(value, bool):  # keeps "complete_at IS NULL" in a form that an index answers
        return column if value else not_(column)
    return column == value


def _differs(column: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if value is None or isinstance(value, bool):
        return not_(_equals(column, value))
    return or_(column != value, column.is_(None))


def _contains(column: ColumnElement[Any], value: Any, dialect: str) -> ColumnElement[bool]:
    # Not LIKE: SQLite's ignores the case of ASCII letters.
    position = func.strpos if dialect == "postgresql" else func.instr
    found: ColumnElement[bool] = position(column, str(value)) > 0
    return found
