"""The web server: what is where, who listens, what every answer carries."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource

from ci_common.aio import to_deferred
from ci_common.endpoints import Unreadable, endpoint
from ci_common.listeners import Listeners, Listening
from ci_common.transition import Transition
from ci_master.data.endpoints.reader import Reader
from ci_www.auth.avatar import Avatar
from ci_www.auth.identity import Identities
from ci_www.auth.login import AuthPages
from ci_www.auth.policy import Policy
from ci_www.auth.sessions import Sessions, session_secret
from ci_www.hooks.resource import ChangeHook
from ci_www.hosts import Hosts
from ci_www.live.hub import Hub
from ci_www.live.sse import ServerSentEvents
from ci_www.live.upgrade import WebSocketUpgrade
from ci_www.parts import WebParts
from ci_www.proxies import Proxies
from ci_www.rest.api import Api
from ci_www.rest.badges import Badges
from ci_www.rest.siteinfo import ApiVersions, SiteConfig
from ci_www.site import AccessLog, LazyPages, WebSite

__all__ = ["WebParts", "WebServer"]

#: Connections that may wait to be accepted.
BACKLOG = 4096


class WebServer(Service):
    """Serves pages, ``/api``, live events and change hooks.

    :meth:`reconfigure` makes it listen; it may be called as often as the configuration changes.
    """

    name = "www"
    log = Logger()

    def __init__(self, site_parts: WebParts, listeners: Listeners | None = None) -> None:
        self.parts = site_parts
        self._listeners = listeners or Listeners(site_parts.clock, site_parts.basedir)
        self.hub = Hub(site_parts.bus, site_parts.clock)
        self.reader = Reader(site_parts.data, lambda: site_parts.force_schedulers())
        self.site: WebSite | None = None
        self._port: Listening | None = None
        self._listens_on: str | None = None
        self._log_file: AccessLog | None = None  # what was opened by prepare()

    @property
    def address(self) -> Any:
        """Where it listens; None if it does not."""
        return None if self._port is None else self._port.getHost()

    async def reconfigure(self, www: dict[str, Any]) -> None:
        """Take over ``c['www']``; listen anew only if the port is another one.

        ``parts.config`` is the new configuration already.

        :raises CannotListenError: if the port is taken; then all is as it was.
        :raises OSError: if the access log cannot be opened; likewise.
        """
        change = Transition()
        try:
            await self.prepare(www, change)
            await self.change(www, change)
        except BaseException:
            await change.roll_back()
            raise
        await change.finish()

    async def prepare(self, www: dict[str, Any], change: Transition) -> None:
        """Do what can fail of :meth:`change`, but for the port; nothing is served otherwise.

        :raises OSError: if the access log cannot be opened.
        """
        if self.site is None:
            self.site = await self._make_site(www)
            self.hub.start()
        access_log = self._log_file = self.site.open_log(www, self.parts.basedir)
        if access_log is not None and access_log is not self.site.access_log:
            change.undo_by("the access log", access_log.give_up)

    async def change(self, www: dict[str, Any], change: Transition) -> None:
        """Take over ``c['www']``, after :meth:`prepare`.

        :raises CannotListenError: if the port is taken.
        """
        site = self.site
        assert site is not None
        former_log = site.write_log(self._log_file)
        if former_log is not self._log_file:
            change.undo_by("the access log", lambda: site.write_log(former_log))
            if former_log is not None:
                change.finally_do("the former access log", former_log.close)
        lifetime = site.logins.lifetime
        change.undo_by("the logins", lambda: setattr(site.logins, "lifetime", lifetime))
        site.logins.lifetime = _lifetime(www)
        wanted = strports(www.get("port"))
        if wanted == self._listens_on:
            return
        former = self._port, self._listens_on
        change.undo_by("the port of the pages", lambda: self._serve(*former))
        port = None if wanted is None else await self._listeners.listen(wanted, site)
        self._serve(port, wanted)
        if port is not None:
            change.undo_by("the new port of the pages", port.stopListening)
            self.log.info("the web server listens on {address}", address=port.getHost())
        if former[0] is not None:
            change.finally_do("the former port of the pages", former[0].stopListening)

    def _serve(self, port: Listening | None, text: str | None) -> None:
        self._port, self._listens_on = port, text

    def stopService(self) -> "Deferred[Any]":
        """Listen no more, and close live connections."""
        super().stopService()
        self.hub.stop()
        return to_deferred(self._stop_listening())

    async def _stop_listening(self) -> None:
        port, self._port = self._port, None
        self._listens_on = None
        if port is not None:
            await port.stopListening()

    async def _make_site(self, www: dict[str, Any]) -> WebSite:
        proxies = Proxies(self.parts)
        sessions = Sessions(
            await session_secret(self.parts.data),
            self.parts.clock.seconds,
            _lifetime(www),
            identify=Identities(self.parts, proxies).of,
            path=lambda: proxies.prefix or "/",
        )
        return WebSite(
            self._root(),
            self.parts.clock,
            sessions=sessions,
            policy=Policy(self.parts),
            hosts=Hosts(self.parts),
            proxies=proxies,
        )

    def _root(self) -> Resource:
        parts, api = self.parts, Api(self.parts, self.reader)
        badges = Badges(parts.data)
        versions = ApiVersions(parts)
        versions.putChild(b"v2", api)
        versions.putChild(b"latest", api)
        plugins = Resource()
        plugins.putChild(b"badges", badges)
        children: dict[bytes, IResource] = {
            b"api": versions,
            b"ws": WebSocketUpgrade(self.hub, parts),
            b"sse": ServerSentEvents(self.hub),
            b"auth": AuthPages(parts),
            b"avatar": Avatar(),
            b"badges": badges,
            b"plugins": plugins,
            b"change_hook": ChangeHook(parts),
            b"config": SiteConfig(parts),
        }
        return _Root(children, LazyPages(parts))


class _Root(Resource):
    """What is not one of the named children is a page."""

    def __init__(self, children: dict[bytes, IResource], pages: IResource) -> None:
        super().__init__()
        for name, child in children.items():
            self.putChild(name, child)
        self._pages = pages

    def getChild(self, path: bytes, request: Any) -> IResource:
        return self._pages

    def getChildWithDefault(self, path: bytes, request: Any) -> IResource:
        # "/api" is ours, but "/api/" and what follows unknown names belongs to the pages
        if path == b"api" and not (request.postpath and request.postpath[0] in (b"v2", b"latest")):
            return self._pages if request.postpath else self.children[b"api"]
        child: IResource = super().getChildWithDefault(path, request)
        return child


def strports(port: Any) -> str | None:
    """The description of an endpoint, from what a configuration says of the port."""
    if port is None or port == "":
        return None
    try:
        found = endpoint(port)
    except Unreadable:
        return str(port)  # whoever listens there will say what is wrong with it
    if found.kind in ("tcp", "tcp6", "ssl", "tls"):
        found.arguments.setdefault("backlog", str(BACKLOG))
    return str(found)


def _lifetime(www: dict[str, Any]) -> timedelta:
    given = www.get("cookie_expiration_time")
    return given if isinstance(given, timedelta) else timedelta(weeks=1)


def static_directory() -> Path:
    """Where the files are that pages load."""
    return Path(__file__).parent / "static"
