"""Who may do what: the one place that answers it, for pages, REST, live events and hooks."""

from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from ci_common.faults import Refused
from ci_www.parts import WebParts


class Policy:
    """Answers for one web server, from its configuration as it is now."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def may(self, user_info: dict[str, Any], action: str, kind: str = "", key: Any = None) -> bool:
        """Whether this user may do it.

        Everybody may look. Everybody may act, too, unless the configuration wants logins: as
        there are none yet, nobody may then.

        :param action: ``get``, or the name of the action.
        :param kind: plural name of the resource's type.
        :param key: its id or name, if a single one is meant.
        """
        return action.lower() == "get" or self.closed_because() is None

    def closed_because(self) -> str | None:
        """Why nobody may act on this site; None if everybody may."""
        for key in ("auth", "authz"):
            if self._parts.www.get(key) is not None:
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
            raise Refused(403, self.closed_because() or f"you may not {action} {kind}")

    def origin_allowed(self, request: Any, origin: str) -> bool:
        """Whether scripts of this origin may ask: those of our own, and of ``allowed_origins``."""
        lowered = origin.strip().lower()
        allowed = self._parts.www.get("allowed_origins") or [_origin(self._parts.config)]
        if any(fnmatchcase(lowered, pattern.lower()) for pattern in allowed):
            return True
        host = (request.getHeader("host") or "").lower()  # it is one of ours: see ci_www.hosts
        return bool(host) and lowered in (f"http://{host}", f"https://{host}")


def _origin(config: Any) -> str:
    parts = urlsplit(config.buildbotURL)
    return f"{parts.scheme}://{parts.netloc}".lower()
