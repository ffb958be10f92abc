"""Schedulers that build changes: at once, or when the tree has been quiet for a while."""

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from ci_common.aio import call_override
from ci_master.data.change import Change
from ci_master.data.faults import configFault
from ci_master.data.filters import ChangeFilter, NotABranch
from ci_master.schedulers import checks
from ci_master.schedulers.base import ReconfigurableBaseScheduler, may_overlap
from ci_master.schedulers.codebases import AbsoluteSourceStampsMixin
from ci_master.schedulers.dependent import Dependent

__all__ = [
    "AnyBranchScheduler",
    "BaseBasicScheduler",
    "Dependent",
    "Scheduler",
    "SingleBranchScheduler",
]

_REASON = "The %(classname)s scheduler named '%(name)s' triggered this build"


class NotSet:
    """The default of the argument that catches old calls by position."""


class BaseBasicScheduler(ReconfigurableBaseScheduler):
    """Builds changes.

    Without ``treeStableTimer`` each important change is built at once, and others are ignored.
    With it, changes are collected: an important one starts the timer anew, another one only if
    the timer runs; and when it fires, they are all built together.

    :param treeStableTimer: seconds without a further change that have to pass before the
        changes are built together; None builds each important change at once.
    :type treeStableTimer: number or None
    :param branch: take only changes of this branch; not together with ``change_filter``.
    :type branch: string or None
    :param branches: take only changes of these branches; not together with ``change_filter``.
    :type branches: list of strings or None
    :param categories: take only changes of these categories; not together with
        ``change_filter``.
    :type categories: list of strings or None
    :param fileIsImportant: gets a change, and returns True if it shall start a build.
    :type fileIsImportant: function or None
    :param onlyImportant: leave changes that are not important out of the builds, too.
    :param change_filter: decides which changes are taken.
    :type change_filter: util.ChangeFilter or None
    :param reason: the reason shown on the builds; may hold ``%(name)s`` and ``%(classname)s``.
    """

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        # By timer name: what waits for the tree to be quiet.
        self._collected: dict[str, dict[int, bool]] = {}
        self._timers: dict[str, IDelayedCall] = {}
        super().__init__(*args, name=name, **kwargs)

    def checkConfig(
        self,
        shouldntBeSet: Any = NotSet,
        treeStableTimer: float | None = None,
        builderNames: Any = None,
        branch: Any = NotABranch,
        branches: Any = NotABranch,
        fileIsImportant: Any = None,
        categories: Any = None,
        reason: str = _REASON,
        change_filter: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        label = f"scheduler '{self.name}'"
        if shouldntBeSet is not NotSet:
            configFault(
                f"{label}: arguments after the name must be given by keyword",
                "for example builderNames=['linux']",
            )
        super().checkConfig(builderNames, **kwargs)
        checks.check_callable(label, "fileIsImportant", fileIsImportant)
        checks.check_change_filter(label, change_filter)
        if treeStableTimer is not None:
            checks.check_seconds(label, "treeStableTimer", treeStableTimer, lambda s: s >= 0)
        old_form = branch != NotABranch or branches != NotABranch or categories is not None
        if change_filter is not None and old_form:
            configFault(
                f"{label}: 'branch', 'branches' and 'categories' cannot be given together with "
                f"'change_filter'",
                "put them into the filter: util.ChangeFilter(branch=..., category=...)",
            )
        elif branch != NotABranch and branches != NotABranch:
            configFault(f"{label}: 'branch' and 'branches' cannot be given together")
        try:
            self.getChangeFilter(
                branch=branch, branches=branches, change_filter=change_filter, categories=categories
            )
        except ValueError as error:
            if not (change_filter is not None and old_form):
                configFault(f"{label}: {error}")
        try:
            reason % {"name": "", "classname": ""}
        except (KeyError, ValueError, TypeError) as error:
            configFault(
                f"{label}: 'reason' {reason!r} cannot be filled in: {error!r}",
                "it may hold %(name)s and %(classname)s; write %% for a percent sign",
            )

    async def reconfigService(
        self,
        shouldntBeSet: Any = NotSet,
        treeStableTimer: float | None = None,
        builderNames: Any = None,
        branch: Any = NotABranch,
        branches: Any = NotABranch,
        fileIsImportant: Any = None,
        categories: Any = None,
        reason: str = _REASON,
        change_filter: Any = None,
        onlyImportant: bool = False,
        **kwargs: Any,
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames, **kwargs)
        self.treeStableTimer = treeStableTimer
        self.fileIsImportant = fileIsImportant
        self.onlyImportant = onlyImportant
        self.change_filter = self.getChangeFilter(
            branch=branch, branches=branches, change_filter=change_filter, categories=categories
        )
        self.reason = reason % {"name": self.name, "classname": type(self).__name__}

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: Any, categories: Any
    ) -> Any:
        """The filter made of the old and new arguments."""
        raise NotImplementedError

    async def activate(self) -> None:
        """Hear of changes, and go on waiting with those that were recorded."""
        self.startConsumingChanges(
            fileIsImportant=self.fileIsImportant,
            change_filter=self.change_filter,
            onlyImportant=self.onlyImportant,
        )
        if self.treeStableTimer:
            await self._resume()
        else:  # what a configuration with a timer left over is nobody's business now
            await self._drop_recorded()

    async def deactivate(self) -> None:
        """Stop the timers; what was recorded stays recorded."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await super().deactivate()
        self._collected.clear()
        self._known_changes.clear()

    async def _resume(self) -> None:
        recorded = await self.site.data.scheduler_changes.pending(self.schedulerid)
        importance = dict(recorded)
        if not importance:
            return
        for message in await self.site.data.changes.get_many(sorted(importance)):
            changeid = message["changeid"]
            self._known_changes[changeid] = message
            name = await call_override(self.getTimerNameForChange, Change.from_json(message))
            self._collected.setdefault(name, {})[changeid] = bool(importance[changeid])
        for name, collected in self._collected.items():
            if any(collected.values()) and name not in self._timers:
                self._restart_timer(name)

    async def _drop_recorded(self) -> None:
        recorded = await self.site.data.scheduler_changes.pending(self.schedulerid)
        if recorded:
            ids = [changeid for changeid, _ in recorded]
            self.site.data.scheduler_changes.remove(self.schedulerid, ids)

    # -- changes ---------------------------------------------------------------------------

    @may_overlap
    async def gotChange(self, change: Any, important: bool) -> None:
        """Build the change at once, or collect it until the tree is quiet."""
        if not self.treeStableTimer:
            if important:
                await call_override(
                    self.addBuildsetForChanges, reason=self.reason, changeids=[change.number]
                )
            return
        name = await call_override(self.getTimerNameForChange, change)
        self._collected.setdefault(name, {})[change.number] = important
        self.site.data.scheduler_changes.add(self.schedulerid, change.number, important)
        if important or name in self._timers:
            self._restart_timer(name)

    def getTimerNameForChange(self, change: Any) -> Any:
        """Changes of the same name wait, and are built, together."""
        raise NotImplementedError

    def _restart_timer(self, name: str) -> None:
        timer = self._timers.get(name)
        if timer is not None:
            timer.reset(self.treeStableTimer or 0)
            return
        self._timers[name] = self.site.clock.callLater(
            self.treeStableTimer or 0, self.stableTimerFired, name
        )

    def stableTimerFired(self, timer_name: str) -> Any:
        """The tree was quiet: build what was collected."""
        self._timers.pop(timer_name, None)
        collected = self._collected.pop(timer_name, {})
        if not collected:
            return None
        return self._spawn(
            self._build_collected(sorted(collected)),
            f"building the changes {', '.join(map(str, sorted(collected)))}",
        )

    async def _build_collected(self, changeids: list[int]) -> None:
        try:
            await call_override(self.addBuildsetForChanges, reason=self.reason, changeids=changeids)
        finally:
            self.site.data.scheduler_changes.remove(self.schedulerid, changeids)
            self._forget_changes(changeids)

    def _changes_to_keep(self) -> Iterable[int]:
        return {changeid for collected in self._collected.values() for changeid in collected}

    def getPendingBuildTimes(self) -> list[float]:
        """When builds are due, as far as no further change comes: unix seconds."""
        return [timer.getTime() for timer in self._timers.values()]

    def _effect_of(self, change: Any, important: bool) -> str:
        kind = "important" if important else "unimportant"
        if not self.treeStableTimer:
            done = "builds" if important else "ignores"
            return f"{done} change {change.number}: it is {kind}, and there is no treeStableTimer"
        waits = f"once the tree has been quiet for {self.treeStableTimer:g} s"
        if important:
            return f"builds change {change.number} {waits}"
        return (
            f"builds change {change.number} together with the next important one, {waits}: "
            f"by itself it is unimportant (fileIsImportant)"
        )


class SingleBranchScheduler(AbsoluteSourceStampsMixin, BaseBasicScheduler):
    """Builds changes of one branch, or those that pass a filter, with one timer for all.

    :param createAbsoluteSourceStamps: build codebases that have no change now at the revision
        last seen.
    :param branch: the branch whose changes are built, None for changes without a branch; this
        or ``change_filter`` has to be given.
    :type branch: string or None
    """

    def checkConfig(  # type: ignore[override]  # passes on by keyword what it does not know
        self, createAbsoluteSourceStamps: bool = False, **kwargs: Any
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(**kwargs)
        if kwargs.get("change_filter") is None and all(
            kwargs.get(argument, NotABranch) == NotABranch for argument in ("branch", "branches")
        ):
            configFault(
                f"scheduler '{self.name}': neither 'branch' nor 'change_filter' is given",
                "write branch='main', or change_filter=util.ChangeFilter(branch='main')",
            )

    async def reconfigService(  # type: ignore[override]  # as above
        self, createAbsoluteSourceStamps: bool = False, **kwargs: Any
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(**kwargs)
        self.createAbsoluteSourceStamps = createAbsoluteSourceStamps

    async def activate(self) -> None:
        """Hear of changes; recall what was seen last."""
        if self.createAbsoluteSourceStamps:
            await self.recall_codebases()
        await super().activate()

    @may_overlap
    async def gotChange(self, change: Any, important: bool) -> None:
        """Remember what was seen last, and build or collect the change."""
        if self.createAbsoluteSourceStamps:
            self.recordChange(change)
        await super().gotChange(change, important)

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: Any, categories: Any
    ) -> Any:
        """The filter made of the old and new arguments."""
        wanted = branch if branch != NotABranch else branches
        return ChangeFilter.fromSchedulerConstructorArgs(change_filter, wanted, categories)

    def getTimerNameForChange(self, change: Any) -> str:
        """One for all."""
        return "only"


class Scheduler(SingleBranchScheduler):
    """The older name of SingleBranchScheduler."""


class AnyBranchScheduler(BaseBasicScheduler):
    """Builds changes of any branch, with a timer for each branch of each repository.

    :param branches: take only changes of these branches; not together with ``change_filter``.
    :type branches: list of strings or None
    """

    def getChangeFilter(
        self, branch: Any, branches: Any, change_filter: Any, categories: Any
    ) -> Any:
        """The filter made of the old and new arguments."""
        wanted = branches if branches != NotABranch else branch
        return ChangeFilter.fromSchedulerConstructorArgs(change_filter, wanted, categories)

    def getTimerNameForChange(self, change: Any) -> str:
        """One per codebase, project, repository and branch."""
        parts: tuple[Any, ...] = (
            change.codebase,
            change.project,
            change.repository,
            change.branch,
        )
        return "|".join("<None>" if part is None else str(part) for part in parts)
