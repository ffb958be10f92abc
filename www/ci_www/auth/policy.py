"""Who may do what: the one place that answers it, for pages, REST, live events and hooks."""

from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from ci_common.faults import Refused
from ci_www.auth.identity import RemoteUserAuth
from ci_www.parts import WebParts

_UNNAMED = (
    "nobody is signed in: this site learns names from the web server before it, and this request"
    " did not come through one that is in c['www']['trusted_proxies'], or had no name that fits"
)


class Policy:
    """Answers for one web server, from its configuration as it is now."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def may(self, user_info: dict[str, Any], action: str, kind: str = "", key: Any = None) -> bool:
        """Whether this user may do it.

        Everybody may look. Everybody may act, too, unless the configuration wants logins. Where
        the web server before this one does the login, those may act whom it names.

        :param action: ``get``, or the name of the action.
        :param kind: plural name of the resource's type.
        :param key: its id or name, if a single one is meant.
        """
        return action.lower() == "get" or self._refusal(user_info) is None

    def _refusal(self, user_info: dict[str, Any]) -> str | None:
        closed = self.closed_because()
        if closed is not None or not self.wants_names():
            return closed
        return _UNNAMED if user_info.get("anonymous") else None

    def wants_names(self) -> bool:
        """Whether only those may act whom the web server before this one names."""
        return isinstance(self._parts.www.get("auth"), RemoteUserAuth)

    def closed_because(self) -> str | None:
        """Why nobody may act on this site, whoever they are; None if somebody may."""
        for key in ("auth", "authz"):
            given = self._parts.www.get(key)
            if given is not None and not isinstance(given, RemoteUserAuth):
                return (
                    f"c['www']['{key}'] is configured, but this version has no logins:"
                    " nobody may act"
                )
        return None

    def demand(
        self, user_info: dict[str, Any], action: str, kind: str = "", key: Any = None
    ) -> None:
        """Let it pass, or say why not.

        :raises Refused: with status 403.
        """
        if not self.may(user_info, action, kind, key):
            raise Refused(403, self._refusal(user_info) or f"you may not {action} {kind}")

    def origin_allowed(self, request: Any, origin: str) -> bool:
        """Whether scripts of this origin may ask: those of our own, and of ``allowed_origins``."""
        lowered = origin.strip().lower()
        allowed = [*(self._parts.www.get("allowed_origins") or ()), _origin(self._parts.config)]
        if any(fnmatchcase(lowered, pattern.lower()) for pattern in allowed):
            return True
        host = (request.getHeader("host") or "").lower()  # it is one of ours: see ci_www.hosts
        return bool(host) and lowered in (f"http://{host}", f"https://{host}")


def _origin(config: Any) -> str:
    parts = urlsplit(config.buildbotURL)
    return f"{parts.scheme}://{parts.netloc}".lower()
