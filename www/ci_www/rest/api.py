"""``/api/v2`` as a web resource: GET, POST, OPTIONS; see :mod:`ci_master.data.endpoints`."""

import json
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ci_common.aio import spawn
from ci_common.faults import Refused
from ci_master.data.endpoints.answers import Attachment, LogLines, LogText, NotFound
from ci_master.data.endpoints.reader import Found, Reader
from ci_master.data.paths import RAW, InvalidPath
from ci_master.data.resultspec import BadQuery
from ci_www.auth import demand
from ci_www.bodies import query_args
from ci_www.failures import failed, log_failure
from ci_www.parts import WebParts
from ci_www.rest import encoding
from ci_www.rest.rawlog import LogStream
from ci_www.rest.rpc import Calls

_JSON = b"application/json; charset=utf-8"
_TEXT = b"text/plain; charset=utf-8"
_METHODS = (b"GET", b"HEAD", b"POST")


class Api(Resource):
    """Everything below ``/api/v2``."""

    isLeaf = True
    log = Logger()

    def __init__(self, parts: WebParts, reader: Reader) -> None:
        super().__init__()
        self._parts = parts
        self._reader = reader
        self._calls = Calls(parts, reader)
        self._kept: tuple[int, bytes] = (-1, b"")  # the list of builders, of this version

    def render(self, request: Any) -> int:
        """Answer one request; everything is written in the reactor."""
        work = self._calls.answer if request.method == b"POST" else self._answer
        spawn(self._guarded(request, work), self.log, "answering a REST request")
        return NOT_DONE_YET

    async def _guarded(self, request: Any, work: Callable[[Any], Awaitable[None]]) -> None:
        try:
            if not self._cross_origin(request):
                await work(request)
        except Refused as refused:
            self._send_error(request, refused.status, refused.reason)
        except (InvalidPath, NotFound) as error:
            self._send_error(request, 404, str(error))
        except BadQuery as error:
            self._send_error(request, 400, str(error))
        except Exception:
            number = log_failure(self.log, f"REST {request.method!r} {request.uri[:500]!r}")
            self._send_error(request, 500, failed(number))

    # -- other sites ------------------------------------------------------------------------------

    def _cross_origin(self, request: Any) -> bool:
        """Set what lets scripts of other sites read the answer; True if this was all to do."""
        origin = request.getHeader("origin")
        asked_before = request.method == b"OPTIONS"
        if origin:
            if not request.site.policy.origin_allowed(request, origin):
                raise Refused(400, "invalid origin")
            request.setHeader("Access-Control-Allow-Origin", origin.lower())
            request.setHeader("Access-Control-Allow-Headers", "Content-Type")
            request.setHeader("Access-Control-Max-Age", "3600")
            request.setHeader("Vary", "Origin")
            if asked_before:
                wanted = (request.getHeader("access-control-request-method") or "").encode()
                if wanted not in _METHODS:
                    raise Refused(400, "invalid method")
                request.setHeader(b"Content-Length", b"0")
                request.finish()
                return True
        if request.method not in _METHODS:
            raise Refused(400, "invalid HTTP method")
        return False

    # -- reading ----------------------------------------------------------------------------------

    async def _answer(self, request: Any) -> None:
        segments = [segment.decode("utf-8", "replace") for segment in request.postpath]
        as_json = "application/json" in (request.getHeader("accept") or "")
        query = request.uri.partition(b"?")[2]
        demand(request, "get", segments[0] if segments else "")
        if as_json and not query and segments == ["builders"]:
            body = await self._all_builders(segments)
        else:
            args = query_args(_with_values(query))
            found = await self._reader.ask(segments, args.items())
            if isinstance(found.raw, LogLines):
                request.setHeader(b"Content-Type", _JSON if as_json else _TEXT)
                await self._send_lines(request, found.raw, as_json)
                return
            if found.raw is not None:
                await self._send_raw(request, found)
                return
            body = await self._encoded(found, as_json)
        request.setHeader(b"Content-Type", _JSON if as_json else _TEXT)
        keep_s = self._parts.www.get("json_cache_seconds") or 0
        if keep_s:
            request.setHeader("Expires", formatdate(time.time() + keep_s, usegmt=True))
        await encoding.send(request, body, self._parts.in_thread)

    async def _all_builders(self, segments: list[str]) -> bytes:
        version = self._parts.data.builders.version
        if self._kept[0] != version:
            body = await self._encoded(await self._reader.ask(segments, []), True)
            self._kept = (version, body)
        return self._kept[1]

    async def _encoded(self, found: Found, as_json: bool) -> bytes:
        items = found.items
        is_long = items is not None and len(items) > encoding.SLICE
        if not is_long and found.endpoint.windowed:
            item = found.item or {}
            is_long = len(item.get("content", "")) > encoding.LONG_BYTES
        if not as_json:
            if is_long:
                body: bytes = await self._parts.in_thread(encoding.indented, found.as_json())
                return body
            return encoding.indented(found.as_json())
        if not is_long:
            return encoding.compact(found.as_json())
        if items is None:
            body = await self._parts.in_thread(encoding.compact, found.as_json())
            return body
        body = await self._parts.in_thread(
            encoding.in_slices, found.endpoint.plural, items, found.total
        )
        return body

    # -- bytes ------------------------------------------------------------------------------------

    async def _send_raw(self, request: Any, found: Found) -> None:
        raw = found.raw
        attached = found.endpoint.kind == RAW
        if isinstance(raw, Attachment):
            request.setHeader(b"Content-Type", b"application/octet-stream")
            request.setHeader("Content-Disposition", _attachment(raw.filename))
            await encoding.send(request, raw.content, self._parts.in_thread)
            return
        assert isinstance(raw, LogText)
        content_type = "text/html; charset=utf-8" if raw.html else "text/plain; charset=utf-8"
        request.setHeader("Content-Type", content_type)
        if raw.html:  # whatever a build printed must not act as one of our pages
            request.setHeader("Content-Security-Policy", "sandbox; default-src 'none'")
        if attached:
            request.setHeader("Content-Disposition", _attachment(raw.filename))
        if request.method == b"HEAD":
            request.finish()
            return
        await LogStream(request, self._reader.log_block, raw.logid).run(raw.head)

    async def _send_lines(self, request: Any, lines: LogLines, as_json: bool) -> None:
        """A long window of a log: the same JSON, made while it is sent."""
        if request.method == b"HEAD":
            request.finish()
            return
        chunk = {"content": "", "firstline": lines.first, "logid": lines.logid}
        body = {"logchunks": [chunk], "meta": {}}
        whole = encoding.compact(body) if as_json else encoding.indented(body)
        head, empty, tail = whole.partition(b'""')
        stream = LogStream(
            request,
            lambda logid, line: self._reader.log_lines(logid, line, lines.end, _inside_quotes),
            lines.logid,
        )
        await stream.run(head + empty[:1], empty[1:] + tail, first=lines.first)

    # -- errors -----------------------------------------------------------------------------------

    def _send_error(self, request: Any, status: int, text: str) -> None:
        if encoding.is_gone(request):
            return
        if request.startedWriting:  # too late to say anything: cut it off
            request.transport.abortConnection()
            return
        request.setResponseCode(status)
        request.setHeader(b"Content-Type", _TEXT)
        body = json.dumps({"error": text}).encode()
        request.setHeader(b"Content-Length", b"%d" % len(body))
        if request.method != b"HEAD":
            request.write(body)
        request.finish()


def _with_values(query: bytes) -> bytes:
    """The parameters of a query that have a value: what has no ``=`` is none."""
    return b"&".join(pair for pair in query.split(b"&") if b"=" in pair)


def _inside_quotes(text: str) -> bytes:
    return json.dumps(text).encode()[1:-1]


def _attachment(filename: str) -> str:
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "_-.+") else "_" for c in filename)
    if plain == filename:
        return f"attachment; filename={filename}"
    return f"attachment; filename={plain}; filename*=UTF-8''{quote(filename, safe='')}"
