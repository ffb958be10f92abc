"""What a machine is and who cares for it, in the words that the master shows to people."""

import getpass
import os
import platform
import sys
from pathlib import Path

from ci_worker.facts.report import OS_RELEASE, count_cpus, system_facts

_LONGEST = 400


def describe_machine(os_release: Path = OS_RELEASE) -> str:
    """One line: name, system, kernel, processor, memory, Python."""
    parts = [
        f"{platform.node() or 'unnamed'}: {_system(os_release)}",
        f"{platform.system()} {platform.release()} {platform.machine()}".strip(),
        _processors(count_cpus()),
        _memory(),
        f"Python {platform.python_version()}",
    ]
    return _one_line(", ".join(part for part in parts if part))


def describe_admin() -> str:
    """One line: the account that makes the worker, with its person's name if the system has it."""
    try:
        account = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as containers have
        account = f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    name, address = _full_name(account), f"{account}@{platform.node() or 'localhost'}"
    return _one_line(f"{name} <{address}>" if name else address)


def _system(os_release: Path) -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return system_facts(os_release).get("os_pretty_name") or platform.system()


def _processors(count: int) -> str:
    return "1 processor" if count == 1 else f"{count} processors"


def _memory() -> str:
    import psutil  # takes a moment to load

    return f"{max(1, round(psutil.virtual_memory().total / 2**30))} GB memory"


def _full_name(account: str) -> str:
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        name = pwd.getpwnam(account).pw_gecos.partition(",")[0].strip()
    except KeyError:
        return ""
    return "" if name == account else name


def _one_line(text: str) -> str:
    """Without line ends and what no terminal shows; not endless."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST]
