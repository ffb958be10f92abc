"""The command line of ``ci-worker``: what can be asked, and who does it."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ci_common.faults import nearest
from ci_common.rights import refusal
from ci_worker import __version__

_CREATE = "create-worker"
_COMMANDS = (_CREATE, "start", "stop", "restart")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-") and words[0] not in _COMMANDS:
        near = nearest(words[0], _COMMANDS)
        hint = f"did you mean '{near}'?" if near else "see ci-worker --help"
        parser().exit(1, f"ci-worker: there is no command '{words[0]}'; {hint}\n")
    options = parser().parse_args(words)
    if options.command == _CREATE:
        from ci_worker.cli.create_worker import create_worker

        return create_worker(options)
    from ci_worker.cli import running

    commands = {"start": running.start, "stop": running.stop, "restart": running.restart}
    try:
        return commands[options.command](options)
    except PermissionError as error:
        print(f"ci-worker: {refusal(error, 'ci-worker')}", file=sys.stderr)
        return 1


class Parser(argparse.ArgumentParser):
    """Ends with status 1 for a wrong command line, as all errors do."""

    def error(self, message: str) -> NoReturn:
        """Say how it is used, and what was wrong."""
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = Parser(prog="ci-worker", description="A worker: runs commands where the master cannot.")
    version = f"ci-worker {__version__}"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_create, _start, _stop, _restart):
        add(commands).add_argument("--version", action="version", version=version)
    return top


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction["Parser"]


def _create(commands: "Commands") -> argparse.ArgumentParser:
    sub = commands.add_parser(_CREATE, help="make the directory of a new worker")
    sub.add_argument("basedir", help="the directory to make")
    sub.add_argument(
        "identity",
        nargs="+",
        metavar="[MASTER] NAME PASSWORD",
        help="the master as host[:port] (port 9989; not with --connection-string), "
        "the worker's name and its password",
    )
    sub.add_argument(
        "-k",
        "--keepalive",
        default="30",
        help="seconds between two checks whether the master is there; 0: never (30)",
    )
    sub.add_argument(
        "--umask",
        default="None",
        help="file mode creation mask, such as 0o022; None: that of the shell (None)",
    )
    sub.add_argument(
        "--maxdelay",
        default="300",
        help="longest wait between two tries to connect, in seconds; more than 60 counts as 60"
        " (300)",
    )
    sub.add_argument(
        "--maxretries",
        default="None",
        help="number of failed tries to connect after which it ends (None: never)",
    )
    sub.add_argument(
        "--numcpus",
        default="None",
        help="number of processors to tell the master (None: count them)",
    )
    sub.add_argument(
        "-s",
        "--log-size",
        default="10000000",
        help="size in bytes at which twistd.log is rotated (10000000)",
    )
    sub.add_argument(
        "-l",
        "--log-count",
        default="10",
        help="how many old twistd.log files are kept; None keeps all (10)",
    )
    sub.add_argument(
        "-a",
        "--allow-shutdown",
        help="let SIGHUP ('signal'), or touching shutdown.stamp ('file'), end the worker when its"
        " builds have ended (default: neither)",
    )
    sub.add_argument(
        "--protocol",
        default="pb",
        help="how to talk to the master: this version speaks only pb (pb)",
    )
    sub.add_argument("--connection-string", help="address of the master as a Twisted endpoint")
    sub.add_argument(
        "--proxy-connection-string",
        help="connect through this HTTP proxy, given as a Twisted endpoint",
    )
    sub.add_argument("-f", "--force", action="store_true", help="overwrite files that exist")
    sub.add_argument(
        "-r",
        "--relocatable",
        action="store_true",
        help="has no effect: the directory can be moved in any case",
    )
    sub.add_argument("-n", "--no-logrotate", action="store_true", help="do not rotate twistd.log")
    sub.add_argument("--use-tls", action="store_true", help="connect to the master by TLS")
    sub.add_argument(
        "--delete-leftover-dirs",
        action="store_true",
        help="remove directories that no builder uses",
    )
    _quiet(sub)
    return sub


def _start(commands: "Commands") -> argparse.ArgumentParser:
    sub = commands.add_parser("start", help="start a worker")
    _directory(sub)
    _nodaemon(sub)
    return sub


def _stop(commands: "Commands") -> argparse.ArgumentParser:
    sub = commands.add_parser("stop", help="stop a worker")
    _directory(sub)
    return sub


def _restart(commands: "Commands") -> argparse.ArgumentParser:
    sub = commands.add_parser("restart", help="stop a worker and start it again")
    _directory(sub)
    _nodaemon(sub)
    return sub


def _directory(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "basedir", nargs="?", default=".", help="the worker's directory (default: the current one)"
    )
    _quiet(sub)


def _nodaemon(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--nodaemon", action="store_true", help="stay in the foreground, and print the log"
    )
    sub.add_argument(
        "--start_timeout",
        "--start-timeout",
        default="60",
        metavar="SECONDS",
        help="seconds to wait until the worker is connected; None: for ever (60)",
    )


def _quiet(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("-q", "--quiet", action="store_true", help="print only what went wrong")


if __name__ == "__main__":
    sys.exit(main())
