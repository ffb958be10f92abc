"""``create-worker``: the directory of a new worker."""

import os
import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ci_common.daemon import TAC, say
from ci_common.numbers import finite_number, is_digits, whole_number
from ci_common.privacy import make_private_directory
from ci_worker.facts.machine import describe_admin, describe_machine

DEFAULT_PORT = 9989

#: What a worker's name is to be; no master takes another one.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_LONGEST_NAME = 50
_RESERVED = "change"  # by it, clients that send changes log in

#: Files in ``info``, which the master shows to people, and what they say at first.
_INFO = {"admin": describe_admin, "host": describe_machine}

Tell = Callable[[str], None]


class Mistake(Exception):
    """An option or argument that cannot be; the text is for the person who typed it."""


@dataclass(frozen=True)
class WorkerSettings:
    """What goes into ``buildbot.tac``; the names are those of its variables."""

    basedir: str
    buildmaster_host: str | None
    port: int | None
    workername: str
    passwd: str
    keepalive: int | float
    umask: int | None
    maxdelay: int | float
    numcpus: int | None
    allow_shutdown: str | None
    maxretries: int | None
    use_tls: bool
    delete_leftover_dirs: bool
    connection_string: str | None
    proxy_connection_string: str | None
    protocol: str
    log_bytes: int
    log_count: int | None
    rotate: bool


def create_worker(options: Namespace) -> int:
    """Make the directory, or say why not; the exit status."""
    try:
        settings = settings_from(options)
    except Mistake as mistake:
        say(str(mistake))
        return 1
    try:
        _make(Path(options.basedir), settings, force=options.force, quiet=options.quiet)
    except OSError as error:
        say(f"cannot make {options.basedir}: {error.strerror}: {error.filename}")
        return 1
    return 0


def settings_from(options: Namespace) -> WorkerSettings:
    """The settings that the options mean.

    :raises Mistake: for the first option that cannot be.
    """
    host, port, name, password = _identity(options)
    _check_name(name)
    if options.protocol != "pb":
        raise Mistake(f"--protocol is '{options.protocol}', but this version speaks only pb")
    if options.allow_shutdown not in (None, "signal", "file"):
        raise Mistake(
            f"--allow-shutdown is '{options.allow_shutdown}': it can be 'signal' or 'file'"
        )
    keepalive, maxdelay = (_number(options, n) for n in ("keepalive", "maxdelay"))
    log_bytes = _whole(options, "log_size")
    if log_bytes is None:
        raise Mistake("--log-size is 'None': it must be a number")
    return WorkerSettings(
        basedir=".",  # an absolute path would be wrong in a copy, and after a move
        buildmaster_host=host,
        port=port,
        workername=name,
        passwd=password,
        keepalive=keepalive,
        umask=_whole(options, "umask", base=0),
        maxdelay=maxdelay,
        numcpus=_whole(options, "numcpus"),
        allow_shutdown=options.allow_shutdown,
        maxretries=_whole(options, "maxretries"),
        use_tls=options.use_tls,
        delete_leftover_dirs=options.delete_leftover_dirs,
        connection_string=options.connection_string,
        proxy_connection_string=options.proxy_connection_string,
        protocol=options.protocol,
        log_bytes=log_bytes,
        log_count=_whole(options, "log_count"),
        rotate=not options.no_logrotate,
    )


def _identity(options: Namespace) -> tuple[str | None, int | None, str, str]:
    given = options.identity
    if options.connection_string is not None:
        if len(given) != 2:
            raise Mistake("with --connection-string give BASEDIR NAME PASSWORD, and no master")
        return None, None, given[0], given[1]
    if len(given) != 3:
        raise Mistake("give BASEDIR MASTER NAME PASSWORD, the master as host[:port]")
    host, port = parse_master(given[0])
    return host, port, given[1], given[2]


def _check_name(name: str) -> None:
    """Refuse a name that no master would let in."""
    where = f"worker name '{name}'"
    if not _NAME.fullmatch(name):
        raise Mistake(
            f"{where}: use letters, digits, '_' and '-', and begin with a letter or '_';"
            " no master takes another name"
        )
    if len(name) > _LONGEST_NAME:
        raise Mistake(f"{where}: it is longer than {_LONGEST_NAME} characters")
    if name == _RESERVED:
        raise Mistake(f"{where}: it is reserved for clients that send changes")


def parse_master(text: str) -> tuple[str, int]:
    """Host and port of ``host``, ``host:port``, ``[ipv6]`` or ``[ipv6]:port``.

    :raises Mistake: if it is none of these.
    """
    where = f"master address '{text}'"
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise Mistake(f"{where}: write an IPv6 address as [address] or [address]:port")
        port_text = rest[1:]
        colon = bool(rest)
    else:
        host, found, port_text = text.partition(":")
        colon = bool(found)
        if ":" in port_text:
            raise Mistake(f"{where}: write an IPv6 address in brackets, as [{text}]")
    if not host:
        raise Mistake(f"{where}: the host is missing")
    if not colon:
        return host, DEFAULT_PORT
    if not is_digits(port_text):
        raise Mistake(f"{where}: the port must be a number")
    port = whole_number(port_text, least=1, most=65535)
    if port is None:
        raise Mistake(f"{where}: the port must be between 1 and 65535")
    return host, port


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _whole(options: Namespace, name: str, base: int = 10) -> int | None:
    text = getattr(options, name)
    if text in (None, "None"):
        return None
    try:
        return int(_old_octal(text) if base == 0 else text, base)
    except ValueError:
        raise Mistake(f"{_option(name)} is '{text}': it must be a number or None") from None


