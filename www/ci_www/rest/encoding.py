"""JSON bodies: made in one pass, in slices off the reactor where they are long."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from ci_common.jsontext import strict_json

#: A list of more resources than this is encoded in a thread.
SLICE = 500
#: Shorter bodies are not worth compressing; longer ones are compressed in a thread.
WORTH_GZIP = 1400
LONG_BYTES = 64 * 1024

InThread = Callable[..., "Deferred[Any]"]


def compact(value: Any) -> bytes:
    """JSON for programs: sorted keys, no spaces."""
    return strict_json(value, separators=(",", ":"), sort_keys=True).encode()


def indented(value: Any) -> bytes:
    """JSON for people."""
    return strict_json(value, indent=2, sort_keys=True, separators=(", ", ": ")).encode()


def in_slices(plural: str, items: Sequence[Any], total: int) -> bytes:
    """The compact body of a long collection. Each slice lets other threads run."""
    slices = [compact(items[at : at + SLICE])[1:-1] for at in range(0, len(items), SLICE)]
    parts = {plural: b"[" + b",".join(slices) + b"]", "meta": compact({"total": total})}
    return (
        b"{" + b",".join(b'"%s":%s' % (name.encode(), parts[name]) for name in sorted(parts)) + b"}"
    )


def gzipped(body: bytes) -> bytes:
    """Compress fast rather than well."""
    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(body) + compressor.flush()


def accepts_gzip(request: Any) -> bool:
    """Whether the client takes gzip."""
    given = request.getHeader("accept-encoding") or ""
    return any(
        part.partition(";")[0].strip() == "gzip" and part.replace(" ", "").find(";q=0") < 0
        for part in given.split(",")
    )


async def send(request: Any, body: bytes, in_thread: InThread) -> None:
    """Answer with this body, compressed if that is worth it, and finish."""
    if len(body) >= WORTH_GZIP and accepts_gzip(request):
        short = len(body) < LONG_BYTES
        body = gzipped(body) if short else await in_thread(gzipped, body)
        request.setHeader(b"Content-Encoding", b"gzip")
        request.setHeader(b"Vary", b"Accept-Encoding")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    if not is_gone(request):
        if request.method != b"HEAD":
            request.write(body)
        request.finish()


def is_gone(request: Any) -> bool:
    """Whether nobody waits for the answer any more."""
    return bool(getattr(request, "_disconnected", False) or getattr(request, "finished", False))
