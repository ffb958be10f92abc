"""The life of a master, from its making to its end, by its commands."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.cli_master import TIMEOUT_S, Home, ci_master, free_port

pytestmark = pytest.mark.process


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A configured master that does not run yet."""
    made = Home(tmp_path / "master")
    yield made
    made.end()


def test_a_new_master_gets_its_files_and_advice(tmp_path: Path) -> None:
    done = ci_master("create-master", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert f"ci-master start {tmp_path / 'm'}" in done.stdout
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {"buildbot.tac", "master.cfg.sample", "state.sqlite"} <= names
    again = ci_master("create-master", tmp_path / "m")
    assert again.returncode == 0
    assert "up to date" in again.stdout


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    done = ci_master("create-master", "--db", "sqlite:////nowhere/at/all.sqlite", tmp_path / "m")
    assert done.returncode == 1
    assert done.stderr.startswith("ci-master: ")
    assert "Traceback" not in done.stderr


def test_the_checked_configuration_is_the_one_that_the_tac_names(home: Home) -> None:
    assert home.run("checkconfig").stdout == "Config file is good!\n"


def test_a_configuration_with_faults_does_not_start(home: Home) -> None:
    home.configure("c['titel'] = 1\n")
    done = home.run("start")
    assert done.returncode == 1
    assert "master.cfg has 1 fault" in done.stdout + done.stderr
    assert "master.cfg:10: Unknown BuildmasterConfig key titel" in done.stdout + done.stderr
    assert not (home.directory / "twistd.pid").exists()


def test_start_reconfigure_and_stop(home: Home) -> None:
    started = home.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert home.get("builders")["builders"][0]["name"] == "b"
    assert home.run("start").returncode == 1  # it runs already

    home.configure("c['title'] = 3\n")
    refused = home.run("reconfig")
    assert refused.returncode == 1
    assert "the running configuration stays as it is" in refused.stdout
    assert "master.cfg:10: c['title'] must be a string, not 3 (int)" in refused.stdout

    home.configure("c['workers'].append(worker.Worker('w2', 'x'))\n")
    accepted = home.run("sighup")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert "1 worker added: w2" in accepted.stdout
    assert {worker["name"] for worker in home.get("workers")["workers"]} == {"w", "w2"}

    for command in ("cleanupdb", "upgrade-master"):
        busy = home.run(command)
        assert busy.returncode == 1
        assert "is running" in busy.stderr

    stopped = home.run("stop")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert not (home.directory / "twistd.pid").exists()
    assert home.run("reconfig").returncode == 1


def test_a_restart_is_another_process(home: Home) -> None:
    assert home.run("start", "-q").returncode == 0
    first = home.pid
    restarted = home.run("restart")
    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert home.pid != first
    second = home.pid
    home.configure("c['titel'] = 'x'\n")
    refused = home.run("restart")
    assert refused.returncode == 1
    assert "did you mean 'title'?" in refused.stderr
    assert "not restarted; the master that runs goes on" in refused.stderr
    assert home.pid == second
    assert home.run("stop", "--clean").returncode == 0


def absolute(directory: Path) -> Path:
    """Name the directory by its path in its tac file, as older versions did; gives that file."""
    tac = directory / "buildbot.tac"
    own = "os.path.abspath(os.path.dirname(__file__))"
    tac.write_text(tac.read_text().replace(own, "'.'").replace("'.'", repr(str(directory))))
    return tac


def on_other_ports(home: Home, directory: Path) -> Home:
    """A copy of a master, which gets ports and a name of its own."""
    copy = object.__new__(Home)
    copy.directory = directory
    copy.pb_port, copy.web_port = free_port(), free_port()
    copy.configure("c['title'] = 'the copy'\n")
    return copy


def test_a_copied_directory_of_an_older_master_does_not_reach_the_original(
    home: Home, tmp_path: Path
) -> None:
    absolute(home.directory)
    assert home.run("start", "-q").returncode == 0
    before = (home.directory / "twistd.log").read_text()
    copy = shutil.copytree(home.directory, tmp_path / "copy")
    started = ci_master("start", copy)
    assert started.returncode == 1
    assert f"Write basedir = '{copy}' there" in started.stdout + started.stderr
    shutil.copy(home.directory / "twistd.pid", copy)
    stopped = ci_master("stop", copy)
    assert stopped.returncode == 0 and "not running" in stopped.stdout
    assert (home.directory / "twistd.log").read_text().startswith(before)
    assert home.run("reconfig").returncode == 0
    assert home.run("stop").returncode == 0


def test_a_copy_of_a_running_master_is_a_master_of_its_own(home: Home, tmp_path: Path) -> None:
    assert home.run("start", "-q").returncode == 0
    address = f"--master=127.0.0.1:{home.pb_port}"
    assert ci_master("sendchange", address, "--who=me", "-c", "before", "f").returncode == 0
    copy = on_other_ports(home, shutil.copytree(home.directory, tmp_path / "copy"))
    try:
        started = copy.run("start")
        assert started.returncode == 0, started.stdout + started.stderr
        assert copy.pid != home.pid
        assert ci_master("sendchange", address, "--who=me", "-c", "after", "f").returncode == 0
        comments = [change["comments"] for change in copy.get("changes")["changes"]]
        assert comments == ["before"]
        assert len(home.get("changes")["changes"]) == 2
        assert (
            str(home.directory)
            not in copy.directory.joinpath("twistd.log")
            .read_text()
            .split("starting a master in")[-1]
        )
        assert copy.run("stop").returncode == 0
        assert home.run("reconfig").returncode == 0  # it lives
    finally:
        copy.end()


def test_a_moved_directory_goes_on_where_it_was(home: Home, tmp_path: Path) -> None:
    assert home.run("start", "-q").returncode == 0
    address = f"--master=127.0.0.1:{home.pb_port}"
    assert ci_master("sendchange", address, "--who=me", "-c", "a story", "f").returncode == 0
    assert home.run("stop").returncode == 0
    former, home.directory = home.directory, home.directory.rename(tmp_path / "elsewhere")
    started = home.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert [change["comments"] for change in home.get("changes")["changes"]] == ["a story"]
    assert not former.exists()
    assert home.run("stop").returncode == 0


def test_a_second_start_on_the_same_files_is_refused_and_says_who_has_them(
    home: Home, tmp_path: Path
) -> None:
    assert home.run("start", "-q").returncode == 0
    link = tmp_path / "link"
    link.symlink_to(home.directory)
    for again in (home.directory, link):
        started = ci_master("start", again)
        assert started.returncode == 1
        assert f"already running as pid {home.pid}" in started.stdout + started.stderr
    copy = on_other_ports(home, shutil.copytree(home.directory, tmp_path / "copy"))
    same = tmp_path / "same.sqlite"
    same.symlink_to(home.directory / "state.sqlite")
    for url in (f"sqlite:///{home.directory}/state.sqlite", f"sqlite:///{same}"):
        copy.configure(f"c['db'] = {{'db_url': {url!r}}}\n")
        started = copy.run("start")
        assert started.returncode == 1
        for part in (f"process {home.pid} ", f"directory {home.directory}, "):
            assert part in started.stdout + started.stderr
    hard = tmp_path / "hard.sqlite"
    hard.hardlink_to(home.directory / "state.sqlite")
    copy.configure(f"c['db'] = {{'db_url': 'sqlite:///{hard}'}}\n")
    started = copy.run("start")
    assert started.returncode == 1
    assert f"the file {hard} has 2 names (hard links)" in started.stdout + started.stderr
    hard.unlink()
    assert home.run("stop").returncode == 0


def test_a_stopped_master_can_be_upgraded_and_cleaned_up(home: Home) -> None:
    upgraded = home.run("upgrade-master")
    assert upgraded.returncode == 0, upgraded.stderr
    assert "upgrade complete" in upgraded.stdout
    cleaned = home.run("cleanupdb")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "cleanup complete" in cleaned.stdout


def test_a_master_in_the_foreground_ends_by_ctrl_c(home: Home) -> None:
    command = [sys.executable, "-m", "ci_master.cli.main", "start", "--nodaemon"]
    with (home.directory / "console.log").open("wb") as console:
        process = subprocess.Popen(
            [*command, str(home.directory)], stdout=console, stderr=subprocess.STDOUT
        )
    try:
        home.wait_for("builders", lambda answer: answer["builders"])
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()
    assert "BuildMaster is running" in (home.directory / "console.log").read_text()


def test_the_tac_file_of_an_older_master_starts(home: Home) -> None:
    tac = home.directory / "buildbot.tac"
    tac.write_text(
        tac.read_text().replace("from ci_master.app import", "from buildbot.master import")
    )
    started = home.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert home.run("stop").returncode == 0


def test_a_change_that_is_sent_arrives(home: Home) -> None:
    assert home.run("start", "-q").returncode == 0
    address = f"--master=127.0.0.1:{home.pb_port}"
    words = ["sendchange", address, "--who=me", "--branch=main", "-c", "a story", "one.c"]
    sent = ci_master(*words)
    assert (sent.returncode, sent.stdout) == (0, "change sent successfully\n"), sent.stderr
    (change,) = home.get("changes")["changes"]
    assert (change["author"], change["comments"], change["files"]) == ("me", "a story", ["one.c"])

    refused = ci_master(*words, "--auth=change:wrong")
    assert refused.returncode == 1
    assert "refuses the user 'change'" in refused.stderr
    assert home.run("stop").returncode == 0


def test_a_master_that_is_away_takes_no_changes(home: Home) -> None:
    address = f"--master=127.0.0.1:{home.pb_port}"
    done = ci_master("sendchange", address, "--who=me")
    assert done.returncode == 1
    assert f"cannot connect to 127.0.0.1:{home.pb_port}" in done.stderr


def test_a_stopped_masters_database_may_be_named_by_a_secret_that_takes_its_time(
    home: Home,
) -> None:
    home.configure("""
from twisted.internet import reactor, task
from ci_master.secrets.base import SecretProviderBase
class Slow(SecretProviderBase):
    def get(self, name):
        return task.deferLater(reactor, 0.01, lambda: "hidden.sqlite" if name == "n" else None)
c['secretsProviders'] = [Slow()]
c['db_url'] = util.Interpolate('sqlite:///%(secret:n)s')
""")
    upgraded = home.run("upgrade-master")
    assert upgraded.returncode == 0, upgraded.stderr
    assert (home.directory / "hidden.sqlite").exists()
    assert "hidden" not in (home.directory / "master.cfg.sample").read_text()
    cleaned = home.run("cleanupdb")
    assert cleaned.returncode == 0, cleaned.stderr
    started = home.run("start")
    assert started.returncode == 0, started.stdout
