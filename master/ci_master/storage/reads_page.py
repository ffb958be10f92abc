"""Pages of rows: which rows a reader wants, in which order, and how many.

A column may be an expression; ``columns`` names them as the REST resources do.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Select,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
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
    # Lists are one expression: SQLite takes no chain of a thousand.
    many = [_bound(value) for value in values if not isinstance(value, bool | None)]
    few = {value for value in values if isinstance(value, bool | None)}
    if where.op in ("eq", "in"):
        found: list[ColumnElement[bool]] = [_equals(column, value) for value in few]
        return or_(false(), *found, *([column.in_(many)] if many else ()))
    if where.op in ("ne", "notin"):
        others = or_(column.not_in(many), column.is_(None)) if many else true()
        return and_(others, *(not_(_equals(column, value)) for value in few))
    if where.op == "contains":
        return or_(false(), *(_contains(column, value, dialect) for value in values))
    value = values[0]
    if isinstance(value, bool):
        return _truth_condition(column, where.op, value)
    compared: ColumnElement[bool] = _COMPARE[where.op](column, _bound(value))
    return compared


def _truth_condition(column: ColumnElement[Any], op: str, value: bool) -> ColumnElement[bool]:
    """Compare a truth value, of which False is the lower one; databases do not agree on how."""
    allowed = [one for one in (False, True) if _COMPARE[op](one, value)]
    return or_(false(), *(_equals(column, one) for one in allowed))


def _bound(value: Any) -> Any:
    """A value for a statement: any column may be compared with an integer of 64 bits."""
    return literal(value, BigInteger) if isinstance(value, int) else value


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def _equals(column: ColumnElement[Any], value: bool | None) -> ColumnElement[bool]:
    if value is None:
        return column.is_(None)
    # keeps "complete_at IS NULL" in a form that an index answers
    return column if value else not_(column)


def _contains(column: ColumnElement[Any], value: Any, dialect: str) -> ColumnElement[bool]:
    # Not LIKE: SQLite's ignores the case of ASCII letters.
    position = func.strpos if dialect == "postgresql" else func.instr
    found: ColumnElement[bool] = position(column, str(value)) > 0
    return found
