"""Run builds and steps without database, network and real clock.

For a step, all it takes is a :class:`StepHarness`::

    def test_a_failing_command_fails_the_step(self) -> None:
        harness = StepHarness(properties={"branch": "main"})
        harness.expect("shell", command=["make", "main"]).stdout("cc main.c\n").rc(2)
        ran = harness.run(ShellCommand(command=["make", Property("branch")]))
        assert ran.result == FAILURE
        assert ran.state == "'make main' (failure)"
        assert ran.log("stdio").stdout == "cc main.c\n"

Remote commands must come in the order in which they are expected, with at least the arguments
given; what differs, is missing or comes too many fails the test with both sides printed.

* ``expect(name, **args)`` returns the expectation; chain what the worker does, in order:
  ``stdout/stderr/header(text)``, ``log(logfile, text)``, ``rc(code)``, ``update(key, value)``,
  ``files(*names)``, ``stat(mode)``, ``upload(content)`` (writes it to the command's ``writer``),
  ``unpack(content)`` (a directory), ``download()`` (reads the ``reader``; see
  ``expectation.downloaded``), ``fails(exception)``, ``loses_connection()``, ``hangs()`` (until
  interrupted). Without any ``rc``, an expectation ends with rc 0 and no more words.
* ``run(step)`` runs it to the end. ``start(step)`` only starts it, for steps that wait:
  then use ``harness.clock.advance(s)``, ``ran.step.interrupt(...)``, ``ran.build.stop(...)``,
  ``ran.build.lose_worker()``, and look at ``ran.done``.
* The result (:class:`Ran`): ``result``, ``state`` (the step's final text), ``states`` (all its
  texts), ``log(name)`` (``.text``, ``.stdout``, ``.stderr``, ``.header``, ``.finished``),
  ``logs`` (names), ``properties`` (name -> value), ``sources`` (name -> source), ``urls``
  (name -> url), ``hidden``, ``build_state``, ``build_result``, ``commands`` (those sent).
* Options of the harness: ``properties``, ``worker_info``, ``worker_commands``, ``system``
  ("posix" or "nt"), ``basedir``, ``stamps`` (list of dicts), ``changes`` (REST dicts by ssid),
  ``secrets`` (name -> value), ``env`` (of the builder), ``workdir`` (of the factory),
  ``trigger``, ``in_thread``, and any setting of the configuration as ``config={...}``.

Whole builds: :class:`BuildHarness`, whose ``start(factory)`` and ``run(factory)`` take a
``BuildFactory`` or a list of steps, and whose ``data.events`` tells in order what was done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, execute, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from ci_master.builds.build import Build
from ci_master.builds.buildenv import BuildEnv
from ci_master.builds.builder import Builder
from ci_master.builds.builderconfig import BuilderConfig
from ci_master.builds.factory import BuildFactory
from ci_master.builds.locks import LockTable
from ci_master.data.actions import Actions
from ci_master.data.model import Builder as BuilderRow
from ci_master.data.model import BuildRow, Buildset, Request, StepRow, WorkerRow
from ci_master.secrets import SecretDetails

START = 1_700_000_000.0  # unix seconds at which the clock of a harness begins


# -- the data room ------------------------------------------------------------------------


class FakeLog:
    """A log writer that keeps what it gets."""

    def __init__(self, name: str, type: str) -> None:
        self.name = name
        self.type = type
        self.parts: list[tuple[str, bytes]] = []
        self.finished = False
        self.has_room = True
        self.waiting: list[Deferred[None]] = []

    def append(self, stream: str, data: bytes) -> None:
        assert isinstance(data, bytes), "a log writer takes bytes"
        assert not self.finished, f"log {self.name} is finished already"
        assert stream in (("o", "e", "h") if self.type == "s" else ("",)), stream
        self.parts.append((stream, data))

    def finish(self) -> None:
        self.finished = True

    def room(self) -> Deferred[None]:
        if self.has_room:
            return succeed(None)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def output_end(self) -> list[tuple[str, bytes]]:
        return [(stream, data) for stream, data in self.parts if stream != "h"]

    def make_room(self) -> None:
        self.has_room = True
        for one in self.waiting:
            one.callback(None)

    def of(self, *streams: str) -> str:
        return b"".join(data for stream, data in self.parts if stream in streams).decode()

    @property
    def text(self) -> str:
        """All of it, whatever the stream."""
        return self.of("o", "e", "h", "")

    @property
    def stdout(self) -> str:
        return self.of("o")

    @property
    def stderr(self) -> str:
        return self.of("e")

    @property
    def header(self) -> str:
        return self.of("h")


class FakeBuilds:
    def __init__(self, data: FakeData) -> None:
        self._data = data
        self.numbers: dict[int, int] = {}
        self.running: dict[int, BuildRow] = {}
        self.attached: dict[str, tuple[bytes, str]] = {}

    def start(self, builderid: int, request: Request, workerid: int | None) -> BuildRow:
        number = self.numbers[builderid] = self.numbers.get(builderid, 0) + 1
        row = BuildRow(
            self._data.new_id(),
            number,
            builderid,
            request,
            workerid,
            1,
            int(self._data.clock.seconds()),
        )
        self.running[row.id] = row
        self._data.note("build", "start")
        return row

    def announce(self, build: BuildRow) -> None:
        self._data.note("build", "new")

    def set_state(self, build: BuildRow, text: str) -> None:
        if text != build.state_string:
            build.state_string = text
            self._data.note("build", "state", text)

    def set_properties(self, build: BuildRow, properties: dict[str, Any]) -> None:
        changed = {k for k, pair in properties.items() if build.properties.get(k) != pair}
        if changed:
            build.properties = dict(properties)
            self._data.note("build", "properties", sorted(changed))

    def add_locks_duration(self, build: BuildRow, seconds: float) -> None:
        build.locks_duration_s += int(seconds)

    def set_data(self, build: BuildRow, name: str, value: bytes, source: str) -> Deferred[None]:
        self.attached[name] = (value, source)
        return succeed(None)

    def finish(self, build: BuildRow, results: int) -> None:
        assert build.complete_at is None, "a build is finished twice"
        build.results = results
        build.complete_at = int(self._data.clock.seconds())
        del self.running[build.id]
        self._data.note("build", "finish", results)


class FakeSteps:
    def __init__(self, data: FakeData) -> None:
        self._data = data
        self.states: dict[int, list[str]] = {}

    def add(self, build: BuildRow, name: str) -> StepRow:
        taken, unique, n = {step.name for step in build.steps}, name, 0
        while unique in taken:
            n += 1
            unique = f"{name}_{n}"
        row = StepRow(self._data.new_id(), len(build.steps), unique, build.id)
        build.steps.append(row)
        self.states[row.id] = []
        self._data.note("step", unique, "new")
        return row

    def start(self, step: StepRow, *, locks_acquired: bool = False) -> None:
        step.started_at = int(self._data.clock.seconds())
        if locks_acquired:
            step.locks_acquired_at = step.started_at
        self._data.note("step", step.name, "start")

    def locks_acquired(self, step: StepRow) -> None:
        step.locks_acquired_at = int(self._data.clock.seconds())
        self._data.note("step", step.name, "locks")

    def set_state(self, step: StepRow, text: str) -> None:
        assert isinstance(text, str)
        if text != step.state_string:
            step.state_string = text
            self.states[step.id].append(text)
            self._data.note("step", step.name, "state", text)

    def add_url(self, step: StepRow, name: str, url: str) -> None:
        step.urls = [*step.urls, {"name": name, "url": url}]

    def skip(self, step: StepRow) -> None:
        step.locks_acquired_at = None

    def finish(self, step: StepRow, results: int, hidden: bool) -> None:
        assert step.complete_at is None, f"step {step.name} is finished twice"
        assert isinstance(results, int)
        step.results, step.hidden = results, hidden
        step.complete_at = int(self._data.clock.seconds())
        self._data.note("step", step.name, "finish", results)


class FakeLogs:
    def __init__(self, data: FakeData) -> None:
        self._data = data

    def open(self, step: StepRow, name: str, type: str = "s") -> FakeLog:
        log = FakeLog(name, type)
        step.logs.append(log)  # type: ignore[arg-type]  # it stands for a LogWriter
        self._data.note("log", step.name, name)
        return log


class FakeChanges:
    def __init__(self, by_stamp: Mapping[int, list[dict[str, Any]]]) -> None:
        self._by_stamp = by_stamp

    async def of_build(
        self, builderid: int, number: int, request_ids: Sequence[int]
    ) -> tuple[list[int], list[dict[str, Any]]]:
        found = [change for changes in self._by_stamp.values() for change in changes]
        return [change["changeid"] for change in found], found


class FakeTestResults:
    def __init__(self, data: FakeData) -> None:
        self._data = data
        self.sets: dict[int, dict[str, Any]] = {}
        self.results: dict[int, list[dict[str, Any]]] = {}
        self.completed: list[int] = []

    def add_set(self, build: BuildRow, step: StepRow, **described: Any) -> int:
        set_id = self._data.new_id()
        self.sets[set_id] = described
        self.results[set_id] = []
        return set_id

    def add(self, set_id: int, results: Sequence[Mapping[str, Any]]) -> None:
        self.results[set_id] += [dict(result) for result in results]

    def complete_set(self, set_id: int, **counted: Any) -> None:
        self.completed.append(set_id)


class FakeData:
    """The acts that builds use. ``events`` has what was done, in order, as tuples."""

    def __init__(
        self, clock: Clock, changes: Mapping[int, list[dict[str, Any]]] | None = None
    ) -> None:
        self.clock = clock
        self.events: list[tuple[Any, ...]] = []
        self._ids = 0
        self.builds = FakeBuilds(self)
        self.steps = FakeSteps(self)
        self.logs = FakeLogs(self)
        self.changes = FakeChanges(changes or {})
        self.test_results = FakeTestResults(self)
        self.actions = Actions()

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def note(self, *event: Any) -> None:
        self.events.append(event)


# -- the worker ---------------------------------------------------------------------------


@dataclass
class Sent:
    """A remote command that was sent."""

    name: str
    args: dict[str, Any]
    command_id: str
    sink: Any
    interrupted: str | None = None


class Expectation:
    """A remote command that must come, and what the worker then does."""

    def __init__(self, name: str, args: dict[str, Any]) -> None:
        self.name = name
        self.args = args
        self.downloaded: bytes | None = None
        self._acts: list[Callable[[Sent], Any]] = []
        self._has_rc = False
        self._failure: Failure | None = None
        self._completes = True

    def __repr__(self) -> str:
        return f"{self.name} {self.args}"

    def update(self, key: str, value: Any) -> Expectation:
        """One update with any key."""
        self._acts.append(lambda sent: sent.sink.updates([{key: value}]))
        return self

    def stdout(self, text: str | bytes) -> Expectation:
        return self.update("stdout", text)

    def stderr(self, text: str | bytes) -> Expectation:
        return self.update("stderr", text)

    def header(self, text: str) -> Expectation:
        return self.update("header", text)

    def log(self, logfile: str, text: str) -> Expectation:
        return self.update("log", (logfile, text))

    def files(self, *names: str) -> Expectation:
        return self.update("files", list(names))

    def stat(self, mode: int = 0o100644) -> Expectation:
        return self.update("stat", (mode, 1, 2, 1, 0, 0, 0, 0, 0, 0))

    def rc(self, code: int) -> Expectation:
        self._has_rc = True
        return self.update("rc", code)

    def failure_reason(self, reason: str) -> Expectation:
        """``timeout``, ``timeout_without_output`` or ``max_lines_failure``."""
        return self.update("failure_reason", reason)

    def calls(self, act: Callable[[Sent], Any]) -> Expectation:
        """Anything else: called with the command that was sent."""
        self._acts.append(act)
        return self

    def upload(
        self, content: bytes | str, timestamp: tuple[float, float] | None = None
    ) -> Expectation:
        """Writes a file to the command's ``writer``."""
        data = content.encode() if isinstance(content, str) else content

        def act(sent: Sent) -> None:
            writer = _at_once(sent.args["writer"])
            _fired(writer.write(data))
            _fired(writer.close())
            if timestamp is not None:
                _fired(writer.utime(timestamp))

        return self.calls(act)

    def unpack(self, content: bytes) -> Expectation:
        """Writes an archive to the command's ``writer``, and has it unpacked."""

        def act(sent: Sent) -> None:
            writer = _at_once(sent.args["writer"])
            _fired(writer.write(content))
            _fired(writer.unpack())

        return self.calls(act)

    def download(self) -> Expectation:
        """Reads all from the command's ``reader``; it is then in ``downloaded``."""

        def act(sent: Sent) -> None:
            reader = _at_once(sent.args["reader"])
            parts: list[bytes] = []
            while part := _fired(reader.read(sent.args.get("blocksize") or 4096)):
                parts.append(part)
            _fired(reader.close())
            self.downloaded = b"".join(parts)

        return self.calls(act)

    def fails(self, error: Exception) -> Expectation:
        """The worker cannot run it at all."""
        self._failure = Failure(error)
        return self

    def loses_connection(self) -> Expectation:
        """The connection is lost while it runs."""
        return self.fails(ConnectionLost())

    def hangs(self) -> Expectation:
        """It ends only when it is interrupted (rc -1)."""
        self._completes = False
        return self

    def play(self, sent: Sent) -> None:
        for act in self._acts:
            act(sent)
        if self._failure is not None:
            sent.sink.complete(self._failure)
        elif self._completes:
            if not self._has_rc:
                sent.sink.updates([{"rc": 0}])
            sent.sink.complete(None)


