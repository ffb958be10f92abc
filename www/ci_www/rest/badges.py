"""``/badges/<builder>.svg``: the result of a builder's last build as a small picture."""

from html import escape
from typing import Any

from twisted.web.resource import Resource

from ci_common.results import statusToString
from ci_master.data.data import Data

_COLOURS = {
    "success": "#0b7a53",
    "warnings": "#8a5a00",
    "failure": "#c22f12",
    "exception": "#6a2fb0",
    "retry": "#0b6e8a",
    "skipped": "#5c6773",
    "cancelled": "#8a3d6b",
    "running": "#1257c9",
    "unknown": "#5c6773",
}
_CHARACTER_PX = 6.6
_PADDING_PX = 10


class Badges(Resource):
    """Badges by the builder's name."""

    isLeaf = True

    def __init__(self, data: Data) -> None:
        super().__init__()
        self._data = data

    def render_GET(self, request: Any) -> bytes:
        """A badge as SVG."""
        name = b"/".join(request.postpath).decode("utf-8", "replace")
        stem, dot, kind = name.rpartition(".")
        builder = self._data.builders.by_name.get(stem)
        if not dot or kind != "svg" or builder is None:
            request.setResponseCode(404)
            request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
            return b"there is no such badge\n"
        request.setHeader(b"Content-Type", b"image/svg+xml; charset=utf-8")
        request.setHeader(b"Cache-Control", b"no-cache")
        text = self._state(builder)
        left = (request.args.get(b"left_text") or [builder.name.encode()])[0]
        return badge(left.decode("utf-8", "replace")[:100], text, _COLOURS[text]).encode()

    def _state(self, builder: Any) -> str:
        running = self._data.builds.running.values()
        latest = builder.summary.latest
        if latest is not None:
            return statusToString(latest["results"])
        if any(build.builderid == builder.id for build in running):
            return "running"
        return "unknown"


def badge(left: str, right: str, colour: str) -> str:
    """A picture of two words."""
    left_px = round(len(left) * _CHARACTER_PX) + _PADDING_PX
    right_px = round(len(right) * _CHARACTER_PX) + _PADDING_PX
    label = escape(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left_px + right_px}" height="20"'
        f' role="img" aria-label="{label}"><title>{label}</title>'
        f'<rect width="{left_px}" height="20" fill="#3b434b"/>'
        f'<rect x="{left_px}" width="{right_px}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"'
        ' text-anchor="middle">'
        f'<text x="{left_px / 2}" y="14">{escape(left)}</text>'
        f'<text x="{left_px + right_px / 2}" y="14">{escape(right)}</text></g></svg>'
    )
