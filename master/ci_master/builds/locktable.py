"""Locks at run time: who holds them, who waits, and who is next."""

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ci_master.builds.lockids import LockAccess, MasterLock, WorkerLock, access_of

__all__ = ["Claim", "LockTable", "RealLock", "describe"]

#: The real lock, and how it is wanted.
Claim = tuple["RealLock", LockAccess]


@dataclass
class _Waiter:
    ticket: int
    requester: Any
    access: LockAccess
    wakes: Deferred[None] | None  # None: woken; it keeps its place until it claims or gives up


class RealLock:
    """One counter: a master lock, or a worker lock on one worker.

    First come, first served: who comes later does not overtake, so that an exclusive waiter
    is not starved by counting ones. Whoever waits for several locks has one place in line for
    all of them (``ticket``), so that two waiters never wait for each other.
    """

    def __init__(self, table: "LockTable", name: str, workername: str | None, limit: int) -> None:
        self.name = name
        self.workername = workername
        self.maxCount = limit
        self._table = table
        self._owners: list[tuple[Any, LockAccess]] = []
        self._waiters: list[_Waiter] = []

    def __repr__(self) -> str:
        where = f" on {self.workername}" if self.workername is not None else ""
        return f"<lock '{self.name}'{where}: {self._claimed()} of {self.maxCount}>"

    @property
    def holders(self) -> list[str]:
        """Who holds it, as text for people."""
        return [describe(owner) for owner, _ in self._owners]

    @property
    def waiting(self) -> list[str]:
        """Who waits for it, first come first, as text for people."""
        return [describe(waiter.requester) for waiter in self._waiters]

    def isAvailable(self, requester: Any, access: LockAccess) -> bool:
        """Whether it could be claimed now without overtaking anybody."""
        if access.count == 0:
            return True
        ahead = self._ahead(requester)
        if access.mode == "exclusive":
            return not self._owners and not ahead
        if self._outgrown(requester, access):
            return not self._owners and not ahead and self.maxCount > 0
        everyone = [held for _, held in self._owners] + [waiter.access for waiter in ahead]
        if any(other.mode == "exclusive" for other in everyone):
            return False
        return sum(other.count for other in everyone) + access.count <= self.maxCount

    def why_not(self, requester: Any, access: LockAccess) -> str | None:
        """Why it is not available, as text for people; None if it is."""
        if self.isAvailable(requester, access):
            return None
        where = f" on worker {self.workername}" if self.workername is not None else ""
        label = f"lock '{self.name}'{where}"
        if access.count > self.maxCount:
            return f"{label} has only {self.maxCount} of the {access.count} units wanted"
        by = ", ".join(self.holders)
        if by:
            return f"{label} is held by {by}"
        return f"{label} is promised to {', '.join(self.waiting)}"

    def claim(self, owner: Any, access: LockAccess) -> None:
        """Take it. The caller has seen that it is available."""
        if access.count == 0:
            return
        if not self.isAvailable(owner, access):
            raise RuntimeError(f"{self!r} is not available for {describe(owner)}")
        self._leave_line(owner)
        self._owners.append((owner, access))

    def release(self, owner: Any, access: LockAccess) -> None:
        """Give it back. Those waiting are woken, first come first."""
        if access.count == 0:
            return
        for index, (holder, held) in enumerate(self._owners):
            if holder is owner and held == access:
                del self._owners[index]
                self._table.changed(self)
                return
        raise RuntimeError(f"{describe(owner)} does not hold {self!r}")

    def is_owner(self, owner: Any, access: LockAccess | None = None) -> bool:
        """Whether it holds the lock (in that way)."""
        return any(o is owner and access in (None, held) for o, held in self._owners)

    def waitUntilMaybeAvailable(
        self, owner: Any, access: LockAccess, ticket: int | None = None
    ) -> Deferred[None]:
        """Get in line, or stay where one is.

        :param ticket: place in line, see :meth:`LockTable.next_ticket`; default: the last.
        :returns: fires when it is worth trying to claim. Whoever then does not claim it must
            call :meth:`stopWaitingUntilAvailable`, or the line behind stands still. Cancelling
            the Deferred leaves the line.
        """
        wakes: Deferred[None] = Deferred(lambda _: self.stopWaitingUntilAvailable(owner))
        if self.isAvailable(owner, access):
            wakes.callback(None)
            return wakes
        for waiter in self._waiters:
            if waiter.requester is owner:
                waiter.wakes = wakes
                return wakes
        ticket = self._table.next_ticket() if ticket is None else ticket
        waiter = _Waiter(ticket, owner, access, wakes)
        insort(self._waiters, waiter, key=lambda waiting: waiting.ticket)
        if self.isAvailable(owner, access):
            # An early ticket goes before those who were woken and wait for other locks: they
            # will not release this one, so nothing else would wake the new head of the line.
            waiter.wakes = None
            wakes.callback(None)
        return wakes

    def stopWaitingUntilAvailable(self, owner: Any) -> None:
        """Leave the line. Harmless for who is not in it."""
        if self._leave_line(owner):
            self._table.changed(self)

    def set_limit(self, limit: int) -> None:
        """Change how many may hold it. Those who hold it keep it."""
        if limit != self.maxCount:
            self.maxCount = limit
            self._table.changed(self)

    def wake_next(self) -> bool:
        """Wake the first waiter who could claim it; False if there is none.

        Whoever cannot have it ends the search, for nobody behind may overtake.
        """
        taken = self._claimed()
        free = not self._owners
        shared = all(held.mode == "counting" for _, held in self._owners)
        for waiter in self._waiters:
            access = waiter.access
            if access.mode == "exclusive":
                fits = free
            elif self.maxCount == 0:
                fits = waiter.wakes is not None  # there will never be any: let it find out
            elif access.count > self.maxCount:
                fits = free
            else:
                fits = shared and taken + access.count <= self.maxCount
            if not fits:
                return False
            if waiter.wakes is not None:
                wakes, waiter.wakes = waiter.wakes, None
                wakes.callback(None)
                return True
            taken += access.count
            free = False
            shared = shared and access.mode == "counting"
        return False

    @property
    def idle(self) -> bool:
        """Whether nobody holds it and nobody waits."""
        return not self._owners and not self._waiters

    def _claimed(self) -> int:
        return sum(access.count for _, access in self._owners)

    def _outgrown(self, requester: Any, access: LockAccess) -> bool:
        """Whether it waits for more than there is since the limit was lowered.

        It gets the whole lock alone, rather than wait for ever and keep those behind it waiting.
        """
        return access.count > self.maxCount and any(
            waiter.requester is requester for waiter in self._waiters
        )

    def _ahead(self, requester: Any) -> list[_Waiter]:
        ahead = []
        for waiter in self._waiters:
            if waiter.requester is requester:
                break
            ahead.append(waiter)
        return ahead

    def _leave_line(self, owner: Any) -> bool:
        before = len(self._waiters)
        self._waiters = [waiter for waiter in self._waiters if waiter.requester is not owner]
        return len(self._waiters) != before


