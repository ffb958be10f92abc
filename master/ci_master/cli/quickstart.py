"""A complete demonstration in one directory, to look at and to play with.

It has a Git repository with a sample project, a clone of it for you to work in, a master
and two workers. Everything runs until Ctrl-C; called again, it goes on where it was.
"""

import argparse
import shutil
import sys
from pathlib import Path

from ci_master.cli.demo_processes import Processes, StopRequest
from ci_master.cli.demo_repository import Repository
from ci_master.cli.demo_setup import (
    WORKERS,
    make_master,
    make_worker,
    take_free_ports,
    web_port,
)
from ci_master.cli.directory import TAC, whole_path
from ci_master.cli.problem import Problem
from ci_master.cli.running import running_pid
from ci_master.cli.sample_project import COMMITS

#: Seconds between the commits that are pushed to give the pages something to show: a little
#: more than the sample's poll interval.
PUSH_EVERY_S = 12.0
START_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("directory", help="where to make it; one made before is started again")
    parser.add_argument(
        "--no-pushes",
        action="store_true",
        help="do not push the sample's further commits one after another",
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="PORT",
        help="of the pages; default: 8010, or a free one where that is taken",
    )


def run(options: argparse.Namespace) -> int:
    """Make what is missing, start it, and wait for Ctrl-C."""
    stop = StopRequest()
    stop.install()
    try:
        return _run(options, stop)
    except Problem:
        if stop.wanted:  # Ctrl-C reached the programs that it had under way, too
            print("\nstopped", flush=True)
            return 0
        raise


def _run(options: argparse.Namespace, stop: StopRequest) -> int:
    home = whole_path(options.directory)
    if shutil.which("git") is None:
        raise Problem("git is not installed, and the demonstration builds a Git repository")
    repository = Repository(home / "repository.git", home / "work")
    _say(f"making or starting a repository, a master and two workers in {home}: some seconds")
    _make(home, repository)
    _refuse_second_run(home)
    if options.port is not None and not 0 < options.port < 65536:
        raise Problem(f"--port is {options.port}, but must be between 1 and 65535")
    for told in take_free_ports(home, options.port):
        _say(told)
    port = web_port(home / "master")
    _say("starting the master")
    with Processes(home, stop) as processes:
        processes.start("master", [sys.executable, "-m", "ci_master.cli.main"])
        processes.wait_for_port(port, START_TIMEOUT_S)
        _say("starting the workers")
        for name in WORKERS if not stop.wanted else ():
            processes.start(name, [sys.executable, "-m", "ci_worker"])
        if not stop.wanted:
            left = 0 if options.no_pushes else repository.commits_left()
            _say(_welcome(home, port, left))
            if repository.is_complete():
                _say(_what_there_is(port, "All commits of the sample are pushed. To look at:"))
        return _watch(processes, repository, port, with_pushes=not options.no_pushes)


def _make(home: Path, repository: Repository) -> None:
    if not (home / "master" / TAC).exists() and home.exists() and any(home.iterdir()):
        known = {"repository.git", "work", "master", *WORKERS}
        if not {path.name for path in home.iterdir()} <= known:
            raise Problem(f"{home} has something else in it; name a new directory")
    repository.make()
    make_master(home / "master")
    for name in WORKERS:
        make_worker(home / name, name, home / "master")


def _watch(processes: Processes, repository: Repository, port: int, *, with_pushes: bool) -> int:
    """Push the remaining commits one by one; return when something ends, or at Ctrl-C."""
    while True:
        has_ended = processes.wait(PUSH_EVERY_S if with_pushes else None)
        if processes.stop.wanted:
            print("\nstopping...", flush=True)
            return 0
        if has_ended is not None:
            print(has_ended, file=sys.stderr)
            return 1
        pushed = repository.push_next()
        with_pushes = pushed is not None
        if pushed is not None:
            _say(f"pushed a commit: {pushed}")
        if pushed == COMMITS[-1].subject:
            _say(_what_there_is(port, _LAST))


def _say(text: str) -> None:
    print(text, flush=True)


def _refuse_second_run(home: Path) -> None:
    running = [name for name in ("master", *WORKERS) if running_pid(home / name) is not None]
    if running:
        commands = " && ".join(
            f"ci-{'master' if name == 'master' else 'worker'} stop {home / name}"
            for name in running
        )
        raise Problem(f"this demonstration runs already; to stop it: {commands}")


def _welcome(home: Path, port: int, left: int) -> str:
    return f"""\
The demonstration runs, in {home}

  Watch it:        http://localhost:{port}/waterfall
  Its master.cfg:  {home / "master" / "master.cfg"}

Let it build a change of yours:

  cd {home / "work"}
  echo "def twice(a): return 2 * a" >> sums/__init__.py
  git commit -am "Add twice" && git push

Within ten seconds the waterfall shows the builds of it.{_pushes(left)} Ctrl-C stops everything."""


_LAST = "That was the last one. In a few seconds there is something to look at:"


def _pushes(left: int) -> str:
    if not left:
        return ""
    commits = "1 commit of the sample is" if left == 1 else f"{left} commits of the sample are"
    return f"""
{commits} pushed in the first minute, unless you begin to work there."""


def _what_there_is(port: int, begin: str) -> str:
    return f"""\

{begin}

  red:      http://localhost:{port}/builders/tests   a test fails since this commit: mend it
  running:  http://localhost:{port}/builders/soak    a build of six minutes, every five minutes
  waiting:  http://localhost:{port}/queue            what waits for it, and why
"""
