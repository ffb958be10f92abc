"""The demonstration: its sample project, and the whole of it with real daemons."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci_master.cli.demo_repository import Repository
from ci_master.cli.sample_project import COMMITS
from tests.process.cli_master import TIMEOUT_S, free_port

pytestmark = pytest.mark.process


def run_python(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=where, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def test_the_samples_commits_pass_warn_fail_pass_and_fail(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository.git", tmp_path / "work")
    repository.make()
    outcomes = []
    while True:
        tests = run_python(tmp_path / "work", "-m", "unittest")
        lint = run_python(tmp_path / "work", "lint.py")
        outcomes.append((tests.returncode, lint.returncode, lint.stdout.count("warning:")))
        if repository.push_next() is None:
            break
    assert outcomes == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 0, 0), (1, 0, 0)]


def test_nothing_is_pushed_over_what_a_person_did(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository.git", tmp_path / "work")
    repository.make()
    (tmp_path / "work" / "README").write_text("mine\n")
    assert repository.push_next() is None
    subprocess.run(["git", "commit", "-qam", "Mine"], cwd=tmp_path / "work", check=True)
    assert repository.push_next() is None
    repository.make()  # a second time: nothing happens
    log = subprocess.run(
        ["git", "log", "--format=%s"], cwd=tmp_path / "work", capture_output=True, text=True
    )
    assert log.stdout.splitlines() == ["Mine", COMMITS[0].subject]


def test_a_directory_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = run_python(tmp_path, "-m", "ci_master.cli.main", "quickstart", str(tmp_path))
    assert done.returncode == 1
    assert "has something else in it" in done.stderr


def answer(port: int, path: str, wanted: Callable[[Any], bool]) -> Any:
    """The JSON of a resource, asked for until it is as wanted."""
    deadline = time.monotonic() + TIMEOUT_S
    found = None
    while time.monotonic() < deadline:
        try:
            url = f"http://127.0.0.1:{port}/api/v2/{path}"
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
                found = json.load(response)
            if wanted(found):
                return found
        except OSError:
            found = None
        time.sleep(0.1)
    raise AssertionError(f"{path} is not as wanted: {found}")


def started(
    home: Path,
    *options: str,
    ports: tuple[int, int] | None = None,
    every_s: float = 12,
) -> subprocess.Popen[str]:
    script = _WITH_FREE_PORTS.format(*(ports or (free_port(), free_port())), every_s)
    command = [sys.executable, "-c", script]
    return subprocess.Popen(
        [*command, "quickstart", *(options or ("--no-pushes",)), str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_signals_of_the_background,
    )


def _signals_of_the_background() -> None:
    """As a shell has them there: Ctrl-C is ignored, and must end the demonstration all the same."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("moment", ["twistd.log", "master.cfg", "console.log", "state.sqlite"])
@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGHUP, True)],
    ids=["kill", "ctrl-c", "closed-terminal"],
)
def test_a_signal_at_any_moment_of_the_start_ends_everything(
    tmp_path: Path, moment: str, number: int, group: bool
) -> None:
    home = tmp_path / "demo"
    demo = started(home)
    deadline = time.monotonic() + TIMEOUT_S
    while not (home / "master" / moment).exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    if group:  # what comes from the terminal reaches all
        os.killpg(demo.pid, number)
    else:
        demo.send_signal(number)
    told, _ = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 0, told
    for name in ("master", "worker1", "worker2"):
        assert not (home / name / "twistd.pid").exists()


