"""A real worker process under a master that records every call."""

import io
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from ci_common.pidfile import is_alive
from tests.process.buildbot_peer import wait_for
from tests.process.pb_master import PBMaster, Reader, Sink, Writer
from tests.process.worker_home import WorkerHome

pytestmark = pytest.mark.process


class WorkerCase(TestCase):
    """One worker, attached to one recording master."""

    timeout = 180
    options: tuple[str, ...] = ()

    async def setUp(self) -> None:
        self.master = PBMaster()
        self.addCleanup(self.master.port.stopListening)
        self.home = WorkerHome(Path(self.mktemp()).absolute(), self.master.address, *self.options)
        self.addCleanup(self.home.cleanup)
        attached = self.master.expect(self.master.attached)
        self.home.start()
        await attached

    async def tearDown(self) -> None:
        await deferToThread(self.home.cleanup)

    async def gone(self, pids: list[int]) -> None:
        """Wait until none of the processes lives."""
        await deferToThread(wait_for, "their end", lambda: not any(map(is_alive, pids)))

    @property
    def workdir(self) -> Path:
        return self.home.basedir / "b1dir" / "build"


class ShellTests(WorkerCase):
    async def test_a_trivial_step_costs_few_updates_and_the_completion(self) -> None:
        sink = await self.master.shell(["true"])
        # One, unless the machine is so busy that the header is sent before the program ends.
        self.assertLessEqual(len(sink.calls), 2)
        self.assertEqual([key for key, _ in sink.updates], ["header", "rc", "header", "elapsed"])

    async def test_a_last_line_without_an_end_comes_before_the_exit_status(self) -> None:
        sink = await self.master.shell(["sh", "-c", "echo out; echo err >&2; printf part"])
        keys = [key for key, _ in sink.updates]
        self.assertEqual(keys[-3:], ["rc", "header", "elapsed"])
        self.assertEqual(sink.text("stdout"), "out\npart\n")
        self.assertEqual(sink.values("rc"), [0])
        self.assertEqual(sink.text("stderr"), "err\n")

    async def test_a_program_that_does_not_exist_is_named(self) -> None:
        sink = await self.master.shell(["/no/such/program"])
        self.assertEqual(sink.values("rc"), [1])
        self.assertIn("cannot execute '/no/such/program': No such file", sink.text("stderr"))

    async def test_input_is_given_and_then_ends(self) -> None:
        sink = await self.master.shell("cat; echo end", initial_stdin="given\n")
        self.assertEqual(sink.text("stdout"), "given\nend\n")

    async def test_a_terminal_is_one(self) -> None:
        sink = await self.master.shell("tty", usePTY=True)
        self.assertIn("/dev/", sink.text("stdout"))

    async def test_log_files_made_later_are_followed(self) -> None:
        script = "echo one > a.log; sleep 0.8; echo two >> a.log; printf three >> a.log"
        sink = await self.master.shell(script, logfiles={"a": "a.log"})
        text = "".join(part for name, part in sink.values("log") if name == "a")
        self.assertEqual(text, "one\ntwo\nthree\n")

    async def test_too_long_a_silence_ends_the_program(self) -> None:
        sink = await self.master.shell(["sleep", "60"], timeout=1)
        self.assertEqual(sink.values("failure_reason"), ["timeout_without_output"])
        self.assertEqual(sink.values("rc"), [-1])
        self.assertIn("process killed by signal 9\n", sink.text("header"))

    async def test_interrupting_kills_children_that_left_the_session(self) -> None:
        script = (
            "echo $$ > pids; setsid sh -c 'trap \"\" TERM HUP; echo $$ >> pids; sleep 60' & wait"
        )
        sink, command_id = await self.master.begin("shell", workdir="build", command=script)
        pids = await self.pids(2)
        await self.master.builder.callRemote("interruptCommand", command_id, "enough")
        await self.master.expect(sink.ended)
        self.assertEqual(sink.values("rc"), [-1])
        self.assertEqual(sink.values("elapsed"), [])
        self.assertIn("\ncommand interrupted, attempting to kill\n", sink.text("header"))
        await self.gone(pids)

    async def test_a_lost_connection_ends_what_runs_and_the_worker_comes_back(self) -> None:
        await self.master.begin("shell", workdir="build", command="echo $$ > pids; sleep 60")
        pids = await self.pids(1)
        attached = self.master.expect(self.master.attached)
        self.master.hang_up()
        await attached
        await self.gone(pids)

    async def test_output_waits_while_the_master_does_not_answer(self) -> None:
        script = "i=0; while [ $i -lt 400 ]; do printf '%1024000d\\n' $i; i=$((i+1)); done"
        sink = Sink(answer_updates=False)
        full: Deferred[None] = Deferred()

        def count() -> None:
            if len(sink.calls) == 8 and not full.called:
                full.callback(None)

        sink.on_update = count
        await self.master.begin("shell", sink, workdir="build", command=script)
        await self.master.expect(full)
        await self.master.shell(["true"])  # drops the other; nothing more of it has come
        self.assertLess(len(sink.calls), 12)

    async def pids(self, count: int) -> list[int]:
        """The numbers the script has written."""

        def look() -> list[int]:
            path = self.workdir / "pids"
            found = path.read_text().split() if path.exists() else []
            return [int(word) for word in found] if len(found) == count else []

        found: list[int] = await deferToThread(wait_for, "the pids", look)
        return found


