"""The key ``c['www']``: the web server, its logins and its incoming hooks."""

import re
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from ci_master.config.check import Check, did_you_mean
from ci_master.config.keys import origin_of
from ci_master.config.places import shown
from ci_www.auth.identity import RemoteUserAuth
from ci_www.proxies import path_before

#: parameter -> default. What is not here is unknown.
DEFAULTS: dict[str, Any] = {
    "port": None,
    "plugins": {},
    "auth": None,
    "authz": None,
    "avatar_methods": None,
    "change_hook_dialects": {},
    "change_hook_auth": None,
    "allowed_hosts": [],
    "allowed_origins": None,
    "trusted_proxies": [],
    "cookie_expiration_time": timedelta(weeks=1),
    "custom_templates_dir": None,
    "debug": False,
    "default_page": None,
    "json_cache_seconds": 0,
    "jsonp": None,
    "logfileName": "http.log",
    "logRotateLength": None,
    "maxRotatedFiles": None,
    "rest_minimum_version": 0,
    "ui_default_config": {},
    "versions": [],
    "ws_ping_interval": 0,
    "project_widgets": None,
    "graphql": None,
    "theme": {},
}

#: Names of ``plugins`` that stand for pages; all of these are always there.
PLUGINS = frozenset({"base", "console_view", "grid_view", "waterfall_view"})


#: First segments of the site's own paths: see ci_www.server and ci_www.pages.routes.
OWN_PATHS = (
    "about api auth avatar badges buildrequests builders builds buildsets change_hook changes"
    " config force pendingbuildrequests plugins queue revisions settings sse static waterfall"
    " workers ws"
)
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*")


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _are_texts(value: Any) -> bool:
    return value is None or (
        isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    )


#: parameter -> (what is accepted, how a fault says so)
_PLAIN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "port": (lambda v: v is None or isinstance(v, int | str), "must be a port number or 'tcp:...'"),
    "plugins": (_is_dict, "must be a dictionary"),
    "change_hook_dialects": (_is_dict, "must be a dictionary"),
    "ui_default_config": (_is_dict, "must be a dictionary"),
    "theme": (_is_dict, "must be a dictionary"),
    "allowed_hosts": (_are_texts, "must be a list of host names"),
    "allowed_origins": (_are_texts, "must be a list of strings"),
    "trusted_proxies": (_are_texts, "must be a list of addresses"),
    "json_cache_seconds": (_is_number, "must be a number"),
    "ws_ping_interval": (_is_number, "must be a number"),
}


def check_www(check: Check) -> None:
    """Every parameter; what is absent gets its default."""
    given = check.dictionary("www") or {}
    for name in sorted(map(str, given.keys() - DEFAULTS.keys())):
        what = f"unknown www configuration parameter(s) {name}"
        check.fault("www", what, did_you_mean(name, DEFAULTS))
    known = {name: value for name, value in given.items() if name in DEFAULTS}
    for name, (accepts, must) in _PLAIN.items():
        if name in known and not accepts(known[name]):
            check.fault("www", f"c['www']['{name}'] {must}, not {shown(known.pop(name))}")
    _check_special(check, known)
    _check_hosts(check, known)
    _check_proxies(check, known)
    _check_path(check)
    _check_hook_auth(check, known)
    _check_logins(check, known)
    www = {**deepcopy(DEFAULTS), **known}
    if www["allowed_origins"] is None:
        www["allowed_origins"] = [origin_of(check.config.buildbotURL)]
    www["allowed_origins"] = [origin.lower() for origin in www["allowed_origins"]]
    check.config.www = www


def _check_hook_auth(check: Check, known: dict[str, Any]) -> None:
    """A list of checkers; False says that the hooks are open knowingly."""
    given = known.get("change_hook_auth")
    if given is None or given is False:
        return
    if not isinstance(given, list | tuple) or not all(
        callable(getattr(checker, "requestAvatarId", None)) for checker in given
    ):
        check.fault(
            "www",
            "c['www']['change_hook_auth'] must be a list of credential checkers, not"
            f" {shown(known.pop('change_hook_auth'))}",
            "write [FilePasswordDB('hook-passwords.txt')] (from twisted.cred.checkers), or False if"
            " anybody may call the hooks",
        )


