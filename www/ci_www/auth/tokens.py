"""Signed tokens: JSON Web Tokens with HMAC-SHA256, the only kind we make or take."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

_HEADER = '{"alg":"HS256","typ":"JWT"}'
_LONGEST = 4096


def sign(claims: dict[str, Any], secret: bytes) -> str:
    """A token with these claims."""
    body = f"{_encode(_HEADER.encode())}.{_encode(json.dumps(claims).encode())}"
    return f"{body}.{_encode(_mac(body, secret))}"


def read(token: str, secret: bytes, now: float) -> dict[str, Any] | None:
    """The claims of a token; None if it is not ours, or its time ``exp`` is over."""
    if len(token) > _LONGEST or token.count(".") != 2:
        return None
    body, _, signature = token.rpartition(".")
    try:
        given = _decode(signature)
        header = json.loads(_decode(body.partition(".")[0]))
        claims = json.loads(_decode(body.partition(".")[2]))
    except (ValueError, binascii.Error):
        return None
    if not hmac.compare_digest(given, _mac(body, secret)):
        return None
    if not isinstance(header, dict) or header.get("alg") != "HS256":
        return None
    if not isinstance(claims, dict) or not isinstance(claims.get("exp"), int | float):
        return None
    return claims if claims["exp"] > now else None


def _mac(body: str, secret: bytes) -> bytes:
    return hmac.digest(secret, body.encode(), hashlib.sha256)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
