"""The directory of a master: what marks it, and what is in it."""

import argparse
import os
from pathlib import Path

from ci_master.cli.problem import Problem

TAC = "buildbot.tac"
CONFIG = "master.cfg"
SAMPLE = "master.cfg.sample"


def add_basedir(parser: argparse.ArgumentParser) -> None:
    """The positional argument that nearly every subcommand has."""
    parser.add_argument(
        "basedir",
        nargs="?",
        default=".",
        help="the master's directory (default: the current one)",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what went wrong")


def whole_path(given: str) -> Path:
    """A path as a person types it, made absolute."""
    return Path(os.path.abspath(os.path.expanduser(given)))


def master_directory(given: str) -> Path:
    """The path of an existing master's directory.

    :raises Problem: if it is none.
    :raises PermissionError: if this account may not look.
    """
    path = whole_path(given)
    try:
        text = (path / TAC).read_text(errors="replace")
    except PermissionError:
        raise  # whether it is one is not known
    except OSError:
        raise Problem(
            f"{path} is not the directory of a master: it has no {TAC};"
            f" name the master's directory, or make one with 'ci-master create-master {given}'"
        ) from None
    if "Application('buildmaster')" not in text and 'Application("buildmaster")' not in text:
        known = "worker" in text.lower()
        whose = (
            f"that of a worker: use 'ci-worker ... {given}'" if known else "not that of a master"
        )
        raise Problem(f"{path / TAC} is {whose}")
    return path


def config_named_by(path: Path) -> str:
    """The name of the configuration file: the ``configfile`` variable of the tac file.

    The file is not run, which could open the database: the assignment is read from its text.

    :raises Problem: with the line, if it is not Python.
    """
    import ast

    try:
        tree = ast.parse((path / TAC).read_bytes())
    except SyntaxError as error:
        raise Problem(f"{path / TAC}:{error.lineno}: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise Problem(f"cannot read {path / TAC}: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "configfile" in names and isinstance(node.value.value, str):
                return node.value.value
    return CONFIG
