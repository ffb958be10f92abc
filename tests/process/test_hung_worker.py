"""Workers that hang, and networks that swallow: Stop ends a build within ten seconds."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ci_common.results import CANCELLED, RETRY, SUCCESS
from tests.process.farm import STOCK_WORKER, Daemon, Farm, Master, run, wait_until

pytestmark = pytest.mark.process

#: The promise is ten seconds; the rest is for a slow machine to see it.
STOP_LIMIT_S = 10 + 20

WORKERS = [
    "ours",
    pytest.param(
        "stock",
        marks=[
            pytest.mark.peer,
            pytest.mark.skipif(STOCK_WORKER is None, reason="no stock worker"),
        ],
    ),
]

CONFIG = """
from buildbot.process.buildstep import BuildStep
from twisted.internet import defer

class Waits(BuildStep):
    name = 'waits'
    async def run(self):
        while True:
            try:
                await defer.Deferred()
            except defer.CancelledError:
                pass  # a user's step may do as it likes

class Deaf(steps.ShellCommand):
    def interrupt(self, reason):
        return defer.Deferred()

lock = util.MasterLock('only')
builder('long', sh('echo begun; sleep 600', timeout=None),
        sh('echo always', name='always', alwaysRun=True),
        locks=[lock.access('counting')])
builder('silent', sh('echo begun; sleep 600', timeout=3))
builder('slow', sh('trap "" TERM; echo begun; sleep 600', timeout=None, sigtermTime=600),
        sh('echo later', name='later'))
builder('deaf', Deaf(command=['sh', '-c', 'echo begun; sleep 600'], timeout=None))
builder('waits', Waits())
builder('quick', sh('echo quick'), locks=[lock.access('counting')])
c['workers'][0].keepalive_interval = 5
force_all()
"""


class Swallowing:
    """A relay that at a word takes everything and passes nothing on, while both ends live."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.swallows = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.swallows:
                    sink.sendall(data)
        if not self.swallows:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in (self._listening, *self._open):
            one.close()


@pytest.fixture
def paused() -> Iterator[list[int]]:
    """Processes that were stopped: they go on when the test is over."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def started(farm: Farm, kind: str = "ours") -> tuple[Master, Daemon]:
    master = farm.master()
    master.configure(CONFIG)
    master.start()
    worker = farm.worker(master, stock=kind == "stock")
    assert worker is not None
    master.wait_for_worker()
    return master, worker


def begun(master: Master, builder: str, step: str = "shell") -> dict[str, Any]:
    build = master.build_of(master.force(builder))
    wait_until(lambda: step in master.steps(build), "the step")
    if step == "shell":
        wait_until(lambda: "begun" in master.log_text(build, "shell"), "its output")
    return build


def ended(master: Master, build: dict[str, Any], limit_s: float = STOP_LIMIT_S) -> dict[str, Any]:
    found: dict[str, Any] = wait_until(
        lambda: (one := master.rest.one(f"builds/{build['buildid']}"))["complete"] and one,
        "the end of the build",
        limit_s,
    )
    return found


def stop(master: Master, build: dict[str, Any]) -> dict[str, Any]:
    """Stop it; it is over in time."""
    began = time.monotonic()
    master.rest.call(f"builds/{build['buildid']}", "stop")
    found = ended(master, build)
    assert found["complete_at"] - found["started_at"] <= time.monotonic() - began + 60
    return found


@pytest.mark.parametrize("kind", WORKERS)
def test_stop_ends_a_build_whose_worker_hangs(farm: Farm, kind: str, paused: list[int]) -> None:
    master, worker = started(farm, kind)
    build = begun(master, "long")
    os.kill(worker.pid, signal.SIGSTOP)
    paused.append(worker.pid)
    assert stop(master, build)["results"] == CANCELLED
    assert "always" not in master.steps(build)  # nobody is there to run it
    master.wait_for_worker(connected=False)  # nothing is given to it while it hangs
    os.kill(worker.pid, signal.SIGCONT)
    master.wait_for_worker()
    assert master.forced("quick")["results"] == SUCCESS
    assert begun(master, "long")


def test_stop_ends_a_build_whose_network_swallows_everything(farm: Farm) -> None:
    master = farm.master()
    master.configure(CONFIG)
    master.start()
    relay = Swallowing(master.pb_port)
    home = farm.directory / "w1"
    run(farm_program(), "create-worker", "-q", home, f"127.0.0.1:{relay.port}", "w1", "secret")
    farm.launch([farm_program(), "start", "--nodaemon", str(home)], home)
    master.wait_for_worker()
    build = begun(master, "long")
    relay.swallows = True
    assert stop(master, build)["results"] == CANCELLED
    relay.close()


def test_the_keepalive_ends_a_build_whose_worker_hangs(farm: Farm, paused: list[int]) -> None:
    master, worker = started(farm)
    build = begun(master, "long")
    os.kill(worker.pid, signal.SIGSTOP)
    paused.append(worker.pid)
    assert ended(master, build, 60)["results"] == RETRY


def test_a_steps_timeout_counts_also_when_the_worker_hangs(farm: Farm, paused: list[int]) -> None:
    master, worker = started(farm)
    build = begun(master, "silent")
    os.kill(worker.pid, signal.SIGSTOP)
    paused.append(worker.pid)
    assert ended(master, build, 90)["results"] == RETRY


def test_stop_does_not_wait_for_a_program_that_has_long_to_end(farm: Farm) -> None:
    master, worker = started(farm)
    build = begun(master, "slow")
    assert stop(master, build)["results"] == CANCELLED
    assert set(master.steps(build)) == {"worker_preparation", "shell"}
    # Its program still runs: the place is not given away, and the worker's other places are.
    again = master.force("slow")
    assert master.forced("quick")["results"] == SUCCESS
    assert master.rest.all(f"buildrequests/{again}/builds") == []
    worker.kill()
    farm.worker(master)
    master.build_of(again)


@pytest.mark.parametrize(("builder", "step"), [("waits", "waits"), ("deaf", "shell")])
def test_stop_ends_a_step_that_does_not_listen(farm: Farm, builder: str, step: str) -> None:
    master, _worker = started(farm)
    build = begun(master, builder, step)
    assert stop(master, build)["results"] == CANCELLED
    assert master.forced("quick")["results"] == SUCCESS


@pytest.mark.parametrize(("builder", "step"), [("waits", "waits"), ("long", "shell")])
def test_the_master_stops_whatever_its_builds_and_workers_do(
    farm: Farm, builder: str, step: str, paused: list[int]
) -> None:
    master, worker = started(farm)
    begun(master, builder, step)
    os.kill(worker.pid, signal.SIGSTOP)
    paused.append(worker.pid)
    assert master.daemon is not None
    assert master.daemon.stop(60) == 0


def farm_program() -> str:
    from tests.process.farm import BIN

    return str(BIN / "ci-worker")
