"""Whether a master needs TLS itself: most serve plain ports, to a proxy or within a network."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ci_master.config.model import Config

#: What a configuration says that may make its process talk TLS: ports, services of any kind
#: (reporters among them), and clients that authors use.
_SIGNS = re.compile(
    r"""["'](ssl|tls)\W|["']services["']|OpenSSL|treq|aiohttp|wss:|Auth\(|PullrequestPoller|Vault
    |twisted\.(web\.client|internet\.ssl|internet\.endpoints|mail)""",
    re.VERBOSE,
)
_MOST_FILES = 500
_DEEPEST = 3
#: Directories that hold other people's files: checkouts and local workers.
_NOT_THE_AUTHORS = frozenset({"gitpoller-work", "workers", "node_modules", "site-packages"})


def wants_tls(basedir: str, configfile: str) -> bool:
    """Whether the configuration, or a module beside it, may need TLS in the master's process."""
    config = Path(basedir, configfile)
    for path in (config, *islice(_modules_below(config.parent, _DEEPEST), _MOST_FILES)):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the load of the configuration will say what is wrong with it
        if _SIGNS.search(text):
            return True
    return False


def _modules_below(directory: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".py":
            yield entry
            continue
        is_authors = entry.name not in _NOT_THE_AUTHORS and not entry.name.startswith(".")
        if depth and is_authors and entry.is_dir() and not entry.is_symlink():
            yield from _modules_below(entry, depth - 1)


def tls_ports(config: Config) -> list[str]:
    """The ports of a configuration that are to be served with TLS."""
    given: list[Any] = [config.www.get("port")]
    given += [options.get("port") for options in config.protocols.values()]
    return [str(port) for port in given if str(port).startswith(("ssl:", "tls:"))]
