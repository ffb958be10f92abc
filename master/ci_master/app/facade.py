"""The ``master`` object that users' steps, services and configurations may touch.

It is thin: reading what there is, asking for actions, telling of changes, hearing of events.
Nothing of ours uses it; our own rooms are handed what they need.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from ci_common.aio import to_deferred
from ci_master.changes.intake import add_change
from ci_master.config.model import Config
from ci_master.data.changes import CHANGE
from ci_master.data.data import Data
from ci_master.data.endpoints.reader import Reader
from ci_master.data.views import Outcome, Views
from ci_master.events.bus import Bus, Key, Pattern, Subscription


class MasterFacade:
    """What users' code finds as ``self.master``."""

    config: Config
    data: "DataFacade"

    def __init__(
        self, basedir: str, reactor: Any, bus: Bus, render: Callable[..., Awaitable[Any]]
    ) -> None:
        self.basedir = basedir
        #: ``render(value, properties)`` fills in placeholders outside of builds.
        self.render = render
        self.reactor = reactor
        self.mq = EventsFacade(bus)
        self.name = ""
        self.masterid = 0

    def open(self, data: Data, config: Config) -> None:
        """Called once storage is open."""
        self.config = config
        self.data = DataFacade(data)
        self.masterid = data.master_id
        self.name = data.masters[data.master_id].name


class EventsFacade:
    """``master.mq``: events by routing key."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def startConsuming(
        self, callback: Callable[[Key, Any], object], filter: Pattern, persistent_name: Any = None
    ) -> Deferred["Consumer"]:
        """Call back for each event whose key matches; None in the filter matches any segment."""
        return succeed(Consumer(self._bus.subscribe(tuple(filter), callback)))

    def produce(self, routingKey: Sequence[Any], data: Mapping[str, Any]) -> None:
        """Tell an event of one's own."""
        self._bus.publish(tuple(str(part) for part in routingKey), data)

    def waitUntilEvent(
        self, filter: Pattern, check_callback: Callable[[], Any]
    ) -> Deferred[tuple[Key, Any]]:
        """Fires with the next event that matches, or at once if the check says so."""
        return to_deferred(self._wait(tuple(filter), check_callback))

    async def _wait(self, pattern: Pattern, check: Callable[[], Any]) -> Any:
        heard: Deferred[Any] = Deferred()

        def hear(key: Key, message: Any) -> None:
            if not heard.called:
                heard.callback((key, message))

        subscription = self._bus.subscribe(pattern, hear)
        try:
            answer = check()
            if isinstance(answer, Deferred):
                answer = await answer
            return None if answer else await heard
        finally:
            subscription.stop()


class Consumer:
    """What ``startConsuming`` gives."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def stopConsuming(self) -> None:
        """Hear no more."""
        self._subscription.stop()


class DataFacade:
    """``master.data``: resources by the paths of the REST API."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._reader = Reader(data)
        self._views = Views(data.store)
        self.updates = UpdatesFacade(data)

    def get(
        self,
        path: Sequence[Any],
        filters: Any = None,
        fields: Any = None,
        order: Any = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Deferred[Any]:
        """A resource as dict, a collection as list of dicts, None if there is none."""
        return to_deferred(
            self._reader.plain(
                path, filters=filters, fields=fields, order=order, limit=limit, offset=offset
            )
        )

    def outcome(self, buildid: int) -> Deferred[Outcome]:
        """What came of a build: what failed (``failure``, one line), and of which ``changes``."""
        return to_deferred(self._views.outcome(buildid))

    def build_before(self, buildid: int) -> Deferred[int | None]:
        """Id of the build that says how a build's branch was before it; None if there is none."""
        return to_deferred(self._views.build_before(buildid))

    def control(self, action: str, args: Mapping[str, Any], path: Sequence[Any]) -> Deferred[Any]:
        """Do something to a resource, as a POST to the same path would."""
        kind, key = str(path[0]), path[1]
        return to_deferred(self._data.actions.call(kind, key, action, args))


class UpdatesFacade:
    """``master.data.updates``: the acts that users' change sources and schedulers call."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def addChange(
        self,
        files: Sequence[str] | None = None,
        comments: str | None = None,
        author: str | None = None,
        committer: str | None = None,
        revision: str | None = None,
        when_timestamp: float | None = None,
        branch: str | None = None,
        category: Any = None,
        revlink: str | None = "",
        properties: Mapping[str, Any] | None = None,
        repository: str = "",
        codebase: str | None = None,
        project: str = "",
        src: str | None = None,
    ) -> Deferred[int]:
        """Store a change; fires with its id, or fails if a field cannot be stored."""
        fields = {
            "files": files,
            "comments": comments or "",
            "author": author or "",
            "committer": committer,
            "revision": revision,
            "when_timestamp": when_timestamp,
            "branch": branch,
            "category": None if callable(category) else category,
            "revlink": revlink,
            "properties": properties,
            "repository": repository,
            "codebase": codebase,
            "project": project,
            "src": src,
        }

        async def add() -> int:
            checked = CHANGE.check(fields)
            if callable(category):
                checked["category"] = category
            return await add_change(self._data, **checked)

        return to_deferred(add())
