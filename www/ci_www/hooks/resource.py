"""``/change_hook/<dialect>``: the answer comes when the changes are stored."""

import re
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ci_common.aio import call_override, settle, spawn
from ci_common.faults import Refused
from ci_master.data.changes import CHANGE
from ci_www.bodies import read_form
from ci_www.failures import failed, log_failure
from ci_www.hooks.dialects import DIALECTS
from ci_www.parts import WebParts
from ci_www.rest.encoding import is_gone

_NAME = re.compile(r"\w+")

_LONGEST_ERROR = 1000
_MISSING = "The dialect '{}' is configured, but this version does not have it; it has: {}"
_UNKNOWN = "The dialect specified, '{}', wasn't whitelisted in change_hook"


class _Unreadable(Exception):
    """What a dialect says of a request that it cannot read."""


class ChangeHook(Resource):
    """Takes requests of all dialects that are configured."""

    isLeaf = True
    log = Logger()

    def __init__(self, parts: WebParts) -> None:
        super().__init__()
        self._parts = parts
        self._made: dict[str, tuple[Any, Any]] = {}  # dialect -> its options and the object

    def render(self, request: Any) -> int:
        """Take a request; which methods, the dialect says."""
        spawn(self._answer(request), self.log, "answering a change hook")
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        status, text = 200, "no change found"
        try:
            await self._check_password(request)
            dialect = self._dialect(request)
            self._check_method(request, dialect)
            self._check_origin(request)
            count = await self._take(request, dialect)
            if count:
                text = f"{count} change found"
        except Refused as refused:
            status, text = refused.status, refused.reason
            if status == 401:
                request.setHeader("WWW-Authenticate", 'Basic realm="change hooks"')
            elif status == 405:
                request.setHeader("Allow", "POST")
        except _Unreadable as error:
            status, text = 400, str(error)
        except Exception:
            number = log_failure(self.log, f"change hook {request.uri.partition(b'?')[0][:500]!r}")
            status, text = 500, f"Error processing changes: {failed(number)}."
        if is_gone(request):
            return
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        body = text.encode("utf-8", "replace")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()

    def _check_method(self, request: Any, dialect: Any) -> None:
        """A change is posted. A page can make any browser GET an address."""
        name = request.postpath[0] if request.postpath else b""
        default = ("POST", "GET") if name == b"poller" else ("POST",)
        method = request.method.decode("latin-1")
        if method not in getattr(dialect, "methods", default):
            raise Refused(405, f"a change hook takes POST, not {method[:20]}")

    def _check_origin(self, request: Any) -> None:
        """No page of another site tells of changes, in the name of who looks at it."""
        origin = request.getHeader("origin")
        foreign = bool(origin) and not request.site.policy.origin_allowed(request, origin)
        if foreign or (request.getHeader("sec-fetch-site") or "").lower() == "cross-site":
            raise Refused(403, "the request was sent by a page of another site")

    async def _take(self, request: Any, dialect: Any) -> int:
        try:
            await read_form(request, self._parts.in_thread)
            changes, kind = await call_override(dialect.getChanges, request)
        except ValueError as error:
            raise _Unreadable(str(error)[:_LONGEST_ERROR]) from error
        checked = [CHANGE.check({**change, "src": change.get("src") or kind}) for change in changes]
        for fields in checked:
            await self._parts.data.changes.add(**{"author": "", "comments": "", **fields})
        return len(checked)

    def _dialect(self, request: Any) -> Any:
        path = [segment.decode("utf-8", "replace") for segment in request.postpath]
        name = path[0] if path and path[0] else "base"
        configured = self._parts.www.get("change_hook_dialects") or {}
        if not _NAME.fullmatch(name) or name not in configured:
            raise _Unreadable(_UNKNOWN.format(name[:100]))
        options = configured[name]
        if name not in self._made or self._made[name][0] is not options:
            self._made[name] = (options, self._make(name, options))
        return self._made[name][1]

    def _make(self, name: str, options: Any) -> Any:
        maker = self._parts.change_hook_dialects.get(name) or DIALECTS.get(name)
        if isinstance(options, dict) and options.get("custom_class"):
            maker = options["custom_class"]
        if maker is None:
            known = sorted({*DIALECTS, *self._parts.change_hook_dialects})
            raise _Unreadable(_MISSING.format(name[:100], ", ".join(known)))
        return maker(self._parts, options)

    async def _check_password(self, request: Any) -> None:
        """Where ``change_hook_auth`` is configured, one of its checkers must know the sender."""
        checkers: list[ICredentialsChecker] = self._parts.www.get("change_hook_auth") or []
        if not checkers:
            return
        user, password = request.getUser(), request.getPassword()
        for checker in checkers:
            try:
                await settle(checker.requestAvatarId(UsernamePassword(user, password)))
                return
            except UnauthorizedLogin:
                continue
        raise Refused(401, "Unauthorized")