class FileTests(WorkerCase):
    async def test_directories_and_files_can_be_made_looked_at_and_removed(self) -> None:
        self.assertEqual((await self.master.run("mkdir", dir="build/d/e")).values("rc"), [0])
        (self.workdir / "d" / "f").write_text("x")
        found = await self.master.run("glob", path="build/d/*")
        self.assertEqual({Path(p).name for p in found.values("files")[0]}, {"e", "f"})
        self.assertEqual(
            sorted((await self.master.run("listdir", dir="build/d")).values("files")[0]), ["e", "f"]
        )
        self.assertEqual((await self.master.run("stat", file="build/d/f")).values("stat")[0][6], 1)
        copied = await self.master.run("cpdir", fromdir="build/d", todir="build/c")
        self.assertEqual(copied.values("rc"), [0])
        self.assertTrue((self.workdir / "c" / "f").exists())
        self.assertEqual((await self.master.run("rmfile", path="build/d/f")).values("rc"), [0])
        removed = await self.master.run("rmdir", dir=["build/d", "build/c"])
        self.assertEqual(removed.values("rc"), [0])
        self.assertEqual(list(self.workdir.iterdir()), [])

    async def test_a_missing_file_is_error_2_and_says_which(self) -> None:
        sink = await self.master.run("stat", file="nothing")
        self.assertEqual([key for key, _ in sink.updates], ["rc", "elapsed", "header"])
        self.assertEqual(sink.values("rc"), [2])
        self.assertIn("stat: No such file or directory: ", sink.text("header"))

    async def test_a_file_goes_up_with_its_time(self) -> None:
        self.workdir.mkdir()
        (self.workdir / "f").write_bytes(b"0123456789" * 10)
        writer = Writer()
        sink = await self.upload(writer, blocksize=7, keepstamp=True)
        self.assertEqual(writer.data, b"0123456789" * 10)
        self.assertEqual(writer.calls, ["close", "utime"])
        self.assertEqual(sink.values("rc"), [0])

    async def test_a_file_above_its_limit_is_cut_and_fails(self) -> None:
        self.workdir.mkdir()
        (self.workdir / "f").write_bytes(b"0123456789")
        writer = Writer()
        sink = await self.upload(writer, blocksize=4, maxsize=6)
        self.assertEqual(writer.data, b"012345")
        self.assertEqual(sink.values("rc"), [1])
        self.assertIn("Maximum filesize reached", sink.text("stderr"))

    async def test_a_directory_goes_up_as_a_tar_stream(self) -> None:
        (self.workdir / "d" / "e").mkdir(parents=True)
        (self.workdir / "d" / "e" / "f").write_bytes(b"x" * 100_000)
        writer = Writer()
        sink = await self.master.run(
            "uploadDirectory",
            workdir="build",
            workersrc="d",
            writer=writer,
            blocksize=16384,
            maxsize=None,
            compress="bz2",
        )
        self.assertEqual((sink.values("rc"), writer.calls), ([0], ["unpack"]))
        with tarfile.open(fileobj=io.BytesIO(writer.data)) as tar:
            self.assertEqual(tar.getmember("e/f").size, 100_000)

    async def test_a_file_comes_down_with_its_mode(self) -> None:
        reader = Reader(b"content" * 1000)
        sink = await self.download(reader, workerdest="new/f", mode=0o640)
        self.assertEqual(sink.values("rc"), [0])
        self.assertEqual((self.workdir / "new" / "f").read_bytes(), b"content" * 1000)
        self.assertEqual((self.workdir / "new" / "f").stat().st_mode & 0o777, 0o640)
        self.assertTrue(reader.closed)

    async def test_a_full_disk_is_said_and_leaves_nothing_behind(self) -> None:
        self.workdir.mkdir(exist_ok=True)
        os.symlink("/dev/full", self.workdir / "full")
        sink = await self.download(Reader(b"content"), workerdest="full")
        self.assertEqual(sink.values("rc"), [1])
        self.assertIn("No space left on device", sink.text("stderr"))

    def upload(self, writer: Writer, **args: Any) -> Any:
        args = {"maxsize": None, **args}
        return self.master.run("uploadFile", workdir="build", workersrc="f", writer=writer, **args)

    def download(self, reader: Reader, **args: Any) -> Any:
        args = {"maxsize": None, "mode": None, "blocksize": 1024, **args}
        return self.master.run("downloadFile", workdir="build", reader=reader, **args)


