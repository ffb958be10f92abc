"""Tell a running master of a change, through its PBChangeSource.

Defaults for --master, --who, --branch, --category and --vc may stand in a file
.buildbot/options of this directory, one above it or the home directory.
"""

import argparse
import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ci_common.numbers import whole_number
from ci_master.cli.options_file import read_options
from ci_master.cli.problem import Problem

VERSION_CONTROL = ("cvs", "svn", "darcs", "hg", "bzr", "git", "mtn", "p4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add = parser.add_argument
    add("files", nargs="*", help="the files that were changed")
    add("-m", "--master", metavar="HOST:PORT", help="address at which the master takes changes")
    add("-a", "--auth", default="change:changepw", metavar="USER:PASSWORD",
        help="those of the PBChangeSource; without ':PASSWORD' you are asked for it")  # fmt: skip
    add("-W", "--who", help="author of the change")
    add("-R", "--repository", default="", help="URL of the repository")
    add("-s", "--vc", help=f"kind of version control: {', '.join(VERSION_CONTROL)}")
    add("-P", "--project", default="", help="name of the project")
    add("-b", "--branch", help="branch that was changed")
    add("-C", "--category", help="category of the change")
    add("--codebase", help="name of the code base")
    add("-r", "--revision", help="revision of the change")
    add("--revision_file", metavar="FILE", help="file with the revision")
    add("-p", "--property", action="append", default=[], metavar="NAME:VALUE", dest="properties",
        help="property of the change; may be given more than once")  # fmt: skip
    add("-c", "--comments", default=None, help="message of the change")
    add(
        "-F",
        "--logfile",
        metavar="FILE",
        help="file with the message of the change; '-': standard input",
    )
    add("-w", "--when", type=float, metavar="SECONDS", help="time of the change, unix seconds")
    add("-l", "--revlink", default="", metavar="URL", help="address of a page about the revision")
    add(
        "-e", "--encoding", default="utf8", help="encoding of the arguments and files (%(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Send it."""
    defaults = read_options(Path.cwd(), Path.home())
    host, port = _address(options.master or defaults.get("master"))
    user, password = _credentials(options.auth)
    change = change_of(options, defaults)

    from ci_master.cli.pb_client import send_change

    error = send_change(host, port, user, password, change)
    if error is not None:
        print(f"change not sent: {error}", file=sys.stderr)
        return 1
    print("change sent successfully")
    return 0


def change_of(options: argparse.Namespace, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The change as it goes over the wire.

    :raises Problem: if something that it needs was not given.
    """
    who = options.who or defaults.get("who")
    if not who:
        raise Problem("tell who made the change: --who='Name <address>'")
    kind = options.vc or defaults.get("vc")
    if kind and kind not in VERSION_CONTROL:
        raise Problem(f"--vc is '{kind}', but must be one of {', '.join(VERSION_CONTROL)}")
    change = {
        "project": options.project,
        "repository": options.repository,
        "who": who,
        "files": options.files,
        "comments": _comments(options),
        "branch": options.branch or defaults.get("branch"),
        "revision": _revision(options),
        "category": options.category or defaults.get("category"),
        "when": options.when,
        "properties": _properties(options.properties),
        "revlink": options.revlink,
        "src": kind,
    }
    if options.codebase is not None:
        change["codebase"] = options.codebase
    return change


def _address(given: str | None) -> tuple[str, int]:
    if not given:
        raise Problem("tell where the master is: --master=HOST:PORT")
    host, _, port = given.rpartition(":")
    number = whole_number(port, least=1, most=65535)
    if not host or number is None:
        raise Problem(f"--master is '{given}', but must be HOST:PORT")
    return host.strip("[]"), number


def _credentials(given: str) -> tuple[str, str]:
    user, colon, password = given.partition(":")
    return user, password if colon else getpass.getpass(f"password of {user}: ")


def _comments(options: argparse.Namespace) -> str:
    if options.comments is not None:
        return str(options.comments)
    if options.logfile == "-":
        return sys.stdin.read()
    return _content(options.logfile, options.encoding) if options.logfile else ""


def _revision(options: argparse.Namespace) -> str | None:
    if options.revision_file:
        return _content(options.revision_file, options.encoding).strip()
    revision: str | None = options.revision
    return revision


def _content(path: str, encoding: str) -> str:
    try:
        return Path(path).read_text(encoding=encoding)
    except (OSError, UnicodeError, LookupError) as error:
        raise Problem(f"cannot read {os.path.abspath(path)}: {error}") from error


def _properties(given: list[str]) -> dict[str, str]:
    properties = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon:
            raise Problem(f"--property is '{text}', but must be NAME:VALUE")
        properties[name] = value
    return properties
