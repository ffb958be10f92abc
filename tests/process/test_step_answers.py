"""What the file operations of a user's step answer: the same as in a stock Buildbot master."""

import json
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import SUCCESS
from tests.conftest import missing
from tests.process.buildbot_peer import BuildbotMaster, why_no_peer
from tests.process.farm import STOCK_WORKER, Farm

pytestmark = [pytest.mark.process, pytest.mark.peer]

STEPS = """
import re
from buildbot.plugins import *
from buildbot.process.buildstep import BuildStep, CommandMixin, ShellMixin
from buildbot.process.results import SUCCESS
from buildbot.steps.worker import CompositeStepMixin

class Asking(BuildStep):
    logEnviron = False
    questions = ()

    async def run(self):
        answers = []
        await self.begin()
        for question in self.questions:
            try:
                answer = await eval(question, globals(), {"s": self})
                reader = type(answer).__name__ == "StringFileReader"
                text = "a reader" if reader else repr(answer)
            except Exception as error:
                text = "raised " + type(error).__name__
            answers.append([question, re.sub(r"'/[^']*/build/", "'build/", text)])
        self.setProperty("answers of " + self.name, answers, "test")
        return SUCCESS

    async def begin(self):
        pass

FILES = (
    's.runMkdir("made/deep")', 's.runMkdir("/dev/null/x")',
    's.runMkdir("/dev/null/x", abandonOnFailure=False)',
    's.runRmdir("made")', 's.runRmdir("never")',
    's.runRmdir("/dev/null/x", abandonOnFailure=False)',
    's.pathExists("build")', 's.pathExists("absent")',
    's.runGlob("build/*.txt")', 's.runGlob("build/*.nothing")',
)

class Composite(CompositeStepMixin, Asking):
    questions = (
        's.downloadFileContentToWorker("f.txt", "t\\xe4xt")',
        's.downloadFileContentToWorker("b.txt", b"bytes", mode=0o600, workdir="build")',
        's.downloadFileContentToWorker("/dev/null/x", "text")',
        's.downloadFileContentToWorker("/dev/null/x", "text", abandonOnFailure=True)',
        's.getFileContentFromWorker("f.txt")', 's.getFileContentFromWorker("absent")',
        's.getFileContentFromWorker("absent", abandonOnFailure=True)',
        *FILES,
        's.runGlob("build/*.nothing", abandonOnFailure=False)',
        's.runRmdir("never", timeout=5)',
        's.runRmFile("build/f.txt")', 's.runRmFile("absent")',
        's.runRmFile("absent", timeout=3, abandonOnFailure=False)',
        's.runRemoteCommand("mkdir", {"dir": "q"})',
        's.runRemoteCommand("mkdir", {"dir": "/dev/null/q"})',
        's.runRemoteCommand("mkdir", {"dir": "/dev/null/q"}, abandonOnFailure=False)',
        's.runRemoteCommand("mkdir", {"dir": "/dev/null/q"}, False, lambda c: ("rc", c.rc))',
        's.runRemoteCommand("stat", {"file": "q"}, evaluateCommand=lambda c: ("rc", c.rc))',
        's.runRemoteCommand("nope", {}, abandonOnFailure=False)',
    )

    async def begin(self):
        await self.addLogForRemoteCommands("stdio")

class WithoutLog(CompositeStepMixin, Asking):
    questions = ('s.runMkdir("m0")', 's.getFileContentFromWorker("b.txt")')

class Single(CommandMixin, Asking):
    questions = FILES

class Both(CommandMixin, Composite):
    questions = ('s.runMkdir("m1")', 's.runRmFile("absent", abandonOnFailure=False)',
                 's.runMkdir("/dev/null/x", abandonOnFailure=False)')

# The other way round a stock master makes a second log, which never ends: not compared.
class OtherWay(CompositeStepMixin, CommandMixin, Asking):
    questions = ('s.runMkdir("m1")', 'CommandMixin.runMkdir(s, "m2")')
    async def begin(self):
        await self.addLogForRemoteCommands("stdio")

class Shell(ShellMixin, CommandMixin, CompositeStepMixin, Asking):
    questions = ('s.runMkdir("m1")', 's.runRmFile("absent", abandonOnFailure=False)')

    def __init__(self, **kw):
        super().__init__(**self.setupShellMixin(kw, prohibitArgs=["command"]))

    async def begin(self):
        await self.addLogForRemoteCommands("stdio")
        await self.runCommand(await self.makeRemoteShellCommand(command=["echo", "hello"]))

MADE = [kind(name=kind.__name__) for kind in (Composite, WithoutLog, Single, Both, OtherWay, Shell)]
"""

