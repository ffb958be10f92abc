"""The facts that a worker reports to its master when it is asked."""

import os
from pathlib import Path
from typing import Any

from ci_worker import __version__
from ci_worker.commands import COMMAND_NAMES, COMMAND_VERSION

OS_RELEASE = Path("/etc/os-release")


def worker_facts(
    basedir: str, *, numcpus: int | None, delete_leftover_dirs: bool, os_release: Path = OS_RELEASE
) -> dict[str, Any]:
    """The facts, by the names that masters know.

    :param basedir: each text file in its ``info`` directory is a fact named after the file.
    :param numcpus: how many processors to claim; None counts them.
    """
    facts: dict[str, Any] = _info_files(Path(basedir) / "info")
    facts.update(system_facts(os_release))
    facts["environ"] = dict(os.environ)
    facts["system"] = os.name
    facts["basedir"] = basedir
    facts["numcpus"] = numcpus or count_cpus()
    facts["version"] = __version__
    facts["worker_commands"] = dict.fromkeys(COMMAND_NAMES, COMMAND_VERSION)
    facts["delete_leftover_dirs"] = delete_leftover_dirs
    return facts


def _info_files(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in files}


def system_facts(os_release: Path) -> dict[str, str]:
    """What the system says of itself in ``os-release``, by names that begin with ``os_``."""
    if not os_release.is_file():
        return {}
    facts = {}
    for line in os_release.read_text(encoding="utf-8", errors="replace").splitlines():
        name, found, value = line.strip().partition("=")
        if found and not name.startswith("#"):
            facts[f"os_{name.lower()}"] = value.strip("\"'")
    return facts


def count_cpus() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
