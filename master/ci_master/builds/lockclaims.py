"""Claiming several locks together, as builds and steps do."""

from collections.abc import Iterable, Sequence
from typing import Any

from ci_master.builds.locktable import Claim, LockTable, describe

__all__ = ["acquire_all", "all_available", "claim_all", "release_all", "why_not_all"]


def all_available(claims: Sequence[Claim], requester: Any) -> bool:
    """Whether all could be claimed now."""
    return all(lock.isAvailable(requester, access) for lock, access in claims)


def why_not_all(claims: Sequence[Claim], requester: Any) -> str | None:
    """Why they cannot be claimed now, as text for people; None if they can."""
    reasons = (lock.why_not(requester, access) for lock, access in claims)
    return next((reason for reason in reasons if reason is not None), None)


def claim_all(claims: Sequence[Claim], owner: Any) -> bool:
    """Claim all of them, or none if one is not available."""
    if not all_available(claims, owner):
        return False
    taken: list[Claim] = []
    for lock, access in claims:
        if not lock.isAvailable(owner, access):  # the same lock, listed twice
            release_all(taken, owner)
            return False
        lock.claim(owner, access)
        taken.append((lock, access))
    return True


def release_all(claims: Iterable[Claim], owner: Any) -> None:
    """Give all of them back."""
    for lock, access in claims:
        lock.release(owner, access)


async def acquire_all(claims: Sequence[Claim], owner: Any, table: LockTable) -> None:
    """Wait until all can be claimed together, and claim them.

    A cancelled wait leaves all lines.

    :raises RuntimeError: if one of them has no units at all here, or is wanted twice.
    """
    ticket = table.next_ticket()
    claimed = False
    try:
        while not (claimed := claim_all(claims, owner)):
            busy = [claim for claim in claims if not claim[0].isAvailable(owner, claim[1])]
            if not busy:
                raise RuntimeError(f"{describe(owner)} wants the same lock more than once")
            lock, access = busy[0]
            if lock.maxCount == 0 and access.mode == "counting":
                raise RuntimeError(
                    f"{describe(owner)} waits in vain: {lock.why_not(owner, access)}"
                )
            await lock.waitUntilMaybeAvailable(owner, access, ticket)
    finally:
        if not claimed:
            for lock, _ in claims:
                lock.stopWaitingUntilAvailable(owner)
