"""Schedulers that build at times as in a crontab."""

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.results import SUCCESS
from ci_master.builds.properties import Properties
from ci_master.data.faults import configFault
from ci_master.schedulers.base import Added, as_properties
from ci_master.schedulers.crontab import CronTimes
from ci_master.schedulers.kept_stamps import stamps_from_json, stamps_to_json
from ci_master.schedulers.timed_base import Timed

__all__ = ["Nightly", "NightlyBase", "NightlyTriggerable"]


class NightlyBase(Timed):
    """Builds at times as in a crontab, in local time.

    Each of the fields is an int, a list of ints or text as in a crontab. Days of the week count
    from Monday = 0, except in ranges in text. With ``onlyIfChanged``, times that match the
    ``force_at_*`` fields (if any of them is given) are not skipped.

    :param minute: the minutes (0 to 59) at which it builds: a number, a list of numbers, or
        text as in a crontab such as ``*/10``.
    :type minute: whole number, list or string
    :param hour: the hours (0 to 23) at which it builds: a number, a list of numbers, or text as
        in a crontab such as ``8-18``.
    :type hour: whole number, list or string
    :param dayOfMonth: the days of the month (1 to 31) at which it builds: a number, a list of
        numbers, or text as in a crontab such as ``1,15``.
    :type dayOfMonth: whole number, list or string
    :param month: the months (1 to 12) at which it builds: a number, a list of numbers, or text
        as in a crontab such as ``1-6``.
    :type month: whole number, list or string
    :param dayOfWeek: the days of the week at which it builds: Monday is 0; or text such as
        ``mon-fri``.
    :type dayOfWeek: whole number, list or string
    :param force_at_minute: with ``onlyIfChanged``: like ``minute``, for times at which it
        builds even without a change.
    :type force_at_minute: whole number, list, string or None
    :param force_at_hour: with ``onlyIfChanged``: like ``hour``, for times at which it builds
        even without a change.
    :type force_at_hour: whole number, list, string or None
    :param force_at_day_of_month: with ``onlyIfChanged``: like ``dayOfMonth``, for times at
        which it builds even without a change.
    :type force_at_day_of_month: whole number, list, string or None
    :param force_at_month: with ``onlyIfChanged``: like ``month``, for times at which it builds
        even without a change.
    :type force_at_month: whole number, list, string or None
    :param force_at_day_of_week: with ``onlyIfChanged``: like ``dayOfWeek``, for times at which
        it builds even without a change.
    :type force_at_day_of_week: whole number, list, string or None
    """

    def checkConfig(  # type: ignore[override]  # passes on by keyword what it does not know
        self,
        builderNames: Any,
        minute: Any = 0,
        hour: Any = "*",
        dayOfMonth: Any = "*",
        month: Any = "*",
        dayOfWeek: Any = "*",
        force_at_minute: Any = None,
        force_at_hour: Any = None,
        force_at_day_of_month: Any = None,
        force_at_month: Any = None,
        force_at_day_of_week: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        super().checkConfig(builderNames=builderNames, **kwargs)
        forced = (
            force_at_minute,
            force_at_hour,
            force_at_day_of_month,
            force_at_month,
            force_at_day_of_week,
        )
        for times in ((minute, hour, dayOfMonth, month, dayOfWeek), forced):
            try:
                _cron_times(*times)
            except ValueError as error:
                configFault(
                    f"scheduler '{self.name}': {error}",
                    "the fields are minute, hour, dayOfMonth, month and dayOfWeek, as in "
                    "hour=[3, 15] or dayOfWeek='mon-fri'",
                )

    async def reconfigService(  # type: ignore[override]  # as above
        self,
        builderNames: Any,
        minute: Any = 0,
        hour: Any = "*",
        dayOfMonth: Any = "*",
        month: Any = "*",
        dayOfWeek: Any = "*",
        force_at_minute: Any = None,
        force_at_hour: Any = None,
        force_at_day_of_month: Any = None,
        force_at_month: Any = None,
        force_at_day_of_week: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take over the arguments."""
        await super().reconfigService(builderNames=builderNames, **kwargs)
        self._times = _cron_times(minute, hour, dayOfMonth, month, dayOfWeek)
        forced = (
            force_at_minute,
            force_at_hour,
            force_at_day_of_month,
            force_at_month,
            force_at_day_of_week,
        )
        given = any(field is not None for field in forced)
        self._forced_times = _cron_times(*forced) if given else None

    def getNextBuildTime(self, lastActuation: float | None) -> Any:
        """The first time after the last one."""
        since = self.now() if lastActuation is None else lastActuation
        due = self._times.after(since)
        return due if self._forced_times is None else min(due, self._forced_times.after(since))

    def _must_build(self, before: float) -> bool:
        return self._forced_times is not None and self._forced_times.after(before) <= self.now()


def _cron_times(minute: Any, hour: Any, day_of_month: Any, month: Any, week: Any) -> CronTimes:
    """A field that is None has its default."""
    return CronTimes(
        minute=0 if minute is None else minute,
        hour="*" if hour is None else hour,
        day_of_month="*" if day_of_month is None else day_of_month,
        month="*" if month is None else month,
        day_of_week="*" if week is None else week,
    )


class Nightly(NightlyBase):
    """Starts builds at certain times, given as in a crontab; times are local to the master."""

    def __init__(self, name: str, builderNames: Any, **kwargs: Any) -> None:
        kwargs.setdefault("reason", "The Nightly scheduler named '%(name)s' triggered this build")
        super().__init__(name, builderNames, **kwargs)


class NightlyTriggerable(NightlyBase):
    """Builds at certain times what a ``Trigger`` step asked for last, if there is something new."""

    def __init__(self, name: str, builderNames: Any, **kwargs: Any) -> None:
        kwargs.setdefault(
            "reason", "The NightlyTriggerable scheduler named '%(name)s' triggered this build"
        )
        self._last_trigger: tuple[Any, Properties] | None = None
        super().__init__(name, builderNames, **kwargs)

    async def activate(self) -> None:
        """Recall the last trigger, and wait for the next time."""
        kept = await self.getState("lastTrigger", None)
        if kept is not None:
            stamps, properties = kept[:2]
            self._last_trigger = (stamps_from_json(stamps), as_properties(properties))
        await super().activate()

    def trigger(
        self,
        waited_for: bool,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        set_props: Properties | None = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
    ) -> tuple[Deferred[Added], Deferred[tuple[int, dict[int, int]]]]:
        """Remember what to build next time; whoever triggers gets SUCCESS at once."""
        properties = as_properties(set_props)
        self._last_trigger = (sourcestamps, properties)
        kept = [stamps_to_json(sourcestamps), properties.asDict(), None, None]
        self._spawn(self.setState("lastTrigger", kept), "remembering a trigger")
        ids: Deferred[Added] = Deferred()
        ids.callback((None, {}))
        results: Deferred[tuple[int, dict[int, int]]] = Deferred()
        results.callback((SUCCESS, {}))
        return ids, results

    async def startBuild(self) -> None:
        """Build what was triggered last."""
        trigger, self._last_trigger = self._last_trigger, None
        if trigger is None:
            return
        sourcestamps, properties = trigger
        await self.addBuildsetForSourceStampsWithDefaults(
            reason=self.reason, sourcestamps=sourcestamps, properties=properties
        )
        await self.setState("lastTrigger", None)
