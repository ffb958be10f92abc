"""Who looks, how they like it, and what they may do."""

from typing import Any
from zoneinfo import ZoneInfo

from ci_www import auth
from ci_www.pages.page import Viewer


class Access:
    """Who looks and what they may do, as :mod:`ci_www.auth` answers it."""

    def viewer(self, request: Any) -> Viewer:
        """Who looks, and how they like it."""
        return viewer_of_cookies(request, user=auth.user_of(request), csrf=auth.csrf_token(request))

    def check(self, request: Any, token: str) -> None:
        """Take a posted form.

        :raises Refused: if it was not made for this session.
        """
        auth.check_csrf(request, token)

    def demand(self, request: Any, action: str, kind: str, key: Any) -> None:
        """Let it pass.

        :raises Refused: if who asks may not do it.
        """
        auth.demand(request, action, kind, key)


def viewer_of_cookies(request: Any, *, user: str | None, csrf: str) -> Viewer:
    """The viewer's settings, from cookies; what is not understood is left at its default."""
    theme = (request.getCookie(b"theme") or b"").decode("ascii", "replace")
    zone_name = (request.getCookie(b"tz") or b"").decode("ascii", "replace")
    relative = request.getCookie(b"times") == b"relative"
    zone = zone_of(zone_name)
    return Viewer(
        user=user,
        theme=theme if theme in ("light", "dark") else "auto",
        zone=zone or ZoneInfo("UTC"),
        zone_name=zone_name if zone else "",
        relative=relative,
        csrf=csrf,
    )


_zones: dict[str, ZoneInfo | None] = {}


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, None if there is none."""
    name = name.replace("%2F", "/").replace("%2f", "/").replace("%2B", "+")
    if name not in _zones:
        if len(_zones) > 1000 or not name or len(name) > 64:
            return None
        try:
            _zones[name] = ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            _zones[name] = None
    return _zones[name]
