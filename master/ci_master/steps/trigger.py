"""A step that has other schedulers start builds."""

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from ci_common.aio import call_override, spawn
from ci_common.results import ALL_RESULTS, SUCCESS, statusToString, worst_status
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.properties import Properties

__all__ = ["Trigger"]


class Trigger(BuildStep):
    """Start the builds of :class:`Triggerable` schedulers.

    :param schedulerNames: which ones.
    :param sourceStamps: what they build: dicts of branch, revision, repository, project,
        codebase; ``sourceStamp`` gives one.
    :param updateSourceStamp: build what this build builds, at the revision that it got; this is
        the default unless source stamps are given or ``alwaysUseLatest``.
    :param alwaysUseLatest: build what is newest.
    :param waitForFinish: wait for their end; their results are this step's.
    :param set_properties: properties of the builds.
    :param copy_properties: names of this build's properties which the builds get as well.
    :param unimportantSchedulerNames: those whose results do not count.
    """

    name = "trigger"
    renderables = (
        "alwaysUseLatest",
        "parent_relationship",
        "schedulerNames",
        "set_properties",
        "sourceStamps",
        "updateSourceStamp",
        "waitForFinish",
    )
    flunkOnFailure = True
    log = Logger()

    def __init__(
        self,
        schedulerNames: Any = None,
        sourceStamp: Any = None,
        sourceStamps: Any = None,
        updateSourceStamp: Any = None,
        alwaysUseLatest: Any = False,
        waitForFinish: Any = False,
        set_properties: Any = None,
        copy_properties: Any = None,
        parent_relationship: Any = "Triggered from",
        unimportantSchedulerNames: Any = None,
        **kwargs: Any,
    ) -> None:
        if not schedulerNames:
            configFault("a Trigger step names no scheduler", "write schedulerNames=['name']")
        if unimportantSchedulerNames and isinstance(schedulerNames, list):
            unknown = set(unimportantSchedulerNames) - set(schedulerNames)
            if unknown and all(isinstance(name, str) for name in schedulerNames):
                configFault(
                    f"unimportantSchedulerNames names {sorted(unknown)},"
                    " which schedulerNames does not"
                )
        if sourceStamp and sourceStamps:
            configFault("a Trigger step has both 'sourceStamp' and 'sourceStamps'", "give one")
        if (sourceStamp or sourceStamps) and alwaysUseLatest is True:
            configFault("a Trigger step has source stamps and 'alwaysUseLatest'", "give one")
        if alwaysUseLatest is True and updateSourceStamp is True:
            configFault("a Trigger step has 'alwaysUseLatest' and 'updateSourceStamp'", "give one")
        if isinstance(set_properties, list | tuple):
            configFault("'set_properties' is a list", "write a dict, or use copy_properties")
        self.schedulerNames = schedulerNames
        self.unimportantSchedulerNames = unimportantSchedulerNames or []
        self.sourceStamps = sourceStamps or ([sourceStamp] if sourceStamp else [])
        if updateSourceStamp is None:
            updateSourceStamp = not (alwaysUseLatest or self.sourceStamps)
        self.updateSourceStamp = updateSourceStamp
        self.alwaysUseLatest = alwaysUseLatest
        self.waitForFinish = waitForFinish
        self.parent_relationship = parent_relationship
        self.copy_properties = copy_properties or []
        self.set_properties = dict(set_properties or {}) if not hasattr(
            set_properties, "getRenderingFor"
        ) else set_properties  # fmt: skip
        super().__init__(**kwargs)
        self.running = False
        self.ended = False
        self.brids: list[int] = []
        self.triggeredNames: list[str] | None = None
        self._results: dict[int, int] = {}

    # -- what may be overridden

    def createTriggerProperties(self, properties: dict[str, Any]) -> Any:
        """Properties of the triggered builds, from ``set_properties`` and ``copy_properties``."""
        trigger_properties = Properties()
        trigger_properties.update(properties, "Trigger")
        for name in self.copy_properties:
            if self.build.getProperties().hasProperty(name):
                trigger_properties.setProperty(name, self.getProperty(name), "Trigger")
        return trigger_properties

    def getSchedulersAndProperties(self) -> Any:
        """List of dicts: sched_name, props_to_set, unimportant."""
        return [
            {
                "sched_name": name,
                "props_to_set": self.set_properties,
                "unimportant": name in self.unimportantSchedulerNames,
            }
            for name in self.schedulerNames
        ]

    def prepareSourcestampListForTrigger(self) -> list[dict[str, Any]]:
        """What the triggered builds build."""
        if self.sourceStamps:
            wanted: dict[str, dict[str, Any]] = {}
            for stamp in self.sourceStamps:
                wanted[stamp.get("codebase", "")] = stamp
            return list(wanted.values())
        if self.alwaysUseLatest:
            return []
        got = self.build.getProperty("got_revision") if self.updateSourceStamp else None
        stamps = []
        for source in self.build.getAllSourceStamps():
            stamp = {
                "branch": source.branch,
                "revision": source.revision,
                "repository": source.repository,
                "project": source.project,
                "codebase": source.codebase,
            }
            if source.patch is not None:
                stamp = source.ssid
            elif got:
                revision = got.get(source.codebase) if isinstance(got, dict) else got
                if revision:
                    stamp["revision"] = revision
            stamps.append(stamp)
        return stamps

    # -- running

    def interrupt(self, reason: Any) -> Any:
        """Stop it; what it triggered and waits for is cancelled."""
        result = super().interrupt(reason)
        if self.running and not self.ended:
            self.ended = True
            actions = self.build.services.data.actions
            for brid in self.brids:
                if brid not in self._results:
                    arguments = {"reason": f"parent build was interrupted: {reason}"}
                    spawn(
                        actions.call("buildrequests", brid, "cancel", arguments),
                        self.log,
                        f"cancelling request {brid}",
                    )
        return result

    async def run(self) -> int:
        """Trigger, and wait if that is wanted."""
        schedulers = await call_override(self.getSchedulersAndProperties)
        if isinstance(schedulers, tuple):
            schedulers = [schedulers]
        stamps = self.prepareSourcestampListForTrigger()
        self.running = True
        self.triggeredNames = []
        waiting: list[tuple[str, bool, Any]] = []
        for one in schedulers:
            name, unimportant = one["sched_name"], one.get("unimportant", False)
            properties = await call_override(self.createTriggerProperties, one["props_to_set"])
            ids, done = self.build.services.trigger(
                name,
                waited_for=bool(self.waitForFinish),
                sourcestamps=stamps,
                properties=properties,
                parent_buildid=self.build.buildid,
                parent_relationship=self.parent_relationship,
            )
            waiting.append((name, unimportant, done))
            self.triggeredNames.append(name)
            _bsid, brids = await ids
            self._link(name, list(brids.values()))
            self.updateSummary()
        if not self.waitForFinish:
            for _name, _unimportant, done in waiting:
                _let_go(done, self.log)
            return SUCCESS
        overall = SUCCESS
        for name, unimportant, done in waiting:
            results, brids = await done
            self._show_results(name, brids)
            if not unimportant:
                overall = worst_status(overall, results)
            self.updateSummary()
        self.ended = True
        return overall

    def _link(self, name: str, brids: Sequence[int]) -> None:
        base = self.build.services.config.buildbotURL
        for brid in brids:
            self.brids.append(brid)
            self.addURL(f"{name} #{brid}", f"{base}#/buildrequests/{brid}")

    def _show_results(self, name: str, brids: dict[int, Any]) -> None:
        data = self.build.services.data
        for builderid, brid in brids.items():
            number = brid if isinstance(brid, int) else None
            builder = data.builders.by_id.get(builderid)
            latest = builder.summary.latest if builder is not None else None
            if latest is None or latest["buildrequestid"] != number:
                continue
            self._results[latest["buildrequestid"]] = latest["results"]
            url = self.build.url_of(builderid, latest["number"])
            text = f"{statusToString(latest['results'])}: {builder.name} #{latest['number']}"
            self.addURL(text, url)

    def getCurrentSummary(self) -> Any:
        """Names what was triggered, and the results so far."""
        if not self.triggeredNames:
            return {"step": "running"}
        counts = {code: 0 for code in ALL_RESULTS}
        for result in self._results.values():
            counts[result] += 1
        words = [
            f"{count} {statusToString(code, count)}" for code, count in counts.items() if count
        ]
        return {"step": ", ".join([f"triggered {', '.join(self.triggeredNames)}", *words])}

    def getResultSummary(self) -> Any:
        """The same at the end."""
        return self.getCurrentSummary()


def _let_go(done: Any, log: Logger) -> None:
    """Let the end of what nobody waits for pass by; a failure of it is logged."""
    spawn(done, log, "waiting for triggered builds")
