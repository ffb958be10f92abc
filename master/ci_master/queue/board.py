"""What waits and what is free, by builder: kept up to date by events, never searched."""

from collections.abc import Iterable, Mapping

from ci_master.builds.builder import Builder
from ci_master.data.model import Request
from ci_master.queue.line import Line
from ci_master.workers.slot import WorkerSlot


class Board:
    """For each configured builder: its waiting requests, and the workers free for it."""

    def __init__(self) -> None:
        self.builders: dict[str, Builder] = {}
        self.lines: dict[str, Line] = {}
        self.free: dict[str, dict[WorkerSlot, None]] = {}
        self._by_id: dict[int, Builder] = {}
        self._free_for: dict[WorkerSlot, set[str]] = {}

    def configure(
        self,
        builders: Mapping[str, Builder],
        slots: Iterable[WorkerSlot],
        waiting: Iterable[Request],
    ) -> None:
        """Begin anew with these builders."""
        self.builders = dict(builders)
        self._by_id = {builder.builderid: builder for builder in builders.values()}
        self.lines = {name: Line() for name in builders}
        self.free = {name: {} for name in builders}
        self._free_for = {}
        for request in waiting:
            self.add(request)
        for slot in slots:
            self.slot_changed(slot)

    def builder_of(self, request: Request) -> Builder | None:
        """The configured builder of a request."""
        return self._by_id.get(request.builderid)

    def ready(self, name: str) -> bool:
        """Whether both a request and a worker wait for each other at that builder."""
        return bool(self.lines.get(name)) and bool(self.free.get(name))

    # -- requests

    def add(self, request: Request) -> str | None:
        """Put a request in line; the name of its builder if that is configured."""
        builder = self._by_id.get(request.builderid)
        if builder is None:
            return None
        self.lines[builder.name].add(request)
        return builder.name

    def remove(self, request: Request) -> None:
        """Take a request out of its line. Harmless if it is in none."""
        self.remove_id(request.builderid, request.id)

    def remove_id(self, builderid: int, request_id: int) -> None:
        """The same, by ids."""
        builder = self._by_id.get(builderid)
        if builder is not None:
            self.lines[builder.name].remove(request_id)

    # -- workers

    def slot_changed(self, slot: WorkerSlot, name: str | None = None) -> list[str]:
        """Look at a worker again, for one builder or for all.

        :returns: the builders for which it is free now, and was not before.
        """
        mine = self._free_for.setdefault(slot, set())
        names = [name] if name is not None else [*slot.builders, *(mine - slot.builders.keys())]
        is_open = slot.open
        newly = []
        for builder in names:
            free = self.free.get(builder)
            if free is None:
                continue
            if is_open and builder not in slot.seats and slot.knows(builder):
                if slot not in free:
                    free[slot] = None
                    mine.add(builder)
                    newly.append(builder)
            elif slot in free:
                del free[slot]
                mine.discard(builder)
        if not mine and slot.session is None:
            del self._free_for[slot]
        return newly
