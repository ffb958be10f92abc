"""MasterShellCommand with real processes."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_common.pidfile import is_alive
from ci_common.processes import child
from ci_common.results import CANCELLED, FAILURE, SUCCESS
from ci_master.builds.properties import Property
from ci_master.steps.master import MasterShellCommand
from tests.fakes.builds import Ran
from tests.fakes.local_session import LocalHarness
from tests.process.buildbot_peer import wait_for

pytestmark = pytest.mark.process


def kill(pid: int) -> None:
    """End a process that may have ended already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class MasterShellTests(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self._dir = tempfile.TemporaryDirectory(prefix="master-shell-")
        self.addCleanup(self._dir.cleanup)
        self.dir = Path(self._dir.name)
        self.harness = LocalHarness(self.dir / "worker", properties={"x": "yes"})

    async def ran(self, command: Any, **arguments: Any) -> Ran:
        return await self.harness.finish(MasterShellCommand(command=command, **arguments))

    async def test_a_command_that_succeeds(self) -> None:
        ran = await self.ran(["echo", Property("x")])
        self.assertEqual((ran.result, ran.states), (SUCCESS, ["Running", "Ran"]))
        self.assertEqual(ran.log("stdio").stdout, "yes\n")
        self.assertIn("exit status 0", ran.log("stdio").header)
        self.assertIn(f" in dir {os.getcwd()}\n", ran.log("stdio").header)

    async def test_a_command_that_fails(self) -> None:
        ran = await self.ran("echo out; echo err >&2; exit 3")
        self.assertEqual((ran.result, ran.state), (FAILURE, "failed (3) (failure)"))
        log = ran.log("stdio")
        self.assertEqual((log.stdout, log.stderr), ("out\n", "err\n"))
        self.assertIn("exit status 3", log.header)

    async def test_a_command_that_does_not_exist(self) -> None:
        ran = await self.ran(["/no/such/program"])
        self.assertEqual(ran.result, FAILURE)
        self.assertIn("cannot execute '/no/such/program'", ran.log("stdio").stderr)

    async def test_the_place_and_the_environment(self) -> None:
        env = {"A": "${HOME}!", "B": ["1", Property("x")], "PATH": os.environ["PATH"], "LANG": None}
        script = 'pwd; echo "$A $B [$LANG]"'
        ran = await self.ran(script, workdir=str(self.dir), env=env, logEnviron=False)
        home = os.environ["HOME"]
        self.assertEqual(
            ran.log("stdio").stdout, f"{os.path.realpath(self.dir)}\n{home}! 1:yes []\n"
        )
        self.assertNotIn("environment:", ran.log("stdio").header)

    async def test_it_gets_no_input_and_may_have_a_terminal(self) -> None:
        ran = await self.ran("cat; test -t 1 || echo none")
        self.assertEqual(ran.log("stdio").stdout, "none\n")
        harness = LocalHarness(self.dir / "worker")
        ran = await harness.finish(MasterShellCommand(command=["tty"], usePTY=True))
        self.assertIn("/dev/", ran.log("stdio").stdout)

    async def test_one_that_takes_too_long_is_killed_with_all_it_started(self) -> None:
        pids = self.dir / "pids"
        ran = await self.ran(f"sleep 99 & echo $! $$ > {pids}; wait", runtime_timeout=0.5)
        self.assertEqual((ran.result, ran.state), (FAILURE, "killed (9) (failure) (timed out)"))
        self.assertIn("timed out, killed", ran.log("stdio").header)
        await self.gone(pids)

    async def test_a_stopped_one_is_killed_with_all_it_started(self) -> None:
        pids = self.dir / "pids"
        script = f"setsid sleep 99 & echo $! > {pids}; sleep 99 & echo $! $$ >> {pids}; wait"
        ran = self.harness.start(MasterShellCommand(command=script))
        await self.written(pids, 3)
        ran.build.stop("enough")
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(ran.result, CANCELLED)
        await self.gone(pids)

    async def test_what_escaped_does_not_hold_up_the_step(self) -> None:
        self.patch(child, "SURVIVAL_S", 2.0)
        pids = self.dir / "pids"
        script = f"(env -i setsid sleep 99 & echo $! > {pids}); sleep 99"
        ran = self.harness.start(MasterShellCommand(command=script))
        await self.written(pids, 1)
        self.addCleanup(kill, int(pids.read_text()))
        ran.build.stop("enough")
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(ran.result, CANCELLED)
        self.assertIn("the output is held open by", ran.log("stdio").header)

    async def test_one_whose_output_is_held_open_ends_with_its_time_and_is_no_success(self) -> None:
        for signal_name in ("KILL", "TERM", "INT"):
            pids = self.dir / f"pids-{signal_name}"
            command = f"sleep 99 & echo $! > {pids}"
            self.harness = LocalHarness(self.dir / f"worker-{signal_name}")
            ran = await self.ran(command, runtime_timeout=0.5, interruptSignal=signal_name)
            self.assertEqual((ran.result, ran.state), (FAILURE, "killed (failure) (timed out)"))
            await self.gone(pids)

    async def test_what_made_a_session_of_its_own_and_lost_its_parents_is_killed_too(self) -> None:
        pids = self.dir / "pids"
        script = f"(setsid sh -c 'echo $$ >> {pids}; exec sleep 99' &); exec sleep 99"
        ran = self.harness.start(MasterShellCommand(command=script))
        await self.written(pids, 1)
        ran.build.stop("enough")
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(ran.result, CANCELLED)
        await self.gone(pids)

    async def test_it_may_be_stopped_by_another_signal(self) -> None:
        ready = self.dir / "pids"
        script = f"trap 'echo bye; exit 0' TERM; echo $$ > {ready}; while :; do sleep 0.05; done"
        ran = self.harness.start(MasterShellCommand(command=script, interruptSignal="TERM"))
        await self.written(ready, 1)
        ran.build.stop("enough")
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(ran.result, CANCELLED)
        self.assertEqual(ran.log("stdio").stdout, "bye\n")

    async def test_much_output_comes_whole_and_waits_for_a_full_log(self) -> None:
        ran = self.harness.start(MasterShellCommand(command="seq 100000"))
        while not ran.step.logs:
            await self.turn()
        log = ran.log("stdio")
        log.has_room = False
        while not log.waiting:
            await self.turn()
        taken = len(log.stdout)
        for _ in range(20):
            await self.turn()
        self.assertEqual(len(log.stdout), taken)
        log.make_room()
        await ran.ended  # type: ignore[attr-defined]  # set by this harness
        self.assertEqual(log.stdout.count("\n"), 100000)

    def turn(self) -> Deferred[None]:
        turned: Deferred[None] = Deferred()
        reactor.callLater(0, turned.callback, None)
        return turned

    async def written(self, path: Path, count: int) -> None:
        def enough() -> bool:
            return path.exists() and len(path.read_text().split()) == count

        await deferToThread(wait_for, "the processes' ids", enough)

    async def gone(self, pids: Path) -> None:
        """Wait until none of the processes lives."""
        numbers = [int(pid) for pid in pids.read_text().split()]
        await deferToThread(wait_for, "their end", lambda: not any(map(is_alive, numbers)))
