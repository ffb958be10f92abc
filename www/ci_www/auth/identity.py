"""Where a name comes from: what the web server before this one says of who asks.

``RemoteUserAuth`` is made in ``master.cfg``; it takes the name from a header. Whose headers are
believed, :mod:`ci_www.proxies` knows. Whoever wants to know who asks calls
:func:`ci_www.auth.who`, which asks here first, and the session's cookie after that.
"""

import re
from typing import Any

from twisted.logger import Logger

from ci_common.limitedlog import LimitedLog
from ci_master.data.faults import configFault
from ci_master.data.recorded import Recorded
from ci_www.parts import WebParts
from ci_www.proxies import Proxies

__all__ = ["Identities", "RemoteUserAuth"]

UserInfo = dict[str, Any]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST = 200


class RemoteUserAuth(Recorded):
    """Take the name of who asks from a header of the web server before the master.

    That server does the login. It must set the header in every request that it passes on, so that
    nobody else can. Its address must be in ``c['www']['trusted_proxies']``: the header is ignored
    in requests from other addresses.

    :param header: name of the header.
    :param headerRegex: regular expression that the whole value must match. Its named groups become
        what is known of the user; ``username`` is needed, ``email``, ``full_name`` and ``realm``
        may be there. The name that builds are forced under is ``email`` if there is one, else
        ``username``.
    :param userInfoProvider: not supported: leave it out.
    """

    name = "RemoteUserAuth"
    header = "REMOTE_USER"
    headerRegex = re.compile(r"(?P<username>[^ @]+)@(?P<realm>[^ @]+)")

    def __init__(
        self, header: Any = None, headerRegex: Any = None, userInfoProvider: Any = None
    ) -> None:
        if header is not None:
            self._take_header(header)
        if headerRegex is not None:
            self._take_regex(headerRegex)
        if userInfoProvider is not None:
            configFault(
                "RemoteUserAuth cannot look up more of a user: userInfoProvider is not supported",
                "leave it out, and take 'email' and 'full_name' from the header by headerRegex",
            )

    def _take_header(self, given: Any) -> None:
        text = given.decode("latin-1") if isinstance(given, bytes) else given
        if not isinstance(text, str) or not _HEADER_NAME.fullmatch(text):
            configFault(f"the header {given!r} is not the name of one", "write 'X-Remote-User'")
        else:
            self.header = text

    def _take_regex(self, given: Any) -> None:
        pattern = getattr(given, "pattern", given)
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        try:
            compiled = re.compile(text)
        except (TypeError, re.error) as error:
            configFault(f"the headerRegex {given!r} is not a regular expression: {error}")
            return
        if "username" not in compiled.groupindex:
            configFault(
                f"the headerRegex {text!r} has no group 'username'",
                "write r'(?P<username>.+)' if the whole header is the name",
            )
        else:
            self.headerRegex = compiled

    def user_info(self, value: str) -> UserInfo | None:
        """What a header of this value says of the user; None if it is not as it should be."""
        if len(value) > _LONGEST or not value.isprintable() or "\ufffd" in value:
            return None
        found = self.headerRegex.fullmatch(value)
        if found is None or not (found["username"] or "").strip():
            return None
        return {name: text for name, text in found.groupdict().items() if text}


class Identities:
    """Says who asks, where the configuration leaves that to the web server before the master."""

    def __init__(self, parts: WebParts, proxies: Proxies) -> None:
        self._parts = parts
        self._proxies = proxies
        self._noise = LimitedLog(Logger(), parts.clock.seconds)

    def of(self, request: Any) -> UserInfo | None:
        """Who asks; None if a request says nothing, or nothing that is to be believed."""
        auth = self._parts.www.get("auth")
        if not isinstance(auth, RemoteUserAuth):
            return None
        values = request.requestHeaders.getRawHeaders(auth.header.encode())
        if not values or not self._proxies.is_trusted(request.peer):
            return None
        value = values[0].decode("utf-8", "replace").strip()
        info = auth.user_info(value) if len(values) == 1 else None
        if info is None and value:
            self._noise.warn(
                "the header {header} of the web server before this one is {what}: nobody is signed"
                " in by it",
                header=auth.header,
                what="there several times" if len(values) > 1 else "not what headerRegex wants",
            )
        return info
