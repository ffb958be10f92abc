"""Doors that stand open: what a configuration lets strangers do, told at each load.

Files that were written for Buildbot have such places and must go on working. So these are warnings,
not faults, and each says what to write.
"""

from typing import Any

from ci_master.changes.pb import PBChangeSource
from ci_master.config.check import Check
from ci_master.config.keys import listens_here_only
from ci_master.config.places import place_of

#: The password of ``PBChangeSource()`` and of ``sendchange`` where none is given.
PUBLISHED = "changepw"

#: Passwords of examples, and those that are tried first.
_TRIVIAL = frozenset(
    [
        "pass",
        "password",
        "passwd",
        "passw0rd",
        "changeme",
        "change-this-password",
        "changepw",
        "worker",
        "buildbot",
        "bot",
        "admin",
        "test",
        "123456",
        "12345678",
        "qwerty",
    ]
)


def warn_of_open_doors(check: Check) -> None:
    """Change hooks without a secret, published passwords, and pages where everybody may act."""
    _hooks(check)
    _change_sources(check)
    _workers(check)
    _pages(check)


def _hooks(check: Check) -> None:
    www = check.config.www
    if www["change_hook_auth"] or www["change_hook_auth"] is False:
        return
    without = [
        str(name)
        for name, options in www["change_hook_dialects"].items()
        if str(name) != "poller" and not (isinstance(options, dict) and options.get("secret"))
    ]
    if without:
        paths = ", ".join(f"/change_hook/{name}" for name in without[:5])
        more = f" and {len(without) - 5} more" if len(without) > 5 else ""
        check.config.warnings.append(
            f"{check.places.of('www')}: whoever reaches the web server can add changes by"
            f" {paths}{more}, without a password. Write c['www']['change_hook_auth'] ="
            " [FilePasswordDB('hook-passwords.txt')] (from twisted.cred.checkers), or"
            " c['www']['change_hook_auth'] = False if that is meant"
        )


def _change_sources(check: Check) -> None:
    for source in check.config.change_sources:
        if isinstance(source, PBChangeSource) and source.passwd == PUBLISHED:
            check.config.warnings.append(
                f"{_where(check, source, 'change source')}: its password is the published default,"
                f" '{PUBLISHED}': whoever reaches its port can add changes. Write"
                " PBChangeSource(user=..., passwd=...) and give sendchange the same by --auth"
            )


def _workers(check: Check) -> None:
    port = check.config.protocols.get("pb", {}).get("port")
    if port is None or listens_here_only(port):
        return
    named = []
    for worker in check.config.workers:
        password = getattr(worker, "password", None)
        if isinstance(password, str) and (
            password.lower() in _TRIVIAL or password == getattr(worker, "workername", None)
        ):
            named.append(worker)
    if named:
        names = ", ".join(f"'{worker.workername}'" for worker in named[:5])
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        check.config.warnings.append(
            f"{_where(check, named[0], 'worker')}: the password of {names}{more} is easily guessed:"
            " whoever reaches the workers' port can pass for that worker and gets what it builds"
        )


def _pages(check: Check) -> None:
    www = check.config.www
    given = check.dictionary("www") or {}
    if www["port"] in (None, "") or listens_here_only(www["port"]):
        return
    if given.get("auth") is None and given.get("authz") is None:
        check.config.notes.append(
            f"{check.places.of('www')}: the pages listen on all addresses, and there are no logins:"
            " whoever reaches them may force, stop and rebuild builds. Listen on this machine only"
            " ('tcp:8010:interface=127.0.0.1') and put a web server with a login before it"
        )


def _where(check: Check, thing: Any, kind: str) -> str:
    return place_of(thing, kind) or check.config.filename
