"""The HTTP side of the web server: limits, headers of every answer, access log, failures."""

import contextlib
import importlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from ci_common.aio import spawn
from ci_common.daemonlog import RotatedLog
from ci_common.faults import Refused
from ci_common.limitedlog import LimitedLog
from ci_www.auth.policy import Policy
from ci_www.auth.sessions import Sessions
from ci_www.bodies import body_limit, url_encoded
from ci_www.channel import WebChannel
from ci_www.failures import log_failure
from ci_www.hosts import Hosts, Misdirected
from ci_www.hosts import page as host_page
from ci_www.parts import WebParts
from ci_www.proxies import Proxies, without_prefix

#: A request's body may have this size; forms with files are the longest.
BODY_BYTES = 32 * 1024 * 1024
#: Seconds without a byte after which a connection is closed.
IDLE_S = 60
#: Size at which the access log is rotated, and how many old ones are kept.
LOG_BYTES, LOG_FILES = 10_000_000, 10

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)

#: What every answer carries, unless its resource says otherwise.
HEADERS = (
    (b"Content-Security-Policy", CSP.encode()),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),
    (b"Permissions-Policy", b"camera=(), geolocation=(), microphone=()"),
)


class WebRequest(Request):
    """A request whose body is bounded, which is for us, and whose failure tells no secrets."""

    #: So much of the body has come.
    body_bytes = 0
    #: Where the connection comes from; ``client`` is who asks, which may be farther away.
    peer: Any = None
    _refused = False

    @property
    def _body_limit(self) -> int:
        channel: Any = self.channel
        path = channel.site.without_prefix(getattr(channel, "_path", b"/")).partition(b"?")[0]
        return min(BODY_BYTES, body_limit(path))

    def gotLength(self, length: int | None) -> None:
        """The length of the body is known, or it is sent in pieces (None)."""
        if length is not None and length > self._body_limit:
            super().gotLength(0)
            self._refuse_body()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body has come."""
        self.body_bytes += len(data)
        if self._refused:
            return
        if self.body_bytes > self._body_limit:
            self._refuse_body()
        else:
            super().handleContentChunk(data)

    def _refuse_body(self) -> None:
        self._refused = True
        transport: Any = self.channel.transport
        transport.write(
            b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        self.channel.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The whole request is here. What its body says is left to who wants it."""
        if self._refused:
            return
        channel: Any = self.channel
        site: Any = channel.site
        content: Any = self.content
        content.seek(0)
        target, path = _split_target(path)
        self.method, self.uri, self.clientproto = command, path, version
        path = site.without_prefix(path)
        self.path, _, query = path.partition(b"?")
        self.site = site
        self.peer = self.client
        if site.proxies is not None:
            self.client = site.proxies.client(self) or self.peer
        try:
            if not path.startswith(b"/") and path != b"*":
                raise Misdirected(400, "The address is not a path of this site.")
            if site.hosts is not None:
                site.hosts.check(self, target)
            found = url_encoded(query)
        except Misdirected as error:
            self._misdirected(error)
            return
        except Refused as refused:
            self._misdirected(Misdirected(refused.status, refused.reason))
            return
        self.args: dict[bytes, list[bytes]] = found
        self.process()

    def isSecure(self) -> bool:
        """Whether people came by https: to us, or to a web server before us."""
        channel: Any = self.channel
        proxies = getattr(channel.site, "proxies", None) if channel is not None else None
        return super().isSecure() or (proxies is not None and proxies.is_https(self))

    def _misdirected(self, error: Misdirected) -> None:
        """Answer what is not for us; what the path stands for is not looked at."""
        site: Any = self.site
        site.noise.warn(
            "{peer} asked for {uri}: {why}",
            peer=getattr(self.getClientAddress(), "host", "somebody"),
            uri=repr(self.uri[:200]),
            why=str(error),
        )
        self.setResponseCode(error.status, b"Misdirected Request" if error.status == 421 else None)
        if self.path.startswith((b"/api/", b"/change_hook")):
            kind, body = b"text/plain", json.dumps({"error": str(error)}).encode()
        elif b"text/html" in (self.getHeader(b"accept") or b""):
            kind, body = b"text/html", host_page(error)
        else:
            kind, body = b"text/plain", f"{error}\n".encode()
        for name, value in HEADERS:
            self.responseHeaders.setRawHeaders(name, [value])
        self.setHeader(b"Content-Type", kind + b"; charset=utf-8")
        self.setHeader(b"Content-Length", b"%d" % len(body))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()

    def render(self, resrc: IResource) -> None:
        """Have a resource answer."""
        self.responseHeaders.removeHeader(b"server")
        for name, value in HEADERS:
            self.responseHeaders.setRawHeaders(name, [value])
        super().render(_HeadOnly(resrc) if self.method == b"HEAD" else resrc)

    def processingFailed(self, reason: Any) -> None:
        """A resource raised something: log it, and tell the client under which number."""
        number = log_failure(self._log, f"{self.method!r} {self.uri[:500]!r}", reason)
        if self.finished or self._disconnected:
            return
        if self.startedWriting:
            transport: Any = self.transport
            transport.abortConnection()
            return
        body = f"<!doctype html><title>Error</title><h1>The server failed</h1><p>Request {number}."
        self.setResponseCode(500)
        self.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body.encode())
        self.finish()


