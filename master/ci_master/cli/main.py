"""``ci-master``: finds the subcommand, reads its arguments, runs it.

Only the module of the chosen subcommand is imported, so that each starts quickly.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ci_common.faults import ConfigError, nearest
from ci_common.rights import refusal
from ci_master import __version__
from ci_master.cli.problem import Problem

#: command -> (module of this package, one line for the overview)
COMMANDS = {
    "quickstart": (
        "quickstart",
        "run a complete demonstration: repository, master and two workers",
    ),
    "create-master": ("create_master", "make the directory of a new master"),
    "upgrade-master": ("upgrade_master", "bring an existing master to this version"),
    "checkconfig": ("checkconfig", "list the mistakes of a master.cfg, without a running master"),
    "start": ("start", "start a master"),
    "stop": ("stop", "stop a running master"),
    "restart": ("restart", "stop a master, then start it"),
    "reconfig": ("reconfig", "let a running master load its master.cfg again"),
    "sendchange": ("sendchange", "tell a running master of a change"),
    "backup": ("backup", "put the state of a master into one file, while it runs"),
    "restore": ("restore", "bring a stopped master back to the state of a backup"),
    "cleanupdb": ("cleanupdb", "compress the logs in the database of a stopped master again"),
}
ALIASES = {"sighup": "reconfig"}

#: What the extra [master] installs, and the commands that do without.
_NEEDED = ("sqlalchemy", "alembic", "jinja2", "yaml", "zstandard", "croniter")
_LIGHT = frozenset(["stop", "reconfig", "sendchange"])

_INTRODUCTION = """\
usage: ci-master [--verbose] COMMAND ...

A master decides what is built, where and when; workers (see ci-worker) run the commands.

commands:
{commands}

options:
  --verbose    show the traceback of whatever goes wrong
  --version    print the version
  -h, --help   print this text; 'ci-master COMMAND --help' describes one command

New here? 'ci-master quickstart demo' shows a working system in a minute.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand.

    :returns: the exit status: 0 if it did what it was asked, 1 otherwise.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    is_verbose = False
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--verbose":
            is_verbose = True
        elif option == "--version":
            return _show_version()
        elif option in ("-h", "--help"):
            print(_overview())
            return 0
        else:
            return _complain(f"there is no option {option}; see ci-master --help")
    if not words:
        print(_overview(), file=sys.stderr)
        return 1
    name = ALIASES.get(words[0], words[0])
    if name not in COMMANDS:
        if name == "create-worker":
            return _complain(
                f"there is no command '{name}'; workers are made by 'ci-worker {name}'"
            )
        near = nearest(name, [*COMMANDS, *ALIASES])
        hint = f"did you mean '{near}'?" if near else "see ci-master --help"
        return _complain(f"there is no command '{name}'; {hint}")
    return _run(name, words[1:], is_verbose)


def _run(name: str, words: list[str], is_verbose: bool) -> int:
    missing = [] if name in _LIGHT else [one for one in _NEEDED if find_spec(one) is None]
    if missing:
        return _complain(_how_to_install(missing))
    module: Any = import_module(f"ci_master.cli.{COMMANDS[name][0]}")
    parser = CommandParser(
        prog=f"ci-master {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ci-master {__version__}")
    module.add_arguments(parser)
    options = parser.parse_args(words)
    try:
        return int(module.run(options))
    except Problem as problem:
        if is_verbose:
            raise
        return _complain(str(problem))
    except ConfigError as error:
        if is_verbose:
            raise
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 1
    except PermissionError as error:
        if is_verbose:
            raise
        return _complain(refusal(error, "ci-master"))
    except KeyboardInterrupt:
        return _complain("interrupted")


def _how_to_install(missing: Sequence[str]) -> str:
    """What a person types who has the plain installation and wants a master."""
    import shlex

    source = _installed_from() or "ci-framework"
    return (
        "this is the installation of a worker; for a master run"
        f" {shlex.join([sys.executable, '-m', 'pip', 'install', f'{source}[master]'])}"
        f" (which adds {', '.join(missing)})"
    )


def _installed_from() -> str | None:
    """The checkout or the wheel that this was installed from, if it is still there."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        text = distribution("ci-framework").read_text("direct_url.json")
        url = urlsplit(json.loads(text or "{}").get("url", ""))
    except (PackageNotFoundError, ValueError, AttributeError):
        return None
    path = url2pathname(url.path)
    return path if url.scheme == "file" and Path(path).exists() else None


class CommandParser(argparse.ArgumentParser):
    """Reads the arguments of a subcommand; leaves with 1 on a mistake, as all our commands do."""

    def error(self, message: str) -> Any:
        """Tell the mistake and leave."""
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}} {summary}" for name, (_, summary) in COMMANDS.items()]
    return _INTRODUCTION.format(commands="\n".join(lines)).rstrip()


def _show_version() -> int:
    from importlib.metadata import version

    print(
        f"ci-master {__version__} (Twisted {version('twisted')}, Python {sys.version.split()[0]})"
    )
    return 0


def _complain(text: str) -> int:
    print(f"ci-master: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
