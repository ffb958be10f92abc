"""Make the directory of a new master: buildbot.tac, master.cfg.sample and the database.

A directory that already has a buildbot.tac is brought up to date instead; your files stay.
"""

import argparse
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from ci_common.numbers import whole_number
from ci_common.privacy import make_private_directory, open_to_others, write_private_text
from ci_master.cli.directory import CONFIG, SAMPLE, TAC, add_basedir, add_quiet, whole_path
from ci_master.cli.problem import Problem
from ci_master.cli.tac import Settings, tac_text

Say = Callable[..., None]

DEFAULT_DB = "sqlite:///state.sqlite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_basedir(parser)
    parser.add_argument(
        "-c", "--config", default=CONFIG, help="name of the configuration file (%(default)s)"
    )
    parser.add_argument(
        "-s",
        "--log-size",
        type=int,
        default=10_000_000,
        help="size in bytes at which twistd.log is rotated (%(default)s)",
    )
    parser.add_argument(
        "-l",
        "--log-count",
        type=_count,
        default=10,
        help="how many old twistd.log files are kept; None keeps all (%(default)s)",
    )
    parser.add_argument(
        "--db", default=DEFAULT_DB, metavar="URL", help="URL of the database (%(default)s)"
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="write a new buildbot.tac even if there is one"
    )
    parser.add_argument(
        "-r",
        "--relocatable",
        action="store_true",
        help="has no effect: the directory can be moved in any case",
    )
    parser.add_argument(
        "-n", "--no-logrotate", action="store_true", help="do not rotate twistd.log"
    )
    add_quiet(parser)
    parser.add_argument("-d", "--develop", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Make the directory, or what it lacks."""
    basedir = whole_path(options.basedir)
    say = _silent if options.quiet else print
    make_directory(basedir, say)
    settings = Settings(
        basedir=".",  # an absolute path would be wrong in a copy, and after a move
        config=options.config,
        log_size=None if options.no_logrotate else options.log_size,
        log_count=options.log_count,
    )
    write_tac(basedir, tac_text(settings), force=options.force, say=say)
    write_sample(basedir, options.db, say=say)
    upgrade_database(options.db, basedir, say)
    say(_next_steps(basedir, options.config))
    return 0


def _silent(*words: object) -> None:
    """Print nothing."""


def _count(text: str) -> int | None:
    if text == "None":
        return None
    count = whole_number(text)
    if count is None:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a whole number nor None")
    return count


def make_directory(basedir: Path, say: Say = print) -> None:
    """Make a directory and its parents. A new one is only for its owner to look into.

    :raises Problem: if that is impossible.
    """
    try:
        if not make_private_directory(basedir) and (told := open_to_others(basedir, "master")):
            say(f"warning: {told}")
    except OSError as error:
        raise Problem(f"cannot make the directory {basedir}: {error.strerror}") from error


def write_tac(basedir: Path, text: str, *, force: bool, say: Say = print) -> None:
    """Write buildbot.tac; one that differs is kept, and the new one put beside it."""
    path = basedir / TAC
    if path.exists() and not force:
        if path.read_text() == text:
            return
        path = basedir / f"{TAC}.new"
    write_private_text(path, text)
    if path.name != TAC:
        say(f"{basedir / TAC} exists and is kept; what it would be now is in {path.name}")


def sample_text(db_url: str = DEFAULT_DB) -> str:
    """The sample configuration, with the given database."""
    text = files("ci_master.cli").joinpath("templates", SAMPLE).read_text()
    return text.replace(repr(DEFAULT_DB).replace("'", '"'), f'"{db_url}"')


def write_sample(basedir: Path, db_url: str, say: Say = print) -> None:
    """Write master.cfg.sample, which is ours: it is replaced without asking."""
    path = basedir / SAMPLE
    write_private_text(path, sample_text(db_url))  # people put passwords into copies of it


def upgrade_database(url: str, basedir: Path, say: Say = print) -> None:
    """Create the database's tables, or bring them to this version.

    :raises Problem: with what is wrong and what to do.
    """
    from ci_master.storage.engine import DatabaseUnusable
    from ci_master.storage.migrate import upgrade

    try:
        say(upgrade(url, str(basedir)))
    except DatabaseUnusable as error:
        raise Problem(str(error)) from error


def _next_steps(basedir: Path, config: str) -> str:
    there = basedir / config
    if there.exists():
        return f"The master in {basedir} is up to date. Start it: ci-master start {basedir}"
    return "\n".join(
        [
            f"The master's directory is ready: {basedir}",
            "Next:",
            f"  cp {basedir / SAMPLE} {there}    # then edit it",
            f"  ci-master checkconfig {there}",
            f"  ci-master start {basedir}",
        ]
    )
