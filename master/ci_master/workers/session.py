"""What a connection to a worker can do, whatever the protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class RemoteException(Exception):
    """The worker could not run a command at all; the text is what it told."""


class CommandSink(Protocol):
    """Who takes what a worker reports of one command."""

    def updates(self, updates: list[dict[Any, Any]]) -> Deferred[None] | None:
        """Take updates. A Deferred means: acknowledge them when it has fired."""

    def complete(self, failure: Failure | None) -> None:
        """The command is over. A failure says why it could not be run, or that it was lost."""


class Session(Protocol):
    """One live connection to a worker."""

    worker_name: str
    #: what the worker told of itself
    info: dict[str, Any]
    #: name -> version
    commands: dict[str, str]
    basedir: str
    #: ``posix`` or ``nt``
    system: str

    @property
    def heard_at(self) -> float:
        """Clock seconds of the last message received."""

    async def set_builders(self, builders: Sequence[tuple[str, str]]) -> None:
        """Tell the worker for which builders (name, directory) it works; all of them."""

    async def ping(self) -> None:
        """Make sure that the worker answers, or raise."""

    def start_build(self, builder: str) -> Deferred[Any]:
        """Tell the worker that a build begins."""

    def start_command(
        self, builder: str, command_id: str, name: str, args: Mapping[str, Any], sink: CommandSink
    ) -> Deferred[Any]:
        """Have the worker run a command; fires when it has accepted it."""

    def interrupt_command(self, builder: str, command_id: str, why: str) -> Deferred[Any]:
        """Ask the worker to end a command."""

    async def shutdown(self) -> None:
        """Have the worker end itself."""

    def close(self) -> None:
        """End the connection now."""

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back when the connection is lost; at once if it is already."""
