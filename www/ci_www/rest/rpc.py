"""Actions: JSON-RPC 2.0 by POST on a resource."""

import json
from typing import Any

from twisted.logger import Logger

from ci_common.faults import Refused
from ci_master.data.actions import ForceRefused
from ci_master.data.arguments import MOST, BadArguments
from ci_master.data.endpoints.answers import NotFound
from ci_master.data.endpoints.reader import Reader
from ci_master.data.paths import SINGLE, Endpoint, InvalidPath, resolve
from ci_www.auth import demand, user_of
from ci_www.bodies import read_json
from ci_www.failures import failed, log_failure
from ci_www.parts import WebParts
from ci_www.rest import encoding

PARSE_ERROR, INVALID, NO_METHOD, BAD_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603

#: Plural of what can be acted on -> names of the arguments in its path that identify it.
_KEYS = {
    "buildrequests": ("buildrequestid",),
    "workers": ("workerid", "name"),
    "schedulers": ("schedulerid",),
    "forceschedulers": ("schedulername",),
}


class _Fault(Exception):
    def __init__(self, status: int, code: int, message: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Calls:
    """Carries out calls; what can be done is registered with the data room's actions."""

    log = Logger()

    def __init__(self, parts: WebParts, reader: Reader) -> None:
        self._parts = parts
        self._reader = reader

    async def answer(self, request: Any) -> None:
        """Do what a request asks for, and answer it."""
        request.setHeader(b"Content-Type", b"application/json")
        call: dict[str, Any] = {}
        try:
            call = await self._parse(request)
            result = await self._do(request, call)
            body = encoding.compact({"id": call["id"], "jsonrpc": "2.0", "result": result})
        except _Fault as fault:
            request.setResponseCode(fault.status)
            error: dict[str, Any] = {"jsonrpc": "2.0"}
            if call:
                error["id"] = call["id"]
            error["error"] = {"code": fault.code, "message": fault.message}
            body = json.dumps(error).encode()
        if not encoding.is_gone(request):
            request.setHeader(b"Content-Length", b"%d" % len(body))
            request.write(body)
            request.finish()

    async def _parse(self, request: Any) -> dict[str, Any]:
        """The call in a request's body."""
        given = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
        if given != "application/json":
            raise _Fault(400, INVALID, "Invalid content-type (use application/json)")
        try:
            return _checked(await read_json(request, self._parts.in_thread))
        except ValueError as error:
            raise _Fault(400, PARSE_ERROR, f"JSON parse error: {error}") from None

    async def _do(self, request: Any, call: dict[str, Any]) -> Any:
        segments = [segment.decode("utf-8", "replace") for segment in request.postpath]
        method, params = call["method"], call["params"]
        try:
            endpoint, args = resolve(segments)
            kind, key = await self._named(endpoint, args, segments, method)
            demand(request, method, kind, key)
            params["owner"] = _owner(request, params.get("owner"))
            return await self._parts.data.actions.call(kind, key, method, params)
        except (InvalidPath, NotFound) as error:
            raise _Fault(404, INVALID, str(error)) from None
        except BadArguments as refused:
            fields: Any = refused.errors if method == "force" else refused.reason
            raise _Fault(400, BAD_PARAMS, fields) from None
        except Refused as refused:
            code = NO_METHOD if refused.status == 501 else INVALID
            raise _Fault(refused.status, code, refused.reason) from None
        except ForceRefused as refused:
            raise _Fault(400, BAD_PARAMS, refused.errors) from None
        except Exception:
            number = log_failure(self.log, f"action {method[:100]!r}")
            raise _Fault(500, INTERNAL, failed(number)) from None

    async def _named(
        self, endpoint: Endpoint, args: dict[str, Any], segments: list[str], method: str
    ) -> tuple[str, Any]:
        """What kind of thing is meant, and its id or name."""
        if endpoint.kind == SINGLE:
            for name in _KEYS.get(endpoint.plural, ()):
                if name in args:
                    return endpoint.plural, args[name]
            if endpoint.plural == "builds":
                if "buildid" in args:
                    return "builds", args["buildid"]
                found = await self._reader.get(segments)
                assert found.item is not None
                return "builds", found.item["buildid"]
        raise Refused(501, f"action: {method} is not supported")


def _owner(request: Any, claimed: Any) -> Any:
    """Who asks: whom the login names; where there are no logins, whom the caller names."""
    signed_in = user_of(request)
    if signed_in is not None:
        return signed_in
    return ("" if request.site.policy.wants_names() else claimed) or "anonymous"


def _checked(call: Any) -> dict[str, Any]:
    """The call that a body's JSON is."""
    if isinstance(call, list):
        raise _Fault(400, INVALID, "JSONRPC batch requests are not supported")
    if not isinstance(call, dict):
        raise _Fault(400, INVALID, "JSONRPC root object must be an object")
    _check(call, "jsonrpc", str, "a string")
    _check(call, "method", str, "a string")
    # no fractions: they are not surely the same when they come back
    _check(call, "id", str | int | None, "a string, number, or null")
    if isinstance(call["id"], bool) or not _can_be_written(call["id"]):
        raise _Fault(400, INVALID, "'id' must be a string, number, or null")
    _check(call, "params", dict, "an object")
    if call["jsonrpc"] != "2.0":
        raise _Fault(400, INVALID, "only JSONRPC 2.0 is supported")
    return call


def _can_be_written(identifier: Any) -> bool:
    """Whether an answer can carry it: half of a surrogate pair is no text."""
    if isinstance(identifier, str):
        return identifier.isascii() or not any("\ud800" <= c <= "\udfff" for c in identifier)
    return identifier is None or abs(identifier) <= MOST


def _check(call: dict[str, Any], name: str, types: Any, words: str) -> None:
    if name not in call:
        raise _Fault(400, INVALID, f"missing key '{name}'")
    if not isinstance(call[name], types):
        raise _Fault(400, INVALID, f"'{name}' must be {words}")