class FakeSession:
    """A connected worker that plays what is expected of it."""

    def __init__(self, clock: Clock, *, info: dict[str, Any], commands: dict[str, str]) -> None:
        self.worker_name = "w1"
        self.info = info
        self.commands = commands
        self.basedir: str = info.get("basedir", "/home/worker")
        self.system: str = info.get("system", "posix")
        self.heard_at = clock.seconds()
        self.expected: list[Expectation] = []
        self.sent: list[Sent] = []
        self.builds_started: list[str] = []
        self.pings = 0
        self.problems: list[str] = []
        #: what a ping, and the start of a build, come to; a test may put something else here
        self.ping_answer: Callable[[], Deferred[None]] = lambda: succeed(None)
        self.start_answer: Callable[[], Deferred[None]] = lambda: succeed(None)
        #: what starting a command gives to the master, before it is played
        self.accept: Callable[[], Deferred[None]] = lambda: succeed(None)

    async def set_builders(self, builders: Sequence[tuple[str, str]]) -> None:
        pass

    async def ping(self) -> None:
        self.pings += 1
        await self.ping_answer()

    def start_build(self, builder: str) -> Deferred[Any]:
        self.builds_started.append(builder)
        return self.start_answer()

    def start_command(
        self, builder: str, command_id: str, name: str, args: Mapping[str, Any], sink: Any
    ) -> Deferred[Any]:
        sent = Sent(name, dict(args), command_id, sink)
        self.sent.append(sent)
        for key in ("writer", "reader"):
            if key in args:
                _at_once(args[key])
        accepted = self.accept()
        if not self.expected:
            return self._problem(sent, f"nothing was expected, but there came {name} {sent.args}")
        expectation = self.expected.pop(0)
        differs = {
            key: (wanted, sent.args.get(key, "<missing>"))
            for key, wanted in expectation.args.items()
            if sent.args.get(key, "<missing>") != wanted
        }
        if expectation.name != name or differs:
            lines = [f"  {k}: expected {w!r}, but it is {g!r}" for k, (w, g) in differs.items()]
            text = f"expected {expectation!r}, but there came {name}\n" + "\n".join(lines)
            return self._problem(sent, text)
        expectation.play(sent)
        return accepted

    def _problem(self, sent: Sent, text: str) -> Deferred[Any]:
        self.problems.append(text)
        sent.sink.complete(Failure(AssertionError(text)))
        return succeed(None)

    def interrupt_command(self, builder: str, command_id: str, why: str) -> Deferred[Any]:
        for sent in self.sent:
            if sent.command_id == command_id:
                sent.interrupted = why
                sent.sink.updates([{"rc": -1}])
                sent.sink.complete(None)
        return succeed(None)

    async def shutdown(self) -> None:
        pass

    def close(self) -> None:
        pass

    def on_lost(self, callback: Callable[[], None]) -> None:
        pass


