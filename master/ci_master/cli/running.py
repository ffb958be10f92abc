"""Whether a master runs in a directory, by the pid file that it keeps there."""

import os
from pathlib import Path

from ci_master.cli.problem import Problem

PID_FILE = "twistd.pid"


def running_pid(basedir: Path) -> int | None:
    """The process id of the master that runs in ``basedir``; None if there is none."""
    try:
        pid = int((basedir / PID_FILE).read_text())
    except (OSError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return pid
    return pid


def refuse_if_running(basedir: Path) -> None:
    """Some commands need the master's database for themselves.

    :raises Problem: if the master runs.
    """
    pid = running_pid(basedir)
    if pid is not None:
        raise Problem(
            f"the master in {basedir} is running (process {pid});"
            f" stop it first: ci-master stop {basedir}"
        )
