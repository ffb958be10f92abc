"""Requests that the build of another one waits for: they live and end with it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from twisted.logger import Logger

from ci_common.aio import spawn
from ci_master.data.model import Buildset, Request

#: (request, reason): end it, whether it is being built or not. False: another master has it.
Cancel = Callable[[Request, str], Awaitable[bool]]

_OVER = "the build that waited for it has ended"


class Children:
    """Knows which open requests belong to the build of another request, their parent.

    Where the parent's build is cut off, it is built again for the same request: its children
    are not started until that build asks for them, which takes them over. Once the parent's
    request is complete, however it ended, those that are not complete are cancelled.

    A parent's build that does nothing but wait lends its place on its worker to its children, and
    to theirs, see :meth:`parents` and :mod:`ci_master.workers.seats`.
    """

    log = Logger()

    def __init__(self, data: Any, cancel: Cancel) -> None:
        self._data = data
        self._cancel = cancel
        #: request of the parent -> ids of the buildsets it waits for
        self._by_parent: dict[int, set[int]] = {}

    def begin(self) -> None:
        """Take what storage held at the start."""
        for request in list(self._data.requests.open.values()):
            self.take(request)
        self.check()

    def check(self) -> None:
        """End what is left of parents that have ended."""
        for request_id in list(self._by_parent):
            if request_id not in self._data.requests.open:
                self.parent_ended(request_id)

    def take(self, request: Request) -> None:
        """Note whose child a request is, if it is one."""
        if not request.waited_for:
            return
        buildset = request.buildset
        parent = self._data.builds.running.get(buildset.parent_buildid)
        if parent is not None:
            buildset.parent_requestid = parent.request.id
        if buildset.parent_requestid is not None:
            self._by_parent.setdefault(buildset.parent_requestid, set()).add(buildset.id)

    def of(self, request_id: int) -> Iterable[Request]:
        """The children of a request that are not complete."""
        requests, buildsets = self._data.requests.open, self._data.buildsets.open
        for bsid in sorted(self._by_parent.get(request_id, ())):
            buildset: Buildset | None = buildsets.get(bsid)
            for child_id in sorted(buildset.open_requests) if buildset is not None else ():
                if child_id in requests:
                    yield requests[child_id]

    def is_awaited(self, request: Request) -> bool:
        """Whether a build that runs waits for it."""
        return request.waited_for and request.buildset.parent_buildid in self._data.builds.running

    def waiting(self) -> Iterator[int]:
        """The ids of all children that may wait; some have ended."""
        buildsets = self._data.buildsets.open
        for ids in self._by_parent.values():
            for bsid in ids:
                if bsid in buildsets:
                    yield from buildsets[bsid].open_requests

    def parents(self, request: Request) -> Iterator[Request]:
        """The requests whose builds wait for this one: its parent, that one's parent, and so on."""
        running = self._data.builds.running
        while request.waited_for:
            build = running.get(request.buildset.parent_buildid)
            if build is None:
                return
            request = build.request
            yield request

    def waiting_below(self, request_id: int) -> Iterator[Request]:
        """All requests that wait, and that the build of a request waits for in the end."""
        for child in self.of(request_id):
            if child.claimed:
                yield from self.waiting_below(child.id)
            else:
                yield child

    def is_left(self, request: Request) -> bool:
        """Whether its parent's build was cut off, and has not asked for it again yet."""
        parent = request.buildset.parent_requestid
        return (
            request.waited_for
            and parent is not None
            and parent in self._data.requests.open
            and not self.is_awaited(request)
        )

    def parent_ended(self, request_id: int) -> None:
        """The parent's request is complete: nobody waits any more."""
        if request_id not in self._by_parent:
            return
        children = list(self.of(request_id))
        del self._by_parent[request_id]
        for child in children:
            self.log.info("request {id} is cancelled: {why}", id=child.id, why=_OVER)
            spawn(self._cancel(child, _OVER), self.log, f"cancelling request {child.id}")
