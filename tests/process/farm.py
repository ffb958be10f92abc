"""A farm for a test: real masters, real workers and a real git repository, on this machine only.

Everything is started as its users start it, and ends with the test.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

BIN = Path(sys.executable).parent
#: Stock worker to be run as a peer: path of the program ``buildbot-worker``.
STOCK_WORKER = os.environ.get("CI_PEER_WORKER") or shutil.which("buildbot-worker")

LIMIT_S = 120.0


def wait_until(
    probe: Callable[[], T], what: str, limit_s: float = LIMIT_S, every_s: float = 0.05
) -> T:
    """Ask until the answer is something true; gives that answer."""
    deadline = time.monotonic() + limit_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {limit_s} s")
        time.sleep(every_s)


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """A process of ours in the foreground, with what it printed."""

    def __init__(self, argv: list[str], home: Path, env: dict[str, str] | None = None) -> None:
        self.home = home
        with (home / "console.log").open("ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def console(self) -> str:
        """What it printed, over all of its runs."""
        return (self.home / "console.log").read_text(errors="replace")

    def kill(self) -> None:
        """End it as a crash would."""
        if self.is_running():
            self.process.kill()
        self.process.wait()

    def stop(self, limit_s: float = 30) -> int:
        """Ask it to end, and wait; gives its exit status."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end by SIGTERM:\n{self.console()[-3000:]}") from None


