"""What endpoints are given and what they give back."""

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection

from ci_master.data.resultspec import Json, ResultSpec
from ci_master.storage.reads_page import Page

if TYPE_CHECKING:
    from ci_master.data.data import Data

T = TypeVar("T")


class NotFound(Exception):
    """What a path names does not exist. An endpoint raises it bare, or answers None."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A collection that is filtered, sorted and cut already."""

    items: list[Json]
    total: int


@dataclass(frozen=True, slots=True)
class LogText:
    """The text of a whole log, to be read block by block.

    :param head: what comes before it.
    :param num_bytes: roughly how much there is.
    """

    logid: int
    head: bytes
    filename: str
    html: bool
    num_bytes: int


@dataclass(frozen=True, slots=True)
class LogLines:
    """Lines ``first`` to before ``end`` of a log: so many that they are sent as they are read."""

    logid: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """The bytes of a value attached to a build."""

    content: bytes
    filename: str


@dataclass(frozen=True)
class World:
    """What endpoints read from."""

    data: "Data"
    force_schedulers: Callable[[], list[Any]]

    async def sql(self, question: Callable[[Connection], T]) -> T:
        """Ask the database, after what was asked to be written so far is there."""
        store = self.data.store
        await store.committed()
        return await store.read(question)

    async def page(
        self,
        spec: ResultSpec,
        columns: Container[str],
        question: Callable[[Connection, Page], list[Json]],
    ) -> Rows:
        """A page of what the database has; its total is the number of rows given back."""
        page, rest = spec.page(columns)
        items = await self.sql(lambda tx: question(tx, page))
        if rest is not None:
            items, _ = rest.apply(items)
        return Rows(items, len(items))

    async def counted_page(
        self,
        spec: ResultSpec,
        columns: Container[str],
        question: Callable[[Connection, Page], tuple[list[Json], int]],
    ) -> Rows:
        """A page of what the database has; its total counts what the limit cuts off."""
        page, rest = spec.page(columns)
        items, total = await self.sql(lambda tx: question(tx, page))
        if rest is not None:
            items, total = rest.apply(items)
        return Rows(items, total)

    def builder_id(self, args: dict[str, Any]) -> int | None:
        """Id of the builder that a path names; None if there is none of that name."""
        if "buildername" in args:
            builder = self.data.builders.by_name.get(args["buildername"])
            return None if builder is None else builder.id
        return int(args["builderid"])


Answer = Rows | list[Json] | Json | LogText | LogLines | Attachment | None
EndpointFunction = Callable[[World, dict[str, Any], ResultSpec], Awaitable[Answer]]
