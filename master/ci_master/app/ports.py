"""Ports that a configuration asks for: taken before anything is changed for it."""

from typing import Any

from twisted.internet.error import CannotListenError

from ci_common.endpoints import canonical, problems_of
from ci_common.faults import ConfigError, Fault
from ci_common.listeners import CannotReserve, Listeners, Reservation
from ci_master.config.model import Config
from ci_master.config.opening import ports_of

_REMEDY = "choose another port, or end the program that listens there"

_EVERYWHERE_OR_HERE = ("", "0.0.0.0", "::", "127.0.0.1", "::1")


async def reserve_ports(listeners: Listeners, config: Config) -> Reservation:
    """Take all ports that will be served under a configuration.

    :raises ConfigError: with each port that cannot be had.
    """
    needs_pb = any(not getattr(worker, "is_local", False) for worker in config.workers)
    wanted: dict[str, str] = {}
    for who, text, thing in ports_of(config):
        if thing is None and who != "c['www']" and not (needs_pb and "'pb'" in who):
            continue  # nobody would log in there
        wanted.setdefault(canonical(text), f"{_place(config, thing, who)}, {who}")
    try:
        return await listeners.reserve(wanted)
    except CannotReserve as error:
        faults = [
            fault
            for one in (error, *error.others)
            for fault in _faults(listeners, wanted[one.text], one)
        ]
        raise ConfigError(faults) from error


def _place(config: Config, thing: Any, who: str) -> str:
    if thing is not None:
        return getattr(thing, "config_where", "") or config.filename
    key = who.split("'")[1]
    return str(config.places.of(key)) if config.places is not None else config.filename


def _faults(listeners: Listeners, where: str, error: CannotReserve) -> list[Fault]:
    if isinstance(error.reason, CannotListenError):
        return [Fault(where, describe(error.reason), _REMEDY)]
    found = problems_of(error.text, listeners.directory)
    if found:
        return [Fault(where, problem.what, problem.hint) for problem in found]
    what = f"the port {error.text!r} cannot be opened: {error.reason}"
    return [Fault(where, what, "ci-master checkconfig says more, if the file is wrong")]


def describe(error: CannotListenError) -> str:
    """The failure to listen, with the port."""
    reason = getattr(error.socketError, "strerror", None) or error.socketError
    return f"cannot listen on port {error.port} of {error.interface or 'any address'}: {reason}"


def refused_port(error: CannotListenError) -> str:
    """The same with what to do about it, for whoever starts a master."""
    return f"{describe(error)}\n    {_REMEDY}"


def web_url(config: Config, address: Any) -> str:
    """Where people find the pages: what they were told to, or where the web server listens.

    :param address: of the listening port; None if nothing listens.
    """
    number = getattr(address, "port", None)
    if config.buildbotURL != Config.buildbotURL or number is None:
        return config.buildbotURL
    host = "localhost" if address.host in _EVERYWHERE_OR_HERE else address.host
    scheme = "https" if str(config.www.get("port")).startswith(("ssl:", "tls:")) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{number}/"
