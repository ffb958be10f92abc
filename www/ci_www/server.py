"""The web server: what is where, who listens, what every answer carries."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource

from ci_common.aio import to_deferred
from ci_common.numbers import is_digits
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
from ci_www.site import LazyPages, WebSite

__all__ = ["WebParts", "WebServer"]

#: Connections that may wait to be accepted.
BACKLOG = 4096


class WebServer(Service):
    """Serves pages, ``/api``, live events and change hooks.

    :meth:`reconfigure` makes it listen; it may be called as often as the configuration changes.
    """

    name = "www"
    log = Logger()

    def __init__(self, site_parts: WebParts) -> None:
        self.parts = site_parts
        self.hub = Hub(site_parts.bus, site_parts.clock)
        self.reader = Reader(site_parts.data, lambda: site_parts.force_schedulers())
        self.site: WebSite | None = None
        self._port: Any = None  # IListeningPort
        self._listens_on: str | None = None

    @property
    def address(self) -> Any:
        """Where it listens; None if it does not."""
        return None if self._port is None else self._port.getHost()

    async def reconfigure(self, www: dict[str, Any]) -> None:
        """Take over ``c['www']``; listen anew only if the port is another one.

        ``parts.config`` is the new configuration already.

        :raises CannotListenError: if the port is taken; then nothing listens.
        """
        wanted = strports(www.get("port"))
        if self.site is None:
            self.hub.start()
            self.site = await self._make_site(www)
        else:
            self.site.reconfigure(www, self.parts.basedir)
            self.site.logins.lifetime = _lifetime(www)
        if wanted == self._listens_on:
            return
        await self._stop_listening()
        if wanted is None:
            return
        endpoint = serverFromString(self.parts.clock, wanted)
        self._port = await endpoint.listen(self.site)
        self._listens_on = wanted
        self.log.info("the web server listens on {address}", address=self._port.getHost())

    def stopService(self) -> "Deferred[Any]":
        """Listen no more, and close live connections."""
        super().stopService()
        self.hub.stop()
        return to_deferred(self._stop_listening())

    async def _stop_listening(self) -> None:
        port, self._port = self._port, None
        self._listens_on = None
        if port is not None:
            await maybeDeferred(port.stopListening)

    async def _make_site(self, www: dict[str, Any]) -> WebSite:
        proxies = Proxies(self.parts)
        sessions = Sessions(
            await session_secret(self.parts.data),
            self.parts.clock.seconds,
            _lifetime(www),
            identify=Identities(self.parts, proxies).of,
            path=lambda: proxies.prefix or "/",
        )
        site = WebSite(
            self._root(),
            self.parts.clock,
            sessions=sessions,
            policy=Policy(self.parts),
            hosts=Hosts(self.parts),
            proxies=proxies,
        )
        site.reconfigure(www, self.parts.basedir)
        return site

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
    text = str(port)
    if is_digits(text):
        text = f"tcp:{text}"
    if text.partition(":")[0] in ("tcp", "ssl", "tls") and "backlog=" not in text:
        text += f":backlog={BACKLOG}"
    return text


def _lifetime(www: dict[str, Any]) -> timedelta:
    given = www.get("cookie_expiration_time")
    return given if isinstance(given, timedelta) else timedelta(weeks=1)


def static_directory() -> Path:
    """Where the files are that pages load."""
    return Path(__file__).parent / "static"
