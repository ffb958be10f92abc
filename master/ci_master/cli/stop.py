"""Stop a running master, and wait until it has ended.

Builds that run are ended at once; with --clean the master lets them finish first.
"""

import argparse

from ci_master.cli.directory import add_basedir, add_quiet, master_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    add_clean(parser)
    parser.add_argument(
        "--no-wait", action="store_true", help="do not wait until the master has ended"
    )


def add_clean(parser: argparse.ArgumentParser) -> None:
    """``--clean``."""
    parser.add_argument(
        "-c", "--clean", action="store_true", help="let running builds finish first"
    )


def run(options: argparse.Namespace) -> int:
    """Stop it."""
    from ci_common.daemon import stop_daemon

    return stop_daemon(
        master_directory(options.basedir),
        clean=options.clean,
        wait=not options.no_wait,
        quiet=options.quiet,
    )
