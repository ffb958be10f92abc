"""The base of all reporters: hears events, has reports made of them, and sends those."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger

from ci_common.aio import call_override, settle
from ci_master.data.faults import configFault
from ci_master.data.service import BuildbotService
from ci_master.events.bus import Key, Message, Subscription
from ci_master.reporters.deferring import deferring
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.lanes import Lanes
from ci_master.reporters.sending import Undelivered

ENCODING = "utf-8"

#: So many events may wait in a reporter whose receiver is slow.
MOST_WAITING = 1000
#: When a reporter stops, a report under way gets so much time to end.
GRACE_S = 5.0


class ReporterBase(BuildbotService):
    """Sends the reports that its generators make of events.

    A subclass overrides :meth:`sendMessage`, and usually ``_create_default_generators``. Events
    that concern one build request are reported in the order in which they happened.

    :param generators: what makes the reports; default: as the reporter's class says.
    :param name: default: the name of the class, and those of the generators.
    """

    log = Logger()
    name: Any = None

    generators: Sequence[Any] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lanes: Lanes | None = None
        self._subscriptions: list[Subscription] = []
        if kwargs.get("name") is None and self.name is None:
            self.name = self._made_up_name(kwargs.get("generators"))
        super().__init__(*args, **kwargs)

    def _made_up_name(self, generators: Any) -> str:
        if not isinstance(generators, list | tuple):
            generators = self._create_default_generators()
        known = [str(one.generate_name()) for one in generators if hasattr(one, "generate_name")]
        return "_".join([type(self).__name__, *known])

    def _create_default_generators(self) -> list[Any]:
        """The generators of a reporter that was given none."""
        return []

    def checkConfig(self, *args: Any, **kwargs: Any) -> Any:
        """Check the generators. Arguments that nobody knows are faults."""
        generators = args[0] if args else kwargs.pop("generators", None)
        for unknown in kwargs:
            configFault(
                f"{type(self).__name__} has no argument '{unknown}'", _where_it_went(unknown)
            )
        if generators is None:
            return
        if not isinstance(generators, list | tuple):
            configFault(
                f"the generators of {type(self).__name__} must be a list, not {generators!r}",
                "write generators=[reporters.BuildStatusGenerator(...)]",
            )
            return
        for generator in generators:
            if _makes_reports(generator):
                generator.check()
            else:
                configFault(
                    f"{generator!r} in the generators of {type(self).__name__} makes no reports",
                    "write one of reporters.BuildStatusGenerator(...) and the like",
                )

    def reconfigService(self, *args: Any, **kwargs: Any) -> Any:
        """Use these generators from now on."""
        return self._use_generators(args[0] if args else kwargs.get("generators"))

    @deferring
    async def _use_generators(self, generators: Any) -> None:
        chosen = self._create_default_generators() if generators is None else generators
        self.generators = list(chosen)
        if self.running:
            self._listen()

    def startService(self) -> Any:
        """Begin to listen."""
        self._listen()
        return super().startService()

    def stopService(self) -> Deferred[Any]:
        """Listen no more, and forget what waits; fires when the reports under way have ended."""
        self._deafen()
        lanes, self._lanes = self._lanes, None
        stopped = maybeDeferred(super().stopService)
        if lanes is None:
            return stopped
        closing = lanes.close(GRACE_S)
        return stopped.addCallback(lambda _: closing)

    def sendMessage(self, reports: list[dict[str, Any]]) -> Any:
        """Send what the generators made of one event. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to send its reports")

    # -- events

    def _listen(self) -> None:
        self._deafen()
        if self._lanes is None:
            self._lanes = Lanes(self.site.clock, f"reporter {self.name}", most=MOST_WAITING)
        wanted = {tuple(k): None for one in self.generators for k in one.wanted_event_keys}
        bus = self.site.bus
        # A pattern that is covered by another would have an event reported twice.
        for pattern in wanted:
            if not any(_covers(other, pattern) for other in wanted if other != pattern):
                self._subscriptions.append(bus.subscribe(pattern, self._got_event))

    def _deafen(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.stop()

    def _got_event(self, key: Key, message: Message) -> None:
        generators = [one for one in self.generators if _wants(one, key)]
        if generators and self._lanes is not None:
            self._lanes.put(_lane(key, message), lambda: self._report(generators, key, message))

    async def _report(self, generators: Sequence[Any], key: Key, message: Message) -> None:
        try:
            reports = []
            for generator in generators:
                made = await settle(generator.generate(self.master, self, key, message))
                if made is not None:
                    reports.append(made)
            if reports:
                await call_override(self.sendMessage, reports)
        except CancelledError:
            self.log.warn(
                "reporter {name} was stopped before it had reported {event}",
                name=self.name,
                event=_told(key, message),
            )
        except Undelivered as error:
            self.log.error(
                "reporter {name} could not report {event}: {error}",
                name=self.name,
                event=_told(key, message),
                error=error,
            )
        except Exception:
            self.log.failure(
                "reporter {name} failed to report {event}",
                name=self.name,
                event=_told(key, message),
            )


def _makes_reports(generator: Any) -> bool:
    return bool(IReportGenerator.providedBy(generator)) or all(
        hasattr(generator, name) for name in ("wanted_event_keys", "generate", "check")
    )


def _where_it_went(name: str) -> str:
    if name in ("mode", "tags", "builders", "schedulers", "branches", "subject", "addLogs"):
        name = {"addLogs": "add_logs"}.get(name, name)
        return f"it belongs to a generator: generators=[BuildStatusGenerator({name}=...)]"
    if name in ("messageFormatter", "format_fn", "wantProperties", "wantSteps"):
        return "write generators=[BuildStatusGenerator(message_formatter=...)]"
    return ""


def _matches(pattern: Iterable[str | None], key: Sequence[str | None]) -> bool:
    pattern = tuple(pattern)
    return len(pattern) == len(key) and all(
        want is None or want == have for want, have in zip(pattern, key, strict=True)
    )


def _covers(wider: tuple[str | None, ...], pattern: tuple[str | None, ...]) -> bool:
    return _matches(wider, pattern)


def _wants(generator: Any, key: Key) -> bool:
    return any(_matches(pattern, key) for pattern in generator.wanted_event_keys)


def _lane(key: Key, message: Message) -> Hashable:
    """What must stay in order: events of one build request, else those of one thing."""
    request = message.get("buildrequestid")
    return key[:2] if request is None else request


def _told(key: Key, message: Message) -> str:
    """An event in words."""
    if "number" in message and "builderid" in message:
        what = f"build {message['number']} of builder {message['builderid']}"
        return f"{what} ({key[-1]})"
    return "/".join(key)
