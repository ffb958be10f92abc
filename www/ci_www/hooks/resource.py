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
        """GET and POST alike."""
        spawn(self._answer(request), self.log, "answering a change hook")
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        status, text = 200, "no change found"
        try:
            await self._check_password(request)
            count = await self._take(request)
            if count:
                text = f"{count} change found"
        except Refused as refused:
            status, text = refused.status, refused.reason
            if status == 401:
                request.setHeader("WWW-Authenticate", 'Basic realm="change hooks"')
        except _Unreadable as error:
            status, text = 400, str(error)
        except Exception:
            number = log_failure(self.log, f"change hook {request.path[:500]!r}")
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

    async def _take(self, request: Any) -> int:
        try:
            dialect = self._dialect(request)
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
            raise ValueError(f"The dialect specified, '{name}', wasn't whitelisted in change_hook")
        options = configured[name]
        if name not in self._made or self._made[name][0] is not options:
            self._made[name] = (options, self._make(name, options))
        return self._made[name][1]

    def _make(self, name: str, options: Any) -> Any:
        maker = self._parts.change_hook_dialects.get(name) or DIALECTS.get(name)
        if isinstance(options, dict) and options.get("custom_class"):
            maker = options["custom_class"]
        if maker is None:
            raise ValueError(f"The dialect specified, '{name}', wasn't whitelisted in change_hook")
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
