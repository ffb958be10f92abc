"""The process of a worker in the background: ``python -m ci_worker.cli.daemon BASEDIR``."""

import sys
from importlib.util import find_spec
from types import ModuleType

from ci_common.daemon import run_in_foreground

_OLDER = "buildbot_worker"


def use_older_names() -> None:
    """Let a tac file that was made by Buildbot import its worker: it gets ours.

    Where Buildbot's own worker is installed, its name stays its own.
    """
    if _OLDER in sys.modules or find_spec(_OLDER) is not None:
        return
    import ci_worker.bot

    package = ModuleType(_OLDER, "Older names of ci_worker.")
    package.__path__ = []
    package.bot = ci_worker.bot  # type: ignore[attr-defined]
    sys.modules[_OLDER] = package
    sys.modules[f"{_OLDER}.bot"] = ci_worker.bot


def main() -> int:
    """Run the worker until it is told to stop."""
    use_older_names()
    return run_in_foreground(sys.argv[1], to_stdout=False)


if __name__ == "__main__":
    sys.exit(main())
