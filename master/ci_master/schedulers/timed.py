"""Schedulers that build in intervals, and the names of the other timed ones."""

from typing import Any

from ci_master.schedulers import checks
from ci_master.schedulers.nightly import Nightly, NightlyBase, NightlyTriggerable
from ci_master.schedulers.timed_base import Timed

__all__ = ["Nightly", "NightlyBase", "NightlyTriggerable", "Periodic", "Timed"]


class Periodic(Timed):
    """Starts builds in equal intervals; the first time when the master starts.

    :param periodicBuildTimer: seconds between the builds.
    :type periodicBuildTimer: number
    """

    def checkConfig(  # type: ignore[override]  # passes on by keyword what it does not know
        self,
        builderNames: Any,
        periodicBuildTimer: float,
        reason: str = "The Periodic scheduler named '%(name)s' triggered this build",
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames=builderNames, reason=reason, **kwargs)
        label = f"scheduler '{self.name}'"
        checks.check_seconds(label, "periodicBuildTimer", periodicBuildTimer, lambda s: s > 0)

    async def reconfigService(  # type: ignore[override]  # as above
        self,
        builderNames: Any,
        periodicBuildTimer: float,
        reason: str = "The Periodic scheduler named '%(name)s' triggered this build",
        **kwargs: Any,
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames=builderNames, reason=reason, **kwargs)
        self.periodicBuildTimer = periodicBuildTimer

    def getNextBuildTime(self, lastActuation: float | None) -> Any:
        """One interval after the last time."""
        return self.now() if lastActuation is None else lastActuation + self.periodicBuildTimer
