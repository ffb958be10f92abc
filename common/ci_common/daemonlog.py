"""Where a daemon's log goes: the file its ``buildbot.tac`` asks for, and the terminal too."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.python.log import (
    FileLogObserver,
    ILogObserver,
    addObserver,
    removeObserver,
    startLoggingWithObserver,
)
from twisted.python.logfile import LogFile

from ci_common.privacy import make_private_file

DEFAULT_ROTATE_BYTES = 10_000_000
DEFAULT_ROTATED_FILES = 10

#: Texts of Twisted's ports, which it logs whether one wants it or not.
_NOISE = re.compile(r"\S+ starting on \S+|\((?:\w+ )?Port \S+ Closed\)")

Observer = Callable[[dict[str, Any]], None]


def start_logging(
    application: Any, names: Mapping[str, Any], path: Path, *, to_stdout: bool
) -> None:
    """Begin to log, and send what is printed to the log as well.

    :param application: what the tac file made; an ``ILogObserver`` component on it is used as is.
    :param names: the tac file's variables: ``rotateLength`` (bytes) and ``maxRotatedFiles``.
    :param path: the log file, where the application has no observer of its own.
    :param to_stdout: write each line to standard output too.
    """
    terminal = sys.stdout
    observer = application.getComponent(ILogObserver, None)
    if observer is None:
        observer = FileLogObserver(_rotated_file(names, path)).emit
    startLoggingWithObserver(without_noise(observer), setStdout=not to_stdout)
    if to_stdout:
        addObserver(_until_it_breaks(without_noise(FileLogObserver(terminal).emit)))


def without_noise(observer: Observer) -> Observer:
    """An observer that is spared what Twisted says of each port; we say what is of interest."""

    def observe(event: dict[str, Any]) -> None:
        said = event.get("message")
        if not (said and isinstance(said[0], str) and _NOISE.fullmatch(said[0])):
            observer(event)

    return observe


def _until_it_breaks(observer: Observer) -> Observer:
    """An observer that falls silent when nobody reads the terminal's pipe any more."""

    def observe(event: dict[str, Any]) -> None:
        try:
            observer(event)
        except (OSError, ValueError):  # a broken pipe; a closed file
            removeObserver(observe)

    return observe


class RotatedLog(LogFile):
    """A log file that only its owner may read; each new one, after a rotation, too.

    It goes on where it is when it cannot be rotated: on Windows, while somebody has it open.
    """

    def _openFile(self) -> None:
        make_private_file(self.path)
        super()._openFile()

    def rotate(self) -> None:
        """Begin a new file; if that fails, try again when as much has been added."""
        try:
            super().rotate()
        except OSError:
            if self._file.closed:
                self._openFile()
            self.size = 0


def _rotated_file(names: Mapping[str, Any], path: Path) -> LogFile:
    return RotatedLog(
        path.name,
        str(path.parent),
        rotateLength=names.get("rotateLength", DEFAULT_ROTATE_BYTES),
        maxRotatedFiles=names.get("maxRotatedFiles", DEFAULT_ROTATED_FILES),
    )
