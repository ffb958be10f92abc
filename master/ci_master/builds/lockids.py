"""Locks as a configuration names them: how many builds may do something at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ci_common.faults import Fault
from ci_master.data.faults import configFault, place
from ci_master.data.recorded import ComparableMixin

__all__ = [
    "BaseLockId",
    "LockAccess",
    "MasterLock",
    "WorkerLock",
    "access_of",
    "check_locks",
]

_MODES = ("counting", "exclusive")


@dataclass(frozen=True)
class LockAccess:
    """How someone wants to hold a lock: ``count`` units of it, or alone."""

    lockid: "MasterLock | WorkerLock"
    mode: str
    count: int = 1

    def config_record(self) -> Any:
        """What a reload compares."""
        return self.lockid, self.mode, self.count


class BaseLockId(ComparableMixin):
    """What both kinds of lock have in common."""

    compare_attrs: ClassVar[tuple[str, ...]] = ("name", "maxCount")

    def __init__(self, name: str, maxCount: int = 1) -> None:
        self.config_where = place()
        if not isinstance(name, str) or not name:
            configFault(f"the name of a lock is {name!r}, but must be a string")
        self.name = str(name)
        self.maxCount = _checked_count(self.name, "maxCount", maxCount, least=1)

    def access(self, mode: str, count: int = 1) -> LockAccess:
        """How to hold it.

        :param mode: ``"counting"``: with others, as long as all their counts together are
            within ``maxCount``; ``"exclusive"``: alone.
        :param count: units taken in counting mode; 0 takes none and never waits.
        """
        if mode not in _MODES:
            configFault(
                f"lock '{self.name}' cannot be accessed as {mode!r}",
                "the modes are 'counting' and 'exclusive'",
            )
            mode = "counting"
        if mode == "exclusive" and count != 1:
            configFault(f"lock '{self.name}': exclusive access has no count", "leave it out")
            count = 1
        count = _checked_count(self.name, "count", count, least=0)
        return LockAccess(self, mode, count)  # type: ignore[arg-type]  # one of the two kinds

    def defaultAccess(self) -> LockAccess:
        """What a bare lock stands for where an access is wanted."""
        return self.access("counting")

    def limit(self, workername: str | None) -> int:
        """How many units there are on this worker."""
        return self.maxCount

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.maxCount!r})"


class MasterLock(BaseLockId):
    """A lock shared by all builds.

    :param name: the name, unique among locks.
    :type name: string
    :param maxCount: how many may hold it at once.
    """


class WorkerLock(BaseLockId):
    """A lock shared by the builds of each worker; every worker has one of its own.

    :param name: the name, unique among locks.
    :type name: string
    :param maxCount: how many may hold it at once on each worker.
    :param maxCountForWorker: other limits for some workers, by their names.
    :type maxCountForWorker: dictionary or None
    """

    compare_attrs: ClassVar[tuple[str, ...]] = ("maxCountForWorker",)

    def __init__(
        self, name: str, maxCount: int = 1, maxCountForWorker: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(name, maxCount)
        limits = maxCountForWorker or {}
        if not isinstance(limits, Mapping):
            configFault(
                f"lock '{self.name}': maxCountForWorker is {limits!r}, but must be a dict",
                "write maxCountForWorker={'workername': 2}",
            )
            limits = {}
        self.maxCountForWorker = {
            worker: _checked_count(self.name, f"maxCountForWorker of '{worker}'", count, least=0)
            for worker, count in limits.items()
        }

    def limit(self, workername: str | None) -> int:
        """How many units there are on this worker."""
        if workername is None:
            return self.maxCount
        return self.maxCountForWorker.get(workername, self.maxCount)


def _checked_count(lock: str, what: str, count: Any, *, least: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        configFault(f"lock '{lock}': {what} is {count!r}, but must be a number from {least} up")
        return least
    return count


def access_of(lock: Any) -> LockAccess:
    """The access that an entry of ``locks`` means; a bare lock means to count one."""
    if isinstance(lock, LockAccess):
        return lock
    if isinstance(lock, BaseLockId):
        return lock.defaultAccess()
    raise TypeError(f"{lock!r} is no lock; write lock.access('counting')")


def check_locks(locks: Iterable[Any]) -> list[Fault]:
    """Faults of all locks of a configuration taken together.

    :param locks: locks and accesses of builders, workers and steps.
    """
    known: dict[str, MasterLock | WorkerLock] = {}
    faults: dict[str, Fault] = {}
    for lock in locks:
        lockid = access_of(lock).lockid
        other = known.setdefault(lockid.name, lockid)
        if other != lockid and lockid.name not in faults:
            made = [where for where in (other.config_where, lockid.config_where) if where]
            faults[lockid.name] = Fault(
                made[-1] if made else "",
                f"Two locks share the same name, '{lockid.name}'",
                f"they are made at {' and '.join(made)}: make it once, and use it in both places"
                if made
                else "make the lock once, and use it in both places",
            )
    return list(faults.values())
