"""A master's directory and the ``ci-master`` command, for tests of real processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


def free_port() -> int:
    """A port of this machine that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ci_master(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``ci-master`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ci_master.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        cwd=cwd,
    )


CONFIG = """\
from ci_master.plugins import *
c = BuildmasterConfig = {{}}
c['buildbotNetUsageData'] = None
c['workers'] = [worker.Worker('w', 'secret')]
c['protocols'] = {{'pb': {{'port': 'tcp:{pb_port}:interface=127.0.0.1'}}}}
c['change_source'] = [changes.PBChangeSource(user='change', passwd='changepw')]
c['builders'] = [util.BuilderConfig(name='b', workernames=['w'], factory=util.BuildFactory())]
c['schedulers'] = [schedulers.AnyBranchScheduler(name='s', builderNames=['b'])]
c['www'] = {{'port': 'tcp:{web_port}:interface=127.0.0.1'}}
"""


class Home:
    """A master in a directory, which cannot outlive its test (see :meth:`end`)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pb_port, self.web_port = free_port(), free_port()
        done = ci_master("create-master", "-q", directory)
        assert done.returncode == 0, done.stderr
        self.configure()

    def configure(self, lines: str = "") -> None:
        """Write a small configuration with these lines at its end."""
        text = CONFIG.format(pb_port=self.pb_port, web_port=self.web_port)
        (self.directory / "master.cfg").write_text(text + lines)

    def run(self, command: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a subcommand on this master."""
        return ci_master(command, *words, self.directory)

    @property
    def pid(self) -> int:
        """The process id of the running master."""
        return int((self.directory / "twistd.pid").read_text())

    def get(self, path: str) -> Any:
        """The JSON of a resource."""
        url = f"http://127.0.0.1:{self.web_port}/api/v2/{path}"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return json.load(answer)

    def wait_for(self, path: str, wanted: Any) -> Any:
        """Ask for a resource until ``wanted(json)`` is true."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            with contextlib.suppress(OSError):
                found = self.get(path)
                if wanted(found):
                    return found
            assert time.monotonic() < deadline, f"{path} is not as it should be"
            time.sleep(0.05)

    def end(self) -> None:
        """Kill the master, if it still runs."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid, signal.SIGKILL)
