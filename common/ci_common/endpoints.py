"""Texts that say where to listen, as configurations have them: ``tcp:8010:interface=127.0.0.1``.

What can be wrong with one is found here without listening: see :func:`problems_of`.
"""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ci_common.faults import nearest
from ci_common.numbers import is_digits

#: kind -> names of its arguments, those by position first
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "backlog", "interface"),
    "ssl": (
        "port",
        "privateKey",
        "certKey",
        "sslmethod",
        "interface",
        "backlog",
        "extraCertChain",
        "dhParameters",
    ),
    "unix": ("address", "mode", "backlog", "lockfile"),
    "tls": ("path", "port", "backlog", "interface"),
}
_PATHS = frozenset({"address", "certKey", "dhParameters", "extraCertChain", "path", "privateKey"})
#: Kinds that stand before another text.
_WRAPPERS = ("haproxy",)

_EXAMPLE = "write a port number, or for example 'tcp:8010:interface=127.0.0.1'"


@dataclass(frozen=True)
class Problem:
    """What is wrong with an endpoint, and how to mend it."""

    what: str
    hint: str = ""


class Unreadable(ValueError):
    """The text is no endpoint. The first argument is a :class:`Problem`."""

    @property
    def problem(self) -> Problem:
        """What is wrong."""
        found: Problem = self.args[0]
        return found

    def __str__(self) -> str:
        return self.problem.what


@dataclass(frozen=True)
class Endpoint:
    """A text, taken apart.

    :ivar wrappers: what stands before the kind, as ``haproxy``.
    :ivar arguments: by name; for kinds that are not ours by position, too: ``0``, ``1``, ...
    """

    wrappers: tuple[str, ...]
    kind: str
    arguments: dict[str, str]

    def __str__(self) -> str:
        """The text again; equal for equal endpoints of the kinds that we know."""
        names = _ARGUMENTS.get(self.kind, ())
        order = sorted(
            self.arguments, key=lambda name: (names.index(name) if name in names else 99, name)
        )
        parts = [*self.wrappers, self.kind]
        for turn, name in enumerate(order):
            value = _quoted(self.arguments[name])
            is_first = turn == 0 and names[:1] == (name,)
            parts.append(value if is_first or name.isdigit() else f"{name}={value}")
        return ":".join(parts)

    @property
    def port(self) -> int | None:
        """The number of its TCP port; 0 is any free one, None if it has none."""
        text = self.arguments.get("port", "443" if self.kind == "tls" else "")
        return int(text) if is_digits(text) else None

    @property
    def interface(self) -> str:
        """The address that it listens on; empty for all of the machine."""
        return self.arguments.get("interface", "::" if self.kind in ("tcp6", "tls") else "")

    @property
    def has_tls(self) -> bool:
        """Whether what is sent there is encrypted."""
        return self.kind in ("ssl", "tls")

    def files(self) -> dict[str, str]:
        """Argument -> name of the file that is read for it."""
        return {
            name: value
            for name, value in self.arguments.items()
            if name in _PATHS and name not in ("address", "path")
        }

    def seen_from(self, directory: str | Path) -> "Endpoint":
        """The same with whole file names: those that are not start in a directory."""
        if self.kind not in _ARGUMENTS:
            return self
        arguments = dict(self.arguments)
        if self.kind == "ssl":
            arguments.setdefault("privateKey", "server.pem")
        for name in _PATHS.intersection(arguments):
            arguments[name] = os.path.join(directory, os.path.expanduser(arguments[name]))
        return Endpoint(self.wrappers, self.kind, arguments)


def endpoint(given: int | str) -> Endpoint:
    """Take a port, as a configuration has it, apart.

    :raises Unreadable: if it is no endpoint.
    """
    text = str(given)
    if is_digits(text):
        text = f"tcp:{text}"
    if ":" not in text:
        raise Unreadable(Problem(f"the port {shown(given)} is no number and no endpoint", _EXAMPLE))
    words = list(_words(text))
    wrappers = []
    while len(words) > 1 and words[0] in [(word,) for word in _WRAPPERS]:
        wrappers.append(words.pop(0)[0])
    kind, arguments = words[0][-1], {}
    names = _ARGUMENTS.get(kind, ())
    if len(words[0]) > 1 or not kind:
        raise Unreadable(Problem(f"the port {shown(given)} does not begin with its kind", _EXAMPLE))
    for turn, word in enumerate(words[1:]):
        if len(word) > 1:
            name, value = word[0], word[1]
        else:
            name, value = names[turn] if turn < len(names) else str(turn), word[0]
        if names and name not in names:
            near = nearest(name, names)
            hint = f"did you mean '{near}'?" if near else f"{kind} takes: {', '.join(names)}"
            what = f"the port {shown(given)} has '{name}', which '{kind}' does not take"
            raise Unreadable(Problem(what, hint))
        arguments[name] = value
    found = Endpoint(tuple(wrappers), kind, arguments)
    _check_words(given, found)
    return found


