"""The engine of the REST API and of ``master.data.get``: from a path to resources."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ci_master.data.data import Data
from ci_master.data.endpoints import builds, memory, requests, results, steps
from ci_master.data.endpoints.answers import (
    Attachment,
    EndpointFunction,
    LogLines,
    LogText,
    NotFound,
    Rows,
    World,
)
from ci_master.data.paths import COLLECTION, ENDPOINTS, Endpoint, resolve
from ci_master.data.resultspec import BadQuery, Filter, Json, ResultSpec, parse_query
from ci_master.storage import logchunks

#: A whole log is read in blocks of about this size.
BLOCK_BYTES = 256 * 1024
#: Lines of a long window are read and encoded so many at a time.
LINES_AT_ONCE = 2000


def _function_of(endpoint: Endpoint) -> EndpointFunction:
    for module in (memory, builds, requests, steps, results):
        function: EndpointFunction | None = getattr(module, endpoint.name, None)
        if function is not None:
            return function
    raise LookupError(f"nothing answers {endpoint.patterns}")


_FUNCTIONS = {endpoint: _function_of(endpoint) for endpoint in ENDPOINTS}


@dataclass(frozen=True, slots=True)
class Found:
    """What a path led to: ``items`` of a collection, or one ``item``."""

    endpoint: Endpoint
    items: list[Json] | None = None
    item: Json | None = None
    #: How many matched; only of collections.
    total: int = 0
    #: Where the path leads to bytes.
    raw: LogText | LogLines | Attachment | None = None

    def as_json(self) -> Json:
        """The body of the answer."""
        if self.items is not None:
            return {self.endpoint.plural: self.items, "meta": {"total": self.total}}
        return {self.endpoint.plural: [self.item], "meta": {}}


class Reader:
    """Finds resources by path.

    :param force_schedulers: gives the force schedulers there are now; each has a ``name``, and
        ``as_json()`` for its REST resource.
    """

    def __init__(self, data: Data, force_schedulers: Callable[[], list[Any]] = list) -> None:
        self._world = World(data, force_schedulers)

    async def ask(self, segments: Sequence[str], args: Iterable[tuple[str, list[str]]]) -> Found:
        """What a URL asks for.

        :param segments: of the path below the API's root, decoded.
        :param args: of the query: name -> values, decoded.
        :raises InvalidPath: if there is no such path.
        :raises NotFound: if the path is right, but what it names does not exist.
        :raises BadQuery: if the query cannot be answered.
        """
        endpoint, path_args = resolve(segments)
        spec = parse_query(args, endpoint.fields)
        if spec.filters and endpoint.kind != COLLECTION:
            raise BadQuery("this is not a collection")
        return await self._run(endpoint, path_args, spec)

    async def get(self, path: str | Sequence[object], spec: ResultSpec | None = None) -> Found:
        """What is at a path, given as text or as segments. Raises as :meth:`ask` does."""
        segments = path.split("/") if isinstance(path, str) else [str(one) for one in path]
        if segments == [""]:
            segments = []
        endpoint, path_args = resolve(segments)
        found = await self._run(endpoint, path_args, spec or ResultSpec())
        if isinstance(found.raw, LogLines):
            lines = found.raw
            chunk = await self._world.sql(
                lambda tx: steps.log_chunk(tx, lines.logid, lines.first, lines.end - lines.first)
            )
            return Found(endpoint, item=chunk)
        return found

    async def plain(
        self,
        path: str | Sequence[object],
        *,
        filters: Sequence[Filter] | None = None,
        fields: Sequence[str] | None = None,
        order: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Any:
        """For users' code: a list of dicts, a dict, or None if there is no such thing."""
        spec = ResultSpec(
            [*(filters or ())],
            [*fields] if fields else None,
            [],
            [*order] if order else None,
            limit,
            offset,
        )
        try:
            found = await self.get(path, spec)
        except NotFound:
            return None
        return found.item if found.items is None else found.items

    async def _run(self, endpoint: Endpoint, args: dict[str, Any], spec: ResultSpec) -> Found:
        try:
            answer = await _FUNCTIONS[endpoint](self._world, args, spec)
        except NotFound:
            answer = None
        if answer is None:
            patterns = ",".join(endpoint.patterns)
            raise NotFound(
                f"not found while getting from endpoint for {patterns}"
                f" with arguments {spec} and {args}"
            )
        if isinstance(answer, LogText | LogLines | Attachment):
            return Found(endpoint, raw=answer)
        if isinstance(answer, Rows):
            return Found(endpoint, items=spec.choose(answer.items), total=answer.total)
        if isinstance(answer, list):
            items, total = (answer, len(answer)) if spec.takes_all() else spec.apply(answer)
            return Found(endpoint, items=items, total=total)
        return Found(endpoint, item=spec.choose([answer])[0])

    async def log_block(self, logid: int, from_line: int) -> tuple[bytes, int | None]:
        """Some text of a log, and the line to go on from: None at its end."""
        return await self._world.data.store.read(
            lambda tx: logchunks.blocks(tx, logid, from_line, BLOCK_BYTES)
        )

    async def log_lines(
        self, logid: int, first: int, end: int, encode: Callable[[str], bytes]
    ) -> tuple[bytes, int | None]:
        """Some of these lines with their letters, encoded in a thread, and where to go on."""
        count = min(end - first, LINES_AT_ONCE)

        def read(tx: Connection) -> bytes:
            return encode(logchunks.lines(tx, logid, first, count).decode("utf-8", "replace"))

        block = await self._world.data.store.read(read)
        return block, (first + count if first + count < end else None)
