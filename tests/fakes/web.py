"""A web server's inside without sockets: requests that are answered at once."""

import io
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from twisted.internet.defer import execute
from twisted.internet.task import Clock
from twisted.web.test.requesthelper import DummyRequest

from ci_master.data.builders import BuilderSpec
from ci_master.data.data import Data
from ci_master.events.bus import Bus
from ci_www.auth.policy import Policy
from ci_www.auth.sessions import Sessions
from ci_www.parts import WebParts
from tests.fakes.store import InstantStore

NOW = 1_700_000_000


class FakeRequest(DummyRequest):
    """A request for everything below a resource."""

    startedWriting = 0
    finished = 0
    _disconnected = False

    def __init__(
        self, site: Any, method: str, uri: str, *, headers: dict[str, str], body: bytes
    ) -> None:
        path, _, query = uri.encode().partition(b"?")
        super().__init__([unquote_to_bytes(one) for one in path.split(b"/")] if path else [])
        self.site = site
        self.method = method.encode()
        self.uri = uri.encode()
        self.args = parse_qs(query, keep_blank_values=True)
        form = headers.get("content-type") == "application/x-www-form-urlencoded"
        if form:
            self.args.update(parse_qs(body, keep_blank_values=True))
        self.content = io.BytesIO(body)
        self.cookies_in: dict[bytes, bytes] = {}
        self.cookies_out: dict[bytes, dict[str, Any]] = {}
        self.secure = False
        for name, value in headers.items():
            self.requestHeaders.setRawHeaders(name, [value])

    def getCookie(self, name: bytes) -> bytes | None:
        return self.cookies_in.get(name)

    def addCookie(self, name: bytes, value: bytes, **more: Any) -> None:
        self.cookies_out[name] = {"value": value, **more}

    def isSecure(self) -> bool:
        return self.secure

    def getUser(self) -> bytes:
        return b""

    def getPassword(self) -> bytes:
        return b""

    def setHeader(self, name: Any, value: Any) -> None:
        self.responseHeaders.setRawHeaders(name, [value])

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.responseCode or 200

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return b"".join(self.written)

    def header(self, name: str) -> str | None:
        """A header of the answer."""
        values = self.responseHeaders.getRawHeaders(name)
        return values[0] if values else None


class FakeWeb:
    """Data on an instant store, two builders and a worker, and what web resources are given."""

    def __init__(self, **www: Any) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.store = InstantStore()
        self.bus = Bus()
        self.data = Data(self.store, self.bus, self.clock)  # type: ignore[arg-type]  # as much of a store as is used
        self.www = {"allowed_origins": ["http://ci.example"], **www}
        self.config = SimpleNamespace(
            buildbotURL="http://ci.example/",
            title="T",
            titleURL="/",
            multiMaster=False,
            www=self.www,
        )
        self.force_schedulers: list[Any] = []
        self.parts = WebParts(
            data=self.data,
            bus=self.bus,
            clock=self.clock,
            config=self.config,
            in_thread=execute,
            force_schedulers=lambda: self.force_schedulers,
        )
        self.site = SimpleNamespace(
            logins=Sessions(b"secret", self.clock.seconds, timedelta(weeks=1)),
            policy=Policy(self.parts),
        )

    async def open(self) -> None:
        """Register the master and its builders."""
        await self.data.open("host:/m")
        await self.data.builders.sync(
            [BuilderSpec("linux", tags=["unix"]), BuilderSpec("mac", tags=["unix", "slow"])]
        )
        await self.data.workers.sync({"w1": [1], "w2": [1, 2]})

    def request(
        self,
        method: str = "GET",
        uri: str = "",
        *,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
    ) -> FakeRequest:
        """A request to this site."""
        return FakeRequest(self.site, method, uri, headers=headers or {}, body=body)

    def close(self) -> None:
        """Forget everything."""
        self.store.close()
