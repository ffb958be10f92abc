"""Programs that a master runs beside its builds, and that do not want to end."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_common.pidfile import is_alive
from ci_master.changes import git_program
from ci_master.changes.git_program import GitError, GitProgram
from ci_master.secrets import passwordstore
from tests.process.buildbot_peer import wait_for

pytestmark = pytest.mark.process


class HangingTests(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.dir = Path(self.mktemp()).absolute()
        self.dir.mkdir()
        self.pids = self.dir / "pids"
        self.program = self.dir / "program"
        note = f"echo $$ >> {self.pids}"
        self.program.write_text(
            f"#!/bin/sh\ntrap '' TERM\n{note}\nsh -c '{note}; exec sleep 600' &\nsleep 600\n"
        )
        self.program.chmod(0o755)

    async def gone(self) -> None:
        pids = [int(word) for word in self.pids.read_text().split()]
        await deferToThread(wait_for, "their end", lambda: not any(map(is_alive, pids)))

    async def started(self) -> None:
        await deferToThread(
            wait_for,
            "two processes",
            lambda: self.pids.exists() and len(self.pids.read_text().split()) == 2,
        )

    async def test_git_is_ended_with_its_helpers(self) -> None:
        git = GitProgram(reactor, str(self.program))
        call = ensureDeferred(git.run("fetch"))
        await self.started()
        git.stop()
        with self.assertRaisesRegex(GitError, r"'git fetch' failed \(signal 9\)"):
            await call
        await self.gone()

    async def test_git_that_leaves_a_shared_connection_is_waited_for_no_longer_than_that(
        self,
    ) -> None:
        self.patch(git_program, "_GRACE_S", 0.5)
        self.program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {self.pids}\necho done\n")
        git = GitProgram(reactor, str(self.program))
        self.assertEqual(await git.run("fetch"), b"done\n")
        os.kill(int(self.pids.read_text()), signal.SIGKILL)

    async def test_a_program_that_asks_for_a_passphrase_is_ended_with_what_asks(self) -> None:
        self.patch(passwordstore, "_PATIENCE_S", 2)
        run = deferToThread(
            passwordstore.run_program, [str(self.program)], {"PATH": "/bin:/usr/bin"}
        )
        with self.assertRaises(subprocess.TimeoutExpired):
            await run
        await self.gone()
