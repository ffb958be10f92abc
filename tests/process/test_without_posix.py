"""The worker where there is no POSIX; see :mod:`tests.process.without_posix` for what is faked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_common.pidfile import is_alive
from tests.process.buildbot_peer import free_port, wait_for
from tests.process.pb_master import PBMaster
from tests.process.without_posix import CTRL_BREAK

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


def argv(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.process.without_posix", *words]


def on_windows(*words: str) -> str:
    """Run it to its end; what it printed."""
    done = subprocess.run(argv(*words), cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_module_can_be_imported() -> None:
    imported = set(on_windows("import").split())
    for folder in ("common/ci_common", "worker/ci_worker"):
        for path in (ROOT / folder).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT / folder.split("/")[0]).with_suffix("").parts)
            package = name.removesuffix(".__init__")
            if package not in ("ci_common", "ci_worker", "ci_worker.__main__"):
                assert package in imported


def test_what_it_needs_there_is_asked_for_there_only() -> None:
    text = (ROOT / "setup.py").read_text()
    assert """'pywin32>=306; platform_system == "Windows"'""" in text


def test_a_worker_is_started_in_the_background_and_stopped(tmp_path: Path) -> None:
    home = str(tmp_path / "w1")
    on_windows("create", "-q", home, f"127.0.0.1:{free_port()}", "w1", "secret")
    assert "started, but cannot connect" in on_windows("start", home)
    pid = int((tmp_path / "w1" / "twistd.pid").read_text())
    assert f"process {pid} has ended" in on_windows("stop", home)
    assert not is_alive(pid)
    assert not (tmp_path / "w1" / "twistd.pid").exists()


class WindowsTests(TestCase):
    """A worker that takes its system for Windows, attached to a recording master."""

    timeout = 180

    async def setUp(self) -> None:
        self.master = PBMaster()
        self.addCleanup(self.master.port.stopListening)
        self.basedir = Path(self.mktemp()).absolute()
        await deferToThread(
            on_windows, "create", "-q", str(self.basedir), self.master.address, "w1", "secret"
        )
        attached = self.master.expect(self.master.attached)
        self.output = self.basedir / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                argv("run", str(self.basedir)), cwd=ROOT, stdout=output, stderr=output
            )
        self.addCleanup(self.end)
        await attached

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @property
    def workdir(self) -> Path:
        return self.basedir / "b1dir" / "build"

    async def pids(self, count: int) -> list[int]:
        def look() -> list[int]:
            path = self.workdir / "pids"
            words = path.read_text().split() if path.exists() else []
            return [int(word) for word in words] if len(words) == count else []

        found: list[int] = await deferToThread(wait_for, "the pids", look)
        for pid in found:
            self.addCleanup(lambda pid=pid: is_alive(pid) and os.kill(pid, signal.SIGKILL))
        return found

    async def gone(self, pids: list[int]) -> None:
        await deferToThread(wait_for, "their end", lambda: not any(map(is_alive, pids)))

    async def test_it_says_that_it_is_windows(self) -> None:
        self.assertEqual(self.master.info["system"], "nt")

    async def test_a_program_runs_with_its_output_status_input_and_environment(self) -> None:
        sink = await self.master.shell(
            ["sh", "-c", "cat; echo $GREETING '$1' >&2; printf part; exit 3", "x"],
            initial_stdin="given\n",
            env={"Greeting": "hello"},
        )
        self.assertEqual(sink.text("stdout"), "given\npart\n")
        self.assertEqual(sink.text("stderr"), "hello $1\n")
        self.assertEqual(sink.values("rc"), [3])

    async def test_a_line_for_the_shell_comes_to_it_as_it_is(self) -> None:
        sink = await self.master.shell("""echo "a  b" 'c"d' && echo e | cat""")
        self.assertEqual(sink.text("stdout"), 'a  b c"d\ne\n')
        self.assertEqual(sink.values("rc"), [0])

    async def test_a_program_that_does_not_exist_is_named(self) -> None:
        sink = await self.master.shell(["/no/such/program"])
        self.assertNotEqual(sink.values("rc"), [0])

    async def test_much_output_comes_whole(self) -> None:
        sink = await self.master.shell(["seq", "200000"])
        self.assertEqual(sink.text("stdout"), "".join(f"{n}\n" for n in range(1, 200001)))

    async def test_every_way_of_ending_ends_the_job(self) -> None:
        held = "sh -c 'echo $$ > pids; exec sleep 300' & exit 0"
        running = "echo $$ > pids; exec sleep 300"
        escaped = "(setsid sh -c 'echo $$ > pids; exec sleep 300' &); exit 0"
        for command in (held, running, escaped):
            for args in ({"timeout": 3}, {"maxTime": 3}, {}, {"sigtermTime": 60}):
                (self.workdir / "pids").unlink(missing_ok=True)
                sink, command_id = await self.master.begin(
                    "shell", workdir="build", command=["sh", "-c", command], **args
                )
                pids = await self.pids(1)
                if not {"timeout", "maxTime"} & set(args):
                    await self.master.builder.callRemote("interruptCommand", command_id, "enough")
                self.assertIsNone(await self.master.expect(sink.ended))
                self.assertEqual(sink.values("rc"), [-1])
                await self.gone(pids)

    async def test_what_a_step_leaves_running_lives_on(self) -> None:
        script = "sh -c 'echo $$ > pids; exec sleep 300' >/dev/null 2>&1 & sleep 0.2"
        sink = await self.master.shell(["sh", "-c", script])
        self.assertEqual(sink.values("rc"), [0])
        (pid,) = await self.pids(1)
        await self.master.shell(["true"])
        self.assertTrue(is_alive(pid))

    async def test_directories_are_made_copied_and_removed_without_programs(self) -> None:
        self.assertEqual((await self.master.run("mkdir", dir="build/d/e")).values("rc"), [0])
        (self.workdir / "d" / "e" / "f").write_text("x")
        (self.workdir / "d" / "e" / "f").chmod(0o400)
        copied = await self.master.run("cpdir", fromdir="build/d", todir="build/c")
        self.assertEqual(copied.values("rc"), [0])
        self.assertEqual((self.workdir / "c" / "e" / "f").read_text(), "x")
        removed = await self.master.run("rmdir", dir=["build/d", "build/c", "build/none"])
        self.assertEqual(removed.values("rc"), [0])
        self.assertEqual(list(self.workdir.iterdir()), [])

    async def test_the_master_can_end_it_and_that_ends_what_runs(self) -> None:
        await self.master.begin(
            "shell", workdir="build", command=["sh", "-c", "echo $$ > pids; exec sleep 300"]
        )
        pids = await self.pids(1)
        await self.master.mind.callRemote("shutdown")
        self.assertEqual(await deferToThread(self.process.wait, 120), 0)
        await self.gone(pids)
        self.assertIn("jobs: terminated", self.output.read_text())
        self.assertFalse((self.basedir / "twistd.pid").exists())

    async def test_ctrl_break_ends_it_in_order_however_often_it_comes(self) -> None:
        await self.master.begin(
            "shell", workdir="build", command=["sh", "-c", "echo $$ > pids; exec sleep 300"]
        )
        pids = await self.pids(1)
        self.process.send_signal(CTRL_BREAK)
        self.process.send_signal(CTRL_BREAK)
        self.assertEqual(await deferToThread(self.process.wait, 60), 0)
        await self.gone(pids)
        self.assertIn("jobs: terminated", self.output.read_text())
        self.assertNotIn("Traceback", self.output.read_text())
        self.assertFalse((self.basedir / "twistd.pid").exists())
