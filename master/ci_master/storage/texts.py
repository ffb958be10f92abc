"""Text columns that take any text: what a database cannot hold is marked, or cut."""

from typing import Any

from sqlalchemy import String as PlainString
from sqlalchemy import Text as PlainText
from sqlalchemy.types import TypeDecorator


def storable(text: str, most: int | None = None) -> str:
    """The text without NUL characters and lone surrogates, which PostgreSQL refuses, and no longer
    than its column. A program's output, a form and a hook can hold all of these."""
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
    return text if most is None or len(text) <= most else text[:most]


def _bound(value: Any, most: int | None = None) -> str | None:
    """A value for a column of text. Drivers differ in what else they would take for text.

    :raises TypeError: if it is none.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not {type(value).__name__}")
    return storable(value, most)


class String(TypeDecorator[str]):
    """A column of a limited length."""

    impl = PlainString
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """What is sent to the database."""
        column: Any = self.impl  # an instance, in spite of how it is declared
        return _bound(value, column.length)


class Text(TypeDecorator[str]):
    """A column of any length."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """What is sent to the database."""
        return _bound(value)
