"""Compress the logs in a stopped master's database again, with the method configured now."""

import argparse

from ci_master.cli.directory import add_basedir, add_quiet, config_named_by, master_directory
from ci_master.cli.problem import Problem
from ci_master.cli.running import refuse_if_running, refuse_if_used_elsewhere


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="compress again, too, what is compressed by that method already",
    )


def run(options: argparse.Namespace) -> int:
    """Compress, and tell what came of it."""
    basedir = master_directory(options.basedir)
    refuse_if_running(basedir)

    from ci_master.cli.database import database_of, load
    from ci_master.storage.engine import DatabaseUnusable
    from ci_master.storage.maintenance import cleanup

    config = load(basedir, config_named_by(basedir))
    url = database_of(config)
    refuse_if_used_elsewhere(url, basedir)
    try:
        told = cleanup(
            url,
            str(basedir),
            method=config.logCompressionMethod,
            force=options.force,
        )
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error
    if not options.quiet:
        if told:
            print(told)
        print("cleanup complete")
    return 0
