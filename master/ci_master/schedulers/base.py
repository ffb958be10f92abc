"""The base of schedulers: what they are told, and how they ask for builds."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from ci_common.aio import call_override, spawn
from ci_master.builds.properties import Properties, needs_rendering
from ci_master.data.change import Change
from ci_master.data.service import ClusteredBuildbotService
from ci_master.events.bus import Subscription
from ci_master.schedulers import checks
from ci_master.schedulers.asking import Added, AsksForBuilds, as_properties
from ci_master.schedulers.consumer import ChangeConsumer
from ci_master.schedulers.desk import ChangeDesk

__all__ = [
    "Added",
    "BaseScheduler",
    "ReconfigurableBaseScheduler",
    "as_properties",
    "may_overlap",
]


def may_overlap(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``gotChange`` that may be called again before its last call is over."""
    method.may_overlap = True  # type: ignore[attr-defined]  # a mark on the function
    return method


class ReconfigurableBaseScheduler(AsksForBuilds, ClusteredBuildbotService):
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._owned = False
        self._subscription: Subscription | None = None
        self._consumer: ChangeConsumer | None = None
        self._one_change = DeferredLock()
        self._under_way: set[Deferred[Any]] = set()
        self._known_changes = {}
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
        self._subscription = ChangeDesk.of(self.site).subscribe(self._consumer)
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

    def _take_change(
        self, change: Change, message: Mapping[str, Any], important: bool
    ) -> Deferred[Any]:
        assert change.number is not None
        self._known_changes[change.number] = message
        taking = self._call_got_change(change, important)
        return self._spawn(taking, f"taking change {change.number}")

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