class FakeSlot:
    """A worker's place at run time."""

    def __init__(self, session: FakeSession | None, **config: Any) -> None:
        self.row = WorkerRow(7, "w1")
        settings: dict[str, Any] = {
            "properties": {},
            "defaultProperties": {},
            "locks": [],
            "machine_name": None,
        }
        self.config: Any = SimpleNamespace(workername="w1", **{**settings, **config})
        self.session: Any = session
        self.running: set[Any] = set()
        self.builders = {"b1": "b1dir"}
        self.quarantined = 0
        self.resets = 0
        self.lends = 0
        #: what was given up and may still run: fires when it has ended
        self.left: list[Deferred[None]] = []

    def leave_behind(
        self, builder_name: str, over: Deferred[None], requests: Sequence[Any] = ()
    ) -> None:
        assert builder_name in self.builders
        self.left.append(over)

    @contextmanager
    def lending(self, requests: Sequence[Any]) -> Iterator[None]:
        self.lends += 1
        try:
            yield
        finally:
            self.lends -= 1

    @property
    def workername(self) -> str:
        return self.row.name

    def quarantine(self) -> None:
        self.quarantined += 1

    def reset_quarantine(self) -> None:
        self.resets += 1


class FakeSecrets:
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    async def get(self, name: str) -> SecretDetails | None:
        value = self._values.get(name)
        return None if value is None else SecretDetails("fake", name, value)


