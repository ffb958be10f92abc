"""A complete demonstration in one directory, to look at and to play with.

It has a Git repository with a sample project, a clone of it for you to work in, a master
and two workers. Everything runs until Ctrl-C; called again, it goes on where it was.
"""

import argparse
import shutil
import socket
import sys
from pathlib import Path

from ci_master.cli.demo_processes import Processes, StopRequest
from ci_master.cli.demo_repository import Repository
from ci_master.cli.demo_setup import WORKERS, make_master, make_worker, web_port
from ci_master.cli.directory import TAC, whole_path
from ci_master.cli.problem import Problem
from ci_master.cli.running import running_pid

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
    _make(home, repository)
    port = web_port(home / "master")
    _refuse_taken_port(port, home)
    with Processes(home, stop) as processes:
        processes.start("master", [sys.executable, "-m", "ci_master.cli.main"])
        processes.wait_for_port(port, START_TIMEOUT_S)
        for name in WORKERS if not stop.wanted else ():
            processes.start(name, [sys.executable, "-m", "ci_worker"])
        if not stop.wanted:
            print(_welcome(home, port), flush=True)
        return _watch(processes, repository, with_pushes=not options.no_pushes)


def _make(home: Path, repository: Repository) -> None:
    if not (home / "master" / TAC).exists() and home.exists() and any(home.iterdir()):
        known = {"repository.git", "work", "master", *WORKERS}
        if not {path.name for path in home.iterdir()} <= known:
            raise Problem(f"{home} has something else in it; name a new directory")
    repository.make()
    make_master(home / "master")
    for name in WORKERS:
        make_worker(home / name, name, home / "master")


def _watch(processes: Processes, repository: Repository, *, with_pushes: bool) -> int:
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
            print(f"pushed a commit: {pushed}", flush=True)


def _refuse_taken_port(port: int, home: Path) -> None:
    running = [name for name in ("master", *WORKERS) if running_pid(home / name) is not None]
    if running:
        commands = " && ".join(
            f"ci-{'master' if name == 'master' else 'worker'} stop {home / name}"
            for name in running
        )
        raise Problem(f"this demonstration runs already; to stop it: {commands}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise Problem(
                f"port {port} of this machine is taken, perhaps by another demonstration; stop"
                f" that, or change WEB_PORT in {home / 'master' / 'master.cfg'}"
            ) from None


def _welcome(home: Path, port: int) -> str:
    return f"""\
The demonstration runs, in {home}

  Watch it:        http://localhost:{port}/waterfall
  Its master.cfg:  {home / "master" / "master.cfg"}

Let it build a change of yours:

  cd {home / "work"}
  echo "def twice(a): return 2 * a" >> sums/__init__.py
  git commit -am "Add twice" && git push

Within ten seconds the waterfall shows the builds of it. A few commits of the sample are
pushed meanwhile; the tests of one fail. Ctrl-C stops everything."""
