"""Stop a master, if it runs, and start it again.

If master.cfg has mistakes, they are listed, and the running master is not stopped.
"""

import argparse
import sys
from pathlib import Path

from ci_common.faults import ConfigError
from ci_master.cli.directory import add_basedir, add_quiet, config_named_by, master_directory
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
    elif has_faults(basedir):
        return 1
    else:
        status = stop_daemon(basedir, clean=options.clean, quiet=options.quiet)
        if status:
            return status
    return start(basedir, options)


def has_faults(basedir: Path) -> bool:
    """Whether the configuration of a running master would not let it start; they are told."""
    from ci_master.config.load import load_config
    from ci_master.config.report import report

    name = config_named_by(basedir)
    try:
        load_config(basedir, name)
    except ConfigError as error:
        print(report(name, error), file=sys.stderr)
        print("not restarted; the master that runs goes on", file=sys.stderr)
        return True
    return False
