"""The process of a master in the background: ``python -m ci_master.cli.daemon BASEDIR``."""

import signal
import sys
from pathlib import Path

from ci_common.daemon import run_in_foreground
from ci_common.ending import note_early
from ci_master.config.load import use_older_names

#: What a running master acts on; one that starts must not be ended by them.
_LATER = ("SIGHUP", "SIGUSR1")


def prepare_process(basedir: Path) -> None:
    """What a process needs before it runs a master's buildbot.tac.

    The older import paths, which its tac file may name; and its directory on ``sys.path``,
    for modules that are imported while a build runs.
    """
    note_early(*(getattr(signal, name) for name in _LATER if hasattr(signal, name)))
    use_older_names()
    sys.path.append(str(basedir))


def main() -> int:
    """Run the master until it is told to stop."""
    basedir = Path(sys.argv[1])
    prepare_process(basedir)
    return run_in_foreground(basedir, to_stdout=False)


if __name__ == "__main__":
    sys.exit(main())
