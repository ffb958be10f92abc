"""``start``, ``stop`` and ``restart``: the life of a worker's process."""

import os
from argparse import Namespace
from pathlib import Path

from ci_common.daemon import TAC, run_in_foreground, say, start_daemon, stop_daemon
from ci_common.numbers import finite_number
from ci_worker.cli.daemon import use_older_names


def start(options: Namespace) -> int:
    """Start the worker of a directory, in the background or here."""
    if not _is_worker(options.basedir):
        return 1
    if options.nodaemon:
        use_older_names()
        return run_in_foreground(options.basedir, to_stdout=True)
    timeout_s, problem = _timeout(options.start_timeout)
    if problem:
        say(problem)
        return 1
    return start_daemon(
        options.basedir,
        start_timeout_s=timeout_s,
        module="ci_worker.cli.daemon",
        quiet=options.quiet,
    )


def stop(options: Namespace) -> int:
    """Stop the worker of a directory, and wait for its end."""
    if not _is_worker(options.basedir):
        return 1
    return stop_daemon(options.basedir, quiet=options.quiet)


def restart(options: Namespace) -> int:
    """Stop the worker if it runs, then start it."""
    if not _is_worker(options.basedir):
        return 1
    stopped = stop_daemon(options.basedir, quiet=options.quiet)
    if stopped != 0:
        return stopped
    return start(options)


def _is_worker(basedir: str) -> bool:
    """Whether the directory is a worker's; says so if it is not."""
    tac = Path(basedir) / TAC
    try:
        text = tac.read_text(encoding="utf-8", errors="replace")
    except PermissionError:
        raise  # whether it is one is not known
    except OSError as error:
        say(
            f"{os.path.abspath(basedir)} is not a worker's directory: {TAC}: {error.strerror};"
            " name the worker's directory, or make one with 'ci-worker create-worker'"
        )
        return False
    if "Application('buildmaster')" in text or 'Application("buildmaster")' in text:
        say(f"{tac} is that of a master: use 'ci-master ... {basedir}'")
        return False
    if "Worker" not in text:
        say(f"{tac} makes no worker: it does not mention 'Worker'")
        return False
    return True


def _timeout(text: str) -> tuple[float | None, str]:
    if text in ("", "None"):
        return None, ""
    seconds = finite_number(text)
    if seconds is not None and seconds >= 0:
        return seconds, ""
    return None, f"--start_timeout is '{text}': it must be a number of seconds or None"
