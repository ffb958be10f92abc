"""Bring a stopped master to this version: its database, and its copy of the sample.

Needed after each upgrade of ci-framework; a master refuses to run on an older database.
Make a backup first: 'ci-master backup'.
"""

import argparse

from ci_master.cli.create_master import (
    DEFAULT_DB,
    upgrade_database,
    write_sample,
    write_tac,
)
from ci_master.cli.directory import (
    add_basedir,
    add_quiet,
    config_named_by,
    master_directory,
)
from ci_master.cli.running import refuse_if_running, refuse_if_used_elsewhere
from ci_master.cli.tac import Settings, tac_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    parser.add_argument(
        "-r", "--replace", action="store_true", help="write a new buildbot.tac, too"
    )
    parser.add_argument("-d", "--develop", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Load the configuration for its database, then migrate that."""
    from ci_master.cli.database import database_of, load, shown_database

    basedir = master_directory(options.basedir)
    refuse_if_running(basedir)
    name = config_named_by(basedir)
    config = load(basedir, name)
    url = database_of(config)
    refuse_if_used_elsewhere(url, basedir)

    def say(*words: object) -> None:
        if not options.quiet:
            print(*words)

    if options.replace:
        settings = Settings(".", name, 10_000_000, 10)
        write_tac(basedir, tac_text(settings), force=True, say=say)
    write_sample(basedir, shown_database(config, DEFAULT_DB))
    upgrade_database(url, basedir, say)
    say("upgrade complete")
    return 0
