"""Tells a web server of builds."""

import base64
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from ci_common.aio import settle
from ci_common.jsontext import strict_json
from ci_master.data.faults import configFault
from ci_master.reporters.base import ReporterBase
from ci_master.reporters.deferring import deferring
from ci_master.reporters.generators.build import BuildStartEndStatusGenerator
from ci_master.reporters.message import MessageFormatterFunction
from ci_master.reporters.posting import Poster
from ci_master.reporters.sending import TryAgain, Undelivered

#: "Request Timeout", "Too Early", "Too Many Requests": like errors of the server, they may pass.
_LATER = (408, 425, 429)


class HttpStatusPush(ReporterBase):
    """Posts reports to a web server as JSON.

    Where nobody chose generators, these are the builds that begin and end. What cannot be
    delivered for want of a connection, or because the server failed, is tried again for three
    days. A report is sent at least once, and each time with the same ``Idempotency-Key``.

    :param serverUrl: the URL that reports are posted to.
    :type serverUrl: string or renderable
    :param auth: (user, password) for HTTP basic authentication; either may be a ``Secret``.
    :type auth: pair or None
    :param headers: further headers of the request; the values may be secrets.
    :type headers: dictionary or None
    :param verify: False accepts any certificate; a string is the path of a file with the
        certificates of trusted authorities; None trusts those of the system.
    :type verify: False, string or None
    :param cert: path of a file with the client's certificate and key, or a pair of two paths.
    :type cert: string, pair or None
    :param debug: accepted, and without effect.
    :type debug: any
    :param skip_encoding: accepted, and without effect.
    """

    name = "HttpStatusPush"

    _poster: Poster | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._taken: set[Any] = set()  # ids of reports of an event of which others were not taken
        super().__init__(*args, **kwargs)

    def checkConfig(
        self,
        serverUrl: Any,
        auth: Any = None,
        headers: Any = None,
        debug: Any = None,
        verify: Any = None,
        cert: Any = None,
        skip_encoding: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Check the arguments."""
        me = type(self).__name__
        if isinstance(serverUrl, str) and not serverUrl.startswith(("http://", "https://")):
            configFault(
                f"serverUrl of {me} is {serverUrl!r}, which is no URL of a web server",
                "write serverUrl='https://...'",
            )
        if isinstance(auth, list | tuple) and len(auth) != 2:
            configFault(f"auth of {me} has {len(auth)} parts", "write auth=('user', 'password')")
        if isinstance(auth, str):
            configFault(f"auth of {me} is a string", "write auth=('user', 'password')")
        if headers is not None and not isinstance(headers, Mapping):
            configFault(f"headers of {me} are {headers!r}", "write headers={'Name': 'value'}")
        super().checkConfig(generators=generators, **kwargs)

    def reconfigService(
        self,
        serverUrl: Any,
        auth: Any = None,
        headers: Any = None,
        debug: Any = None,
        verify: Any = None,
        cert: Any = None,
        skip_encoding: bool = False,
        generators: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Post there from now on."""
        self.serverUrl = serverUrl
        self.auth = auth
        self.headers = headers
        self._how = (verify, cert)
        return self._change(generators, kwargs)

    @deferring
    async def _change(self, generators: Any, more: dict[str, Any]) -> None:
        await settle(super().reconfigService(generators=generators, **more))
        await self._hang_up()

    def stopService(self) -> Deferred[Any]:
        """Stop; fires when no connection is left."""
        return super().stopService().addCallback(lambda _: self._hang_up())

    def _hang_up(self) -> Deferred[Any]:
        poster, self._poster = self._poster, None
        return maybeDeferred(lambda: None if poster is None else poster.close())

    def _create_default_generators(self) -> list[Any]:
        whole = MessageFormatterFunction(_build_of, "json")
        return [BuildStartEndStatusGenerator(start_formatter=whole, end_formatter=whole)]

    @deferring
    async def sendMessage(self, reports: list[dict[str, Any]]) -> None:
        """Post the body of each report; those that the server took before are left out."""
        for report in reports:
            if report.get("id") not in self._taken:
                await self.post(report["body"], report.get("id"))
                self._taken.add(report.get("id"))
        self._taken.difference_update(report.get("id") for report in reports)

    async def post(self, body: Any, report_id: str | None = None) -> None:
        """Post something as JSON.

        :param report_id: goes with it as ``Idempotency-Key``, so that the server can tell that it
            had it before.
        :raises TryAgain: if the server could not be reached, or failed.
        :raises Undelivered: if it refused it.
        """
        url, headers = await self._destination()
        if report_id is not None:
            headers["Idempotency-Key"] = f'"{report_id}"'
        text = strict_json(body, default=str).encode()
        if self._poster is None:
            self._poster = Poster(self.site.clock, *self._how)
        code, answer = await self._poster.post(url, text, headers)
        if not self.is_status_2xx(code):
            kind = TryAgain if code >= 500 or code in _LATER else Undelivered
            raise kind(f"{url} answered {code}: {answer[:300]}")

    async def _destination(self) -> tuple[str, dict[str, str]]:
        """Where to post to, and the headers; secrets are looked up each time, and may change."""
        render = self.site.render
        headers = {"Content-Type": "application/json"}
        for name, value in (self.headers or {}).items():
            headers[str(name)] = str(await render(value))
        auth = await render(self.auth)
        if auth:
            user, password = auth
            both = base64.b64encode(f"{user}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {both}"
        return str(await render(self.serverUrl)), headers

    def is_status_2xx(self, code: int) -> bool:
        """Whether the server took it."""
        return code // 100 == 2


def _build_of(context: Mapping[str, Any]) -> Any:
    return context["build"]
