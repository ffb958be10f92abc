"""The waiting requests of one builder, in the order in which they go."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from ci_master.data.model import Request

#: Highest priority first, then oldest, then lowest id.
Key = tuple[int, int, int]


def key_of(request: Request) -> Key:
    """What decides the order of requests."""
    return -request.priority, request.submitted_at, request.id


class Line:
    """A sorted list of requests. Adding and removing cost next to nothing."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._key_by_id: dict[int, Key] = {}
        self._requests: dict[int, Request] = {}

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

    def ahead_of(self, request_id: int) -> int:
        """How many requests go before that one; 0 if it is not in the line."""
        key = self._key_by_id.get(request_id)
        return bisect_left(self._keys, key) if key is not None else 0

    def add(self, request: Request) -> None:
        """Put a request in its place; one that is there already is moved where it belongs."""
        key = key_of(request)
        if self._key_by_id.get(request.id) == key:
            return
        self.remove(request.id)
        insort(self._keys, key)
        self._key_by_id[request.id] = key
        self._requests[request.id] = request

    def remove(self, request_id: int) -> bool:
        """Take a request out; whether it was in."""
        key = self._key_by_id.pop(request_id, None)
        if key is None:
            return False
        del self._keys[bisect_left(self._keys, key)]
        del self._requests[request_id]
        return True
