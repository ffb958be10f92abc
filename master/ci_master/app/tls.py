"""Whether a master needs TLS itself: most serve plain ports, to a proxy or within a network."""

import re
from pathlib import Path
from typing import Any

from ci_master.config.model import Config

#: What a configuration says that makes its process talk TLS.
_SIGNS = re.compile(
    r"""["'](ssl|tls)\W|OpenSSL|twisted\.(web\.client|internet\.ssl|internet\.endpoints|mail)
    |treq|aiohttp|wss:|useTls|useSmtps|Auth\(|StatusPush|PullrequestPoller|MailNotifier|Vault""",
    re.VERBOSE,
)
_MOST_FILES = 500


def wants_tls(basedir: str, configfile: str) -> bool:
    """Whether the configuration, or a module beside it, may need TLS in the master's process."""
    config = Path(basedir, configfile)
    files = [config, *sorted(config.parent.rglob("*.py"))[:_MOST_FILES]]
    for path in files:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # the load of the configuration will say what is wrong with it
        if _SIGNS.search(text):
            return True
    return False


def tls_ports(config: Config) -> list[str]:
    """The ports of a configuration that are to be served with TLS."""
    given: list[Any] = [config.www.get("port")]
    given += [options.get("port") for options in config.protocols.values()]
    return [str(port) for port in given if str(port).startswith(("ssl:", "tls:"))]
