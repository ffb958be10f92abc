"""Which part of a collection is wanted: filters, fields, order, limit and offset.

The query language of the REST API, and its messages. Conditions on columns are answered by the
database (:meth:`ResultSpec.page`), everything else in memory (:meth:`ResultSpec.apply`).
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ci_common.numbers import MOST, whole_number
from ci_master.data.endpoints.entities import IDENTIFIER, LIST, STRUCTURE, TEXT, FieldType
from ci_master.storage.reads_page import Page, Where

Json = dict[str, Any]
R = TypeVar("R")

#: Greater numbers mean the same as this one: no column holds them, no collection is as long.
_HIGHEST = 2**62

#: Each is a condition of its own in a statement of the database.
_MOST_CONTAINED = 100

_TRUE = frozenset(("on", "true", "yes", "1"))
_FALSE = frozenset(("off", "false", "no", "0"))
_FOR_ONE = ("lt", "le", "gt", "ge")
OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "contains", "in", "notin")


class BadQuery(Exception):
    """A query that cannot be answered; its text is for the one who asked."""


@dataclass(frozen=True)
class Filter:
    """A condition on one field; several values as in :class:`~ci_master.storage.reads_page.Where`.

    A user's code writes ``Filter("complete", "eq", [False])``.
    """

    field: str
    op: str
    values: Sequence[Any]

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Whether the resource meets the condition."""
        return _OPERATIONS[self.op](item.get(self.field), self.values)


def _contains(have: Any, values: Sequence[Any]) -> bool:
    return have is not None and any(value in have for value in values)


def _compare(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Sequence[Any]], bool]:
    return lambda have, values: have is not None and compare(have, values[0])


_OPERATIONS: dict[str, Callable[[Any, Sequence[Any]], bool]] = {
    "eq": lambda have, values: have in values,
    "in": lambda have, values: have in values,
    "ne": lambda have, values: have not in values,
    "notin": lambda have, values: have not in values,
    "contains": _contains,
    "lt": _compare(lambda have, want: bool(have < want)),
    "le": _compare(lambda have, want: bool(have <= want)),
    "gt": _compare(lambda have, want: bool(have > want)),
    "ge": _compare(lambda have, want: bool(have >= want)),
}


@dataclass
class ResultSpec:
    """What is wanted of a collection, and how."""

    filters: list[Filter] = field(default_factory=list)
    fields: list[str] | None = None
    properties: list[str] = field(default_factory=list)
    order: list[str] | None = None
    limit: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        filters = [f"{one.field}__{one.op}={list(one.values)}" for one in self.filters]
        parts = {**vars(self), "filters": filters}
        return f"ResultSpec(**{parts!r})"

    def takes_all(self) -> bool:
        """Whether nothing is left out, sorted or cut."""
        return not (self.filters or self.order or self.fields) and not self.is_cut()

    def is_cut(self) -> bool:
        """Whether a limit or an offset is given."""
        return self.limit is not None or self.offset is not None

    def value_of(self, name: str) -> Any:
        """The one value that a field must have, if an equality filter says so; else None."""
        for one in self.filters:
            if one.field == name and one.op in ("eq", "in") and len(one.values) == 1:
                return one.values[0]
        return None

    # -- by the database ----------------------------------------------------------------------

    def page(self, columns: Container[str]) -> tuple[Page, "ResultSpec | None"]:
        """What the database can do of it, given these columns, and what is left to do.

        Where anything but the choice of fields is left, limit and offset are left too.
        """
        here = [one for one in self.filters if one.field in columns]
        rest = [one for one in self.filters if one.field not in columns]
        order = [(name.lstrip("-"), name.startswith("-")) for name in self.order or ()]
        in_memory = bool(rest) or any(name not in columns for name, _ in order)
        where = tuple(Where(one.field, one.op, tuple(one.values)) for one in here)
        if in_memory:
            left = ResultSpec(rest, None, [], self.order, self.limit, self.offset)
            return Page(where), left
        begin, count = self.window()
        return Page(where, tuple(order), count, begin), None

    def window(self) -> tuple[int, int | None]:
        """Where to begin, and how many are wanted: None for all. Negative ones limit nothing."""
        limit = self.limit if self.limit is not None and self.limit >= 0 else None
        return max(self.offset or 0, 0), limit

    # -- in memory ----------------------------------------------------------------------------

    def apply(self, items: Iterable[Json]) -> tuple[list[Json], int]:
        """The part of the items that is wanted, and how many matched before the cut."""
        found = list(items)
        for one in self.filters:
            matches, values, name = _OPERATIONS[one.op], one.values, one.field
            found = [item for item in found if matches(item.get(name), values)]
        for name in reversed(self.order or ()):
            found.sort(key=_sort_key(name.lstrip("-")), reverse=name.startswith("-"))
        total = len(found)
        if self.is_cut():
            begin, count = self.window()
            found = found[begin : None if count is None else begin + count]
        return self.choose(found), total

    def pick(self, rows: Iterable[R], values: Mapping[str, Callable[[R], Any]]) -> list[R]:
        """The part of these rows that is wanted, without making resources of all of them.

        :param values: field -> its value in a row; for every field of the filters and the order.
        """
        found = list(rows)
        for one in self.filters:
            matches, wanted, value = _OPERATIONS[one.op], one.values, values[one.field]
            found = [row for row in found if matches(value(row), wanted)]
        for name in reversed(self.order or ()):
            found.sort(key=_sort_value(values[name.lstrip("-")]), reverse=name.startswith("-"))
        begin, count = self.window()
        return found[begin : None if count is None else begin + count]

    def choose(self, items: list[Json]) -> list[Json]:
        """The items with the wanted fields only."""
        if not self.fields:
            return items
        wanted = self.fields
        return [{name: item[name] for name in wanted if name in item} for item in items]