class SessionTests(WorkerCase):
    async def test_the_worker_tells_what_it_can_and_where_it_is(self) -> None:
        info = self.master.info
        self.assertEqual(info["basedir"], str(self.home.basedir))
        self.assertEqual(info["worker_commands"]["shell"], "3.3")
        self.assertEqual(len(info["worker_commands"]), 14)

    async def test_an_unknown_command_is_refused_by_name(self) -> None:
        with self.assertRaises(Exception) as caught:
            await self.master.begin("nonsense")
        self.assertEqual(caught.exception.remoteType, b"buildbot_worker.base.UnknownCommand")
        self.assertIn("unrecognized WorkerCommand 'nonsense'", str(caught.exception))

    async def test_the_master_can_end_the_worker(self) -> None:
        await self.master.mind.callRemote("shutdown")
        assert self.home.process is not None
        self.assertEqual(await deferToThread(self.home.process.wait, 120), 0)
        self.assertFalse((self.home.basedir / "twistd.pid").exists())

    async def test_a_second_start_is_refused(self) -> None:
        second = WorkerHome.__new__(WorkerHome)
        second.basedir, second.process = self.home.basedir, None
        second.start()
        self.assertEqual(await deferToThread(second.process.wait, 120), 1)
        self.assertIn("already running as pid", (self.home.basedir / "output").read_text())


class RejectedTests(WorkerCase):
    async def test_a_worker_that_is_connected_elsewhere_gives_up(self) -> None:
        self.master.refusal = RuntimeError("rejecting duplicate worker")
        self.master.hang_up()
        assert self.home.process is not None
        self.assertEqual(await deferToThread(self.home.process.wait, 120), 1)
        self.assertIn("rejecting duplicate worker", self.home.log())
        self.flushLoggedErrors(RuntimeError)


class KeepaliveTests(WorkerCase):
    options = ("--keepalive", "1")

    async def test_a_master_that_does_not_answer_is_left_within_two_intervals(self) -> None:
        detached = self.master.expect(self.master.detached)
        self.master.plays_dead = True
        await detached
        self.assertGreaterEqual(self.master.keepalives, 1)


class GracefulTests(WorkerCase):
    options = ("--allow-shutdown", "signal")

    async def test_a_hangup_signal_asks_the_master_for_a_shutdown(self) -> None:
        assert self.home.process is not None
        self.home.process.send_signal(signal.SIGHUP)
        await self.master.expect(self.master.shutdown_asked)
