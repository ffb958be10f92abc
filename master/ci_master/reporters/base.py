"""The base of all reporters: has reports made of events, and sends them, none left out.

What reporters tell of (builds that begin and end, buildsets and requests that end, workers that
are missing) is stored together with what it tells of, in the outbox, and each reporter keeps a
cursor in storage: see :mod:`ci_master.reporters.feed`. So a report outlives a stop, a ``kill -9``
and a receiver that is away. It is sent at least once; a report that was sent twice has the same
``id`` both times. Other events are told of while the reporter runs, and as far as there is room.
"""

import hashlib
import json
import random
import uuid
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger

from ci_common.aio import call_override, settle
from ci_common.retry import retry_wait_s
from ci_master.data.faults import configFault
from ci_master.data.outbox import KEPT_S, KINDS, kind_of
from ci_master.data.service import BuildbotService
from ci_master.events.bus import Key, Message, Subscription
from ci_master.reporters.deferring import deferring
from ci_master.reporters.delivery import Delivery, Item
from ci_master.reporters.feed import Feed
from ci_master.reporters.interfaces import IReportGenerator
from ci_master.reporters.sending import Undelivered, may_pass

ENCODING = "utf-8"

#: So many events a reporter holds in memory; of the outbox it reads more when there is room.
MOST_WAITING = 1000
#: So many reports are under way side by side.
AT_ONCE = 8
#: When a reporter stops, a report under way gets so much time to end.
GRACE_S = 5.0
#: After a failure that may pass the next try comes within so many seconds at most.
LONGEST_WAIT_S = 120.0
#: A report that failed so often while the receiver took others is given up.
MOST_TRIES = 20
#: An event that is not stored is tried so often.
TRIES_UNSTORED = 5

#: Arguments with these words in their names are not looked at to recognise a reporter.
_SECRET = ("password", "passwd", "secret", "token", "auth", "key", "header")


