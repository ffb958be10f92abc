"""The waiting requests of one builder, in the order in which they go."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Iterator

from ci_master.data.model import Request

#: Highest priority first, then oldest, then lowest id.
Key = tuple[int, int, int]

#: What requests have in common that may stand for each other; None: it stands for itself alone.
Likeness = Callable[[Request], Hashable | None]


def key_of(request: Request) -> Key:
    """What decides the order of requests."""
    return -request.priority, request.submitted_at, request.id


def _alone(request: Request) -> None:
    return None


class Line:
    """A sorted list of requests. Adding, removing and finding the next cost next to nothing.

    :param likeness: see :data:`Likeness`; without it, all requests stand for themselves.
    """

    def __init__(self, likeness: Likeness = _alone) -> None:
        self.likeness = likeness
        self._keys: list[Key] = []
        self._key_by_id: dict[int, Key] = {}
        self._requests: dict[int, Request] = {}
        self._groups: dict[Hashable, dict[int, Request]] = {}
        self._group_by_id: dict[int, Hashable] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, request_id: int) -> bool:
        return request_id in self._key_by_id

    def __iter__(self) -> Iterator[Request]:
        """First to last, of the moment at which one begins."""
        return iter([self._requests[key[2]] for key in self._keys])

    @property
    def first_key(self) -> Key:
        """What the first request is ordered by. The line must not be empty."""
        return self._keys[0]

    def after(self, key: Key | None) -> Request | None:
        """The first request behind that place; None as the place is before all of them."""
        at = 0 if key is None else bisect_right(self._keys, key)
        return self._requests[self._keys[at][2]] if at < len(self._keys) else None

    def places(self) -> dict[int, int]:
        """Request -> how many go before it."""
        return {key[2]: place for place, key in enumerate(self._keys)}

    def ahead_of(self, request_id: int) -> int:
        """How many requests go before that one; 0 if it is not in the line."""
        key = self._key_by_id.get(request_id)
        return bisect_left(self._keys, key) if key is not None else 0

    def alike(self, request: Request) -> list[Request]:
        """The other requests in the line that are like this one, whether it is in it or not."""
        likeness = self.likeness(request)
        if likeness is None:
            return []
        group = self._groups.get(likeness, {})
        return [other for id, other in group.items() if id != request.id]

    def ids(self) -> set[int]:
        """The ids of all requests."""
        return set(self._key_by_id)

    def add(self, request: Request) -> None:
        """Put a request in its place; one that is there already is moved where it belongs."""
        key = key_of(request)
        if self._key_by_id.get(request.id) == key:
            return
        self.remove(request.id)
        insort(self._keys, key)
        self._key_by_id[request.id] = key
        self._requests[request.id] = request
        likeness = self.likeness(request)
        if likeness is not None:
            self._groups.setdefault(likeness, {})[request.id] = request
            self._group_by_id[request.id] = likeness

    def remove(self, request_id: int) -> bool:
        """Take a request out; whether it was in."""
        key = self._key_by_id.pop(request_id, None)
        if key is None:
            return False
        del self._keys[bisect_left(self._keys, key)]
        del self._requests[request_id]
        likeness = self._group_by_id.pop(request_id, None)
        if likeness is not None:
            group = self._groups[likeness]
            del group[request_id]
            if not group:
                del self._groups[likeness]
        return True