def canonical(given: int | str) -> str:
    """A port in one spelling: 9989, ``tcp:9989`` and ``tcp:port=9989`` are the same.

    What is no endpoint comes back as it is.
    """
    try:
        return str(endpoint(given))
    except Unreadable:
        return str(given)


def shown(given: Any) -> str:
    """A port as people are told of it."""
    return repr(given) if len(str(given)) < 200 else repr(str(given)[:197] + "...")


def _check_words(given: Any, found: Endpoint) -> None:
    if found.kind in ("tcp", "tcp6", "ssl"):
        number = found.arguments.get("port", "")
        if not (is_digits(number)):
            what = f"the port {shown(given)} has {number!r} where its number should be"
            raise Unreadable(Problem(what, _EXAMPLE))
    if found.port is not None and found.port > 65535:
        what = f"the port {shown(given)} has the number {found.port}; the highest is 65535"
        raise Unreadable(Problem(what, _EXAMPLE))
    backlog = found.arguments.get("backlog", "1")
    if not (is_digits(backlog)):
        what = f"the port {shown(given)} has the backlog {backlog!r}, which is no whole number"
        raise Unreadable(Problem(what, "leave it out"))
    if found.kind == "unix" and not found.arguments.get("address"):
        raise Unreadable(Problem(f"the port {shown(given)} has no file name", "unix:NAME"))


def _words(text: str) -> Iterator[tuple[str, ...]]:
    """The parts between colons: (value,) or (name, value). A backslash takes the next as it is."""
    parts: list[str] = [""]
    characters = iter(text)
    for character in characters:
        if character == "\\":
            parts[-1] += next(characters, "")
        elif character == ":":
            yield tuple(parts)
            parts = [""]
        elif character == "=" and len(parts) == 1:
            parts.append("")
        else:
            parts[-1] += character
    yield tuple(parts)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")


# -- what can be found without listening ------------------------------------------------------


def problems_of(given: int | str, directory: str | Path) -> list[Problem]:
    """What keeps this machine from listening there, apart from others that do so already.

    :param directory: where file names start that are not whole.
    """
    try:
        found = endpoint(given)
    except Unreadable as error:
        return [error.problem]
    found = found.seen_from(directory)
    if found.kind not in _ARGUMENTS:
        return _problems_of_plugin(given, found)
    problems = []
    if found.kind == "unix":
        problems += _problems_of_folder(given, found.arguments["address"])
    else:
        problems += _problems_of_address(given, found.interface)
    if found.kind == "ssl":
        problems += _problems_of_keys(given, found)
    elif found.kind == "tls" and not os.path.isdir(found.arguments.get("path", "")):
        what = f"the port {shown(given)} names the directory {found.arguments.get('path', '')!r}"
        problems.append(Problem(f"{what} of certificates, which does not exist"))
    return problems


def end_of_certificate(found: Endpoint) -> datetime | None:
    """Until when the certificate of a port is good; None if it has none that can be read.

    :param found: with whole file names.
    """
    if found.kind != "ssl":
        return None
    from cryptography import x509

    name = found.arguments.get("certKey") or found.arguments["privateKey"]
    try:
        certificate = x509.load_pem_x509_certificate(Path(name).read_bytes())
    except (OSError, ValueError):
        return None
    return certificate.not_valid_after_utc


def _problems_of_plugin(given: Any, found: Endpoint) -> list[Problem]:
    """Kinds that others bring are known to Twisted only."""
    from twisted.internet.interfaces import IStreamServerEndpointStringParser
    from twisted.plugin import getPlugins

    kinds = {plugin.prefix for plugin in getPlugins(IStreamServerEndpointStringParser)}
    kinds |= _ARGUMENTS.keys()
    if found.kind in kinds:
        return []
    near = nearest(found.kind, kinds)
    hint = f"did you mean '{near}'?" if near else f"kinds: {', '.join(sorted(kinds))}"
    return [Problem(f"the port {shown(given)} is of the unknown kind '{found.kind}'", hint)]


def _problems_of_folder(given: Any, address: str) -> list[Problem]:
    folder = os.path.dirname(address)
    if os.path.isdir(folder):
        return []
    what = f"the port {shown(given)} is a socket in {folder!r}, which is no directory"
    return [Problem(what, f"mkdir -p {folder}")]


