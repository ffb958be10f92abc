"""The base of everything that is made in ``master.cfg`` and then runs: schedulers, change
sources, workers, reporters and users' own services.

What is made there records its arguments and reports its faults, and does nothing else. It
starts to run when the app hands it a :class:`Site`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ci_common.aio import call_override, to_deferred, within
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded, accumulated
from ci_master.events.bus import Bus

if TYPE_CHECKING:  # SQLAlchemy is slow to import, and checking a configuration needs none of it
    from ci_master.storage.store import Store


#: Seconds that a method of a user's service may take to start it, to stop it, or to take over its
#: arguments. ``ci-master reconfig`` waits for a minute.
ANSWER_S = 40.0


@dataclass
class Site:
    """What a running service may use: handed in by the app, never reached for."""

    data: Any  # ci_master.data.data.Data
    bus: Bus
    clock: IReactorTime
    store: "Store"
    master: Any  # the public facade for users' code
    in_thread: Callable[..., Deferred[Any]]
    render: Callable[[Any], Awaitable[Any]]
    pb: Any  # ci_master.wire's registry of PB ports
    basedir: str
    config: Any  # the running configuration
    #: where programs that run on the master are written down, see ci_common.processes.records
    records: Any = None


def _given(result: Any) -> Any:
    return result


class BuildbotService(Recorded, MultiService):
    """A named service whose arguments can be compared and changed while it runs.

    :param name: the name, unique among services of its kind; some classes choose one.
    """

    #: The default of the ``name`` argument.
    name: Any = None
    #: Names of arguments that may be secrets: ``reconfigService`` gets their values.
    secrets: Sequence[str] = ()
    #: Higher ones are reconfigured first.
    reconfig_priority = 128
    #: Under which class name :meth:`setState` files its values; default: the class's own.
    state_class_name: str | None = None

    site: Site

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        MultiService.__init__(self)
        name = kwargs.pop("name", None)
        if name is not None:
            self.name = name
        if self.name is None:
            configFault(f"{type(self).__name__} has no name", "give it one: name='...'")
            self.name = type(self).__name__
        self.service_args = args
        self.service_kwargs = kwargs
        self._finished_check: Any = self.checkConfig(*args, **kwargs)

    def checkConfig(self, *args: Any, **kwargs: Any) -> Any:
        """Report what is wrong with the arguments, by ``configFault``."""

    def reconfigService(self, *args: Any, **kwargs: Any) -> Any:
        """Take over the arguments: before the start, and whenever they have changed."""

    def ports_of(self, config: Any) -> list[str]:
        """The ports that this service opens by the site's registry under a configuration.

        They are checked with the file, and taken before anything is changed by a reload.
        """
        return []

    def canReconfigWithSibling(self, sibling: Any) -> bool:
        """Whether this running service can take over the arguments of ``sibling``."""
        return type(self) is type(sibling)

    def getConfigDict(self) -> dict[str, Any]:
        """The service as plain data."""
        return {
            "name": self.name,
            "class": f"{type(self).__module__}.{type(self).__name__}",
            "args": self.service_args,
            "kwargs": self.service_kwargs,
        }

    @property
    def master(self) -> Any:
        """The facade of the running master."""
        return self.site.master

    async def enter(self, site: Site) -> None:
        """Get the site, and take over the arguments for the first time."""
        self.site = site
        await self._reconfigure()

    async def start_below(self, parent: MultiService) -> None:
        """Become a child of a running service, which starts this one; wait until it has started.

        ``startService`` may be a coroutine or give a Deferred, in classes of users.
        """
        begun: list[Any] = []
        start = self.startService
        self.startService = lambda: begun.append(start())  # type: ignore[method-assign]
        try:
            await call_override(self.setServiceParent, parent)
        finally:
            del self.__dict__["startService"]
        for result in begun:
            await self.call_in_time(partial(_given, result))

    async def call_in_time(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method that users may have written, and wait for its end, though not for ever.

        :raises TimeoutError: if it takes longer than :data:`ANSWER_S`.
        """
        return await within(self.site.clock, ANSWER_S, call_override(method, *args, **kwargs))

    def snapshot(self) -> Any:
        """What :meth:`take_over` needs to have this service as it is now."""
        names = (
            "service_args",
            "service_kwargs",
            "recorded_args",
            "recorded_kwargs",
            "config_where",
        )
        return SimpleNamespace(name=self.name, **{name: getattr(self, name) for name in names})

    async def take_over(self, sibling: Any) -> None:
        """Take over the arguments of a service of the same name in a new configuration.

        :param sibling: that service, or a :meth:`snapshot` of this one.
        """
        self.service_args = sibling.service_args
        self.service_kwargs = sibling.service_kwargs
        self.recorded_args = sibling.recorded_args
        self.recorded_kwargs = sibling.recorded_kwargs
        self.config_where = sibling.config_where
        await self._reconfigure()

    async def _reconfigure(self) -> None:
        kwargs = dict(self.service_kwargs)
        for name in accumulated(type(self), "secrets"):
            if name in kwargs:
                kwargs[name] = await self.site.render(kwargs[name])
        await self.call_in_time(self.reconfigService, *self.service_args, **kwargs)

    def renderSecrets(self, *values: Any) -> Deferred[Any]:
        """Render secrets and other renderables outside of a build.

        :returns: fires with the value, or with the list of values if several were given.
        """

        async def rendered() -> Any:
            found = [await self.site.render(value) for value in values]
            return found[0] if len(found) == 1 else found

        return to_deferred(rendered())

    # -- what is remembered between runs --------------------------------------------------

    def _state_key(self) -> tuple[str, str]:
        return self.name, self.state_class_name or type(self).__name__

    def getState(self, key: str, *default: Any) -> Deferred[Any]:
        """A remembered value.

        :raises KeyError: if there is none and no default was given.
        """
        return to_deferred(self.site.data.state.get(*self._state_key(), key, *default))

    def setState(self, key: str, value: Any) -> Deferred[None]:
        """Remember a JSON value under this service's name and class."""
        return to_deferred(self.site.data.state.set(*self._state_key(), key, value))


class ClusteredBuildbotService(BuildbotService):
    """A service that is active on one master at a time."""

    _active = False

    def isActive(self) -> bool:
        """Whether it is active on this master."""
        return self._active

    def activate(self) -> Any:
        """Begin the work: this master owns the service now."""

    def deactivate(self) -> Any:
        """End the work; wait for what is under way."""

    async def become_active(self) -> None:
        """Activate it, once."""
        if not self._active:
            self._active = True
            await self.call_in_time(self.activate)

    async def become_inactive(self) -> None:
        """Deactivate it, if it is active."""
        if self._active:
            self._active = False
            await self.call_in_time(self.deactivate)
