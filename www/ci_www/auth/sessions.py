"""Sessions: who somebody is, in a signed cookie; nothing of it is kept on the server."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ci_master.data.data import Data
from ci_www.auth import tokens

_COOKIE = b"TWISTED_SESSION"
_SECURE_COOKIE = b"TWISTED_SECURE_SESSION"
_MASK_BYTES = 16
_ANONYMOUS = {"anonymous": True}

UserInfo = dict[str, Any]


async def session_secret(data: Data) -> bytes:
    """The key that cookies are signed with: made once, kept with the master's state."""
    known = await data.state.get("www", "WWWService", "session_secret", None)
    if known is None:
        known = secrets.token_hex(16)
        await data.state.set("www", "WWWService", "session_secret", known)
    return bytes.fromhex(known)


class Sessions:
    """Reads and writes session cookies.

    :param now: gives unix seconds.
    :param identify: who asks, where that is known without a cookie; None if it is not.
    :param path: below which the site is, so that its neighbours do not get its cookies.
    """

    def __init__(
        self,
        secret: bytes,
        now: Callable[[], float],
        lifetime: timedelta,
        *,
        identify: Callable[[Any], UserInfo | None] = lambda _request: None,
        path: Callable[[], str] = lambda: "/",
    ) -> None:
        self._secret = secret
        self._now = now
        self.lifetime = lifetime
        self._identify = identify
        self.path = path

    def claims(self, request: Any) -> dict[str, Any]:
        """What the request's cookie says; that of nobody if there is none that is valid."""
        known: dict[str, Any] | None = getattr(request, "_ci_session", None)
        if known is None:
            cookie = request.getCookie(_cookie_name(request))
            known = None if cookie is None else self._read(cookie.decode("latin-1"))
            if known is None:
                known = {"user_info": dict(_ANONYMOUS)}
            request._ci_session = known
        return known

    def _read(self, token: str) -> dict[str, Any] | None:
        claims = tokens.read(token, self._secret, self._now())
        if claims is None or not isinstance(claims.get("user_info"), dict):
            return None
        return claims

    def user_info(self, request: Any) -> UserInfo:
        """Who asks: at least ``anonymous`` or ``username``.

        What a web server before us says of it counts for this request alone: it does not go into
        the cookie, which would be believed from everywhere.
        """
        known: UserInfo | None = self._identify(request)
        info: UserInfo = self.claims(request)["user_info"] if known is None else known
        return info

    def begin(self, request: Any, user_info: UserInfo) -> None:
        """Start a new session for this user; its cookie goes out with the answer."""
        claims = {
            "user_info": user_info,
            "exp": int(self._now() + self.lifetime.total_seconds()),
            "sid": secrets.token_urlsafe(12),
        }
        request._ci_session = claims
        request.addCookie(
            _cookie_name(request),
            tokens.sign(claims, self._secret).encode(),
            path=self.path().encode(),
            httpOnly=True,
            secure=request.isSecure(),
            sameSite=b"lax",
            max_age=b"%d" % int(self.lifetime.total_seconds()),
        )

    # -- forms ----------------------------------------------------------------------------------

    def csrf_token(self, request: Any) -> str:
        """What a form of this session carries, in a new disguise each time.

        Begins a session if there is none.
        """
        if "sid" not in self.claims(request):
            self.begin(request, self.claims(request)["user_info"])
        mask = secrets.token_bytes(_MASK_BYTES)
        return base64.urlsafe_b64encode(mask + _xor(self._csrf(request), mask)).decode()

    def check_csrf(self, request: Any, token: str) -> bool:
        """Whether a form that came with this token was made for this session."""
        if "sid" not in self.claims(request):
            return False
        try:
            raw = base64.urlsafe_b64decode(token)
        except (ValueError, binascii.Error):
            return False
        if len(raw) != 2 * _MASK_BYTES:
            return False
        mask, masked = raw[:_MASK_BYTES], raw[_MASK_BYTES:]
        return hmac.compare_digest(_xor(masked, mask), self._csrf(request))

    def _csrf(self, request: Any) -> bytes:
        named = f"csrf:{self.claims(request)['sid']}".encode()
        return hmac.digest(self._secret, named, hashlib.sha256)[:_MASK_BYTES]


def _cookie_name(request: Any) -> bytes:
    return _SECURE_COOKIE if request.isSecure() else _COOKIE


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
