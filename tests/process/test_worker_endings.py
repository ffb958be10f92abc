"""Every way of ending a command, in every state that its processes can be in."""

import os
import signal
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_common.pidfile import is_alive
from ci_common.processes.records import read_records
from tests.conftest import missing
from tests.process.buildbot_peer import wait_for
from tests.process.farm import STOCK_WORKER
from tests.process.pb_master import PBMaster, Sink
from tests.process.worker_home import WorkerHome

pytestmark = pytest.mark.process

#: Writes its number to the file ``pids`` when it runs.
NOTE = "echo $$ >> pids"


@dataclass(frozen=True)
class State:
    """What the processes of a command are like when it is to end.

    :param count: how many of them there are, and write their numbers to ``pids``.
    :param stock_leaves: a stock worker ends the command too, but leaves processes.
    """

    command: str
    count: int = 1
    args: dict[str, Any] = field(default_factory=dict)
    stock_leaves: bool = False


RUNNING = State(f"{NOTE}; exec sleep 300")
TREE = State(f"{NOTE}; sh -c '{NOTE}; exec sleep 300' & wait", 2)
HELD = State(f"sh -c '{NOTE}; exec sleep 300' & echo started")
HELD_BY_A_FLOOD = State(f"sh -c '{NOTE}; exec yes' & exit 0")
CLOSED = State(f"{NOTE}; exec >&- 2>&-; exec sleep 300")
STOPPED = State(f"{NOTE}; kill -STOP $$; sleep 300")
FLOOD = State(f"{NOTE}; exec yes")
WITH_INPUT = State(f"{NOTE}; exec sleep 300", args={"initial_stdin": "x" * 300_000})
TERMINAL = State(f"{NOTE}; exec sleep 300", args={"usePTY": True})
OWN_SESSION = State(f"{NOTE}; setsid sh -c '{NOTE}; exec sleep 300' & wait", 2, stock_leaves=True)
TWICE_FORKED = State(f"(setsid sh -c '{NOTE}; exec sleep 300' &); exit 0", stock_leaves=True)

STATES = {
    "running": RUNNING,
    "tree": TREE,
    "held": HELD,
    "held_by_a_flood": HELD_BY_A_FLOOD,
    "closed": CLOSED,
    "stopped": STOPPED,
    "flood": FLOOD,
    "with_input": WITH_INPUT,
    "terminal": TERMINAL,
    "own_session": OWN_SESSION,
    "twice_forked": TWICE_FORKED,
}

#: Limits that are tried, should a busy machine not get a state's processes to run within one.
LIMITS_S = (3, 12, 48)