def test_a_push_is_built_and_ctrl_c_ends_everything(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    demo = started(home)
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Ctrl-C stops everything" in line:
                break
        found = re.search(r"WEB_PORT = (\d+)", (home / "master" / "master.cfg").read_text())
        assert found is not None
        port = int(found[1])
        answer(port, "workers", lambda json: all(w["connected_to"] for w in json["workers"]))
        _wait_for_first_poll(home)
        assert Repository(home / "repository.git", home / "work").push_next()
        builds = answer(port, "builds?complete=true", lambda json: len(json["builds"]) == 2)
        # The lint of that commit warns.
        assert sorted(build["results"] for build in builds["builds"]) == [0, 1]
    finally:
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 0, told
    for name in ("master", "worker1", "worker2"):
        assert not (home / name / "twistd.pid").exists()


def port_of(home: Path, name: str = "WEB_PORT") -> int:
    found = re.search(rf"{name} = (\d+)", (home / "master" / "master.cfg").read_text())
    assert found is not None
    return int(found[1])


def until(demo: subprocess.Popen[str], text: str) -> str:
    """What it says, up to a line that has this text."""
    told = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        told += line
        if text in line:
            return told
    raise AssertionError(f"it never said {text!r}:\n{told}")


def ended(demo: subprocess.Popen[str], home: Path) -> None:
    demo.send_signal(signal.SIGINT)
    told, _ = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 0, told
    for name in ("master", "worker1", "worker2"):
        assert not (home / name / "twistd.pid").exists()


def is_connected(json: Any) -> bool:
    return len(json["workers"]) == 2 and all(one["connected_to"] for one in json["workers"])


def test_other_programs_keep_their_ports_at_the_first_run_and_later(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    with contextlib.ExitStack() as held:

        def hold(port: int = 0, address: str = "0.0.0.0") -> int:
            taken = held.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((address, port))
            taken.listen()
            return int(taken.getsockname()[1])

        usual = hold(), hold()
        demo = started(home, ports=usual)
        until(demo, "Ctrl-C stops everything")
        first = port_of(home), port_of(home, "WORKER_PORT")
        assert not {*first} & {*usual}
        answer(first[0], "workers", is_connected)
        ended(demo, home)
        for port in first:  # a Buildbot has taken them meanwhile
            hold(port, "127.0.0.1")
        demo = started(home, ports=usual)
        told = until(demo, "Ctrl-C stops everything")
        second = port_of(home), port_of(home, "WORKER_PORT")
        assert not {*second} & {*first, *usual}
        assert (
            f"port {first[0]} is taken by another program: the pages are at port {second[0]}"
            in told
        )
        assert f"http://localhost:{second[0]}/waterfall" in told
        answer(second[0], "workers", is_connected)
        ended(demo, home)
        demo = started(home, "--no-pushes", f"--port={usual[0]}", ports=usual)
        told, _ = demo.communicate(timeout=TIMEOUT_S)
        assert (demo.returncode, told.splitlines()[-1]) == (
            1, f"ci-master: port {usual[0]} is taken by another program",
        )  # fmt: skip
        wanted = free_port()
        demo = started(home, "--no-pushes", f"--port={wanted}", ports=usual)
        assert f"http://localhost:{wanted}/waterfall" in until(demo, "Ctrl-C stops everything")
        ended(demo, home)


def test_after_the_last_push_something_is_red_something_runs_and_something_waits(
    tmp_path: Path,
) -> None:
    home = tmp_path / "demo"
    demo = started(home, "--port", str(free_port()), every_s=3)
    try:
        told = until(demo, "waiting:")
        port = port_of(home)
        assert told.count("pushed a commit") == len(COMMITS) - 1
        tests = answer(port, "builders/tests", lambda json: json["builders"])["builders"][0]
        path = f"builders/{tests['builderid']}/builds?order=-number&limit=1&complete=true"
        last = COMMITS[-1].subject
        newest = "changes?order=-changeid&limit=1"
        answer(
            port, newest, lambda json: [c["comments"].strip() for c in json["changes"]] == [last]
        )
        answer(port, path, lambda json: json["builds"] and json["builds"][0]["results"] == 2)
        answer(port, "builders/soak/builds?complete=false", lambda json: len(json["builds"]) == 1)
        answer(
            port,
            "builders/soak/buildrequests?claimed=false&complete=false",
            lambda json: len(json["buildrequests"]) >= 1,
        )
    finally:
        ended(demo, home)


#: ``ci-master``, with other usual ports than those that a developer's own demonstration has.
_WITH_FREE_PORTS = """
import sys
from ci_master.cli import demo_setup, main, quickstart
demo_setup._PORTS.update(WEB_PORT={}, WORKER_PORT={})
quickstart.PUSH_EVERY_S = {}
sys.exit(main.main())
"""


def _wait_for_first_poll(home: Path) -> None:
    """Commits from before the first poll are no changes: wait until it is over."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        if any((home / "master" / "gitpoller-work").glob("*/refs/**/main")):
            return
        time.sleep(0.1)
    raise AssertionError("the repository was never polled")
