"""Let a running master load its master.cfg again, and print what has changed.

Builds that run are not touched. If the file has faults, they are shown and the master goes
on with the configuration that it has.
"""

import argparse
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ci_master.cli.directory import add_basedir, add_quiet, master_directory
from ci_master.cli.problem import Problem
from ci_master.cli.running import running_pid

DONE = "configuration update complete"
ABORTED = "configuration update aborted"

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d[T ][\d:.+-]+ \[[^\]]*\] ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    parser.add_argument(
        "--progress_timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="give up if the master logs nothing for so long (%(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Send the signal and follow the log."""
    basedir = master_directory(options.basedir)
    pid = running_pid(basedir)
    if pid is None:
        raise Problem(f"the master in {basedir} is not running; see 'ci-master start'")
    log = LogTail(basedir / "twistd.log")
    os.kill(pid, signal.SIGHUP)
    lines = follow(log, options.progress_timeout)
    status = 0 if DONE in lines[-1] else 1
    if status or not options.quiet:
        print("\n".join(lines))
    return status


class LogTail:
    """What is appended to a log file from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = ""

    def news(self) -> list[str]:
        """The whole lines that were added since the last call; begins anew if it was rotated."""
        try:
            with self._path.open("rb") as file:
                if self._path.stat().st_size < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data.decode(errors="replace")).split("\n")
        return lines


def follow(
    log: LogTail,
    timeout_s: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """The lines of a configuration update, without their time stamps; the last is its outcome.

    :raises Problem: if nothing is logged for ``timeout_s`` seconds.
    """
    found: list[str] = []
    deadline = now() + timeout_s
    while True:
        for line in log.news():
            deadline = now() + timeout_s
            found.append(_STAMP.sub("", line).removeprefix("\t"))
            if any(marker in line for marker in (DONE, ABORTED)):
                return found
        if now() > deadline:
            raise Problem(
                f"the master logged nothing for {timeout_s:g} s; look into its twistd.log"
            )
        sleep(0.05)
