"""The base of schedulers: what they are told, and how they ask for builds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from ci_common.aio import call_override, spawn
from ci_master.builds.properties import Properties, needs_rendering, render_now
from ci_master.data.change import Change
from ci_master.data.service import ClusteredBuildbotService
from ci_master.events.bus import Subscription
from ci_master.schedulers import checks
from ci_master.schedulers.consumer import ChangeConsumer

__all__ = ["BaseScheduler", "ReconfigurableBaseScheduler", "as_properties", "may_overlap"]

#: What adding a buildset gives: its id and its requests by builder id. (None, {}): no builder
#: was left to build, so nothing was added.
Added = tuple[int | None, dict[int, int]]


def may_overlap(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``gotChange`` that may be called again before its last call is over."""
    method.may_overlap = True  # type: ignore[attr-defined]  # a mark on the function
    return method


class ReconfigurableBaseScheduler(ClusteredBuildbotService):
    """Something that asks for builds. It is active on one master at a time.

    :param builderNames: names of builders, or a renderable that gives them; it may use
        ``props.changes``, ``props.files`` and ``props.sourcestamps``.
    :param properties: properties of the builds; the values may be renderables.
    :param codebases: names of the codebases, or a dict of name -> defaults (repository,
        branch, revision).
    :param priority: of the build requests: an int, or a function of the builder names and the
        changes by codebase.
    """

    log = Logger()

    codebases: dict[str, dict[str, Any]] = {"": {}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._owned = False
        self._subscription: Subscription | None = None
        self._consumer: ChangeConsumer | None = None
        self._one_change = DeferredLock()
        self._under_way: set[Deferred[Any]] = set()
        #: REST dicts of changes that are going to be built, so that they need not be read.
        self._known_changes: dict[int, Mapping[str, Any]] = {}
        super().__init__(*args, **kwargs)

    # -- configuration ---------------------------------------------------------------------

    def checkConfig(self, *args: Any, **kwargs: Any) -> Any:
        """Check the common arguments: builderNames, properties, codebases, priority."""
        label = f"scheduler '{self.name}'"
        common = checks.take_common(label, args, kwargs)
        checks.check_builder_names(label, common["builderNames"])
        checks.check_properties(label, common["properties"])
        checks.check_codebases(label, common["codebases"])
        checks.check_priority(label, common["priority"])

    async def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take over the common arguments."""
        self._set_common(**checks.take_common("", args, kwargs))

    def _set_common(
        self, builderNames: Any, properties: Any, codebases: Any, priority: Any
    ) -> None:
        self.builderNames = builderNames
        self.properties = Properties()
        self.properties.update(properties or {}, "Scheduler")
        self.properties.setProperty("scheduler", self.name, "Scheduler")
        self._must_render = needs_rendering(dict(properties or {}))
        if codebases is None:
            codebases = {"": {}}
        elif not isinstance(codebases, Mapping):
            codebases = {name: {} for name in codebases}
        self.codebases = dict(codebases)
        self.priority = priority

    def listBuilderNames(self) -> Any:
        """The builder names as configured: a list, or a renderable."""
        return self.builderNames

    # -- being on --------------------------------------------------------------------------

    @property
    def schedulerid(self) -> int:
        """Its id in the database."""
        return int(self.site.data.schedulers.by_name[self.name].id)

    serviceid = objectid = schedulerid

    @property
    def enabled(self) -> bool:
        """Whether it is switched on. One that is off ignores everything."""
        site = getattr(self, "site", None)
        row = site.data.schedulers.by_name.get(self.name) if site is not None else None
        return row is None or bool(row.enabled)

    async def become_active(self) -> None:
        """This master owns the scheduler now: activate it, unless it is switched off."""
        self._owned = True
        if self.enabled:
            await super().become_active()

    async def become_inactive(self) -> None:
        """This master owns it no more."""
        self._owned = False
        await super().become_inactive()

    async def follow_enabled(self) -> None:
        """Follow the switch after somebody moved it."""
        if self._owned and self.enabled:
            await super().become_active()
        elif not self.enabled:
            await super().become_inactive()

    async def take_over(self, sibling: Any) -> None:
        """Take over new arguments: what runs by the old ones is stopped and started anew."""
        owned = self._owned
        await self.become_inactive()
        await super().take_over(sibling)
        if owned:
            await self.become_active()

    def activate(self) -> Any:
        """Begin to schedule."""

    async def deactivate(self) -> None:
        """End it; wait for what is under way."""
        self._stopConsumingChanges()
        for running in list(self._under_way):
            await running

    def _spawn(self, work: Any, doing: str) -> Deferred[Any]:
        """Start work that :meth:`deactivate` waits for; failures are logged."""
        running = spawn(work, self.log, f"{doing} (scheduler '{self.name}')")
        if not running.called:
            self._under_way.add(running)

            def over(result: Any) -> Any:
                self._under_way.discard(running)
                return result

            running.addCallback(over)
            ended: Deferred[Any] = Deferred()
            running.addCallback(lambda _: ended.callback(None))
            return ended
        return running

    # -- changes ---------------------------------------------------------------------------

    def startConsumingChanges(
        self,
        fileIsImportant: Callable[[Any], Any] | None = None,
        change_filter: Any = None,
        onlyImportant: bool = False,
    ) -> Deferred[None]:
        """Hear of new changes from now on, by :meth:`gotChange`."""
        self._consumer = ChangeConsumer(
            self.name,
            self._take_change,
            codebases=self.codebases,
            file_is_important=fileIsImportant,
            change_filter=change_filter,
            only_important=onlyImportant,
        )
        self._subscription = self.site.bus.subscribe(
            ("changes", None, "new"), self._consumer.listen
        )
        started: Deferred[None] = Deferred()
        started.callback(None)
        return started

    def _stopConsumingChanges(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.stop()

    def gotChange(self, change: Any, important: bool) -> Any:
        """Take a change. May be a coroutine, a generator or give a Deferred."""
        raise NotImplementedError

    def _take_change(self, change: Change, message: Mapping[str, Any], important: bool) -> None:
        assert change.number is not None
        self._known_changes[change.number] = message
        self._spawn(self._call_got_change(change, important), f"taking change {change.number}")

    async def _call_got_change(self, change: Any, important: bool) -> None:
        try:
            if getattr(type(self).gotChange, "may_overlap", False):
                await self.gotChange(change, important)
                return
            async with self._one_change:
                await call_override(self.gotChange, change, important)
        finally:
            self._forget_changes([change.number])

    def _forget_changes(self, changeids: Iterable[int]) -> None:
        """Free the memory of changes that need not be known any more."""
        keep = self._changes_to_keep()
        for changeid in changeids:
            if changeid not in keep:
                self._known_changes.pop(changeid, None)

    def _changes_to_keep(self) -> Iterable[int]:
        """Ids of changes that still wait to be built."""
        return ()

    def explain(self, change: Any) -> str:
        """What this scheduler does with a change, and why, in one sentence.

        :param change: a Change, or a REST dict of one.
        """
        if isinstance(change, Mapping):
            change = Change.from_json(change)
        label = f"Scheduler '{self.name}'"
        if not self.enabled:
            return f"{label} ignores change {change.number}: the scheduler is switched off."
        if self._consumer is None or self._subscription is None:
            return f"{label} ignores change {change.number}: it does not listen to changes."
        try:
            verdict = self._consumer.judge(change)
        except Exception as error:
            return f"{label} could not judge change {change.number}: {error!r}."
        if not verdict.taken:
            return f"{label} ignores change {change.number}: {verdict.why}."
        return f"{label} {self._effect_of(change, verdict.important)}."

    def _effect_of(self, change: Any, important: bool) -> str:
        """What comes of a change that is taken: a part of a sentence, for :meth:`explain`."""
        return f"takes change {change.number}"

    # -- asking for builds -----------------------------------------------------------------

    async def getCodebaseDict(self, codebase: str) -> dict[str, Any]:
        """What is built of a codebase that no change speaks of; KeyError if there is none."""
        return self.codebases[codebase]

    async def addBuildsetForSourceStampsWithDefaults(
        self,
        reason: str,
        sourcestamps: Sequence[Mapping[str, Any]] | None = None,
        waited_for: bool = False,
        properties: Any = None,
        builderNames: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Added:
        """Ask for builds of all codebases; what ``sourcestamps`` leaves out has its default."""
        given = {stamp.get("codebase", ""): stamp for stamp in sourcestamps or ()}
        for codebase in given.keys() - self.codebases.keys():
            self.log.info(
                "scheduler '{name}' leaves out the source stamp of codebase '{codebase}': it is "
                "none of the scheduler's",
                name=self.name,
                codebase=codebase,
            )
        stamps = []
        for codebase in self.codebases:
            stamps.append(await self._default_stamp(codebase) | dict(given.get(codebase, {})))
        return await self.addBuildsetForSourceStamps(
            sourcestamps=stamps,
            reason=reason,
            waited_for=waited_for,
            properties=properties,
            builderNames=builderNames,
            priority=priority,
            **kw,
        )

    async def _default_stamp(self, codebase: str) -> dict[str, Any]:
        default = await call_override(self.getCodebaseDict, codebase)
        return {
            "codebase": codebase,
            "repository": default.get("repository") or "",
            "branch": default.get("branch"),
            "revision": default.get("revision"),
            "project": default.get("project") or "",
        }

    async def addBuildsetForChanges(
        self,
        waited_for: bool = False,
        reason: str = "",
        external_idstring: str | None = None,
        changeids: Sequence[int] | None = None,
        builderNames: Any = None,
        properties: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Added:
        """Ask for builds of changes: per codebase of the last one."""
        changes = await self._get_changes(changeids or ())
        by_codebase: dict[str, list[Mapping[str, Any]]] = {}
        props = Properties()
        for change in changes:
            by_codebase.setdefault(change["codebase"], []).append(change)
            for name, (value, source) in change["properties"].items():
                props.setProperty(name, value, source)
        if properties:
            props.updateFromProperties(as_properties(properties))
        stamps: list[Any] = []
        for codebase in self.codebases:
            if codebase in by_codebase:
                stamps.append(by_codebase[codebase][-1]["sourcestamp"]["ssid"])
            else:
                stamps.append(await self._default_stamp(codebase))
        return await self._add_buildset(
            stamps,
            changes,
            by_codebase,
            waited_for=waited_for,
            reason=reason,
            external_idstring=external_idstring,
            builder_names=builderNames,
            properties=props,
            priority=priority,
            **kw,
        )

    async def addBuildsetForSourceStamps(
        self,
        waited_for: bool = False,
        sourcestamps: Sequence[Any] | None = None,
        reason: str = "",
        external_idstring: str | None = None,
        properties: Any = None,
        builderNames: Any = None,
        priority: int | None = None,
        **kw: Any,
    ) -> Added:
        """Ask for builds of exactly these source stamps: dicts, or ids of stored ones.

        :param properties: go before the scheduler's own.
        :returns: the buildset's id, and the request ids by builder id.
        """
        return await self._add_buildset(
            sourcestamps or (),
            [],
            {},
            waited_for=waited_for,
            reason=reason,
            external_idstring=external_idstring,
            builder_names=builderNames,
            properties=properties,
            priority=priority,
            **kw,
        )

    async def _add_buildset(
        self,
        stamps: Sequence[Any],
        changes: Sequence[Mapping[str, Any]],
        by_codebase: Mapping[str, Sequence[Mapping[str, Any]]],
        *,
        waited_for: bool,
        reason: str,
        external_idstring: str | None,
        builder_names: Any,
        properties: Any,
        priority: int | None,
        **kw: Any,
    ) -> Added:
        props = Properties()
        if changes:  # what the scheduler says holds against what a change says
            props.updateFromProperties(as_properties(properties))
            props.updateFromProperties(self.properties)
        else:
            props.updateFromProperties(self.properties)
            if properties:
                props.updateFromProperties(as_properties(properties))
        props.master = self.site.master
        props.sourcestamps = [stamp for stamp in stamps if isinstance(stamp, Mapping)]
        props.sourcestamps += [change["sourcestamp"] for change in changes]
        props.changes = list(changes)
        props.files = [name for change in changes for name in change["files"]]
        names = self.builderNames if builder_names is None else builder_names
        if not isinstance(names, list | tuple) or needs_rendering(names):
            names = render_now(names, props)
            names = await names if isinstance(names, Deferred) else names
        values = props.asDict()
        if self._must_render:
            rendered = render_now({key: value for key, (value, _) in values.items()}, props)
            rendered = await rendered if isinstance(rendered, Deferred) else rendered
            values = {key: (rendered[key], source) for key, (_, source) in values.items()}
        builder_ids = self._builder_ids(names)
        if not builder_ids:
            return None, {}
        if priority is None:
            priority = await self._priority(list(names), by_codebase)
        added: Added = await self.site.data.buildsets.add(
            builderids=builder_ids,
            sourcestamps=list(stamps),
            reason=reason,
            scheduler=self.name,
            properties=values,
            external_idstring=external_idstring,
            waited_for=waited_for,
            priority=priority,
            **kw,
        )
        return added

    async def _priority(self, names: list[str], by_codebase: Mapping[str, Any]) -> int:
        if callable(self.priority):
            return int(await call_override(self.priority, names, by_codebase))
        return self.priority or 0

    def _builder_ids(self, names: Iterable[str]) -> list[int]:
        known = self.site.data.builders.by_name
        ids = []
        for name in names:
            builder = known.get(name)
            if builder is not None:
                ids.append(builder.id)
            else:
                self.log.warn(
                    "scheduler '{name}' asks for builder '{builder}', which does not exist",
                    name=self.name,
                    builder=name,
                )
        return ids

    async def _get_changes(self, changeids: Sequence[int]) -> list[Mapping[str, Any]]:
        """REST dicts of changes, in the order of their ids; mostly from memory."""
        missing = [changeid for changeid in changeids if changeid not in self._known_changes]
        read = {}
        if missing:
            for change in await self.site.data.changes.get_many(missing):
                read[change["changeid"]] = change
        found = {**self._known_changes, **read}
        return [found[changeid] for changeid in sorted(set(changeids)) if changeid in found]


class BaseScheduler(ReconfigurableBaseScheduler):
    """The older form: arguments are stored by the subclass's own ``__init__``."""

    def __init__(
        self,
        name: str,
        builderNames: Any,
        properties: Mapping[str, Any] | None = None,
        codebases: Any = None,
        priority: Any = None,
    ) -> None:
        super().__init__(
            name=name,
            builderNames=builderNames,
            properties=properties,
            codebases=codebases,
            priority=priority,
        )
        self._set_common(builderNames, properties, codebases, priority)

    def canReconfigWithSibling(self, sibling: Any) -> bool:
        """Never: what its ``__init__`` stored cannot be taken over."""
        return False


def as_properties(properties: Any) -> Properties:
    """A Properties object from one, or from name -> (value, source)."""
    if isinstance(properties, Properties):
        return properties
    return Properties.fromDict(properties or {})
