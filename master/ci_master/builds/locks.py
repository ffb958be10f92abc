"""Locks: how a configuration names them, and who holds them at run time."""

from ci_master.builds.lockclaims import (
    acquire_all,
    all_available,
    claim_all,
    release_all,
    why_not_all,
)
from ci_master.builds.lockids import (
    BaseLockId,
    LockAccess,
    MasterLock,
    WorkerLock,
    access_of,
    check_locks,
)
from ci_master.builds.locktable import Claim, LockTable, RealLock, describe

#: Both kinds of lock are the same at run time; known to users' code by these names, too.
BaseLock = RealMasterLock = RealWorkerLock = RealLock

__all__ = [
    "BaseLock",
    "BaseLockId",
    "Claim",
    "LockAccess",
    "LockTable",
    "MasterLock",
    "RealLock",
    "RealMasterLock",
    "RealWorkerLock",
    "WorkerLock",
    "access_of",
    "acquire_all",
    "all_available",
    "check_locks",
    "claim_all",
    "describe",
    "release_all",
    "why_not_all",
]
