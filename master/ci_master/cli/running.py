"""Whether a master runs in a directory, by the pid file that it keeps there."""

from pathlib import Path

from ci_common.pidfile import PidFile
from ci_master.cli.problem import Problem

PID_FILE = "twistd.pid"


def running_pid(basedir: Path) -> int | None:
    """The process id of the master that runs in ``basedir``; None if there is none."""
    return PidFile(basedir / PID_FILE).serving()


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
