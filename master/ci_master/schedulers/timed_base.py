"""The base of schedulers that build at points in time."""

from typing import Any

from twisted.internet.interfaces import IDelayedCall

from ci_common.aio import call_override
from ci_master.data.faults import configFault
from ci_master.data.filters import ChangeFilter
from ci_master.schedulers import checks
from ci_master.schedulers.base import ReconfigurableBaseScheduler, may_overlap
from ci_master.schedulers.codebases import AbsoluteSourceStampsMixin

__all__ = ["Timed"]


class NoBranch:
    """The default of ``branch``: None would mean the default branch."""


class Timed(AbsoluteSourceStampsMixin, ReconfigurableBaseScheduler):
    """Builds at points in time, which subclasses give by ``getNextBuildTime``.

    A point in time that passed while the master was down is made up for at the start, once.

    :param reason: the reason shown on the builds; may hold ``%(name)s``.
    :param createAbsoluteSourceStamps: build each codebase at the revision of its last change.
    :param onlyIfChanged: build nothing where no important change came since the last build.
    :param branch: build this branch, and look only at changes of it.
    :type branch: string or None
    :param change_filter: look only at changes that pass this filter.
    :type change_filter: util.ChangeFilter or None
    :param fileIsImportant: gets a change, and returns True if it is important.
    :type fileIsImportant: function or None
    :param onlyImportant: ignore changes that are not important altogether.
    """

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self._timer: IDelayedCall | None = None
        #: When it built last and will build next, in unix seconds.
        self.lastActuated: float | None = None
        self.actuateAt: float | None = None
        super().__init__(*args, name=name, **kwargs)

    def checkConfig(
        self,
        builderNames: Any = None,
        reason: str = "",
        createAbsoluteSourceStamps: bool = False,
        onlyIfChanged: bool = False,
        branch: Any = NoBranch,
        change_filter: Any = None,
        fileIsImportant: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames, **kwargs)
        label = f"scheduler '{self.name}'"
        checks.check_callable(label, "fileIsImportant", fileIsImportant)
        checks.check_change_filter(label, change_filter)
        if branch is not NoBranch and not isinstance(branch, str | None):
            configFault(f"{label}: 'branch' is {branch!r}, but must be a string or None")
        try:
            reason % {"name": ""}
        except (KeyError, ValueError, TypeError) as error:
            configFault(
                f"{label}: 'reason' {reason!r} cannot be filled in: {error!r}",
                "it may hold %(name)s; write %% for a percent sign",
            )

    async def reconfigService(
        self,
        builderNames: Any = None,
        reason: str = "",
        createAbsoluteSourceStamps: bool = False,
        onlyIfChanged: bool = False,
        branch: Any = NoBranch,
        change_filter: Any = None,
        fileIsImportant: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames, **kwargs)
        self.reason = reason % {"name": self.name}
        self.createAbsoluteSourceStamps = createAbsoluteSourceStamps
        self.onlyIfChanged = onlyIfChanged
        self.branch = branch
        self.change_filter = change_filter
        if change_filter is None and branch is not NoBranch:
            self.change_filter = ChangeFilter(branch=branch)
        self.fileIsImportant = fileIsImportant
        self.onlyImportant = onlyImportant

    async def activate(self) -> None:
        """Wait for the next point in time; hear of changes, where they matter."""
        if self.createAbsoluteSourceStamps:
            await self.recall_codebases()
        if self.onlyIfChanged or self.createAbsoluteSourceStamps:
            self.startConsumingChanges(
                fileIsImportant=self.fileIsImportant,
                change_filter=self.change_filter,
                onlyImportant=self.onlyImportant,
            )
        else:  # what an earlier configuration recorded is nobody's business now
            self.site.data.scheduler_changes.remove(self.schedulerid)
        self.lastActuated = await self.getState("last_build", None)
        await self._schedule_next()

    async def deactivate(self) -> None:
        """Wait no more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.actuateAt = None
        await super().deactivate()

    # -- changes ---------------------------------------------------------------------------

    @may_overlap
    async def gotChange(self, change: Any, important: bool) -> None:
        """Record the change for the next point in time."""
        if self.createAbsoluteSourceStamps:
            self.recordChange(change)
        self.site.data.scheduler_changes.add(self.schedulerid, change.number, important)

    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What is built of a codebase that no change speaks of."""
        default = await super().getCodebaseDict(codebase)
        if self.branch is not NoBranch and "branch" not in default:
            return {**default, "branch": self.branch}
        return default

    def _effect_of(self, change: Any, important: bool) -> str:
        kind = "important" if important else "unimportant"
        return f"keeps change {change.number} ({kind}) for its next point in time"

    # -- time ------------------------------------------------------------------------------

    def getNextBuildTime(self, lastActuation: float | None) -> Any:
        """When to build next, in unix seconds; None: never. May give a Deferred.

        :param lastActuation: when it built last; None: never.
        """
        raise NotImplementedError

    def getPendingBuildTimes(self) -> list[float]:
        """When builds are due: unix seconds."""
        return [] if self.actuateAt is None else [self.actuateAt]

    def now(self) -> float:
        """Unix seconds."""
        return float(self.site.clock.seconds())

    async def _schedule_next(self) -> None:
        due = await call_override(self.getNextBuildTime, self.lastActuated)
        if due is None or not self.isActive():
            return
        now = self.now()
        self.actuateAt = max(float(due), now)
        self._timer = self.site.clock.callLater(self.actuateAt - now, self._due)

    def _due(self) -> None:
        self._timer = None
        self._spawn(self._actuate(), "building at its time")

    async def _actuate(self) -> None:
        before, self.lastActuated, self.actuateAt = self.lastActuated, self.actuateAt, None
        try:
            await self._build_at_time(before)
        finally:
            await self.setState("last_build", self.lastActuated)
            await self.setState("last_only_if_changed", self.onlyIfChanged)
            if self.isActive():
                await self._schedule_next()

    async def _build_at_time(self, before: float | None) -> None:
        """Build, unless nothing has changed since ``before``."""
        if self.onlyIfChanged:
            recorded = await self.site.data.scheduler_changes.pending(self.schedulerid)
            was_on = await self.getState("last_only_if_changed", None)
            must = before is None or was_on is False or self._must_build(before)
            if not must and not any(important for _, important in recorded):
                self.log.info(
                    "scheduler '{name}' skips its time: no important change has come since "
                    "the last build",
                    name=self.name,
                )
                return
        await call_override(self.startBuild)

    def _must_build(self, before: float) -> bool:
        """Whether a time to build without changes, too, has come since ``before``."""
        return False

    async def startBuild(self) -> None:
        """Ask for the builds: of the changes recorded since the last time, or of the default."""
        recorded = await self.site.data.scheduler_changes.pending(self.schedulerid)
        changeids = [changeid for changeid, _ in recorded]
        if not changeids:
            await self.addBuildsetForSourceStampsWithDefaults(reason=self.reason, sourcestamps=[])
            return
        await self.addBuildsetForChanges(reason=self.reason, changeids=changeids)
        self.site.data.scheduler_changes.remove(self.schedulerid, changeids)
