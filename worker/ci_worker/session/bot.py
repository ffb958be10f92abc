"""The worker as the master sees it: who it is, which builders it serves."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.spread import pb

from ci_worker.commands import COMMAND_NAMES, COMMAND_VERSION
from ci_worker.commands.base import Place
from ci_worker.commands.files import remove_tree
from ci_worker.facts.report import worker_facts
from ci_worker.session.forbuilder import WorkerForBuilder

log = Logger()

#: Greetings that come for every build are not worth a line in the log.
_ROUTINE = ("ping", "keepalive")


@dataclass(frozen=True)
class BotOptions:
    """What a worker was told about itself."""

    numcpus: int | None = None
    delete_leftover_dirs: bool = False


class Bot(pb.Referenceable):
    """Handed to the master at login. Its ``remote_`` methods are the protocol's.

    :param place: the worker's directory; ``builder_dir`` of it is not used.
    :param on_shutdown: the master wants this worker to end.
    """

    def __init__(
        self, place: Place, options: BotOptions, *, on_shutdown: Callable[[], None]
    ) -> None:
        self._place = place
        self._options = options
        self._on_shutdown = on_shutdown
        self._builders: dict[str, WorkerForBuilder] = {}
        self._leaving: set[Deferred[Any]] = set()

    def remote_print(self, message: str) -> None:
        """Log a text of the master."""
        if message not in _ROUTINE:
            log.info("message from master: {message}", message=message)

    def remote_getWorkerInfo(self) -> dict[str, Any]:
        """What this machine is."""
        return worker_facts(
            self._place.basedir,
            numcpus=self._options.numcpus,
            delete_leftover_dirs=self._options.delete_leftover_dirs,
        )

    def remote_getCommands(self) -> dict[str, str]:
        """The commands and their versions, for masters of long ago."""
        return dict.fromkeys(COMMAND_NAMES, COMMAND_VERSION)

    def remote_getVersion(self) -> str:
        """This program's version."""
        version: str = worker_facts(self._place.basedir, numcpus=1, delete_leftover_dirs=False)[
            "version"
        ]
        return version

    def remote_setBuilderList(
        self, wanted: Sequence[tuple[str, str]]
    ) -> dict[str, WorkerForBuilder]:
        """Serve exactly these builders, each in its directory; the reference for each name."""
        builders: dict[str, WorkerForBuilder] = {}
        for name, directory in wanted:
            path = os.path.join(self._place.basedir, directory)
            os.makedirs(path, exist_ok=True)
            builders[name] = self._builder(name, path)
        for name, gone in self._builders.items():
            if name not in builders:
                log.info("no longer serving builder {name}", name=name)
                self._leave(gone)
        self._builders = builders
        self._leftovers({directory for _, directory in wanted})
        return dict(builders)

    def remote_shutdown(self) -> None:
        """The master wants this worker to end."""
        log.info("the master asked for a shutdown")
        self._on_shutdown()

    def abandon(self) -> Deferred[Any]:
        """The connection is gone: stop all commands. Fires when they are stopped."""
        ending = [builder.abandon() for builder in self._builders.values()]
        return DeferredList([*ending, *self._leaving])

    def _leave(self, builder: WorkerForBuilder) -> None:
        """Stop what runs for a builder that we serve no more; its end is waited for at ours."""
        ending = builder.abandon()
        if not ending.called:
            self._leaving.add(ending)
            ending.addCallback(lambda _: self._leaving.discard(ending))

    def _builder(self, name: str, path: str) -> WorkerForBuilder:
        there = self._builders.get(name)
        if there is not None and there.place.builder_dir == path:
            return there
        if there is not None:
            self._leave(there)
        return WorkerForBuilder(name, replace(self._place, builder_dir=path))

    def _leftovers(self, directories: set[str]) -> None:
        used = {os.path.normpath(directory).split(os.sep)[0] for directory in directories}
        for entry in os.scandir(self._place.basedir):
            if not entry.is_dir(follow_symlinks=False) or entry.name in used | {"info"}:
                continue
            if self._options.delete_leftover_dirs:
                log.info("removing leftover directory {name}", name=entry.name)
                removed = self._place.in_thread(remove_tree, entry.path)
                removed.addErrback(
                    lambda failure, name: log.failure(
                        "cannot remove leftover directory {name}", failure=failure, name=name
                    ),
                    entry.name,
                )
            else:
                log.info("leftover directory {name}: no builder uses it", name=entry.name)
