"""Faults of a configuration: collected while it is loaded, each with the line that made it.

Whatever is made in a configuration file calls :func:`configFault` for what is wrong with its
arguments, and goes on. The loader wraps the file's execution in :func:`collecting_faults`, so
that the author gets all faults of a load at once.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType

from ci_common.faults import ConfigError, Fault

__all__ = ["adopt_faults", "collecting_faults", "configFault", "here", "is_collecting", "place"]

#: Directories whose code is never the author's: this project's own packages.
_OUR_PACKAGES = tuple(
    os.path.join(root, package, "")
    for root in {
        os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
        *(
            os.path.dirname(os.path.dirname(os.path.abspath(path)))
            for path in [ConfigError.__init__.__code__.co_filename]
        ),
    }
    for package in ("ci_common", "ci_master", "ci_worker", "ci_www")
)

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@dataclass
class _Collector:
    """The load that is going on."""

    config_file: str
    directory: str
    faults: list[Fault] = field(default_factory=list)
    authors_files: dict[str, str | None] = field(default_factory=dict)

    def shown(self, filename: str) -> str | None:
        """The author's file as shown to them; None for everybody else's code."""
        try:
            return self.authors_files[filename]
        except KeyError:
            shown = self.authors_files[filename] = self._shown(filename)
            return shown

    def _shown(self, filename: str) -> str | None:
        path = os.path.abspath(filename)
        if path != self.config_file:
            below = path.startswith(self.directory)
            if not below or path.startswith(_OUR_PACKAGES) or any(p in path for p in _INSTALLED):
                return None
        return os.path.relpath(path, self.directory)


_collector: ContextVar[_Collector | None] = ContextVar("_collector", default=None)


@contextmanager
def collecting_faults(config_file: str) -> Generator[list[Fault], None, None]:
    """Collect what :func:`configFault` reports inside the block; gives the growing list.

    :param config_file: path of the configuration; its directory and what is below it are the
        author's files, whose lines are named in faults.
    """
    path = os.path.abspath(config_file)
    collector = _Collector(path, os.path.join(os.path.dirname(path), ""))
    token = _collector.set(collector)
    try:
        yield collector.faults
    finally:
        _collector.reset(token)


def is_collecting() -> bool:
    """Whether a configuration is being loaded just now."""
    return _collector.get() is not None


def here() -> str:
    """The innermost line of the author's code that led here, as ``file:line``.

    Outside of a load: of whoever called into this project. Empty if there is none.
    """
    collector = _collector.get()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if collector is not None:
            shown = collector.shown(filename)
        else:
            ours = filename.startswith(_OUR_PACKAGES) or filename.startswith("<")
            shown = None if ours else os.path.basename(filename)
        if shown is not None:
            return f"{shown}:{frame.f_lineno}"
        frame = frame.f_back
    return os.path.basename(collector.config_file) if collector is not None else ""


def place() -> str:
    """Like :func:`here` while a configuration is loaded; empty, and free of cost, afterwards."""
    return here() if _collector.get() is not None else ""


def configFault(what: str, hint: str = "", where: str | None = None) -> None:
    """Report a mistake in what the author of a configuration wrote.

    :param what: one sentence: the value found, and the rule that it breaks.
    :param hint: what to write instead.
    :param where: place of the mistake; default: the author's line that led here.
    :raises ConfigError: at once, when no configuration is being loaded. During a load it
        returns, and the object that is being made must be left in a harmless state.
    """
    fault = Fault(here() if where is None else where, what, hint)
    collector = _collector.get()
    if collector is None:
        raise ConfigError([fault])
    collector.faults.append(fault)


def adopt_faults(error: ConfigError) -> None:
    """Report the faults of a ``ConfigError``, filling in the author's line where it is missing."""
    for fault in error.faults:
        configFault(fault.what, fault.hint, fault.where or None)
