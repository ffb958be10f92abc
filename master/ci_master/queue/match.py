"""Whether a request may run on a worker now; if not, why not."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci_common.aio import USERS_ERRORS
from ci_master.builds.builder import Builder
from ci_master.builds.locks import LockAccess, LockTable, access_of, all_available
from ci_master.builds.locktable import Claim, RealLock
from ci_master.builds.rendering import needs_rendering
from ci_master.data.model import Request, WaitReason
from ci_master.queue.capability import facts_of, why_lacking
from ci_master.queue.usercode import failed
from ci_master.workers.seats import Seat
from ci_master.workers.slot import WorkerSlot, clock_time


@dataclass
class Promises:
    """Locks promised to builds that have been started, and have not claimed them yet."""

    _by_lock: dict[RealLock, list[tuple[Seat, LockAccess]]] = field(default_factory=dict)

    def add(self, seat: Seat, claims: Iterable[Claim]) -> None:
        """Promise locks to the build of a seat."""
        for lock, access in claims:
            if access.count:
                self._by_lock.setdefault(lock, []).append((seat, access))

    def withdraw(self, seat: Seat) -> None:
        """The build has ended, or never began."""
        for lock in list(self._by_lock):
            kept = [promise for promise in self._by_lock[lock] if promise[0] is not seat]
            if kept:
                self._by_lock[lock] = kept
            else:
                del self._by_lock[lock]

    def allow(self, claims: Sequence[Claim]) -> bool:
        """Whether claims are available beside all that is promised."""
        if not self._by_lock:
            return all_available(claims, self)
        return all(self._allows(lock, access) for lock, access in claims)

    def _allows(self, lock: RealLock, access: LockAccess) -> bool:
        if access.count == 0:
            return True
        promised = [
            held for seat, held in self._by_lock.get(lock, ()) if not _has_claimed(seat, lock)
        ]
        if promised and any(held.mode == "exclusive" for held in (*promised, access)):
            return False
        units = access.count + sum(held.count for held in promised)
        return lock.isAvailable(self, LockAccess(access.lockid, access.mode, units))


def _has_claimed(seat: Seat, lock: RealLock) -> bool:
    return any(
        lock.is_owner(build)
        for build in seat.slot.running
        if any(request in seat.requests for request in build.request_rows)
    )


@dataclass
class MatchContext:
    """What a match depends on besides the request and the worker."""

    builder: Builder
    locks: LockTable
    promises: Promises
    #: the builder's locks, rendered for the request; None: they hold no placeholders
    builder_locks: Sequence[Any] | None = None
    #: request id -> clock seconds before which it is not tried again
    resting: dict[int, float] = field(default_factory=dict)
    #: the seats of the builds that wait for the request, whose places it may use
    kin: Collection[Seat] = ()

    def claims(self, slot: WorkerSlot) -> list[Claim]:
        """The locks that a build on that worker holds."""
        locks = self.builder_locks
        if locks is None:
            locks = plain_locks(self.builder) or ()
        wanted = [access_of(lock) for lock in (*locks, *slot.config.locks)]
        return self.locks.claims(wanted, slot.name)


def plain_locks(builder: Builder) -> Sequence[Any] | None:
    """The locks of a builder; None if they must be rendered for each request."""
    locks = builder.config.locks
    if needs_rendering(locks):
        return None
    return locks or ()


def why_not(
    request: Request, slot: WorkerSlot, now: float, context: MatchContext
) -> WaitReason | None:
    """Why a request cannot run on a worker now; None if it can.

    :raises CodeFailed: if a function in ``requires`` fails.
    """
    until = context.resting.get(request.id)
    if until is not None and until > now:
        text = f"Its last build was cut off; it is tried again at {clock_time(until)}"
        return WaitReason("retry", text)
    return slot.why_not(context.kin) or why_not_there(slot, context)


def why_not_there(slot: WorkerSlot, context: MatchContext) -> WaitReason | None:
    """Why a worker that takes builds cannot take one of a builder; None if it can.

    :raises CodeFailed: if a function in ``requires`` fails.
    """
    name = context.builder.name
    link = (slot.name, f"/workers/{slot.row.id}")
    seat = slot.seats.get(name)
    if seat is not None and not (seat.waits and seat in context.kin):
        return WaitReason("busy", f"{slot.name} is busy with {name}", (link,))
    if not slot.knows(name):
        return WaitReason("offline", f"{slot.name} is being told of {name}", (link,))
    requires = context.builder.config.requires
    lacking = _lacking(requires, slot) if requires else None
    if lacking is not None:
        return WaitReason("capability", f"{slot.name} {lacking}", (link,))
    return why_locked(context.claims(slot), context.promises)


def _lacking(requires: Mapping[str, Any], slot: WorkerSlot) -> str | None:
    try:
        return why_lacking(requires, facts_of(slot))
    except USERS_ERRORS as error:
        functions = [wanted for wanted in requires.values() if callable(wanted)]
        raise failed("requires", functions[0] if functions else None, error) from error


def why_locked(claims: Sequence[Claim], promises: Promises) -> WaitReason | None:
    """Why locks cannot be claimed; None if they can."""
    if not claims or promises.allow(claims):
        return None
    for lock, access in claims:
        if access.count > lock.maxCount:
            text = f'Wants {access.count} units of lock "{lock.name}", which has {lock.maxCount}'
            return WaitReason("lock", text)
        if not promises.allow([(lock, access)]):
            return WaitReason("lock", _held(lock))
    return WaitReason("lock", "Waits for locks that other builds are about to take")


def _held(lock: RealLock) -> str:
    where = f" on {lock.workername}" if lock.workername is not None else ""
    holders = lock.holders
    if holders:
        by = f"{len(holders)} of {lock.maxCount} held by {', '.join(holders)}"
    else:
        by = f"promised to {', '.join(lock.waiting)}" if lock.waiting else "promised to a build"
    return f'Waits for lock "{lock.name}"{where} ({by})'
