"""``/avatar``: a picture for a person, drawn here; nobody outside is asked."""

import hashlib
from html import escape
from typing import Any

from twisted.web.resource import Resource

from ci_common.numbers import whole_number

_COLOURS = ("#0b7a53", "#8a5a00", "#c22f12", "#6a2fb0", "#0b6e8a", "#8a3d6b", "#1257c9")
_LARGEST_PX = 512


class Avatar(Resource):
    """The initials of a name or mail address in a coloured square."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """The picture as SVG."""
        person = _first(request, b"username") or _first(request, b"email")
        size = whole_number(_first(request, b"size"))
        size = 32 if size is None else size
        request.setHeader(b"Content-Type", b"image/svg+xml; charset=utf-8")
        request.setHeader(b"Cache-Control", b"public, max-age=86400")
        return picture(person, min(max(size, 8), _LARGEST_PX)).encode()


def picture(person: str, size_px: int) -> str:
    """A square with somebody's initials."""
    words = [word for word in person.partition("@")[0].replace(".", " ").split() if word]
    initials = "".join(word[0] for word in words[:2]).upper() or "?"
    number = hashlib.sha256(person.lower().encode("utf-8", "replace")).digest()[0]
    colour = _COLOURS[number % len(_COLOURS)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size_px}" height="{size_px}"'
        f' viewBox="0 0 32 32"><rect width="32" height="32" fill="{colour}"/>'
        '<text x="16" y="21" fill="#fff" font-family="sans-serif" font-size="14"'
        f' text-anchor="middle">{escape(initials)}</text></svg>'
    )


def _first(request: Any, name: bytes) -> str:
    value: bytes = (request.args.get(name) or [b""])[0]
    return value.decode("utf-8", "replace")[:200]