STOCK = """
BuildmasterConfig = c = {
    "workers": [worker.Worker("w1", "secret")],
    "protocols": {"pb": {"port": "tcp:PBPORT:interface=127.0.0.1"}},
    "builders": [util.BuilderConfig(name="asking", workernames=["w1"],
                                    factory=util.BuildFactory(MADE))],
    "schedulers": [schedulers.ForceScheduler(name="force-asking", builderNames=["asking"])],
    "www": {"port": "tcp:WWWPORT:interface=127.0.0.1"},
    "buildbotURL": "http://127.0.0.1:WWWPORT/",
    "buildbotNetUsageData": None,
    "db": {"db_url": "sqlite:///state.sqlite"},
}
"""


def seen(properties: Any, steps: Any, logs: Any) -> dict[str, Any]:
    """What can be compared: answers, results, texts and logs by step."""
    told: dict[str, Any] = {}
    for step in steps:
        name = step["name"]
        if name == "worker_preparation":
            continue
        told[name] = {
            "answers": dict(map(tuple, properties[f"answers of {name}"])),
            "results": step["results"],
            "state": step["state_string"],
            "logs": [(log["name"], bool(log["complete"])) for log in logs(step["stepid"])],
        }
    return told


def of_stock(tmp_path: Path) -> dict[str, Any]:
    if reason := why_no_peer():
        missing(reason)
    master = BuildbotMaster(tmp_path / "stock", STEPS + STOCK)
    farm = Farm(tmp_path)
    try:
        assert STOCK_WORKER is not None
        farm.worker(master, "w1", stock=True)  # type: ignore[arg-type]  # it has the same port
        master.wait_for_worker()
        build = master.force("asking")
        assert master.result(build) == SUCCESS, (tmp_path / "stock/twistd.log").read_text()[-4000:]
        found = master.get(f"builds/{build}/properties")["properties"][0]
        steps = master.get(f"builds/{build}/steps")["steps"]
        return seen(
            {name: value for name, (value, _) in found.items()},
            steps,
            lambda stepid: master.get(f"steps/{stepid}/logs")["logs"],
        )
    finally:
        farm.close()
        master.stop()


def of_ours(tmp_path: Path) -> dict[str, Any]:
    home = tmp_path / "ours"
    home.mkdir()
    farm = Farm(home)
    try:
        master = farm.master()
        master.configure(STEPS + "\nbuilder('asking', *MADE)\nforce_all()\n")
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        build = master.forced("asking")
        assert build["results"] == SUCCESS, master.log()[-4000:]
        return seen(
            master.properties(build),
            master.rest.all(f"builds/{build['buildid']}/steps"),
            lambda stepid: master.rest.all(f"steps/{stepid}/logs"),
        )
    finally:
        farm.close()


def test_a_users_step_gets_the_answers_that_buildbot_gives(tmp_path: Path) -> None:
    stock = of_stock(tmp_path)
    ours = of_ours(tmp_path)
    assert ours == stock, json.dumps([ours, stock], indent=1)
    assert ours["Composite"]["answers"]['s.runMkdir("made/deep")'] == "False"
    assert ours["Single"]["answers"]['s.runMkdir("made/deep")'] == "True"
    for name in ("Composite", "Single", "Both", "OtherWay", "Shell"):
        assert ours[name]["logs"] == [("stdio", True)], name
