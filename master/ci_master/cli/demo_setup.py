"""The directories of the demonstration's master and workers."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from ci_master.cli.create_master import (
    DEFAULT_DB,
    make_directory,
    sample_text,
    upgrade_database,
    write_sample,
    write_tac,
)
from ci_master.cli.directory import CONFIG, TAC
from ci_master.cli.problem import Problem
from ci_master.cli.tac import Settings, tac_text

#: As in the sample configuration.
WORKERS = ("worker1", "worker2")
PASSWORD = "change-this-password"  # the sample's: both ends are on this machine

#: What is different in the demonstration's configuration; its directory can be moved.
_REPLACED = {
    "\n# It works as it is: it builds a small program, FILES below, which the master sends to the"
    "\n# worker. So it needs no repository and no network.": "\n# It builds the repository of the"
    " demonstration, which is beside the master's directory.",
    "\nfrom ci_master.plugins import *\n": "\nimport os\n\nfrom ci_master.plugins import *\n",
    "\nREPOSITORY = None\n": '\nREPOSITORY = "file://" + os.path.join('
    'os.path.dirname(basedir), "repository.git")\n',
}

#: What is added to it: builds that take longer than the time between two of them, so that there is
#: always something that runs, and soon something that waits.
_ADDED = """
# --- For the demonstration: something that runs for minutes, and something that waits for it --
soak = util.BuildFactory(
    [*source, steps.ShellCommand(name="soak", command=["python3", "soak.py"])]
)
c["builders"].append(
    util.BuilderConfig(
        name="soak",
        description="Takes six minutes, on one worker only",
        tags=["slow"],
        workernames=["worker2"],
        factory=soak,
    )
)
c["schedulers"] += [
    schedulers.SingleBranchScheduler(
        name="soak",
        change_filter=util.ChangeFilter(branch="main"),
        treeStableTimer=None,
        builderNames=["soak"],
    ),
    schedulers.Periodic(name="again", periodicBuildTimer=300, builderNames=["soak"]),
]
"""

_PORTS = {"WEB_PORT": 8010, "WORKER_PORT": 9989}


def demo_text() -> str:
    """The sample configuration, with the repository of the demonstration."""
    text = sample_text()
    for sample, demo in _REPLACED.items():
        if sample not in text:
            raise Problem(f"the sample configuration has no line '{sample.strip()}'")
        text = text.replace(sample, demo, 1)
    return text + _ADDED


def make_master(home: Path) -> None:
    """A master of the sample configuration, on ports that are free now."""
    if (home / CONFIG).exists():
        return
    make_directory(home)
    text = demo_text()
    for name, usual in _PORTS.items():
        text = re.sub(rf"(?m)^{name} = \d+$", f"{name} = {free_port(usual)}", text)
    write_tac(home, tac_text(Settings(".", CONFIG, 10_000_000, 10)), force=True)
    write_sample(home, DEFAULT_DB)
    upgrade_database(DEFAULT_DB, home, say=lambda *words: None)
    (home / CONFIG).write_text(text)
    os.chmod(home / CONFIG, 0o600)


def make_worker(home: Path, name: str, master: Path) -> None:
    """A worker that connects to the master of ``master``."""
    if (home / TAC).exists():
        return
    address = f"localhost:{_port(master, 'WORKER_PORT')}"
    command = [sys.executable, "-m", "ci_worker", "create-worker", "--relocatable"]
    done = subprocess.run(
        [*command, str(home), address, name, PASSWORD], capture_output=True, text=True
    )
    if done.returncode:
        raise Problem(f"could not make {home}: {(done.stdout + done.stderr).strip()}")


def web_port(master: Path) -> int:
    """The port of the master's pages."""
    return _port(master, "WEB_PORT")


def _port(master: Path, name: str) -> int:
    found = re.search(rf"(?m)^{name} = (\d+)$", (master / CONFIG).read_text())
    if found is None:
        raise Problem(f"{master / CONFIG} does not set {name} any more; start it by ci-master")
    return int(found[1])


def free_port(usual: int) -> int:
    """``usual`` if nothing listens there, else one that is free."""
    if not is_taken(usual):
        return usual
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int) -> bool:
    """Whether another program has the port, of 127.0.0.1 or of what else browsers try."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    with contextlib.suppress(OSError), socket.create_connection(("::1", port), 1):
        return True
    return False


def take_free_ports(home: Path, wanted_web_port: int | None = None) -> list[str]:
    """Give the demonstration other ports where its own ones are taken; it must not run.

    :param wanted_web_port: the port of the pages from now on.
    :returns: a sentence for each port that is another one now.
    :raises Problem: if the wanted port is taken.
    """
    if wanted_web_port is not None and is_taken(wanted_web_port):
        raise Problem(f"port {wanted_web_port} is taken by another program")
    told = []
    for name, what in (("WEB_PORT", "the pages are"), ("WORKER_PORT", "workers connect")):
        old = _port(home / "master", name)
        new = wanted_web_port if name == "WEB_PORT" and wanted_web_port else free_port(old)
        if new == old:
            continue
        _replace(home / "master" / CONFIG, rf"(?m)^{name} = \d+$", f"{name} = {new}")
        if name == "WORKER_PORT":
            for worker in WORKERS:
                _replace(home / worker / TAC, rf"(?m)^port = {old}$", f"port = {new}")
        why = "" if wanted_web_port == new else f"port {old} is taken by another program: "
        told.append(f"{why}{what} at port {new} from now on")
    return told


def _replace(path: Path, pattern: str, text: str) -> None:
    path.write_text(re.sub(pattern, text, path.read_text()))