def _old_octal(text: str) -> str:
    """``022`` as people write a mask, in the way Python reads it."""
    return f"0o{text[1:]}" if len(text) > 1 and text[0] == "0" and text.isdigit() else text


def _number(options: Namespace, name: str) -> int | float:
    text = getattr(options, name)
    value = finite_number(text)
    if value is None:
        raise Mistake(f"{_option(name)} is '{text}': it must be a number of seconds")
    if value < 0:
        raise Mistake(f"{_option(name)} is '{text}': it must not be below 0")
    return int(value) if value.is_integer() else value


def _make(basedir: Path, settings: WorkerSettings, *, force: bool, quiet: bool) -> None:
    def tell(text: str) -> None:
        if not quiet:
            say(text)

    if basedir.is_dir():
        tell(f"updating the directory {basedir}")
    make_private_directory(basedir)
    is_written = _write_tac(basedir / TAC, tac_text(settings), force=force, tell=tell)
    info = basedir / "info"
    info.mkdir(exist_ok=True)
    for name, describe in _INFO.items():
        path = info / name
        if path.exists():
            continue
        text = describe()
        path.write_text(f"{text}\n", encoding="utf-8")
        path.chmod(0o644)
        tell(f"people who see the master's pages read of it: {text}\n    (edit {path})")
    if is_written:
        tell(f"worker configured in {basedir}; to start it: ci-worker start {basedir}")
    else:
        tell(f"{basedir} starts with its former settings until you take the new file over")


def _write_tac(path: Path, text: str, *, force: bool, tell: Tell) -> bool:
    """Whether the file now says what was asked; if not, the new text is beside it."""
    target = path
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") == text:
            tell(f"{path} is as it should be")
            return True
        if not force:
            target = path.with_name(path.name + ".new")
            tell(f"{path} exists and differs: the new one is {target} (--force overwrites)")
    target.unlink(missing_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it has a password
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    target.chmod(0o600)
    return target == path


def tac_text(settings: WorkerSettings) -> str:
    """The text of ``buildbot.tac``."""
    text = _HEAD.format(
        basedir=settings.basedir, rotate=settings.log_bytes, count=settings.log_count
    )
    if settings.basedir == ".":
        text += _RELOCATABLE
    text += _ROTATED if settings.rotate else _NOT_ROTATED
    lines = [f"{name} = {_literal(name, getattr(settings, name))}\n" for name in _VARIABLES]
    return text + "".join(lines) + _TAIL


_VARIABLES = (
    "buildmaster_host",
    "port",
    "connection_string",
    "workername",
    "passwd",
    "keepalive",
    "umask",
    "maxdelay",
    "numcpus",
    "allow_shutdown",
    "maxretries",
    "use_tls",
    "delete_leftover_dirs",
    "proxy_connection_string",
    "protocol",
)


def _literal(name: str, value: object) -> str:
    return f"0o{value:03o}" if name == "umask" and isinstance(value, int) else repr(value)


_HEAD = """\
# This file makes the worker. 'ci-worker start' executes it; edit it as you like.
import os

from twisted.application import service

from ci_worker.bot import Worker

basedir = {basedir!r}
rotateLength = {rotate!r}
maxRotatedFiles = {count!r}
"""

_RELOCATABLE = """
# The directory may be moved: where it is, is where this file is.
basedir = os.path.abspath(os.path.dirname(__file__))
"""

_ROTATED = """
# Sets the name and the rotation of the log file.
from twisted.python.log import FileLogObserver, ILogObserver

from ci_common.daemonlog import RotatedLog

application = service.Application('buildbot-worker')
logfile = RotatedLog.fromFullPath(
    os.path.join(basedir, "twistd.log"), rotateLength=rotateLength, maxRotatedFiles=maxRotatedFiles
)
application.setComponent(ILogObserver, FileLogObserver(logfile).emit)

"""

_NOT_ROTATED = """
# The log is never rotated.
rotateLength = None
application = service.Application('buildbot-worker')

"""

_TAIL = """
s = Worker(
    buildmaster_host, port, workername, passwd, basedir, keepalive,
    umask=umask, maxdelay=maxdelay, numcpus=numcpus, allow_shutdown=allow_shutdown,
    maxRetries=maxretries, protocol=protocol, useTls=use_tls,
    delete_leftover_dirs=delete_leftover_dirs, connection_string=connection_string,
    proxy_connection_string=proxy_connection_string,
)
s.setServiceParent(application)
"""