def _at_once(file: Any) -> Any:
    """A transfer's file, whose work is done at once in place of in a thread."""
    file._in_thread = execute
    return file


def _fired(result: Any) -> Any:
    if not isinstance(result, Deferred):
        return result
    found: list[Any] = []
    result.addBoth(found.append)
    assert found, "it has not fired"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


# -- harnesses ----------------------------------------------------------------------------


@dataclass
class Running:
    """A build that was started."""

    build: Build
    data: FakeData
    session: FakeSession
    results: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self.results)

    @property
    def build_result(self) -> int:
        assert self.done, f"the build is not over: {self.data.events[-3:]}"
        return self.results[0]

    @property
    def build_state(self) -> str:
        return self.build.row.state_string

    @property
    def steps(self) -> list[StepRow]:
        """The rows of all steps; the first one is worker_preparation."""
        return self.build.row.steps

    def step_row(self, name: str) -> StepRow:
        return next(step for step in self.steps if step.name == name)

    @property
    def properties(self) -> dict[str, Any]:
        return {name: value for name, (value, _) in self.build.row.properties.items()}

    @property
    def sources(self) -> dict[str, Any]:
        return {name: source for name, (_, source) in self.build.row.properties.items()}

    @property
    def commands(self) -> list[Sent]:
        """The remote commands that were sent."""
        return self.session.sent


