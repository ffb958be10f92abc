"""Load a master.cfg and list its mistakes; nothing is started or changed.

Give a configuration file, or the directory of a master, whose configuration is then checked.
Mistakes of the configuration are listed together; an error of Python, such as a syntax error,
ends the list, since what follows it is not run.
"""

import argparse
import gc
import sys
from pathlib import Path

from ci_common.faults import ConfigError
from ci_common.privacy import open_to_others
from ci_master.cli.directory import CONFIG, TAC, add_quiet, config_named_by, whole_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "configFile",
        nargs="?",
        default=None,
        help="configuration file, or a master's directory (default: the current directory)",
    )
    add_quiet(parser)


def run(options: argparse.Namespace) -> int:
    """Check, and tell."""
    from ci_master.config.load import load_config
    from ci_master.config.report import report

    gc.disable()  # a short life: whatever the file makes is kept to its end
    path = _config_file(options.configFile)
    try:
        config = load_config(path.parent, path.name)
    except ConfigError as error:
        print(report(path.name, error), file=sys.stderr)
        return 1
    for warning in [*config.warnings, *_directory_warnings(path.parent)]:
        print(f"warning: {warning}", file=sys.stderr)
    for note in config.notes:
        print(f"note: {note}", file=sys.stderr)
    if not options.quiet:
        print("Config file is good!")
    return 0


def _directory_warnings(directory: Path) -> list[str]:
    """What is wrong with the directory, if it is that of a master."""
    told = open_to_others(directory, "master") if (directory / TAC).exists() else ""
    return [told] if told else []


def _config_file(given: str | None) -> Path:
    path = whole_path(given or ".")
    if not path.is_dir():
        return path
    return path / (config_named_by(path) if (path / TAC).exists() else CONFIG)
