"""The demonstration: its sample project, and the whole of it with real daemons."""

import json
import os
import re
import signal
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


def test_the_samples_commits_pass_warn_fail_and_pass(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository.git", tmp_path / "work")
    repository.make()
    outcomes = []
    while True:
        tests = run_python(tmp_path / "work", "-m", "unittest")
        lint = run_python(tmp_path / "work", "lint.py")
        outcomes.append((tests.returncode, lint.returncode, lint.stdout.count("warning:")))
        if repository.push_next() is None:
            break
    assert outcomes == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, 0, 0)]


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


def started(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WITH_FREE_PORTS.format(free_port(), free_port())]
    return subprocess.Popen(
        [*command, "quickstart", "--no-pushes", str(home)],
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


#: ``ci-master``, with other usual ports than those that a developer's own demonstration has.
_WITH_FREE_PORTS = """
import sys
from ci_master.cli import demo_setup, main
demo_setup._PORTS.update(WEB_PORT={}, WORKER_PORT={})
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
