"""The pages as a web resource: routing, who looks, errors, headers, compression."""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from ci_common.aio import spawn
from ci_common.faults import Refused
from ci_master.data.views import Views
from ci_www import bodies
from ci_www.bodies import query_args
from ci_www.failures import log_failure
from ci_www.pages import routes
from ci_www.pages.access import Access
from ci_www.pages.assets import Assets
from ci_www.pages.lookup import Moved, nearest_pages
from ci_www.pages.missing import Problem, problem_page
from ci_www.pages.page import Answer, Ask, NotThere, Page, Raw, Redirect, Stream
from ci_www.pages.render import Renderer
from ci_www.pages.shell import make_shell
from ci_www.proxies import below

STATIC = Path(__file__).parent.parent / "static"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: Smaller answers are not worth compressing.
_WORTH_GZIP = 600


def make_pages(parts: Any) -> IResource:
    """All pages and their static files, as one resource for everything below ``/``."""
    return PageSite(parts, Views(parts.data.store))


@implementer(IResource)
class PageSite(Resource):
    """Every path that no other resource has taken."""

    isLeaf = True
    log = Logger()

    def __init__(
        self,
        parts: Any,
        views: Any,
        *,
        access: Access | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.views = views
        self.assets = Assets(STATIC)
        self.renderer = Renderer(self.assets)
        self._access = access or Access()
        self._now = clock or (parts.clock.seconds if parts.clock else time.time)

    def getChild(self, path: bytes, request: Any) -> IResource:
        """All paths are pages."""
        request.prepath.append(path)
        return self

    def render(self, request: Any) -> Any:
        """Answer a request."""
        path = request.path.decode("latin-1")
        if path.startswith("/static/"):
            return self._static(request, path[len("/static/") :])
        spawn(self._answer(request, path), self.log, f"page {path}")
        return NOT_DONE_YET

    # -- static files -------------------------------------------------------------------------

    def _static(self, request: Any, name: str) -> bytes:
        asset = self.assets.find(name)
        if asset is None:
            request.setResponseCode(404)
            return b"no such file\n"
        hashed = self.assets.is_hashed(name)
        kept = "public, max-age=31536000, immutable" if hashed else "no-cache"
        request.setHeader("Cache-Control", kept)
        request.setHeader("Content-Type", asset.content_type)
        request.setHeader("X-Content-Type-Options", "nosniff")
        request.setHeader("Vary", "Accept-Encoding")
        etag = f'"{asset.name}"'.encode()
        if request.setETag(etag):
            return b""
        if _accepts_gzip(request):
            request.setHeader("Content-Encoding", "gzip")
            return asset.gzipped
        return asset.body

    # -- pages --------------------------------------------------------------------------------

    async def _answer(self, request: Any, path: str) -> None:
        viewer = self._access.viewer(request)
        ask = Ask(
            parts=self.parts,
            views=self.views,
            viewer=viewer,
            now=self._now(),
            path=path,
            request=request,
            demand=lambda *what: self._access.demand(request, *what),
        )
        try:
            ask.args = _query(request)
            answer = await self._page(ask, request)
        except NotThere as missing:
            answer = problem_page(Problem(404, missing.what, missing.nearest))
        except Moved as moved:
            answer = Redirect(_moved(request, moved), 308)
        except Refused as refused:
            answer = problem_page(Problem(refused.status, refused.reason))
        except Exception:
            number = log_failure(self.log, f"page {path[:500]}")
            answer = problem_page(
                Problem(500, f"The server failed to make this page (request {number}).", retry=path)
            )
        try:
            await self._send(request, ask, answer)
        except Exception:
            request.processingFailed(Failure())  # says 500, or cuts off what was begun

    async def _page(self, ask: Ask, request: Any) -> Answer:
        method = request.method.decode("ascii", "replace")
        table = routes.POST if method == "POST" else routes.GET
        if method not in ("GET", "HEAD", "POST"):
            raise Refused(405, f"There is no {method} here.")
        path = ask.path.rstrip("/") or "/"
        for route, values in routes.find(table, path):
            if method == "POST":
                await bodies.read_form(request, self.parts.in_thread)
                ask.form = routes.read_form(request)
                self._access.check(request, (ask.form.get("csrf") or [""])[0])
            return await route.page(ask, **values)
        near = nearest_pages(ask.data, path)
        usual = [("overview", "/"), ("all builders", "/builders")]
        raise NotThere("There is no such page.", list(dict.fromkeys([*near, *usual])))

    async def _send(self, request: Any, ask: Ask, answer: Answer) -> None:
        if request._disconnected:
            return
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        if isinstance(answer, Redirect):
            request.setResponseCode(answer.code)
            request.setHeader("Location", _location(ask.prefix, answer.url))
            request.finish()
        elif isinstance(answer, Page):
            await self._send_page(request, ask, answer)
        elif isinstance(answer, Raw):
            request.setResponseCode(answer.status)
            for name, value in answer.headers:
                request.setHeader(name, value)
            await self._send_body(request, answer.body, answer.content_type)
        else:
            await self._send_stream(request, answer)

    async def _send_page(self, request: Any, ask: Ask, page: Page) -> None:
        shell = make_shell(self.parts.data, self.parts.config)
        wanted = [name for part in ask.args.get("region", []) for name in part.split(",") if name]
        if wanted:
            body = await self.parts.in_thread(
                self.renderer.regions, page, shell, ask.viewer, ask.now, wanted
            )
            if body is None:
                request.setResponseCode(404)
                body = b"no such region\n"
            else:
                request.setHeader("X-Seq", str(page.seq))
                request.setHeader("X-Version", self.renderer.version)
                request.setHeader("X-Topics", " ".join(page.topics))
        else:
            request.setResponseCode(page.status)
            body = await self.parts.in_thread(self.renderer.page, page, shell, ask.viewer, ask.now)
        if ask.prefix:
            body = await self.parts.in_thread(below, ask.prefix, body)
        request.setHeader("Cache-Control", "no-store" if page.status != 200 else "no-cache")
        await self._send_body(request, body, "text/html; charset=utf-8")

    async def _send_body(self, request: Any, body: bytes, content_type: str) -> None:
        request.setHeader("Content-Type", content_type)
        request.setHeader("Vary", "Accept-Encoding, Cookie")
        if len(body) >= _WORTH_GZIP and _accepts_gzip(request):
            body = await self.parts.in_thread(gzip.compress, body, 3)
            request.setHeader("Content-Encoding", "gzip")
        request.setHeader("Content-Length", str(len(body)))
        if request._disconnected:
            return
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    async def _send_stream(self, request: Any, answer: Stream) -> None:
        request.setHeader("Content-Type", answer.content_type)
        for name, value in answer.headers:
            request.setHeader(name, value)
        gate = Gate()
        request.registerProducer(gate, True)
        async for piece in answer.pieces():
            if request._disconnected:
                return
            request.write(piece)
            await gate.opened()
        request.unregisterProducer()
        if not request._disconnected:
            request.finish()


@implementer(IPushProducer)
class Gate:
    """Lets a sender wait while the browser does not read."""

    def __init__(self) -> None:
        self._waiting: Deferred[None] | None = None
        self._open = True

    def opened(self) -> "Deferred[None]":
        """Fires when more may be sent."""
        if self._open:
            return succeed(None)
        self._waiting = Deferred()
        return self._waiting

    def pauseProducing(self) -> None:
        """The transport has enough."""
        self._open = False

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self._open = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def stopProducing(self) -> None:
        """The browser is gone: whoever waits finds that out."""
        self.resumeProducing()


def _location(prefix: str, url: str) -> str:
    """An address to go to, as the browser needs it."""
    return prefix + url if url.startswith("/") and not url.startswith("//") else url


def _moved(request: Any, moved: Moved) -> str:
    path: str = request.path.decode("latin-1")
    path = path.replace(f"/{moved.segment}", f"/{quote(moved.better, safe='')}", 1)
    query: str = request.uri.partition(b"?")[2].decode("latin-1")
    return f"{path}?{query}" if query else path


def _query(request: Any) -> dict[str, list[str]]:
    return query_args(request.uri.partition(b"?")[2], 400)


def _accepts_gzip(request: Any) -> bool:
    given = request.getHeader("accept-encoding") or ""
    return any(
        part.partition(";")[0].strip() == "gzip" and "q=0" not in part.replace("q=0.", "")
        for part in given.split(",")
    )