class ReporterBase(BuildbotService):
    """Sends the reports that its generators make of events.

    A subclass overrides :meth:`sendMessage`, and usually ``_create_default_generators``. Events
    that concern one build request are reported in the order in which they happened.

    A report that could not be sent for a reason that may pass (``sendMessage`` raised
    :param generators: decide which events are reported; None stands for the generators that the
        class chooses.
    :type generators: list of generators or None
    :class:`~ci_master.reporters.sending.TryAgain`, or an error of the network) is tried again,
    after longer and longer waits, for three days at most. One that the receiver refuses
    (:class:`~ci_master.reporters.sending.Undelivered`) is dropped, and the log says so.

    :param name: default: the name of the class, and those of the generators.
    """

    log = Logger()
    name: Any = None

    generators: Sequence[Any] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._delivery: Delivery | None = None
        self._feed: Feed | None = None
        self._failures = 0  # in a row
        self._paused_until = 0.0
        self._took_at = 0.0  # when the receiver last took something
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
        """Listen no more; fires when the reports under way have ended. What waits is stored."""
        self._deafen()
        delivery, self._delivery = self._delivery, None
        feed, self._feed = self._feed, None
        stopped = maybeDeferred(super().stopService)
        if delivery is None or feed is None:
            return stopped
        feed.stop()
        closing = delivery.close(GRACE_S)

        def closed(_: object) -> None:
            feed.close()
            if delivery.held:
                self.log.warn(
                    "reporter {name} stops with {count} events not reported; they will be when "
                    "it runs again",
                    name=self.name,
                    count=delivery.held,
                )

        return stopped.addCallback(lambda _: closing).addCallback(closed)

    def sendMessage(self, reports: list[dict[str, Any]]) -> Any:
        """Send what the generators made of one event. To be overridden."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to send its reports")

    # -- events

    @property
    def reported_kinds(self) -> set[tuple[str, str]]:
        """The kinds of stored events that the generators want."""
        patterns = [tuple(key) for one in self.generators for key in one.wanted_event_keys]
        return {kind for kind in KINDS for pattern in patterns if _may_match(pattern, kind)}

    def _listen(self) -> None:
        self._deafen()
        outbox, clock = self.site.data.outbox, self.site.clock
        row = outbox.join(str(self.name), self._destination_hash(), self.reported_kinds)
        if self._delivery is None:
            self._delivery = Delivery(
                clock, self._attempt, self._told, most=MOST_WAITING, at_once=AT_ONCE
            )
            self._feed = Feed(outbox, row, self._delivery, clock, self._item_of)
        wanted = {tuple(k): None for one in self.generators for k in one.wanted_event_keys}
        # A pattern that is covered by another would have an event reported twice.
        for pattern in wanted:
            if kind_of(pattern) is None and not any(
                _covers(other, pattern) for other in wanted if other != pattern
            ):
                self._subscriptions.append(self.site.bus.subscribe(pattern, self._got_event))

    def _destination_hash(self) -> str:
        """What tells the receiver of the reports, so that a reporter is known by another name."""
        parts = {
            key: value
            for key, value in [*enumerate(self.service_args), *self.service_kwargs.items()]
            if key != "generators" and not any(word in str(key).lower() for word in _SECRET)
        }
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        text = json.dumps([kind, sorted((str(key), _plain(one)) for key, one in parts.items())])
        return hashlib.sha256(text.encode()).hexdigest()

    def _deafen(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.stop()

    def _item_of(self, event: Any) -> Item | None:
        """What is to be told of a stored event, if anything."""
        if not any(_wants(one, event.key) for one in self.generators):
            return None
        group = _group(event.key, event.message)
        return Item(event.id, event.key, event.message, event.at, group)

    def _got_event(self, key: Key, message: Message) -> None:
        """Tell of an event that is not stored."""
        if kind_of(key) is not None or self._delivery is None:
            return
        item = Item(None, key, message, self.site.clock.seconds(), _group(key, message))
        if not self._delivery.put(item):
            self.log.warn(
                "reporter {name} has {count} events waiting already: {event} is dropped",
                name=self.name,
                count=self._delivery.held,
                event=_in_words(key, message),
            )

    def _told(self, item: Item) -> None:
        if item.id is not None and self._feed is not None:
            self._feed.finished(item.id)

    async def _attempt(self, item: Item) -> float | None:
        """Tell of an event; gives the seconds until the next try, None if there is none."""
        event = _in_words(item.key, item.message)
        paused_s = self._paused_until - self.site.clock.seconds()
        if paused_s > 0:
            return paused_s
        try:
            reports = await self._reports_of(item)
            if reports:
                await call_override(self.sendMessage, reports)
        except CancelledError:
            self.log.warn(
                "reporter {name} was stopped before it had reported {event}",
                name=self.name,
                event=event,
            )
            raise
        except Exception as error:
            if may_pass(error):
                return self._next_try(item, event, error)
            if isinstance(error, Undelivered):
                refused = "reporter {name} could not report {event}: {error}"
                self.log.error(refused, name=self.name, event=event, error=error)
            else:
                broke = "reporter {name} failed to report {event}"
                self.log.failure(broke, name=self.name, event=event)
            return None
        if reports:
            self._took_at = self.site.clock.seconds()
            if self._failures:
                self._failures, self._paused_until = 0, 0.0
                self.log.info("reporter {name} works again", name=self.name)
        return None

    async def _reports_of(self, item: Item) -> list[dict[str, Any]]:
        reports = []
        for number, generator in enumerate(self.generators):
            if not _wants(generator, item.key):
                continue
            made = await settle(generator.generate(self.master, self, item.key, item.message))
            if made is not None:
                made.setdefault("id", self._report_id(item.key, number))
                reports.append(made)
        return reports

    def _report_id(self, key: Key, number: int) -> str:
        """The same for the same report, whenever it is made; another one for any other."""
        place = getattr(self.master.config, "buildbotURL", "")
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place}#{self.name}/{'/'.join(key)}/{number}"))

    def _next_try(self, item: Item, event: str, error: Exception) -> float | None:
        """After a failure that may pass: the seconds to wait, or None to give up."""
        now = self.site.clock.seconds()
        tries = item.tries = item.tries + 1
        hopeless = (
            now - item.at > KEPT_S
            or (tries >= MOST_TRIES and now - self._took_at < LONGEST_WAIT_S)
            or (item.id is None and tries >= TRIES_UNSTORED)
        )
        if hopeless:
            self.log.error(
                "reporter {name} could not report {event}: {error} (tried {tries} times)",
                name=self.name,
                event=event,
                error=error,
                tries=tries,
            )
            return None
        self._failures += 1
        if self._failures == 1:
            self.log.warn(
                "reporter {name} could not report {event} yet, and tries again: {error}",
                name=self.name,
                event=event,
                error=error,
            )
        if self._failures % AT_ONCE == 0:  # the receiver takes nothing at all: leave it in peace
            wait_s = retry_wait_s(self._failures // AT_ONCE + 1, random.random, LONGEST_WAIT_S)
            self._paused_until = now + wait_s
        # The first wait is below 2 s, the fourth below 16 s.
        return retry_wait_s(tries + 1, random.random, LONGEST_WAIT_S)


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


def _may_match(pattern: Sequence[str | None], kind: tuple[str, str]) -> bool:
    first, last = kind
    return len(pattern) == 3 and pattern[0] in (None, first) and pattern[2] in (None, last)


def _plain(value: Any) -> Any:
    """A value of the configuration as far as it is plain data."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return sorted((str(key), _plain(one)) for key, one in value.items())
    return value if value is None or isinstance(value, str | int | float) else ""


def _group(key: Key, message: Message) -> Hashable:
    """What must stay in order: events of one build request, else those of one thing."""
    request = message.get("buildrequestid")
    return key[:2] if request is None else request


def _in_words(key: Key, message: Message) -> str:
    """An event in words."""
    if "number" in message and "builderid" in message:
        what = f"build {message['number']} of builder {message['builderid']}"
        return f"{what} ({key[-1]})"
    return "/".join(key)
