"""What every command has: its arguments, its place, and a way to tell the master things."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from twisted.internet.defer import Deferred

from ci_common.processes.records import ProcessRecords

#: Seconds from an interruption to the end, for a command that has only its own work to end.
STOP_LIMIT_S = 5.0


class Teller(Protocol):
    """Where a command puts its updates; ``ci_worker.session.updates.Updates`` is the real one."""

    on_full: Callable[[], None] | None
    on_room: Callable[[], None] | None
    is_full: bool

    def put(self, key: str, value: Any, size: int = 0) -> None:
        """Tell something, in order."""

    def put_last(self, key: str, value: Any) -> None:
        """Tell something after the elapsed time."""

    def flush(self) -> None:
        """Send what waits, now."""


@dataclass(frozen=True)
class Place:
    """Where a command runs and what it may use.

    :param basedir: the worker's directory, absolute.
    :param builder_dir: the builder's directory below it; a command's paths start here.
    :param records: where the programs that run are written down.
    :param in_thread: runs a function that may block: ``in_thread(function, *args) -> Deferred``.
    """

    reactor: Any
    basedir: str
    builder_dir: str
    in_thread: Callable[..., Deferred[Any]]
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    encoding: str = "utf-8"
    records: ProcessRecords | None = None

    def path(self, *parts: str) -> str:
        """An absolute path from one relative to the builder's directory; ``~`` is the home."""
        *before, last = parts
        return os.path.normpath(os.path.join(self.builder_dir, *before, os.path.expanduser(last)))


class Command:
    """One thing that a master may ask for.

    A subclass names itself, its required arguments, and does its work in ``run``. An exception
    that ``run`` lets out completes the command with a failure.
    """

    name: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()

    #: It looks at files only and is soon done: another command may start meanwhile.
    is_brief: ClassVar[bool] = True

    def __init__(self, place: Place, args: Mapping[str, Any], tell: Teller) -> None:
        missing = [name for name in self.required if name not in args]
        if missing:
            names = ", ".join(missing)
            raise ValueError(f"the command '{self.name}' lacks the arguments: {names}")
        self.place = place
        self.args = args
        self.tell = tell
        self.interrupted = False

    @property
    def stop_limit_s(self) -> float:
        """Seconds from an interruption to the end; then the command is given up as it is."""
        return STOP_LIMIT_S

    async def run(self) -> None:
        """Do it, and tell the result as updates."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Stop early. ``interrupted`` is already true; one that looks at it need do no more."""

    def hurry(self, most_s: float) -> None:
        """Nobody waits for its result: what was interrupted has so many seconds at most."""

    def tell_error(self, error: OSError, path: str) -> None:
        """Tell that an operation on ``path`` failed: the error number, then the words."""
        self.tell.put("rc", error.errno or 1)
        self.tell.put_last("header", f"{self.name}: {error.strerror or error}: {path}\n")