class Ran(Running):
    """A step that was started: what has become of it."""

    @property
    def step(self) -> Any:
        """The step's own object."""
        return self.build.executedSteps[0]

    @property
    def row(self) -> StepRow:
        row: StepRow = self.step.row
        return row

    @property
    def result(self) -> int:
        assert self.done, f"the step is not over: {self.data.events[-3:]}"
        assert self.row.results is not None
        return self.row.results

    @property
    def state(self) -> str:
        return self.row.state_string

    @property
    def states(self) -> list[str]:
        return self.data.steps.states[self.row.id]

    @property
    def hidden(self) -> bool:
        return self.row.hidden

    @property
    def urls(self) -> dict[str, str]:
        return {url["name"]: url["url"] for url in self.row.urls}

    @property
    def logs(self) -> list[str]:
        return [log.name for log in self.row.logs]

    def log(self, name: str) -> FakeLog:
        """The latest log of this name."""
        for log in reversed(self.row.logs):
            if log.name == name:
                assert isinstance(log, FakeLog)
                return log
        raise AssertionError(f"there is no log {name!r}, only {self.logs}")


class BuildHarness:
    """Makes builds of one builder ``b1`` on one worker ``w1``."""

    def __init__(
        self,
        *,
        properties: Mapping[str, Any] | None = None,
        worker_info: Mapping[str, Any] | None = None,
        worker_commands: Mapping[str, str] | None = None,
        system: str = "posix",
        basedir: str = "/home/worker",
        stamps: Sequence[Mapping[str, Any]] | None = None,
        changes: Mapping[int, list[dict[str, Any]]] | None = None,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, Any] | None = None,
        workdir: Any = "build",
        trigger: Any = None,
        in_thread: Any = execute,
        config: Mapping[str, Any] | None = None,
        worker: Mapping[str, Any] | None = None,
        builder: Mapping[str, Any] | None = None,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.data = FakeData(self.clock, changes)
        info = {"basedir": basedir, "system": system, "version": "4.3.0", **(worker_info or {})}
        commands = dict.fromkeys(_COMMANDS, "3.3")
        commands = dict(commands if worker_commands is None else worker_commands)
        self.session = FakeSession(self.clock, info=info, commands=commands)
        self.slot = FakeSlot(self.session, **(worker or {}))
        self.locks = LockTable()
        self.workdir = workdir
        self._builder = {"env": env or {}, **(builder or {})}
        settings: dict[str, Any] = {
            "properties": {},
            "buildbotURL": "http://localhost:8010/",
            "logEncoding": "utf-8",
            "logMaxSize": None,
            "logMaxTailSize": None,
            **(config or {}),
        }
        self.config: Any = SimpleNamespace(**settings)
        self.master: Any = SimpleNamespace(
            reactor=self.clock, basedir="/master", config=self.config, data=self.data
        )
        self.env = BuildEnv(
            data=self.data,
            clock=self.clock,
            locks=self.locks,
            master=self.master,
            secrets=FakeSecrets(secrets or {}),
            config=self.config,
            trigger=trigger,
            in_thread=in_thread,
        )
        rows = [_stamp(number, stamp) for number, stamp in enumerate(stamps or [{}], 1)]
        given = {name: (value, "Scheduler") for name, value in (properties or {}).items()}
        buildset = Buildset(1, "because", int(START), sourcestamps=rows, properties=given)
        self.request = Request(11, buildset, 3, 0, int(START))
        self.builder_row = BuilderRow(3, "b1")

    def expect(self, name: str, **args: Any) -> Expectation:
        """The next remote command must be this one."""
        expectation = Expectation(name, args)
        self.session.expected.append(expectation)
        return expectation

    def make(self, steps: BuildFactory | Iterable[Any]) -> Build:
        """A build that is not started."""
        factory = steps if isinstance(steps, BuildFactory) else BuildFactory(list(steps))
        factory.workdir = self.workdir
        config = BuilderConfig(name="b1", workernames=["w1"], factory=factory, **self._builder)
        builder = Builder(config, self.builder_row, self.master)
        return builder.new_build([self.request], self.slot, self.env)

    def start(self, steps: BuildFactory | Iterable[Any]) -> Running:
        """A build that runs, as far as it gets without waiting."""
        return self._go(Running(self.make(steps), self.data, self.session))

    def _go(self, running: Any) -> Any:
        ensureDeferred(running.build.run()).addBoth(running.results.append)
        return running

    def run(self, steps: BuildFactory | Iterable[Any]) -> Running:
        """A build that has ended."""
        running = self.start(steps)
        self.check(running)
        return running

    def check(self, running: Running) -> None:
        """Everything expected came, and the build is over."""
        assert not self.session.problems, "\n".join(self.session.problems)
        assert running.done, f"the build is not over: {self.data.events[-3:]}"
        if isinstance(running.results[0], Failure):
            running.results[0].raiseException()
        assert not self.session.expected, f"these never came: {self.session.expected}"


class StepHarness(BuildHarness):
    """Runs single steps. See the docstring of this module."""

    def start(self, step: Any) -> Ran:
        """A step that runs, as far as it gets without waiting."""
        ran: Ran = self._go(Ran(self.make([step]), self.data, self.session))
        return ran

    def run(self, step: Any) -> Ran:
        """A step that has ended."""
        ran = self.start(step)
        self.check(ran)
        return ran


_COMMANDS = (
    "shell",
    "uploadFile",
    "upload_file",
    "uploadDirectory",
    "upload_directory",
    "downloadFile",
    "download_file",
    "mkdir",
    "rmdir",
    "cpdir",
    "stat",
    "glob",
    "listdir",
    "rmfile",
)


def _stamp(number: int, stamp: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ssid": number,
        "branch": None,
        "revision": None,
        "repository": "",
        "project": "",
        "codebase": "",
        "patch": None,
        "created_at": int(START),
        **stamp,
    }
