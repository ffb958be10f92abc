"""``/api`` and ``/config``: what programs and other user interfaces want to know of the site."""

import json
import platform
from typing import Any

import twisted
from twisted.web.resource import Resource

from ci_common.jsontext import strict_json
from ci_www.auth import who
from ci_www.parts import WebParts

_HIDDEN = (
    "allowed_hosts",
    "trusted_proxies",
    "change_hook_dialects",
    "change_hook_auth",
    "custom_templates_dir",
)


class ApiVersions(Resource):
    """``/api``: which versions of the API there are."""

    def __init__(self, parts: WebParts) -> None:
        super().__init__()
        self._parts = parts

    def render_GET(self, request: Any) -> bytes:
        """The versions and where they are."""
        request.setHeader(b"Content-Type", b"application/json")
        base = self._parts.config.buildbotURL
        return json.dumps({"api_versions": {"v2": f"{base}api/v2"}}).encode()


class SiteConfig(Resource):
    """``/config``: the web part of the configuration, without what is nobody's business."""

    isLeaf = True

    def __init__(self, parts: WebParts) -> None:
        super().__init__()
        self._parts = parts

    def render_GET(self, request: Any) -> bytes:
        """The configuration as JSON."""
        config = self._parts.config
        www = {
            key: value
            for key, value in config.www.items()
            if key not in _HIDDEN and value is not None
        }
        www["auth"] = _named(www.get("auth"), "NoAuth")
        www["authz"] = {}
        www["avatar_methods"] = _named(www.get("avatar_methods"), "initials")
        versions = [
            ["Python", platform.python_version()],
            ["Twisted", twisted.__version__],
            *(list(pair) for pair in www.get("versions") or []),
        ]
        body = {
            **www,
            "versions": versions,
            "buildbotURL": config.buildbotURL,
            "title": config.title,
            "titleURL": config.titleURL,
            "multiMaster": bool(config.multiMaster),
            "user": who(request),
        }
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Cache-Control", b"public,max-age=0")
        return strict_json(body, default=_unknown).encode()


def _named(value: Any, default: str) -> dict[str, str]:
    return {"name": getattr(value, "name", None) or (type(value).__name__ if value else default)}


def _unknown(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