class LockTable:
    """All locks of a master, by name. Locks of the same name are the same lock."""

    log = Logger()

    def __init__(self) -> None:
        self._locks: dict[tuple[str, str | None], RealLock] = {}
        self._tickets = count(1)
        self._changed: dict[RealLock, None] = {}
        self._waking = False
        self._listeners: list[Callable[[RealLock], None]] = []

    def real(self, lock: Any, workername: str | None = None) -> RealLock:
        """The counter behind a lock or an access to it.

        :param workername: on which worker; matters for worker locks.
        """
        lockid = access_of(lock).lockid
        on = workername if isinstance(lockid, WorkerLock) else None
        key = (lockid.name, on)
        if key not in self._locks:
            self._locks[key] = RealLock(self, lockid.name, on, lockid.limit(on))
        return self._locks[key]

    def claims(self, locks: Iterable[Any], workername: str | None = None) -> list[Claim]:
        """The counters behind entries of ``locks``, each with its access."""
        accesses = [access_of(lock) for lock in locks]
        return [(self.real(access, workername), access) for access in accesses]

    def holders(self, lock: Any, workername: str | None = None) -> list[str]:
        """Who holds a lock, as text for people."""
        return self.real(lock, workername).holders

    def reconfigure(self, name: str, maxCount: int, workername: str | None = None) -> None:
        """Change the limit of the lock of that name; holders and waiters stay.

        :param workername: only on this worker; default: wherever it is in use.
        """
        for (lock_name, on), real in list(self._locks.items()):
            if lock_name == name and workername in (None, on):
                real.set_limit(maxCount)

    def configure(self, lockids: Iterable[MasterLock | WorkerLock]) -> None:
        """Take over the limits of a new configuration; forget what is not in use."""
        wanted = {lockid.name: lockid for lockid in lockids}
        for key, real in list(self._locks.items()):
            lockid = wanted.get(real.name)
            if lockid is not None and isinstance(lockid, WorkerLock) == (key[1] is not None):
                real.set_limit(lockid.limit(key[1]))
            elif real.idle:
                del self._locks[key]

    def on_change(self, listener: Callable[[RealLock], None]) -> Callable[[], None]:
        """Be told when a lock may have become available, after those waiting for it.

        :returns: call it to be told no more.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def next_ticket(self) -> int:
        """A place at the end of all lines."""
        return next(self._tickets)

    def changed(self, lock: RealLock) -> None:
        """Wake who can have the lock now.

        Who is woken may release other locks in turn: these wait for the loop that is already
        running, so that the stack does not grow with the number of waiters.
        """
        self._changed[lock] = None
        if self._waking:
            return
        self._waking = True
        try:
            while self._changed:
                lock = next(iter(self._changed))
                if not lock.wake_next():
                    del self._changed[lock]
                    self._tell(lock)
        finally:
            self._waking = False

    def _tell(self, lock: RealLock) -> None:
        for listener in list(self._listeners):
            try:
                listener(lock)
            except Exception:
                self.log.failure("failed while telling of {lock}", lock=lock)


def describe(owner: Any) -> str:
    """A holder or waiter, as text for people: its ``lock_description``, or itself as text."""
    text = getattr(owner, "lock_description", None)
    return str(text() if callable(text) else text if text is not None else owner)