def _problems_of_address(given: Any, interface: str) -> list[Problem]:
    """Whether the address is one of this machine's: asked by taking any free port of it."""
    if not interface:
        return []
    try:
        addresses = socket.getaddrinfo(interface, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        what = f"the port {shown(given)} names the address {interface!r}, which is none"
        return [Problem(what, "write an address of this machine, or leave interface= out")]
    family, kind, protocol, _, address = addresses[0]
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError as error:
        if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return []  # something that comes to light, or not, when the port itself is taken
        what = f"the port {shown(given)} names the address {interface}, which is not this machine's"
        return [Problem(what, "write one that 'ip address' shows, or leave interface= out")]
    return []


def _problems_of_keys(given: Any, found: Endpoint) -> list[Problem]:
    """Whether key, certificate and what goes with them can be read, and fit each other."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        what = f"the port {shown(given)} needs TLS, which is not installed"
        return [Problem(what, "pip install 'Twisted[tls]'")]
    problems: list[Problem] = []
    files = {"privateKey": found.arguments["privateKey"], **found.files()}
    files.setdefault("certKey", files["privateKey"])
    texts: dict[str, bytes] = {}
    for argument, name in files.items():
        try:
            texts[argument] = Path(name).read_bytes()
        except OSError as error:
            if any(name in problem.what for problem in problems):
                continue  # the file of key and certificate was told already
            reason = (error.strerror or str(error)).lower()
            what = f"the file {name!r} ({argument}=) cannot be read: {reason}"
            problems.append(Problem(f"of the port {shown(given)}, {what}", _KEY_HINT))
    key = certificate = None
    if "privateKey" in texts:
        key, problem = _read_key(load_pem_private_key, files["privateKey"], texts["privateKey"])
        problems += [problem] if problem else []
    for argument in ("certKey", "extraCertChain"):
        if argument not in texts:
            continue
        try:
            read = x509.load_pem_x509_certificates(texts[argument])
        except ValueError:
            what = f"the file {files[argument]!r} ({argument}=) holds no certificate in PEM form"
            hint = "certKey= names its file, if it is not in that of the key"
            problems.append(Problem(what, hint if argument == "certKey" else ""))
        else:
            certificate = read[0] if argument == "certKey" else certificate
    if key and certificate and certificate.public_key() != key.public_key():
        what = f"the key {files['privateKey']!r} does not fit the certificate"
        hint = "one of the two is of another renewal: both are needed, from the same one"
        problems.append(Problem(f"{what} {files['certKey']!r}", hint))
    return problems


_KEY_HINT = "write a name that exists; one that is not whole starts in the master's directory"


def _read_key(load: Any, name: str, text: bytes) -> tuple[Any, Problem | None]:
    try:
        return load(text, None), None
    except TypeError:
        what = f"the key {name!r} is locked by a passphrase, and nobody is there to type it"
        return None, Problem(what, f"openssl pkey -in {name} -out {name}.open")
    except Exception:  # what cryptography raises depends on the key
        what = f"the file {name!r} (privateKey=) holds no private key in PEM form"
        return None, Problem(what, "it begins with -----BEGIN PRIVATE KEY-----")


def expired(given: Any, directory: str | Path, now: datetime | None = None) -> str:
    """That the certificate of a port is good no more, as a warning; empty if it is."""
    try:
        end = end_of_certificate(endpoint(given).seen_from(directory))
    except Unreadable:
        return ""
    if end is None or end > (now or datetime.now(UTC)):
        return ""
    return f"the certificate of the port {shown(given)} has ended on {end:%Y-%m-%d %H:%M} UTC"


def clashes(texts: Iterable[tuple[str, Any]]) -> list[tuple[str, str, int]]:
    """Pairs of names whose ports cannot both be listened on: (name, other name, number).

    :param texts: (name, port): equal names share a port.
    """
    known: list[tuple[str, Endpoint]] = []
    found = []
    for name, given in texts:
        try:
            one = endpoint(given)
        except Unreadable:
            continue
        for other_name, other in known:
            if name == other_name or not one.port or one.port != other.port:
                continue
            if _same_address(one, other):
                found.append((name, other_name, one.port))
        known.append((name, one))
    return found


def _same_address(one: Endpoint, other: Endpoint) -> bool:
    """Whether two endpoints of one number are in each other's way; IPv6 is apart from IPv4."""
    everywhere = ("", "0.0.0.0", "::")
    a, b = one.interface, other.interface
    return (":" in a) == (":" in b) and (a == b or a in everywhere or b in everywhere)
