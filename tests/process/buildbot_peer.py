"""A stock Buildbot master as a peer of our worker, and what a test wants from it."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PEER_VARIABLE = "CI_PEER_BUILDBOT"

CONFIG = """
from buildbot.plugins import *
run = util.BuildFactory
def sh(text, **kw):
    return steps.ShellCommand(command=["sh", "-c", text], **kw)
factories = {
    "good": run([
        sh("echo out; echo err >&2; printf partial", name="talk", env={"GREETING": "hello"}),
        steps.ShellCommand(command="echo line of $WHAT", name="line", env={"WHAT": "hello"}),
        steps.StringDownload("given text", workerdest="sub/given.txt", name="download"),
        sh("cat sub/given.txt", name="show"),
        steps.FileUpload(workersrc="sub/given.txt", masterdest="got.txt", keepstamp=True),
        steps.DirectoryUpload(workersrc="sub", masterdest="gotdir", compress="gz"),
        steps.MakeDirectory(dir="build/made"),
        steps.CopyDirectory(src="build/sub", dest="build/copied"),
        steps.FileExists(file="build/copied/given.txt"),
        steps.RemoveDirectory(dir="build/copied"),
        sh("test ! -e copied && test -d made", name="check"),
        sh("echo first > a.log; echo second >> a.log", name="logs", logfiles={"a": "a.log"}),
    ]),
    "bad": run([sh("echo broken; exit 3", name="broken")]),
    "slow": run([sh("echo $$ > pids; setsid sh -c 'trap \\"\\" TERM HUP; "
                    "echo $$ >> pids; echo ready; sleep 600' & wait", name="slow")]),
    "silent": run([sh("echo before; sleep 600", name="silent", timeout=1)]),
}
BuildmasterConfig = c = {
    "workers": [worker.Worker("w1", "secret")],
    "protocols": {"pb": {"port": "tcp:PBPORT:interface=127.0.0.1"}},
    "builders": [util.BuilderConfig(name=n, workernames=["w1"], factory=f)
                 for n, f in factories.items()],
    "schedulers": [schedulers.ForceScheduler(name="force-" + n, builderNames=[n])
                   for n in factories],
    "www": {"port": "tcp:WWWPORT:interface=127.0.0.1"},
    "buildbotURL": "http://127.0.0.1:WWWPORT/",
    "buildbotNetUsageData": None,
    "db": {"db_url": "sqlite:///state.sqlite"},
}
"""


def why_no_peer() -> str:
    """Why there is no stock Buildbot to test with; empty if there is."""
    path = os.environ.get(PEER_VARIABLE)
    if not path:
        return f"no stock Buildbot: set {PEER_VARIABLE} to the path of its 'buildbot' command"
    return "" if os.access(path, os.X_OK) else f"{PEER_VARIABLE}: cannot execute {path}"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(what: str, look: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Ask again and again until the answer is true; that answer. Fails when time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        answer = look()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


class BuildbotMaster:
    """A running stock master in ``basedir``; ``stop`` ends it.

    :param config: its configuration, with PBPORT and WWWPORT in the places of the ports.
    :param program: another program of the same command line, such as our own.
    """

    def __init__(self, basedir: Path, config: str = CONFIG, program: str | None = None) -> None:
        self.basedir = basedir
        self.pb_port, self.www_port = free_port(), free_port()
        self.buildbot = program or os.environ[PEER_VARIABLE]
        subprocess.run(
            [self.buildbot, "create-master", "-q", str(basedir)], check=True, capture_output=True
        )
        text = config.replace("PBPORT", str(self.pb_port)).replace("WWWPORT", str(self.www_port))
        (basedir / "master.cfg").write_text(text)
        self.output = (basedir / "output").open("wb")
        self.process = subprocess.Popen(
            [self.buildbot, "start", "--nodaemon", str(basedir)],
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        wait_for("the master's web server", self._answers, 120)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.basedir / "output").read_text()
        try:
            self.get("masters")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def get(self, path: str) -> Any:
        """One resource of the REST API."""
        url = f"http://127.0.0.1:{self.www_port}/api/v2/{path}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)

    def call(self, path: str, method: str, **params: Any) -> Any:
        """One action of the REST API."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.www_port}/api/v2/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]

    def wait_for_worker(self, connected: bool = True) -> dict[str, Any]:
        """Wait until the worker is connected, or is not; its REST resource."""

        def look() -> Any:
            found = self.get("workers")["workers"]
            return found and bool(found[0]["connected_to"]) == connected and found[0]

        worker: dict[str, Any] = wait_for("the worker", look)
        return worker

    def force(self, builder: str) -> int:
        """Start a build; its id as soon as it has one."""
        _, requests = self.call(f"forceschedulers/force-{builder}", "force")
        (request,) = requests.values()
        path = f"builds?buildrequestid={request}"
        build = wait_for("a build", lambda: self.get(path)["builds"])[-1]
        return int(build["buildid"])

    def result(self, build: int) -> int:
        """Wait for the end of a build; its result code."""

        def look() -> Any:
            found = self.get(f"builds/{build}")["builds"][0]
            return found["complete"] and found

        return int(wait_for(f"the end of build {build}", look, 120)["results"])

    def steps(self, build: int) -> dict[str, dict[str, Any]]:
        """The steps of a build by their names."""
        return {step["name"]: step for step in self.get(f"builds/{build}/steps")["steps"]}

    def log(self, build: int, step: str, name: str = "stdio") -> str:
        """The text of a log, each line with its stream's letter in front."""
        number = self.steps(build)[step]["number"]
        path = f"builds/{build}/steps/{number}/logs/{name}/contents"
        content: str = self.get(path)["logchunks"][0]["content"]
        return re.sub(r"(?m)^h  [A-Za-z_0-9]+=.*\n", "", content)

    def stop(self) -> None:
        """End the master."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()
