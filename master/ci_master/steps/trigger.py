"""A step that has other schedulers start builds."""

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from ci_common.aio import call_override, spawn, to_deferred
from ci_common.faults import Refused
from ci_common.results import (
    ALL_RESULTS,
    CANCELLED,
    EXCEPTION,
    RETRY,
    SKIPPED,
    SUCCESS,
    statusToString,
    worst_of,
)
from ci_master.builds.buildstep import BuildStep
from ci_master.builds.faults import configFault
from ci_master.builds.properties import Properties
from ci_master.steps.source.base import patch_of

__all__ = ["Trigger"]


class Trigger(BuildStep):
    """Start the builds of :class:`Triggerable` schedulers.

    :param schedulerNames: names of the ``Triggerable`` schedulers that are started.
    :type schedulerNames: list or renderable
    :param sourceStamp: what is built: short for ``sourceStamps`` with one entry.
    :type sourceStamp: dictionary or None
    :param sourceStamps: what is built: dictionaries of branch, revision, repository, project
        and codebase.
    :type sourceStamps: list or None
    :param updateSourceStamp: build the sources of this build at the revision that was checked
        out. None: True, unless source stamps are given or ``alwaysUseLatest`` is set.
    :type updateSourceStamp: True, False, renderable or None
    :param alwaysUseLatest: build the newest revision.
    :type alwaysUseLatest: True, False or renderable
    :param waitForFinish: wait for the builds; the worst of their results is the result of the
        step.
    :type waitForFinish: True, False or renderable
    :param set_properties: properties of the builds.
    :type set_properties: dictionary, renderable or None
    :param copy_properties: names of properties of this build that the builds get, too; a
        property that this build does not have is None in them.
    :type copy_properties: list of strings or None
    :param parent_relationship: how the builds belong to this one, as told in the REST API.
    :type parent_relationship: string or renderable
    :param unimportantSchedulerNames: schedulers of ``schedulerNames`` whose results do not
        count.
    :type unimportantSchedulerNames: list of strings or None
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
    logger = Logger()

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
        self._results: list[int] = []
        self._problem: str | None = None
        self._ended_requests: set[int] = set()
        self._outcome: Deferred[int] = Deferred()

    # -- what may be overridden

    def createTriggerProperties(self, properties: Any) -> Any:
        """Properties of the triggered builds, from ``set_properties`` and ``copy_properties``."""
        trigger_properties = Properties()
        for name, value in _plain(properties).items():
            trigger_properties.setProperty(name, value, "Trigger")
        for name in self.copy_properties:
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

    async def prepareSourcestampListForTrigger(self) -> list[dict[str, Any]]:
        """What the triggered builds build; for codebases left out the scheduler decides."""
        if self.sourceStamps:
            wanted = {stamp.get("codebase", ""): stamp for stamp in self.sourceStamps}
            return list(wanted.values())
        if self.alwaysUseLatest:
            return []
        got = self.build.getProperty("got_revision", None) if self.updateSourceStamp else None
        stamps = []
        for source in self.build.getAllSourceStamps():
            stamp: dict[str, Any] = source.asDict()
            revision = got.get(source.codebase) if isinstance(got, dict) else got
            if revision:
                stamp["revision"] = revision
            patch = await patch_of(self.build, source)
            if patch is not None:
                author, comment = source.patch_info or ("", "")
                stamp["patch"] = {
                    "level": patch[0],
                    "body": patch[1],
                    "subdir": patch[2],
                    "author": author,
                    "comment": comment,
                }
            stamps.append(stamp)
        return stamps

    # -- running

    def interrupt(self, reason: Any) -> Any:
        """Stop it; what it triggered and waits for is cancelled.

        Where the build's worker or master is lost, the build's next attempt goes on waiting.
        """
        result = super().interrupt(reason)
        if self.running and self.waitForFinish and not self.ended:
            self.ended = True
            if self._is_retried():
                self._outcome.callback(RETRY)
            else:
                self._cancel(self.brids)
        return result

    def _is_retried(self) -> bool:
        """Whether the build has lost its worker, and nobody stopped it: it is built again."""
        return self.build.lost and not self.build.stopped

    def _cancel(self, brids: Sequence[int]) -> None:
        actions = self.build.services.data.actions
        arguments = {"reason": "the build that triggered it was interrupted"}
        for brid in brids:
            if brid not in self._ended_requests:
                doing = f"cancelling request {brid}"
                spawn(actions.call("buildrequests", brid, "cancel", arguments), self.logger, doing)

    async def run(self) -> int:
        """Trigger, and wait if that is wanted."""
        schedulers = await self._schedulers()
        stamps = await call_override(self.prepareSourcestampListForTrigger)
        self.running = True
        self.triggeredNames = []
        triggered: list[tuple[bool, Any]] = []
        try:
            for name, properties, unimportant in schedulers:
                triggered.append((unimportant, await self._trigger(name, properties, stamps)))
                if self.stopped:
                    break
        except Refused as refused:
            self._problem = str(refused)
            await self.addCompleteLog("stderr", f"{refused}\n")
            self._cancel(self.brids)
            self._let_go(triggered)
            return EXCEPTION
        if not self.waitForFinish:
            self._let_go(triggered)
            return self._result(SUCCESS)
        self._wait(triggered).addBoth(self._over)
        with self.build.slot.lending(self.build.request_rows):
            overall = await self._outcome
        self.ended = True
        return self._result(overall)

    def _over(self, result: Any) -> None:
        """All that was waited for has ended, or could not be shown."""
        if not self._outcome.called:
            self._outcome.callback(result)
        elif isinstance(result, Failure):
            self.logger.failure("waiting for triggered builds", failure=result)

    def _result(self, result: int) -> int:
        if self.stopped:
            return RETRY if self._is_retried() else CANCELLED
        return result

    async def _schedulers(self) -> list[tuple[str, Any, bool]]:
        """What an author's method says: names, properties, whether they do not matter."""
        given = await call_override(self.getSchedulersAndProperties)
        found = []
        for one in given:
            if isinstance(one, Mapping):
                name, properties = one["sched_name"], one.get("props_to_set")
                unimportant = bool(one.get("unimportant", False))
            else:
                name, properties, unimportant = (*one, False)[:3]
            properties = await self.build.render(_plain(properties))
            found.append((name, properties, unimportant))
        return found

    async def _trigger(self, name: str, given: Any, stamps: Any) -> Any:
        """Ask one scheduler for its builds; gives what fires with their results."""
        assert self.triggeredNames is not None
        trigger = self.build.services.trigger
        assert trigger is not None, "a build's environment has no trigger"
        properties = await call_override(self.createTriggerProperties, given)
        ids, done = trigger(
            name,
            waited_for=bool(self.waitForFinish),
            sourcestamps=stamps,
            properties=properties,
            parent_buildid=self.build.buildid,
            parent_relationship=self.parent_relationship,
        )
        self.triggeredNames.append(name)
        _bsid, brids = await ids
        base = self.build.services.config.buildbotURL
        for brid in brids.values():
            self.brids.append(brid)
            await self.addURL(f"{name} #{brid}", f"{base}#/buildrequests/{brid}")
        if self.stopped and self.waitForFinish and not self._is_retried():
            self._cancel(list(brids.values()))
        self.updateSummary()
        return done

    def _wait(self, triggered: Sequence[tuple[bool, Any]]) -> Deferred[int]:
        """Wait for all, showing each as it ends; the worst result of those that matter.

        SKIPPED if nothing of those that matter ran, as where all were collapsed.
        """

        def overall(ended: Sequence[int]) -> int:
            both = zip(triggered, ended, strict=True)
            results = [result for (unimportant, _), result in both if not unimportant]
            return worst_of(results, SKIPPED) if results else SUCCESS

        shown = [to_deferred(self._show_when_done(done)) for _, done in triggered]
        return gatherResults(shown).addCallback(overall)

    async def _show_when_done(self, done: Any) -> int:
        results, brids = await done
        if self._outcome.called:
            return int(results)  # this step has ended
        for brid in brids.values():
            self._ended_requests.add(brid)
            await self._show_builds(brid)
        self.updateSummary()
        return int(results)

    async def _show_builds(self, brid: int) -> None:
        """Link the last build that a request led to, with its result."""
        get = self.build.master.data.get
        builds = await get(("buildrequests", brid, "builds"))
        request = await get(("buildrequests", brid))
        if request is not None:
            self._results.append(request["results"])
        if not builds:
            return
        build = max(builds, key=lambda one: one["buildid"])
        builder = await get(("builders", build["builderid"]))
        url = self.build.url_of(build["builderid"], build["number"])
        result = statusToString(build["results"])
        await self.addURL(f"{result}: {builder['name']} #{build['number']}", url)

    def _let_go(self, triggered: Sequence[tuple[bool, Any]]) -> None:
        """Let the end of what nobody waits for pass by; a failure of it is logged."""
        for _, done in triggered:
            spawn(done, self.logger, "waiting for triggered builds")

    # -- texts

    def getCurrentSummary(self) -> Any:
        """Names what was triggered, and the results so far."""
        if not self.triggeredNames:
            return {"step": "running"}
        counts = {code: 0 for code in ALL_RESULTS}
        for result in self._results:
            counts[result] = counts.get(result, 0) + 1
        words = [
            f"{count} {statusToString(code, count)}" for code, count in counts.items() if count
        ]
        return {"step": ", ".join([f"triggered {', '.join(self.triggeredNames)}", *words])}

    def getResultSummary(self) -> Any:
        """The same at the end, or what kept it from triggering."""
        if self._problem is not None:
            return {"step": f"{self._problem} (exception)"}
        return self.getCurrentSummary()


def _plain(properties: Any) -> dict[str, Any]:
    """Name -> value, from a dict or a set of properties."""
    if properties is None:
        return {}
    if isinstance(properties, Properties):
        return {name: value for name, (value, _) in properties.asDict().items()}
    return dict(properties)
