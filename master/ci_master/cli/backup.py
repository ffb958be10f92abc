"""Make a backup of a master in one file; the master may run meanwhile.

In it are the database, buildbot.tac, the configuration file and the Python files beside it. It is
for its owner only to read: there are the passwords of the configuration in it.
"""

import argparse
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from ci_master import __version__
from ci_master.cli.directory import (
    TAC,
    add_quiet,
    config_named_by,
    master_directory,
    whole_path,
)
from ci_master.cli.problem import Problem

#: A file of a configuration that is larger than this is not one.
_MOST_BYTES = 10_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("basedir", help="the master's directory")
    parser.add_argument("file", help="where to put the backup; an older backup there is replaced")
    add_db(parser)
    add_quiet(parser)


def add_db(parser: argparse.ArgumentParser) -> None:
    """``--db``."""
    parser.add_argument(
        "--db", metavar="URL", help="the database (default: that of the configuration)"
    )


def run(options: argparse.Namespace) -> int:
    """Make it."""
    from ci_master.storage.backup import write_backup
    from ci_master.storage.engine import DatabaseUnusable, database_url, show

    tidy_when_ended()
    basedir = master_directory(options.basedir)
    target = whole_path(options.file)
    config_name = config_named_by(basedir)
    url = database_named(options.db, basedir, config_name)
    _refuse_to_overwrite(target, url, basedir)
    info = {
        "made_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "made_by": f"ci-master {__version__}",
        "host": socket.gethostname(),
        "directory": str(basedir),
        "config": config_name,
    }
    try:
        info["database"] = show(database_url(url, str(basedir)))
        files = _files(basedir, config_name)
        backup = write_backup(url, str(basedir), target, files=files, info=info)
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error
    if not options.quiet:
        size = target.stat().st_size / 1_000_000
        print(f"backup of {info['database']} (version {backup.version}): {target}, {size:.1f} MB")
        print(f"with it: {', '.join(files)}")
    return 0


def tidy_when_ended() -> None:
    """At SIGTERM end as by an exception, so that no unfinished file is left behind."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))


def database_named(given: str | None, basedir: Path, config_name: str) -> str:
    """The database's URL: what was given, or that of the configuration.

    :raises Problem: if the configuration has faults.
    """
    if given:
        return given
    from ci_common.faults import ConfigError
    from ci_master.cli.database import database_of, load

    try:
        return database_of(load(basedir, config_name))
    except ConfigError as error:
        raise Problem(
            f"the configuration, which names the database, has faults:\n{error}\n"
            "    Mend it, or name the database: --db=sqlite:///state.sqlite"
        ) from error


def _files(basedir: Path, config_name: str) -> dict[str, bytes]:
    """The files that say how the master is run; name -> content."""
    names = [TAC, config_name, *sorted(path.name for path in basedir.glob("*.py"))]
    found = {}
    for name in dict.fromkeys(names):
        path = basedir / name
        if Path(name).name != name or not path.is_file():
            continue  # a configuration that is elsewhere, as a checkout, has its own backup
        if path.stat().st_size <= _MOST_BYTES:
            found[name] = path.read_bytes()
    return found


def _refuse_to_overwrite(target: Path, url: str, basedir: Path) -> None:
    from ci_master.storage.backup import is_backup
    from ci_master.storage.engine import DatabaseUnusable, sqlite_file

    if not target.parent.is_dir():
        raise Problem(f"there is no directory {target.parent}")
    if target.is_dir():
        raise Problem(f"{target} is a directory; name a file in it")
    try:
        database = sqlite_file(url, str(basedir))
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error
    both_exist = database is not None and target.exists() and Path(database).exists()
    if database is not None and both_exist and target.samefile(database):
        raise Problem(f"{target} is the database itself; name another file for the backup")
    if target.exists() and target.stat().st_size and not is_backup(target):
        raise Problem(f"{target} exists and is no backup; name another file, or remove it")
