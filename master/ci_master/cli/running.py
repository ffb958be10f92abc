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


def refuse_if_used_elsewhere(url: str, basedir: Path) -> None:
    """The same, where a master of another directory or machine has the database.

    :raises Problem: if it has, or if the database cannot be asked.
    """
    from ci_master.app.identity import identity_of
    from ci_master.data.mastership import held_text, holder_of
    from ci_master.storage.engine import DatabaseUnusable

    try:
        lease = holder_of(url, str(basedir))
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error
    if (
        lease is not None
        and lease.rest_s > 0
        and not identity_of(str(basedir), url).is_gone(lease.holder)
    ):
        raise Problem(held_text(lease))
