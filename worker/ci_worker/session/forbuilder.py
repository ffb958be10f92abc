"""The worker's side of one builder: start a command, interrupt it."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.spread import pb

from ci_worker.commands import command_class
from ci_worker.commands.base import Place
from ci_worker.session.run import CommandRun
from ci_worker.session.updates import Updates

log = Logger()


class UnknownCommand(pb.Error):
    """The master asked for a command that we do not have."""


# Masters see this name on the wire and know it.
UnknownCommand.__module__ = "buildbot_worker.base"


class WorkerForBuilder(pb.Referenceable):
    """What the master holds for one of its builders. Its ``remote_`` methods are the protocol's.

    :param place: where this builder's commands run.
    """

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place
        self._runs: dict[str, CommandRun] = {}

    def remote_setMaster(self, remote: Any) -> None:
        """An older master introduces itself; nothing depends on it."""

    def remote_print(self, message: str) -> None:
        """Log a text of the master."""
        log.info("message from {builder}: {message}", builder=self.name, message=message)

    def remote_startBuild(self) -> None:
        """A build begins; nothing has to be prepared."""

    def remote_startCommand(
        self, remote: Any, command_id: str, name: str, args: Mapping[str, Any]
    ) -> None:
        """Start a command; its updates and its end go to ``remote``.

        :raises UnknownCommand: if there is none of that name.
        :raises ValueError: if an argument is missing.
        """
        command_id, name = _text(command_id), _text(name)
        try:
            make = command_class(name)
        except KeyError:
            raise UnknownCommand(
                f"(command {command_id}): unrecognized WorkerCommand '{name}'"
            ) from None
        updates = Updates(remote, self.place.reactor)
        command = make(self.place, {_text(key): args[key] for key in args}, updates)
        if not make.is_brief:
            self._drop_leftovers()
        run = CommandRun(command, updates, self.place.reactor)
        self._runs[command_id] = run
        run.ended.addCallback(self._ended, command_id, run)
        run.start()

    def remote_interruptCommand(self, command_id: str, why: str) -> None:
        """Stop a command; of one that does not run nothing is said."""
        run = self._runs.get(_text(command_id))
        log.info("interrupt command {id}: {why}", id=command_id, why=why)
        if run is not None:
            run.interrupt()

    def remote_shutdown(self) -> None:
        """Kept for masters of long ago, which ask the builder and not the worker."""
        log.info("asked to shut down by way of a builder; only the worker itself can be asked")

    def abandon(self) -> Deferred[Any]:
        """The connection is gone: stop what runs. Fires when it is stopped; never fails."""
        return DeferredList([run.abandon() for run in list(self._runs.values())])

    def _drop_leftovers(self) -> None:
        for command_id, run in list(self._runs.items()):
            if not run.command.is_brief:
                log.warn("command {id} was still running; dropped", id=command_id)
                run.abandon()

    def _ended(self, _: None, command_id: str, run: CommandRun) -> None:
        if self._runs.get(command_id) is run:
            del self._runs[command_id]


MakeForBuilder = Callable[[str, str], WorkerForBuilder]


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
