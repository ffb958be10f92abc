"""Whatever a query says, it is answered or refused with a reason, on each kind of database."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from ci_master.data.endpoints.answers import NotFound
from ci_master.data.endpoints.entities import Fields
from ci_master.data.endpoints.reader import Reader
from ci_master.data.paths import COLLECTION, ENDPOINTS, Endpoint, InvalidPath
from ci_master.data.resultspec import OPERATORS, BadQuery
from ci_master.storage import schema
from tests.storage.harness import Desk
from tests.storage.test_reads import fill

VALUES = st.one_of(
    st.sampled_from(["1", "0", "-1", "on", "false", "b1", "main", "", "1.5", "null", "\0", "a\0b"]),
    st.sampled_from(["²", "é", "'", "%", "99999999999", "-99999999999", "9" * 19, "9" * 5000]),
    st.text(max_size=5),
)
SEGMENTS = {
    "n": st.sampled_from(["1", "2", "5", "0", "99", "2147483647", "9" * 18, "007"]),
    "i": st.sampled_from(["compile", "stdio", "w1", "b1", "é", "_", "a" * 300]),
    "s": st.one_of(
        st.sampled_from(["b1", "rev1", "no such", "\0", "..", "1"]), st.text(max_size=5)
    ),
}
LISTS = [one for one in ENDPOINTS if one.kind == COLLECTION]


def names_of(fields: Fields) -> "st.SearchStrategy[str]":
    known = [*fields, "nosuch", ""]
    return st.one_of(
        st.sampled_from(known),
        st.builds("__".join, st.tuples(st.sampled_from(known), st.sampled_from([*OPERATORS, "x"]))),
        st.sampled_from(["limit", "offset", "order", "field", "property"]),
    )


@st.composite
def requests(draw: Any) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """A path that there is, with any arguments, and any parameters."""
    endpoint: Endpoint = draw(st.one_of(st.sampled_from(LISTS), st.sampled_from(ENDPOINTS)))
    pattern = draw(st.sampled_from(endpoint.patterns))
    segments = []
    for element in filter(None, pattern.split("/")):
        kind, colon, _ = element.partition(":")
        segments.append(draw(SEGMENTS[kind or "n"]) if colon else element)
    args: dict[str, list[str]] = {}
    for name in draw(st.lists(names_of(endpoint.fields), max_size=3, unique=True)):
        values = VALUES
        if name in ("order", "field") and endpoint.fields:
            values = st.one_of(
                st.sampled_from([*endpoint.fields]),
                st.sampled_from([*endpoint.fields]).map("-{}".format),
            )
        args[name] = draw(st.lists(values, min_size=1, max_size=2))
    return segments, list(args.items())


@pytest.fixture
def reader(desk: Desk) -> Reader:
    def add_rows(tx: Connection) -> None:
        tx.execute(delete(schema.masters))
        fill(tx)

    desk.run(desk.store.write(add_rows))
    desk.crash()
    desk.open()
    return Reader(desk.data)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=requests())
def test_any_query_is_answered_or_refused(
    desk: Desk, reader: Reader, asked: tuple[list[str], list[tuple[str, list[str]]]]
) -> None:
    segments, args = asked
    try:
        found = desk.run(reader.ask(segments, args))
    except (BadQuery, NotFound, InvalidPath) as error:
        assert str(error)
    else:
        assert found.raw is not None or found.as_json()
