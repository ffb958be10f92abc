"""Checks of what a configuration opens: ports, keys, certificates, files, directories.

What can be found without a running master is found here, so that ``checkconfig`` tells it. Whether
a port is taken by another program is seen when it is opened.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ci_common.endpoints import canonical, clashes, expired, problems_of
from ci_master.config.check import Check
from ci_master.config.model import Config
from ci_master.config.places import place_of


def check_openings(check: Check) -> None:
    """All of it."""
    _check_ports(check)
    _check_users(check)
    _check_access_log(check)
    _check_local_workers(check)


def ports_of(config: Config) -> Iterator[tuple[str, str, Any]]:
    """Every port that a configuration asks for: (who wants it, the port, the thing that does).

    The thing is None for the settings: ``c['www']`` and ``c['protocols']``.
    """
    for name, options in config.protocols.items():
        if options.get("port") not in (None, ""):
            yield f"c['protocols']['{name}']", str(options["port"]), None
    if config.www.get("port") not in (None, ""):
        yield "c['www']", str(config.www["port"]), None
    for things in (config.change_sources, config.services.values()):
        for thing in things:
            find = getattr(thing, "ports_of", None)
            for port in find(config) if callable(find) else ():
                yield f"'{thing.name}'", str(port), thing


def place_of_port(check: Check, text: str) -> str:
    """Where the configuration asks for a port."""
    for who, port, thing in ports_of(check.config):
        if port == text:
            return _place(check, who, thing)
    return check.config.filename


def _place(check: Check, who: str, thing: Any) -> str:
    if thing is not None:
        return place_of(thing, "") or check.config.filename
    return check.places.of(who.split("'")[1])


def _check_ports(check: Check) -> None:
    seen: set[str] = set()
    for who, text, thing in ports_of(check.config):
        name = canonical(text)
        if name in seen:
            continue
        seen.add(name)
        for problem in problems_of(text, check.directory):
            _fault(check, who, thing, problem.what, problem.hint)
        if told := expired(text, check.directory):
            check.config.warnings.append(f"{_place(check, who, thing)}: {told}")
    listed = list(ports_of(check.config))
    named = [
        ("c['www']" if who == "c['www']" else canonical(text), text) for who, text, _ in listed
    ]
    for name, other, number in clashes(named):
        who, _, thing = listed[[known for known, _ in named].index(name)]
        what = f"two ports have the number {number}: {_called(name)} and {_called(other)}"
        _fault(check, who, thing, what, "give one of them another number")


def _called(name: str) -> str:
    return f"that of {name}" if name.startswith("c[") else f"'{name}'"


def _fault(check: Check, who: str, thing: Any, what: str, hint: str) -> None:
    if thing is None:
        check.fault(who.split("'")[1], what, hint)
    else:
        check.fault_at(thing, "", what, hint)


def _check_users(check: Check) -> None:
    """Programs log in by name: two of one name at one port are one too many."""
    config = check.config
    port = config.protocols.get("pb", {}).get("port")
    known: dict[tuple[str, str], str] = {}
    if port is not None:
        for worker in config.workers:
            if not getattr(worker, "is_local", False):
                known[canonical(port), worker.workername] = f"worker '{worker.workername}'"
    for source in config.change_sources:
        user = getattr(source, "user", None)
        find = getattr(source, "ports_of", None)
        if not callable(find) or not isinstance(user, str):
            continue
        for text in find(config):
            key = canonical(text), user
            if key in known:
                what = f"its user name '{user}' is that of {known[key]}, at the same port"
                check.fault_at(source, "change source", what, "give it another user=, or port=")
            known.setdefault(key, f"change source '{source.name}'")


def _check_access_log(check: Check) -> None:
    name = check.config.www.get("logfileName")
    if not name or check.config.www.get("port") is None:
        return
    if not isinstance(name, str):
        check.fault("www", f"c['www']['logfileName'] must be a file name, not {name!r}")
        return
    path = Path(check.directory, name)
    if not path.parent.is_dir():
        what = (
            f"c['www']['logfileName'] is {name!r}, and there is no directory {str(path.parent)!r}"
        )
        check.fault("www", what, f"mkdir -p {path.parent}")
    elif path.is_dir():
        check.fault("www", f"c['www']['logfileName'] is {name!r}, which is a directory")
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        what = f"c['www']['logfileName'] is {name!r}, which this user may not write"
        check.fault("www", what, "write the name of a file in the master's directory")


def _check_local_workers(check: Check) -> None:
    """Their directories are made when they start: whether that can be done."""
    for worker in check.config.workers:
        if not getattr(worker, "is_local", False):
            continue
        given = getattr(worker, "workdir", None) or os.path.join("workers", worker.workername)
        path = Path(check.directory, given)
        found = next(one for one in (path, *path.parents) if os.path.lexists(one))
        if not found.is_dir():
            what = f"its directory cannot be made: {str(found)!r} is no directory"
            check.fault_at(worker, "worker", what, "give it another workdir=")
        elif not os.access(found, os.W_OK | os.X_OK):
            what = f"its directory cannot be made: this user may not write into {str(found)!r}"
            check.fault_at(worker, "worker", what, "give it another workdir=")
