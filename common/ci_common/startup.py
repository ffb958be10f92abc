"""How a daemon in the background tells the terminal that started it what became of it.

The starter names a file in the environment variable ``CI_STARTUP_REPORT``. The daemon writes one
report to it, at once and whole; the starter polls for the file. Run in the foreground there is no
such variable, and only the exit status remembers a failure.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

REPORT_VARIABLE = "CI_STARTUP_REPORT"

_TRIES, _TRY_AGAIN_S = 20, 0.01

READY, FAILED = "ready", "failed"


@dataclass(frozen=True)
class StartReport:
    """What a daemon said of its start: ``state`` is ``READY`` or ``FAILED``."""

    state: str
    text: str


class _Outcome:
    """The one fact about this process's start that its exit status depends on."""

    failed = False
    report_to: str | None = None


def report_ready(text: str = "") -> None:
    """Say that the service works; ``text`` is shown to whoever started it. May be said twice."""
    _write(StartReport(READY, text))


def report_failed(text: str) -> None:
    """Say that the service cannot work, and why.

    The caller still has to stop the reactor; the process then exits with status 1.
    """
    _Outcome.failed = True
    _write(StartReport(FAILED, text))


def is_awaited() -> bool:
    """Whether somebody waits for a report and has not got one."""
    return bool(_Outcome.report_to or os.environ.get(REPORT_VARIABLE))


def start_has_failed() -> bool:
    """Whether ``report_failed`` was called in this process."""
    return _Outcome.failed


def read_report(path: Path) -> StartReport | None:
    """The report in ``path``, or None while there is none."""
    try:
        state, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (FileNotFoundError, PermissionError):  # on Windows: it is being put in its place
        return None
    return StartReport(state, text)


def adopt_starter() -> None:
    """Note who waits for a report, and keep the variable from the programs that we will run."""
    _Outcome.report_to = os.environ.pop(REPORT_VARIABLE, None) or _Outcome.report_to


def _write(report: StartReport) -> None:
    adopt_starter()
    target, _Outcome.report_to = _Outcome.report_to, None
    if not target:
        return
    partial = f"{target}.{os.getpid()}"
    with contextlib.suppress(OSError):  # the starter may be gone, and its directory with it
        Path(partial).write_text(f"{report.state}\n{report.text}", encoding="utf-8")
        _replace(partial, target)


def _replace(partial: str, target: str) -> None:
    """Put a file in its place, also where that fails while somebody looks at the place."""
    for _ in range(_TRIES):
        try:
            os.replace(partial, target)
            return
        except PermissionError:
            time.sleep(_TRY_AGAIN_S)
    os.replace(partial, target)
