"""Locks: how a configuration names them, and who holds them at run time."""

from ci_master.builds.lockclaims import (
    acquire_all,
    all_available,
    claim_all,
    release_all,
    why_not_all,
)
from ci_master.builds.lockids import LockAccess, MasterLock, WorkerLock, access_of, check_locks
from ci_master.builds.locktable import Claim, LockTable, RealLock, describe

__all__ = [
    "Claim",
    "LockAccess",
    "LockTable",
    "MasterLock",
    "RealLock",
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