def _sort_key(name: str) -> Callable[[Json], tuple[bool, Any]]:
    return _sort_value(lambda item: item.get(name))


def _sort_value(get: Callable[[R], Any]) -> Callable[[R], tuple[bool, Any]]:
    """A key by which None is the lowest."""

    def key(row: R) -> tuple[bool, Any]:
        value = get(row)
        return (value is not None, 0 if value is None else value)

    return key


# -- from a URL -------------------------------------------------------------------------------


def parse_query(
    args: Iterable[tuple[str, list[str]]], fields: Mapping[str, FieldType]
) -> ResultSpec:
    """Read the parameters of a URL.

    :param args: name -> values, decoded.
    :param fields: the resource's fields and their types, as in
        :mod:`ci_master.data.endpoints.entities`.
    :raises BadQuery: with the message for the one who asked.
    """
    spec = ResultSpec()
    for name, values in args:
        if name == "limit":
            spec.limit = _integer(values[0], "invalid limit")
        elif name == "offset":
            spec.offset = _integer(values[0], "invalid offset")
        elif name == "order":
            spec.order = values
            for value in values:
                _check_order(value.removeprefix("-"), fields)
        elif name == "field":
            spec.fields = values
            for value in values:
                _check_field(value, fields)
        elif name == "property":
            spec.properties = values
        elif name in fields:
            spec.filters.append(Filter(name, "eq", _values(name, fields[name], values)))
        elif "__" in name:
            _add_operator(spec, name, values, fields)
        else:
            raise BadQuery(f"unrecognized query parameter '{name}'")
    _check_selected(spec)
    return spec


def _add_operator(
    spec: ResultSpec, name: str, values: list[str], fields: Mapping[str, FieldType]
) -> None:
    """Add a filter like ``name__contains``; an operator or field that there is not is ignored.

    So is an operator for one value that is given several.
    """
    field_name, _, operator = name.rpartition("__")
    if field_name not in fields or operator not in OPERATORS:
        return
    if operator in _FOR_ONE and len(values) > 1:
        return
    kind = fields[field_name].kind
    wanted = _values(name, fields[field_name], values)
    if operator == "contains" and kind not in (TEXT, LIST):
        raise BadQuery(f"'{field_name}' is a {kind}, which contains nothing: use __eq or __in")
    if operator == "contains" and len(wanted) > _MOST_CONTAINED:
        raise BadQuery(f"{name} is given more than {_MOST_CONTAINED} times")
    if operator in _FOR_ONE and kind == LIST:
        raise BadQuery(f"'{field_name}' is a list, which has no order: use __contains")
    spec.filters.append(Filter(field_name, operator, wanted))


def _check_field(name: str, fields: Mapping[str, FieldType]) -> None:
    if name not in fields:
        raise BadQuery(f"no such field '{name}'")


def _check_order(name: str, fields: Mapping[str, FieldType]) -> None:
    _check_field(name, fields)
    if fields[name].kind in (LIST, STRUCTURE):
        raise BadQuery(f"cannot order on '{name}': it is a {fields[name].kind}")


def _check_selected(spec: ResultSpec) -> None:
    if not spec.fields:
        return
    selected = set(spec.fields)
    if any(one.field not in selected for one in spec.filters):
        raise BadQuery("cannot filter on un-selected fields")
    if any(name.removeprefix("-") not in selected for name in spec.order or ()):
        raise BadQuery("cannot order on un-selected fields")


def _values(name: str, field_type: FieldType, values: list[str]) -> list[Any]:
    parse = _PARSERS.get(field_type.name)
    if parse is None:
        raise BadQuery(f"invalid filter value for {name}")
    try:
        return [parse(value) for value in values]
    except ValueError:
        raise BadQuery(f"invalid filter value for {name}") from None


def _integer(value: str, message: str) -> int:
    try:
        return _bounded_integer(value)
    except ValueError:
        raise BadQuery(message) from None


def _boolean(value: str) -> bool:
    lowered = value.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueError(value)


def _bounded_integer(value: str) -> int:
    number = whole_number(value.strip(), least=-MOST)
    if number is None:
        raise ValueError(value)
    return max(-_HIGHEST, min(number, _HIGHEST))


def _text(value: str) -> str:
    if "\0" in value:  # no database stores it, and PostgreSQL does not even look for it
        raise ValueError(value)
    return value


def _identifier(value: str) -> str:
    if not IDENTIFIER.fullmatch(value):
        raise ValueError(value)
    return value


_PARSERS: dict[str, Callable[[str], Any]] = {
    "integer": _bounded_integer,
    "datetime": _bounded_integer,
    "boolean": _boolean,
    "string": _text,
    "identifier": _identifier,
    "binary": _text,  # equal to nothing: bytes are not shown in lists
}