class EndingCase(TestCase):
    """One worker, attached to one recording master."""

    timeout = 240
    stock = False

    async def setUp(self) -> None:
        self.master = PBMaster()
        self.addCleanup(self.master.port.stopListening)
        basedir = Path(self.mktemp()).absolute()
        self.home = WorkerHome(basedir, self.master.address)
        self.addCleanup(self.home.cleanup)
        attached = self.master.expect(self.master.attached)
        self.home.start() if not self.stock else self.start_stock(basedir)
        await attached

    def start_stock(self, basedir: Path) -> None:
        """Start a stock worker in a directory of its own, as the process of ours."""
        assert STOCK_WORKER is not None
        home = self.home.basedir = basedir.with_name(basedir.name + "-stock")
        make = [STOCK_WORKER, "create-worker", str(home), self.master.address, "w1", "secret"]
        subprocess.run(make, check=True, capture_output=True)
        with (home / "output").open("ab") as output:
            self.home.process = subprocess.Popen(
                [STOCK_WORKER, "start", "--nodaemon", str(home)],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    async def tearDown(self) -> None:
        await deferToThread(self.home.cleanup)

    async def begin(self, state: State, sink: Sink | None = None, **args: Any) -> tuple[Sink, str]:
        """Start it, and wait until it is in its state."""
        self.pids_file.unlink(missing_ok=True)
        args = {"workdir": "build", "env": {}, **state.args, **args}
        sink, command_id = await self.master.begin("shell", sink, command=state.command, **args)
        look = lambda: self.look(state.count)  # noqa: E731  # it is a value here
        await deferToThread(wait_for, "the pids", lambda: look() or sink.ended.called, 60)
        self.pids = look()
        for pid in self.pids:
            self.addCleanup(kill, pid)
        return sink, command_id

    def look(self, count: int) -> list[int]:
        found = self.pids_file.read_text().split() if self.pids_file.exists() else []
        return [int(word) for word in found] if len(found) == count else []

    @property
    def pids_file(self) -> Path:
        return self.home.basedir / "b1dir" / "build" / "pids"

    async def ended(self, sink: Sink, state: State) -> None:
        """Wait for the end: it is a failure, and nothing is left."""
        failure = await self.master.expect(sink.ended)
        self.assertIsNone(failure)
        self.assertEqual(sink.values("rc"), [-1])
        if not (self.stock and state.stock_leaves):
            await self.gone(self.pids)

    async def gone(self, pids: list[int]) -> None:
        await deferToThread(wait_for, "their end", lambda: not any(map(is_alive, pids)))

    async def by_limit(self, state: State, name: str, reason: str) -> None:
        for limit_s in LIMITS_S:
            sink, _ = await self.begin(state, **{name: limit_s})
            if self.pids:
                break
        await self.ended(sink, state)
        self.assertEqual(sink.values("failure_reason"), [reason])

    async def by_interruption(self, state: State, **args: Any) -> None:
        sink, command_id = await self.begin(state, **args)
        await self.master.builder.callRemote("interruptCommand", command_id, "enough")
        await self.ended(sink, state)
        self.assertIn("command interrupted, attempting to kill\n", sink.text("header"))


class OutcomeTests(EndingCase):
    """The outcomes that a stock worker gives, see :class:`StockOutcomeTests`."""

    silent = (HELD, RUNNING, CLOSED, STOPPED, WITH_INPUT, TERMINAL, OWN_SESSION, TWICE_FORKED)
    timed = (HELD, RUNNING, FLOOD, HELD_BY_A_FLOOD)

    async def test_silence(self) -> None:
        for state in self.silent:
            await self.by_limit(state, "timeout", "timeout_without_output")

    async def test_time(self) -> None:
        for state in self.timed:
            await self.by_limit(state, "maxTime", "timeout")

    async def test_interruption(self) -> None:
        for state in STATES.values():
            await self.by_interruption(state)

    async def test_interruption_by_a_signal_that_may_be_ignored(self) -> None:
        deaf = State(f"trap '' INT TERM; {NOTE}; sleep 300")
        # A stock worker gives up one that ignores the signal; ours kills it then.
        deaf_ones = () if self.stock else (deaf,)
        for state in (replace(HELD, stock_leaves=True), RUNNING, *deaf_ones):
            await self.by_interruption(state, interruptSignal="INT")

    async def test_sigterm_first(self) -> None:
        deaf = State(f"trap '' TERM; {NOTE}; sleep 300")
        well = State(f"trap 'exit 0' TERM; {NOTE}; sleep 300 & wait")
        for state in (HELD, RUNNING, STOPPED, deaf, well):
            await self.by_interruption(state, sigtermTime=1)


@pytest.mark.peer
class StockOutcomeTests(OutcomeTests):
    stock = True
    silent = (HELD, CLOSED)
    timed = (HELD, FLOOD)

    async def setUp(self) -> None:
        if not STOCK_WORKER:
            missing("no stock worker: CI_PEER_WORKER is to be the path of a 'buildbot-worker'")
        await super().setUp()


class LostMasterTests(EndingCase):
    async def test_a_lost_master_ends_all_and_the_worker_comes_back(self) -> None:
        for name, state in STATES.items():
            args = {"sigtermTime": 300} if name in ("held", "running") else {}
            sink = Sink(answer_updates="flood" not in name)
            await self.begin(state, sink, **args)
            attached = self.master.expect(self.master.attached)
            self.master.hang_up()
            await attached
            await self.gone(self.pids)

    async def test_a_master_that_answers_nothing_can_still_stop_a_flood(self) -> None:
        for state in (FLOOD, HELD_BY_A_FLOOD):
            sink = Sink(answer_updates=False)
            full: Deferred[None] = Deferred()

            def count(sink: Sink = sink, full: "Deferred[None]" = full) -> None:
                if len(sink.calls) == 8:
                    full.callback(None)

            sink.on_update = count
            _, command_id = await self.begin(state, sink)
            await self.master.expect(full)
            await self.master.builder.callRemote("interruptCommand", command_id, "enough")
            await self.ended(sink, state)


class ShutdownTests(EndingCase):
    async def test_a_worker_that_is_told_to_end_leaves_nothing(self) -> None:
        await self.begin(TWICE_FORKED, sigtermTime=1)
        assert self.home.process is not None
        self.home.process.send_signal(signal.SIGTERM)
        await deferToThread(self.home.process.wait, 120)
        self.assertFalse(any(map(is_alive, self.pids)))

    async def test_so_does_one_whose_builder_was_taken_away_before(self) -> None:
        deaf = State(f"trap '' TERM; {NOTE}; while :; do sleep 1; done")
        await self.begin(deaf, sigtermTime=3)
        await self.master.mind.callRemote("setBuilderList", [])
        assert self.home.process is not None
        self.home.process.send_signal(signal.SIGTERM)
        await deferToThread(self.home.process.wait, 120)
        self.assertFalse(any(map(is_alive, self.pids)))


class KilledWorkerTests(EndingCase):
    """The worker is killed by a signal that it cannot see."""

    @property
    def records(self) -> Path:
        return self.home.basedir / "twistd.processes"

    async def kill_worker(self) -> None:
        assert self.home.process is not None
        self.home.process.kill()
        await deferToThread(self.home.process.wait, 120)

    async def come_back(self) -> None:
        attached = self.master.expect(self.master.attached)
        self.home.start()
        await attached

    async def test_the_group_of_each_program_dies_with_it(self) -> None:
        if not Path("/proc/self/fd").exists():
            self.skipTest("only Linux tells children of their parent's death")
        for state in (RUNNING, TREE, HELD, CLOSED, STOPPED, WITH_INPUT, TERMINAL):
            await self.begin(state)
            await self.kill_worker()
            await self.gone(self.pids)
            await self.come_back()

    async def test_the_next_one_ends_what_made_sessions_of_its_own(self) -> None:
        for state in (OWN_SESSION, TWICE_FORKED):
            await self.begin(state)
            await self.kill_worker()
            self.assertTrue(is_alive(self.pids[-1]))
            await self.come_back()
            self.assertFalse(any(map(is_alive, self.pids)))
            self.assertIn("ending what the previous run left behind", self.home.log())

    async def test_what_finished_steps_left_running_is_left_alone(self) -> None:
        service = State(f"sh -c '{NOTE}; exec sleep 300' >/dev/null 2>&1 & sleep 0.2")
        sink, _ = await self.begin(service)
        await self.master.expect(sink.ended)
        self.assertEqual(sink.values("rc"), [0])
        self.assertEqual(read_records(self.records), [])
        await self.kill_worker()
        await self.come_back()
        await self.master.shell(["true"])
        self.assertTrue(all(map(is_alive, self.pids)))

    async def test_a_process_of_another_that_has_a_recorded_number_is_spared(self) -> None:
        await self.begin(RUNNING)
        await self.kill_worker()
        await self.gone(self.pids)
        other = subprocess.Popen(["sleep", "300"], start_new_session=True)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        text = self.records.read_text()
        self.records.write_text(text.replace(f" {self.pids[0]} ", f" {other.pid} ") + "@ cut 12")
        await self.come_back()
        self.assertIsNone(other.poll())
        self.assertEqual(read_records(self.records), [])


def kill(pid: int) -> None:
    """End a process that may have ended already."""
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)
