"""Stand-ins for what a command works with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from ci_worker.commands.base import Place


class RecordingTeller:
    """Keeps what a command tells."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.last: list[tuple[str, Any]] = []
        self.on_full: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self.is_full = False

    def put(self, key: str, value: Any, size: int = 0) -> None:
        self.told.append((key, value))

    def put_last(self, key: str, value: Any) -> None:
        self.last.append((key, value))

    def flush(self) -> None:
        pass

    def values(self, key: str) -> list[Any]:
        return [value for name, value in self.told + self.last if name == key]


class Remote:
    """A reference to the master whose answers a test gives; ``calls`` has (method, argument)."""

    def __init__(self, *, answers_at_once: bool = True) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.answers: list[Deferred[Any]] = []
        self.answers_at_once = answers_at_once
        self.methods: dict[str, Callable[..., Any]] = {}

    def callRemote(self, method: str, *args: Any) -> Deferred[Any]:
        self.calls.append((method, args[0] if args else None))
        if method in self.methods:
            return maybeDeferred(self.methods[method], *args)
        if self.answers_at_once:
            return succeed(None)
        self.answers.append(Deferred())
        return self.answers[-1]

    def updates(self) -> list[list[tuple[str, Any]]]:
        """The (key, value) pairs of each update call."""
        return [
            [pair for entry, _ in argument for pair in entry.items()]
            for method, argument in self.calls
            if method == "update"
        ]


def place(basedir: Path, clock: Clock | None = None, **changes: Any) -> Place:
    """A place whose threads run at once."""
    return Place(
        reactor=clock or Clock(),
        basedir=str(basedir),
        builder_dir=str(basedir / "b1"),
        in_thread=maybeDeferred,
        **{"environ": {"HOME": "/home/me"}, **changes},
    )
