"""Start a master, and wait until it says that it works.

It runs in the background and writes to twistd.log in its directory; with --nodaemon it
stays here and writes to the terminal as well, until Ctrl-C.
"""

import argparse
import os
from pathlib import Path

from ci_common.numbers import finite_number
from ci_master.cli.directory import add_basedir, add_quiet, master_directory

#: Seconds without a word of the starting master after which 'start' gives up waiting.
DEFAULT_TIMEOUT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    add_start_options(parser)


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """What 'restart' has in common with 'start'."""
    parser.add_argument(
        "--nodaemon", action="store_true", help="stay in the foreground, and print the log"
    )
    parser.add_argument(
        "--start_timeout",
        type=timeout,
        default=os.environ.get("START_TIMEOUT", str(DEFAULT_TIMEOUT_S)),  # given to type
        metavar="SECONDS",
        help="seconds to wait until the master says that it works; None: for ever"
        f" (default: $START_TIMEOUT, else {DEFAULT_TIMEOUT_S:g})",
    )


def timeout(text: str) -> float | None:
    """Seconds; None if the text is ``None`` or empty."""
    if text in ("", "None"):
        return None
    seconds = finite_number(text)
    if seconds is None or seconds < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number of seconds nor None")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Start it."""
    return start(master_directory(options.basedir), options)


def start(basedir: Path, options: argparse.Namespace) -> int:
    """Start the master of a directory, here or in the background."""
    from ci_common.daemon import run_in_foreground, start_daemon

    if options.nodaemon:
        from ci_master.cli.daemon import prepare_process

        prepare_process(basedir)
        return run_in_foreground(basedir)
    return start_daemon(
        basedir,
        start_timeout_s=options.start_timeout,
        quiet=options.quiet,
        module="ci_master.cli.daemon",
    )
