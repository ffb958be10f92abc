"""``/auth/login`` and ``/auth/logout``."""

from typing import Any

from twisted.web.resource import Resource

from ci_www.auth import who
from ci_www.parts import WebParts


class AuthPages(Resource):
    """Signing in and out. Without a configured login there is nothing to sign in to."""

    isLeaf = True

    def __init__(self, parts: WebParts) -> None:
        super().__init__()
        self._parts = parts

    def render_GET(self, request: Any) -> bytes:
        """Sign out, or say that nobody can sign in."""
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        if request.postpath == [b"logout"]:
            if not who(request).get("anonymous"):
                request.site.logins.begin(request, {"anonymous": True})
            request.redirect(self._parts.config.buildbotURL.encode())
            return b""
        if request.postpath == [b"login"]:
            request.setResponseCode(404)
            closed: str | None = request.site.policy.closed_because()
            if closed is None and request.site.policy.wants_names():
                closed = "The web server before this one does the login."
            text = closed or "This site has no logins: everybody may do everything."
            return f"{text}\n".encode()
        request.setResponseCode(404)
        return b"there is nothing here\n"