def _check_hosts(check: Check, known: dict[str, Any]) -> None:
    """Names of hosts, not addresses of pages: one that never fits shuts people out."""
    for name in known.get("allowed_hosts") or ():
        if "://" in name or "/" in name or not name.strip():
            host = (urlsplit(name).hostname if "://" in name else name.partition("/")[0]) or "name"
            what = f"c['www']['allowed_hosts'] has {name!r}, which is not the name of a host"
            check.fault("www", what, f"write {host!r}, or '*.example.org' for all below it")


def _check_proxies(check: Check, known: dict[str, Any]) -> None:
    """Addresses and networks: what is believed by name could be anybody's."""
    for given in known.get("trusted_proxies") or ():
        if given == "unix":
            continue
        try:
            ip_network(given)
        except ValueError as error:
            what = f"c['www']['trusted_proxies'] has {given!r}, which is not an address: {error}"
            hint = "write '127.0.0.1', '10.1.2.0/24', or 'unix' for a socket that is a file"
            check.fault("www", what, hint)
            known.pop("trusted_proxies")
            return


def _check_path(check: Check) -> None:
    """The path of ``buildbotURL`` is written into pages, and taken off what is asked for."""
    path = path_before(check.config.buildbotURL)
    key = "buildbotURL"
    if not _PATH.fullmatch(path):
        what = f"the path {path!r} of c['buildbotURL'] cannot be used"
        check.fault(key, what, "use letters, digits and ._~- only, as in 'https://host/ci/'")
    first = path[1:].partition("/")[0]
    if first and first in OWN_PATHS.split():
        what = f"c['buildbotURL'] ends in {path!r}, where the master has pages of its own"
        check.fault(key, what, "use another path, as in 'https://host/ci/'")


def _check_logins(check: Check, known: dict[str, Any]) -> None:
    """Logins are not there yet. Who wants them must not get a site where everybody may act."""
    if type(known.get("auth")).__name__ == "NoAuth":
        known["auth"] = None
    if isinstance(known.get("auth"), RemoteUserAuth) and not known.get("trusted_proxies"):
        check.fault(
            "www",
            "c['www']['auth'] takes names from the web server before this one, and no such server"
            " is named: whoever reaches the port could call themselves anybody",
            "write c['www']['trusted_proxies'] = ['127.0.0.1'] if it runs on this machine, and let"
            " the master listen there only (port 'tcp:8010:interface=127.0.0.1')",
        )
    for key in ("auth", "authz"):
        if known.get(key) is not None and not isinstance(known[key], RemoteUserAuth):
            check.config.warnings.append(
                f"c['www']['{key}'] is configured, but this version has no logins: everybody may"
                " look, and nobody may act (force, stop, rebuild, cancel, pause, ...) by the web"
            )
            return


def _check_special(check: Check, known: dict[str, Any]) -> None:
    if not isinstance(known.get("cookie_expiration_time", timedelta()), timedelta):
        what = 'Invalid www["cookie_expiration_time"] configuration should be a datetime.timedelta'
        check.fault("www", what, "write datetime.timedelta(days=7)")
        del known["cookie_expiration_time"]
    versions = known.get("versions", [])
    if not isinstance(versions, list) or not all(
        isinstance(pair, tuple) and len(pair) >= 2 for pair in versions
    ):
        hint = "write a list of tuples, for example [('compiler', '14.2')]"
        check.fault("www", "Invalid www configuration value of versions", hint)
        del known["versions"]
    unknown = sorted(map(str, known.get("plugins", {}).keys() - PLUGINS - {"base_react"}))
    if unknown:
        check.config.warnings.append(
            f"c['www']['plugins'] names {', '.join(unknown)}, which this version does not have:"
            " without effect"
        )
    if "base_react" in known.get("plugins", {}):
        hint = "remove it: the pages need no plugin"
        check.fault("www", "c['www']['plugins'] names 'base_react', which is no more", hint)
