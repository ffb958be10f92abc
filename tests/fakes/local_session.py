"""A worker without a wire: the real commands of a worker, run in a directory of this machine.

``LocalHarness`` is a :class:`~tests.fakes.builds.StepHarness` whose steps do real work::

    harness = LocalHarness(Path(tempfile.mkdtemp()))  # outside of any repository
    ran = await harness.finish(Git(repourl=...))
    assert ran.result == SUCCESS, ran.log("stdio").text
    assert (harness.builddir / "build" / "file").read_text() == "..."
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred, execute, maybeDeferred, succeed
from twisted.python.failure import Failure

from ci_worker.commands import command_class
from ci_worker.commands.base import Command, Place
from tests.fakes.builds import FakeSession, Ran, StepHarness

#: What the programs see: nothing of the user's own settings.
_ENVIRON = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class _Remote:
    """What a worker holds of a file of the master."""

    def __init__(self, file: Any) -> None:
        self._file = file
        if hasattr(file, "_in_thread"):
            file._in_thread = execute

    def callRemote(self, name: str, *args: Any) -> Deferred[Any]:
        return maybeDeferred(getattr(self._file, name), *args)


class _Teller:
    """Passes updates on at once."""

    on_full: Callable[[], None] | None = None
    on_room: Callable[[], None] | None = None
    is_full = False

    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._last: list[tuple[str, Any]] = []

    def put(self, key: str, value: Any, size: int = 0) -> None:
        self._sink.updates([{key: value}])

    def put_last(self, key: str, value: Any) -> None:
        self._last.append((key, value))

    def flush(self) -> None:
        for key, value in self._last:
            self._sink.updates([{key: value}])


class LocalSession(FakeSession):
    """Runs what comes below ``basedir``."""

    def __init__(self, clock: Any, place: Place, **kwargs: Any) -> None:
        super().__init__(clock, **kwargs)
        self._place = place
        self._running: dict[str, Command] = {}
        #: (name, arguments) of all commands, in order
        self.ran: list[tuple[str, dict[str, Any]]] = []
        #: called before each command; may return a problem that makes it fail
        self.before: Callable[[str, Mapping[str, Any]], None] = lambda name, args: None

    def start_command(
        self, builder: str, command_id: str, name: str, args: Mapping[str, Any], sink: Any
    ) -> Deferred[Any]:
        self.ran.append((name, dict(args)))
        self.before(name, args)
        given = {
            key: _Remote(value) if key in ("reader", "writer") else value
            for key, value in args.items()
        }
        teller = _Teller(sink)
        command = command_class(name)(self._place, given, teller)
        self._running[command_id] = command

        def ended(result: Any) -> None:
            del self._running[command_id]
            teller.flush()
            sink.complete(result if isinstance(result, Failure) else None)

        ensureDeferred(command.run()).addBoth(ended)
        return succeed(None)

    def interrupt_command(self, builder: str, command_id: str, why: str) -> Deferred[Any]:
        command = self._running.get(command_id)
        if command is not None:
            command.interrupted = True
            command.interrupt()
        return succeed(None)

    @property
    def programs(self) -> list[list[str]]:
        """The programs that were run."""
        return [args["command"] for name, args in self.ran if name == "shell"]


class LocalHarness(StepHarness):
    """Runs single steps for real, in ``basedir``."""

    session: LocalSession

    def __init__(self, basedir: Path, **options: Any) -> None:
        super().__init__(basedir=str(basedir), **options)
        self.builddir = basedir / "b1dir"
        self.builddir.mkdir(parents=True, exist_ok=True)
        # Whatever a step does, Git must not find the repository that these tests are part of.
        environ = {**_ENVIRON, "GIT_CEILING_DIRECTORIES": str(basedir)}
        place = Place(reactor, str(basedir), str(self.builddir), execute, environ)
        self.session = LocalSession(
            self.clock, place, info=self.session.info, commands=self.session.commands
        )
        self.slot.session = self.session
        self.env.clock = reactor
        self.master.reactor = reactor

    def start(self, step: Any) -> Ran:
        """A step that runs; ``ran.ended`` fires with it when it has ended."""
        ran = Ran(self.make([step]), self.data, self.session)
        ended: Deferred[Any] = ensureDeferred(ran.build.run())

        def note(result: Any) -> Ran:
            ran.results.append(result)
            return ran

        ran.ended = ended.addBoth(note)  # type: ignore[attr-defined]  # of this harness alone
        return ran

    async def finish(self, step: Any) -> Ran:
        """A step that has ended."""
        ran = self.start(step)
        await ran.ended  # type: ignore[attr-defined]  # set by start
        return ran
