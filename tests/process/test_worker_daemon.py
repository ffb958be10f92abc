"""The command line of the worker, with real processes."""

import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.pidfile import is_alive
from ci_common.processes.identity import identify
from ci_common.processes.tree import is_running
from tests.process.buildbot_peer import free_port
from tests.process.worker_home import WorkerHome, ci_worker

pytestmark = pytest.mark.process


@pytest.fixture
def home(tmp_path: Path) -> Iterator[WorkerHome]:
    made = WorkerHome(tmp_path / "w1", f"127.0.0.1:{free_port()}")
    yield made
    made.cleanup()


def pid_of(home: WorkerHome) -> int:
    return int((home.basedir / "twistd.pid").read_text())


def test_the_directory_has_a_secret_tac_and_public_info(home: WorkerHome) -> None:
    assert stat.S_IMODE((home.basedir / "buildbot.tac").stat().st_mode) == 0o600
    assert stat.S_IMODE((home.basedir / "info" / "host").stat().st_mode) == 0o644


def test_start_returns_when_the_worker_works_even_without_a_master(home: WorkerHome) -> None:
    started = ci_worker("start", str(home.basedir))
    assert (started.returncode, "keeps trying" in started.stdout) == (0, True)
    assert is_alive(pid_of(home))


def test_a_second_start_and_a_stop_of_nothing_say_so(home: WorkerHome) -> None:
    ci_worker("start", "-q", str(home.basedir))
    again = ci_worker("start", str(home.basedir))
    assert (again.returncode, "already running as pid" in again.stdout) == (1, True)
    pid = pid_of(home)
    assert ci_worker("stop", str(home.basedir)).returncode == 0
    assert not is_alive(pid)
    assert not (home.basedir / "twistd.pid").exists()
    assert "not running" in ci_worker("stop", str(home.basedir)).stdout


def test_restart_makes_a_new_process(home: WorkerHome) -> None:
    ci_worker("start", "-q", str(home.basedir))
    before = pid_of(home)
    assert ci_worker("restart", str(home.basedir)).returncode == 0
    assert pid_of(home) != before
    assert not is_alive(before)


def test_a_stale_pid_file_does_not_hinder(home: WorkerHome) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (home.basedir / "twistd.pid").write_text(str(ended.pid))
    assert ci_worker("start", str(home.basedir)).returncode == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("application = (", "buildbot.tac:1: '(' was never closed"),
        ("# Worker\nx = 1 / 0", "buildbot.tac:2: ZeroDivisionError: division by zero"),
        ("# Worker", "it sets no variable 'application'"),
    ],
)
def test_a_broken_tac_is_told_with_its_line(home: WorkerHome, text: str, said: str) -> None:
    (home.basedir / "buildbot.tac").write_text(text + "  # Worker\n")
    started = ci_worker("start", str(home.basedir))
    assert started.returncode == 1
    assert said in started.stdout
    assert not (home.basedir / "twistd.pid").exists()


def test_a_worker_with_few_tries_gives_up_with_a_failure(tmp_path: Path) -> None:
    home = WorkerHome(tmp_path / "w1", f"127.0.0.1:{free_port()}", "--maxretries", "1")
    home.start()
    assert home.process is not None
    assert home.process.wait(20) == 1
    assert "giving up after 2 tries" in home.log()


@pytest.mark.parametrize("options", [[], ["--relocatable"]])
def test_a_directory_works_after_it_was_moved(tmp_path: Path, options: list[str]) -> None:
    home = WorkerHome(tmp_path / "w1", f"127.0.0.1:{free_port()}", *options)
    assert str(tmp_path) not in (home.basedir / "buildbot.tac").read_text()
    home.basedir = home.basedir.rename(tmp_path / "moved")
    assert ci_worker("start", str(home.basedir)).returncode == 0
    assert (home.basedir / "twistd.log").exists()
    home.cleanup()


def test_a_copy_of_the_directory_of_an_older_worker_says_how_it_is_mended(
    home: WorkerHome, tmp_path: Path
) -> None:
    tac = home.basedir / "buildbot.tac"
    own = "os.path.abspath(os.path.dirname(__file__))"
    tac.write_text(tac.read_text().replace(own, "'.'").replace("'.'", repr(str(home.basedir))))
    copy = tmp_path / "copy"
    shutil.copytree(home.basedir, copy)
    started = ci_worker("start", str(copy))
    assert started.returncode == 1
    assert f"Write basedir = '{copy}' there" in started.stdout
    assert not (home.basedir / "twistd.log").exists()
    text = (copy / "buildbot.tac").read_text()
    assert f"basedir = {own}" in started.stdout
    (copy / "buildbot.tac").write_text(text.replace(repr(str(home.basedir)), own))
    started = ci_worker("start", str(copy))
    assert started.returncode == 0, started.stdout
    assert ci_worker("stop", str(copy)).returncode == 0
    assert not (home.basedir / "twistd.log").exists()


def test_a_copy_of_a_running_workers_directory_leaves_that_worker_alone(
    home: WorkerHome, tmp_path: Path
) -> None:
    ci_worker("start", "-q", str(home.basedir))
    program = subprocess.Popen(["sleep", "600"])
    try:
        running = identify(program.pid)
        daemon = identify(pid_of(home))
        assert running is not None and daemon is not None
        copy = tmp_path / "copy"
        shutil.copytree(home.basedir, copy)
        (copy / "twistd.processes").write_text(
            f"= {daemon.pid} {daemon.started}\n+ m\n@ m {running.pid} {running.started}\n"
        )
        assert ci_worker("stop", str(copy)).returncode == 0  # that of the original is not meant
        started = ci_worker("start", str(copy))
        assert started.returncode == 0, started.stdout
        assert "is a copy of the file of process" in (copy / "twistd.log").read_text()
        assert program.poll() is None
        assert pid_of(home) == daemon.pid
        assert ci_worker("stop", str(copy)).returncode == 0
        assert is_running(daemon)
    finally:
        program.kill()
        program.wait()


def test_a_tac_that_buildbot_made_starts_our_worker(home: WorkerHome) -> None:
    tac = home.basedir / "buildbot.tac"
    text = tac.read_text()
    tac.write_text(text.replace("from ci_worker.bot import", "from buildbot_worker.bot import"))
    started = ci_worker("start", str(home.basedir))
    assert started.returncode == 0, started.stdout