@implementer(IResource)
class _HeadOnly:
    """A resource without its body: Twisted logs a line for each body that it leaves out."""

    isLeaf = True

    def __init__(self, resource: IResource) -> None:
        self._resource = resource

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        """It is asked for no child."""
        return self._resource

    def putChild(self, path: bytes, child: IResource) -> None:
        """It takes none."""
        raise NotImplementedError

    def render(self, request: Any) -> Any:
        """Answer with the length of the body only."""
        body: Any = self._resource.render(request)
        if isinstance(body, bytes):
            request.setHeader(b"Content-Length", b"%d" % len(body))
            return b""
        return body


def _split_target(target: bytes) -> tuple[str | None, bytes]:
    """The host and the path of a request's target; the host is None if it names none.

    Proxies are asked by whole addresses (``GET http://host/path``), and may pass them on.
    """
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return None, target
    rest = found[2]
    return found[1].decode("latin-1"), rest if rest.startswith(b"/") else b"/" + rest


class WebSite(Site):
    """The site: also gives requests what they need to know who asks."""

    displayTracebacks = False
    noisy = False  # no lines in the log for the factory's start and stop
    protocol = WebChannel  # type: ignore[assignment]  # the default wraps the same for HTTP/2

    def __init__(
        self,
        root: IResource,
        reactor: Any,
        *,
        sessions: Sessions,
        policy: Policy,
        hosts: Hosts | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        super().__init__(root, requestFactory=WebRequest, timeout=IDLE_S, reactor=reactor)
        self.logins = sessions
        self.policy = policy
        #: Under which names the site answers; None: under all.
        self.hosts = hosts
        #: What is known of web servers before this one; None: there are none.
        self.proxies = proxies
        #: What strangers send is told here, a few lines a minute.
        self.noise = LimitedLog(Logger(), reactor.seconds)
        self._access_log: AccessLog | None = None

    def open_log(self, www: Mapping[str, Any], basedir: str) -> "AccessLog | None":
        """The access log of a configuration; the one that is written already, if that is meant.

        :raises OSError: if it cannot be opened.
        """
        name = www.get("logfileName")
        if not name:
            return None
        settings = (
            os.path.join(basedir, name),
            www.get("logRotateLength") or LOG_BYTES,
            www.get("maxRotatedFiles") or LOG_FILES,
        )
        written = self._access_log
        if written is not None and written.settings == settings and os.path.exists(settings[0]):
            return written
        return AccessLog(settings)

    @property
    def access_log(self) -> "AccessLog | None":
        """The access log that is written; None if there is none."""
        return self._access_log

    def write_log(self, access_log: "AccessLog | None") -> "AccessLog | None":
        """Write this access log from now on; gives the former one, which stays open."""
        former, self._access_log = self._access_log, access_log
        return former

    def without_prefix(self, path: bytes) -> bytes:
        """The path of a request as the site knows it, see :mod:`ci_www.proxies`."""
        return path if self.proxies is None else without_prefix(path, self.proxies.prefix.encode())

    def startFactory(self) -> None:
        """Somebody listens for us."""
        super().startFactory()
        self.logFile = None  # ours is opened by reconfigure()

    def stopFactory(self) -> None:
        """Nobody listens for us any more."""
        self.logFile = None
        super().stopFactory()

    def log(self, request: Any) -> None:
        """Note an answered request in the access log."""
        if self._access_log is not None:
            line = self._logFormatter(self._logDateTime, request)
            self._access_log.write(line.encode("utf-8", "backslashreplace") + b"\n")


class AccessLog(RotatedLog):
    """The file in which answered requests are noted.

    :param settings: its name, the size at which it is rotated, and how many old ones are kept.
    :raises OSError: if it cannot be opened.
    """

    def __init__(self, settings: tuple[str, int, int]) -> None:
        path, size, count = self.settings = settings
        self.is_new = not os.path.lexists(path)
        super().__init__(
            os.path.basename(path),
            os.path.dirname(path) or ".",
            rotateLength=size,
            maxRotatedFiles=count,
        )

    def give_up(self) -> None:
        """Close it; if it was made by this, it goes."""
        self.close()
        if self.is_new:
            with contextlib.suppress(OSError):
                os.unlink(self.settings[0])


@implementer(IResource)
class LazyPages(Resource):
    """The pages, loaded in a thread when the first one is asked for."""

    isLeaf = True
    _log = Logger()

    def __init__(self, parts: WebParts) -> None:
        super().__init__()
        self._parts = parts
        self._pages: IResource | None = None

    def render(self, request: Any) -> Any:
        """Answer with a page."""
        if self._pages is not None:
            return self._pages.render(request)
        loaded: Deferred[Any] = spawn(self._load(), self._log, "loading the pages")
        loaded.addCallback(lambda _done: self._render(request))
        return NOT_DONE_YET

    async def _load(self) -> None:
        module = await self._parts.in_thread(importlib.import_module, "ci_www.pages.site")
        if self._pages is None:
            self._pages = module.make_pages(self._parts)

    def _render(self, request: Any) -> None:
        if request._disconnected:
            return
        if self._pages is None:
            request.setResponseCode(503)
            request.write(b"The pages could not be loaded.\n")
            request.finish()
            return
        request.render(self._pages)