class Rest:
    """A client of a master's REST interface."""

    def __init__(self, port: int) -> None:
        self.port = port

    def open(
        self, method: str, path: str, body: bytes | None = None, headers: Any = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            connection.request(
                method, path, body, {"Accept": "application/json", **(headers or {})}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()

    def get(self, path: str) -> Any:
        """A resource."""
        status, body = self.open("GET", f"/api/v2/{path}")
        assert status == 200, (path, status, body)
        return json.loads(body)

    def one(self, path: str) -> Any:
        """A single resource."""
        answer = self.get(path)
        (key,) = [name for name in answer if name != "meta"]
        (found,) = answer[key]
        return found

    def all(self, path: str) -> list[Any]:
        """A collection."""
        answer = self.get(path)
        (key,) = [name for name in answer if name != "meta"]
        found: list[Any] = answer[key]
        return found

    def call(self, path: str, method: str, **params: Any) -> Any:
        """An action on a resource; gives its result."""
        request = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        headers = {"Content-Type": "application/json"}
        body = json.dumps(request).encode()
        status, answer = self.open("POST", f"/api/v2/{path}", body, headers)
        assert status == 200, (path, method, status, answer)
        return json.loads(answer)["result"]


class Master:
    """A master in a directory of its own."""

    def __init__(self, farm: "Farm", home: Path, db_url: str | None) -> None:
        self.farm = farm
        self.home = home
        self.www_port, self.pb_port = free_port(), free_port()
        self.rest = Rest(self.www_port)
        self.daemon: Daemon | None = None
        self.db_url = db_url or "sqlite:///state.sqlite"
        run(BIN / "ci-master", "create-master", "-q", f"--db={self.db_url}", home)

    def configure(self, body: str, workers: tuple[str, ...] = ("w1",)) -> None:
        """Write its configuration: a usual head, then this."""
        head = f"""\
from buildbot.plugins import *
c = BuildmasterConfig = {{}}
c['buildbotNetUsageData'] = None
c['title'] = 'Test'
c['buildbotURL'] = 'http://127.0.0.1:{self.www_port}/'
c['protocols'] = {{'pb': {{'port': 'tcp:{self.pb_port}:interface=127.0.0.1'}}}}
c['www'] = {{'port': 'tcp:{self.www_port}:interface=127.0.0.1', 'plugins': {{}},
            'change_hook_dialects': {{'base': True}}}}
c['db'] = {{'db_url': {self.db_url!r}}}
c['workers'] = [worker.Worker(name, 'secret') for name in {workers!r}]
c['change_source'] = []
c['schedulers'] = []
c['builders'] = []
WORKERS = {list(workers)!r}

def builder(name, *its_steps, **more):
    more.setdefault('workernames', WORKERS)
    c['builders'].append(util.BuilderConfig(
        name=name, factory=util.BuildFactory(list(its_steps)), **more))

def force_all():
    c['schedulers'].append(schedulers.ForceScheduler(
        name='force', builderNames=[b.name for b in c['builders']]))

def sh(script, **more):
    return steps.ShellCommand(command=['sh', '-c', script], **more)
"""
        (self.home / "master.cfg").write_text(head + body)

    def start(self) -> None:
        """Start it in the foreground; returns when it answers."""
        argv = [str(BIN / "ci-master"), "start", "--nodaemon", str(self.home)]
        self.daemon = self.farm.launch(argv, self.home)

        def answers() -> bool:
            assert self.daemon is not None
            if not self.daemon.is_running():
                raise AssertionError(f"the master ended:\n{self.daemon.console()[-4000:]}")
            try:
                return bool(self.rest.all("masters"))
            except (OSError, http.client.HTTPException):
                return False

        wait_until(answers, "the master's first answer")

    def stop(self) -> int:
        """Stop it by SIGTERM; gives its exit status."""
        assert self.daemon is not None
        return self.daemon.stop()

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self.daemon is not None
        self.daemon.kill()

    def log(self) -> str:
        """What it logged."""
        path = self.home / "twistd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def reload(self) -> str:
        """Have it load its configuration again; gives what it logged about that."""
        assert self.daemon is not None
        begin = len(self.log())
        os.kill(self.daemon.pid, signal.SIGHUP)
        marks = ("configuration update complete", "configuration update aborted")
        wait_until(lambda: any(mark in self.log()[begin:] for mark in marks), "the reload")
        return self.log()[begin:]

    # -- builds

    def force(self, builder: str, **fields: Any) -> int:
        """Ask for a build; gives the id of its request."""
        builderid = self.rest.one(f"builders/{builder}")["builderid"]
        _, requests = self.rest.call(
            "forceschedulers/force", "force", builderid=builderid, **fields
        )
        return int(requests[str(builderid)])

    def build_of(self, request: int, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The newest build of a request, once there is one."""
        found: list[dict[str, Any]] = wait_until(
            lambda: self.rest.all(f"buildrequests/{request}/builds"),
            f"a build of request {request}",
            limit_s,
        )
        return found[-1]

    def finished(self, request: int, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The request, once it is complete."""
        done: dict[str, Any] = wait_until(
            lambda: (one := self.rest.one(f"buildrequests/{request}"))["complete"] and one,
            f"request {request} to be complete",
            limit_s,
        )
        return done

    def forced(self, builder: str, **fields: Any) -> dict[str, Any]:
        """Have a build made; gives the build when it has ended."""
        request = self.force(builder, **fields)
        self.finished(request)
        return self.build_of(request)

    def steps(self, build: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The steps of a build, by name."""
        return {step["name"]: step for step in self.rest.all(f"builds/{build['buildid']}/steps")}

    def log_text(self, build: dict[str, Any], step: str, slug: str = "stdio") -> str:
        """The text of a log, without header lines of the worker."""
        stepid = self.steps(build)[step]["stepid"]
        content: str = self.rest.one(f"steps/{stepid}/logs/{slug}/contents")["content"]
        lines = content.splitlines(keepends=True)
        return "".join(line[1:] for line in lines if line[0] in "oe")

    def properties(self, build: dict[str, Any]) -> dict[str, Any]:
        """The values of a build's properties."""
        found = self.rest.one(f"builds/{build['buildid']}/properties")
        return {name: value for name, (value, _source) in found.items()}

    def wait_for_worker(self, name: str = "w1", connected: bool = True) -> None:
        """Wait until a worker is here, or gone."""
        wait_until(
            lambda: bool(self.rest.one(f"workers/{name}")["connected_to"]) is connected,
            f"worker {name} to be {'here' if connected else 'gone'}",
        )


class Farm:
    """What a test starts; :meth:`close` ends it all."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._daemons: list[Daemon] = []

    def launch(self, argv: list[str], home: Path, env: dict[str, str] | None = None) -> Daemon:
        """Start a process."""
        daemon = Daemon(argv, home, env)
        self._daemons.append(daemon)
        return daemon

    def master(self, db_url: str | None = None, name: str = "master") -> Master:
        """A new master, not started."""
        return Master(self, self.directory / name, db_url)

    def worker(
        self, master: Master, name: str = "w1", *, stock: bool = False, password: str = "secret",
        start: bool = True,
    ) -> Daemon | None:  # fmt: skip
        """A worker of this master: ours, or Buildbot's."""
        home = self.directory / name
        program = STOCK_WORKER if stock else str(BIN / "ci-worker")
        assert program is not None
        if not home.exists():
            address = f"127.0.0.1:{master.pb_port}"
            run(program, "create-worker", "-q", home, address, name, password)
        if not start:
            return None
        return self.launch([program, "start", "--nodaemon", str(home)], home)

    def close(self) -> None:
        """End everything that was started."""
        for daemon in self._daemons:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(daemon.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        for daemon in self._daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(max(0.1, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.process.wait()


def run(*argv: object, cwd: Path | None = None, check: bool = True) -> str:
    """Run a program to its end; gives what it printed."""
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    if check and done.returncode:
        raise AssertionError(f"{argv} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Repository:
    """A bare git repository, and a clone to commit in."""

    def __init__(self, directory: Path) -> None:
        self.bare = directory / "project.git"
        self.clone = directory / "clone"
        run("git", "init", "-q", "--bare", "-b", "main", self.bare)
        run("git", "clone", "-q", self.bare, self.clone)
        for key, value in (("user.name", "Dara Test"), ("user.email", "dara@example.org")):
            self.git("config", key, value)
        self.git("checkout", "-q", "-B", "main")

    @property
    def url(self) -> str:
        """What to clone."""
        return str(self.bare)

    def git(self, *args: object) -> str:
        """Run git in the clone."""
        return run("git", *args, cwd=self.clone).strip()

    def commit(self, message: str, **files: str) -> str:
        """Commit files (name without suffix -> text of name.txt); gives the revision."""
        for name, text in files.items():
            (self.clone / f"{name}.txt").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *what: str) -> None:
        """Push."""
        self.git("push", "-q", "origin", *(what or ("main",)))


def farm_in(directory: Path) -> Iterator[Farm]:
    """The body of a fixture."""
    farm = Farm(directory)
    try:
        yield farm
    finally:
        farm.close()
