"""Workers as a configuration names them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ci_master.data.faults import configFault
from ci_master.data.service import BuildbotService

#: user names that mean something else on a PB port
RESERVED = ("change",)

#: seconds after which those who want to know are told that a worker is missing
MISSING_S = 3600

#: seconds of silence after which a worker is asked whether it is there: one that hangs, or that is
#: behind a network that swallows everything, is noticed within a minute
KEEPALIVE_S = 30

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class AbstractWorker(BuildbotService):
    """What all workers have in common.

    :param name: the name by which the worker logs in: letters, digits, ``_`` and ``-``.
    :param password: the password by which the worker logs in; may be a ``Secret``.
    :type password: string or renderable
    :param max_builds: how many builds it runs at once; None: one of each builder.
    :type max_builds: whole number or None
    :param notify_on_missing: mail addresses that are told when the worker is away for longer
        than ``missing_timeout``.
    :type notify_on_missing: string, list of strings or None
    :param missing_timeout: seconds that the worker may be away before ``notify_on_missing`` is
        told; None: 600.
    :type missing_timeout: number or None
    :param properties: properties that all of its builds get.
    :type properties: dictionary or None
    :param defaultProperties: properties that its builds get where nothing else sets them.
    :type defaultProperties: dictionary or None
    :param locks: lock accesses that each of its builds holds.
    :type locks: list or None
    :param keepalive_interval: seconds of silence after which the master asks the worker whether
        it is there; a worker that does not answer within as long again (30 seconds at most) is
        disconnected. None or 0: it is never asked.
    :type keepalive_interval: number or None
    :param machine_name: name of the machine that it runs on; accepted, and without effect as
        long as there are no machines.
    :type machine_name: string or None
    """

    reconfig_priority = 64

    password: Any = None
    max_builds: int | None = None
    missing_timeout: float = MISSING_S
    keepalive_interval: float | None = KEEPALIVE_S
    machine_name: str | None = None

    def __init__(self, name: str, password: Any = None, *args: Any, **kwargs: Any) -> None:
        self.name = name
        self.notify_on_missing: list[str] = []
        self.properties: dict[str, Any] = {}
        self.defaultProperties: dict[str, Any] = {}
        self.locks: list[Any] = []
        super().__init__(name, password, *args, **kwargs)
        self._take(*self.service_args, **kwargs)

    @property
    def workername(self) -> str:
        """The worker's name."""
        return str(self.name)

    def checkConfig(
        self,
        name: str,
        password: Any,
        max_builds: int | None = None,
        notify_on_missing: str | Iterable[str] | None = None,
        missing_timeout: float | None = None,
        properties: Mapping[str, Any] | None = None,
        defaultProperties: Mapping[str, Any] | None = None,
        locks: Iterable[Any] | None = None,
        keepalive_interval: float | None = KEEPALIVE_S,
        machine_name: str | None = None,
    ) -> None:
        """Report what is wrong with the arguments."""
        _check_name(name)
        label = f"worker '{name}'"
        _check_number(label, "max_builds", max_builds, least=1, whole=True)
        _check_number(label, "missing_timeout", missing_timeout, least=0)
        _check_number(label, "keepalive_interval", keepalive_interval, least=0)
        for what, given in (("properties", properties), ("defaultProperties", defaultProperties)):
            if given is not None and not isinstance(given, Mapping):
                configFault(f"{label}: {what} is {given!r}, but must be a dict", "write {...}")
        addresses = [notify_on_missing] if isinstance(notify_on_missing, str) else notify_on_missing
        for address in addresses or ():
            if not isinstance(address, str):
                configFault(
                    f"{label}: notify_on_missing has {address!r}, which is no e-mail address",
                    "write a string, or a list of strings",
                )
        if locks is not None and not isinstance(locks, list | tuple):
            configFault(f"{label}: locks is {locks!r}, but must be a list", "write locks=[...]")

    def reconfigService(self, *args: Any, **kwargs: Any) -> None:
        """Take over the arguments."""
        self._take(*args, **kwargs)

    def _take(
        self,
        name: str,
        password: Any = None,
        max_builds: int | None = None,
        notify_on_missing: str | Iterable[str] | None = None,
        missing_timeout: float | None = None,
        properties: Mapping[str, Any] | None = None,
        defaultProperties: Mapping[str, Any] | None = None,
        locks: Iterable[Any] | None = None,
        keepalive_interval: float | None = KEEPALIVE_S,
        machine_name: str | None = None,
        **others: Any,
    ) -> None:
        self.password = password
        self.max_builds = max_builds
        many = notify_on_missing or ()
        self.notify_on_missing = [many] if isinstance(many, str) else list(many)
        self.missing_timeout = MISSING_S if missing_timeout is None else missing_timeout
        self.properties = dict(properties) if isinstance(properties, Mapping) else {}
        self.defaultProperties = (
            dict(defaultProperties) if isinstance(defaultProperties, Mapping) else {}
        )
        self.locks = list(locks) if isinstance(locks, list | tuple) else []
        self.keepalive_interval = keepalive_interval
        self.machine_name = machine_name


class Worker(AbstractWorker):
    """A worker that runs on some machine and connects to the master."""

    def __init__(self, name: str, password: Any, *args: Any, **kwargs: Any) -> None:
        if password is None or password == "":
            configFault(f"worker '{name}' has no password", "give it the one of its own setup")
        super().__init__(name, password, *args, **kwargs)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        configFault(f"the name of a worker is {name!r}, but must be a string")
    elif not _NAME.fullmatch(name):
        configFault(
            f"worker name '{name}' is not an identifier",
            "use letters, digits, '_' and '-', and begin with a letter or '_'",
        )
    elif len(name) > 50:
        configFault(f"worker name '{name}' is longer than 50 characters")
    elif name in RESERVED:
        configFault(f"worker name '{name}' is reserved", "clients that send changes log in with it")


def _check_number(label: str, what: str, value: Any, *, least: float, whole: bool = False) -> None:
    kinds = int if whole else (int, float)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, kinds) or value < least:
        number = "a whole number" if whole else "a number"
        configFault(f"{label}: {what} is {value!r}, but must be {number} from {least} up, or None")
