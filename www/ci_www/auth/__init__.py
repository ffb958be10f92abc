"""Who looks, and what they may do.

The functions here take a request of :class:`ci_www.server.WebSite`.
"""

from typing import Any

from ci_common.faults import Refused

__all__ = ["check_csrf", "csrf_token", "demand", "may", "user_of", "who"]


def who(request: Any) -> dict[str, Any]:
    """What the session says of the user: ``anonymous``, or ``username``, ``email``, ..."""
    info: dict[str, Any] = request.site.logins.user_info(request)
    return info


def user_of(request: Any) -> str | None:
    """Name of the user, None if nobody has signed in."""
    info = who(request)
    for key in ("email", "username", "full_name"):
        if info.get(key):
            return str(info[key])
    return None


def may(request: Any, action: str, kind: str = "", key: Any = None) -> bool:
    """Whether who asks may do it; see :meth:`ci_www.auth.policy.Policy.may`."""
    answer: bool = request.site.policy.may(who(request), action, kind, key)
    return answer


def demand(request: Any, action: str, kind: str = "", key: Any = None) -> None:
    """The same, raising Refused."""
    request.site.policy.demand(who(request), action, kind, key)


def csrf_token(request: Any) -> str:
    """What a form must carry to be taken."""
    token: str = request.site.logins.csrf_token(request)
    return token


def check_csrf(request: Any, token: str) -> None:
    """Take a form that carries this token.

    :raises Refused: if it was not made for this session, or was sent by another site.
    """
    origin = request.getHeader("origin")
    if origin and origin != "null" and not request.site.policy.origin_allowed(request, origin):
        raise Refused(403, "the form was sent by another site")
    if not request.site.logins.check_csrf(request, token):
        text = "the form is too old, or cookies are switched off; load it again"
        if request.isSecure() and not _encrypted(request):
            text += ". Cookies of this site are for https only: open it by https"
        raise Refused(403, text)


def _encrypted(request: Any) -> bool:
    """Whether the browser can be thought to have come by https, so that it kept the cookie."""
    origin = request.getHeader("origin") or request.getHeader("referer") or "https:"
    return bool(origin.lower().startswith("https:"))
