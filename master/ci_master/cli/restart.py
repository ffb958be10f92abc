"""Stop a master, if it runs, and start it again."""

import argparse

from ci_master.cli.directory import add_basedir, add_quiet, master_directory
from ci_master.cli.running import running_pid
from ci_master.cli.start import add_start_options, start
from ci_master.cli.stop import add_clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    add_quiet(parser)
    add_start_options(parser)
    add_clean(parser)


def run(options: argparse.Namespace) -> int:
    """Stop, then start; a master that does not run is just started."""
    from ci_common.daemon import stop_daemon

    basedir = master_directory(options.basedir)
    if running_pid(basedir) is None:
        if not options.quiet:
            print("the master was not running; starting it")
    else:
        status = stop_daemon(basedir, clean=options.clean, quiet=options.quiet)
        if status:
            return status
    return start(basedir, options)
