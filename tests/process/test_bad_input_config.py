"""Configurations with mistakes: at start, when checked, and when a running master loads them."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_common.results import SUCCESS
from tests.process.farm import BIN, Farm, Master, farm_in, wait_until

pytestmark = pytest.mark.process

GOOD = """
builder('quick', sh('echo quick'))
builder('gated', sh('echo begun; until test -e go; do sleep 0.05; done; echo ended'))
force_all()
"""


@dataclass(frozen=True)
class Mistake:
    """Lines of a configuration, and what must be said of them."""

    name: str
    lines: str
    #: parts of the message; ``{line}`` is the number of the first of the lines
    said: tuple[str, ...]


MISTAKES = [
    Mistake(
        "syntax",
        "builder('broken', sh('echo')\n",
        ("master.cfg:{line}: SyntaxError: '(' was never closed",),
    ),
    Mistake(
        "unknown key",
        "c['bilders'] = []\n",
        ("master.cfg:{line}: Unknown BuildmasterConfig key bilders", "did you mean 'builders'?"),
    ),
    Mistake(
        "wrong type",
        "c['title'] = 3\n",
        ("master.cfg:{line}: c['title'] must be a string, not 3 (int)",),
    ),
    Mistake(
        "unknown worker",
        "c['builders'].append(util.BuilderConfig(name='linux', workernames=['w2'],\n"
        "    factory=util.BuildFactory()))\n",
        ("master.cfg:{line}, builder 'linux': there is no worker 'w2'", "known workers: w1"),
    ),
    Mistake(
        "duplicate builder",
        "builder('quick', sh('true'))\n",
        ("master.cfg:", "quick", "duplicate"),
    ),
    Mistake(
        "duplicate worker",
        "c['workers'].append(worker.Worker('w1', 'other'))\n",
        ("master.cfg:", "w1", "duplicate"),
    ),
    Mistake(
        "duplicate scheduler",
        "force_all()\n",
        ("master.cfg:", "force", "duplicate"),
    ),
    Mistake(
        "exception",
        "def deep():\n    return {}['nothing']\ndeep()\n",
        ("master.cfg:{second}: KeyError: {{}} has no key 'nothing'", "return {{}}['nothing']"),
    ),
    Mistake(
        "unknown name",
        "builder('x', stepz.ShellCommand(command='x'))\n",
        ("master.cfg:{line}: NameError: name 'stepz' is not defined", "did you mean 'steps'?"),
    ),
    Mistake(
        "exit",
        "import sys; sys.exit(3)\n",
        ("master.cfg:{line}: SystemExit: 3",),
    ),
    Mistake(
        "unknown scheduler's builder",
        "c['schedulers'].append(schedulers.AnyBranchScheduler(name='a', builderNames=['quik']))\n",
        ("master.cfg:{line}", "scheduler 'a'", "builder 'quik'", "did you mean 'quick'?"),
    ),
    Mistake(
        "several",
        "c['titel'] = 'x'\nc['caches'] = 4\nbuilder('other', sh('true'), workernames=['nobody'])\n",
        (
            "master.cfg has 4 faults",
            "master.cfg:{line}: Unknown BuildmasterConfig key titel",
            "master.cfg:{second}: c['caches'] must be",
            "worker 'nobody'",
        ),
    ),
]
mistakes = pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)


def write(master: Master, lines: str) -> int:
    """Configure the master with these lines at the end; gives the number of the first."""
    master.configure(GOOD + lines)
    text = (master.home / "master.cfg").read_text()
    return text[: len(text) - len(lines)].count("\n") + 1


def expect(mistake: Mistake, said: str, line: int) -> None:
    """All that must be said was said, to a person."""
    for part in mistake.said:
        assert part.format(line=line, second=line + 1) in said, said
    assert "Traceback" not in said


def ci_master(*words: object) -> tuple[int, str]:
    """Status and output of a command."""
    done = subprocess.run(
        [str(BIN / "ci-master"), *map(str, words)], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master with a worker, which one after the other of the mistakes is shown to."""
    for farm in farm_in(tmp_path_factory.mktemp("running")):
        master = farm.master()
        master.configure(GOOD)
        master.start()
        farm.worker(master)
        master.wait_for_worker()
        yield master


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master's directory; nothing runs there."""
    for farm in farm_in(tmp_path_factory.mktemp("idle")):
        yield farm.master()


def configured(master: Master) -> object:
    """What of the configuration can be seen from outside."""
    kinds = ("builders", "workers", "schedulers", "forceschedulers")
    found = [master.rest.all(kind) for kind in kinds]
    for thing in (one for listed in found for one in listed):
        thing.pop("master", None)  # it has the time of the last sign of life
    return found


@mistakes
def test_a_check_tells_where_what_and_how_to_mend(idle: Master, mistake: Mistake) -> None:
    line = write(idle, mistake.lines)
    status, said = ci_master("checkconfig", idle.home)
    assert status == 1
    expect(mistake, said, line)
    assert "Config file is good" not in said


@mistakes
def test_a_running_master_goes_on_as_it_was(running: Master, mistake: Mistake) -> None:
    before = configured(running)
    line = write(running, mistake.lines)
    said = running.reload()
    expect(mistake, said, line)
    assert "configuration update aborted without making any changes" in said
    assert "the running configuration stays as it is" in said
    assert configured(running) == before


def test_builds_go_on_while_a_faulty_configuration_is_refused(running: Master) -> None:
    request = running.force("gated")
    build = running.build_of(request)
    wait_until(lambda: "shell" in running.steps(build), "the step")
    waiting = running.force("gated")
    write(running, "c['workers'] = c['builders'] = 7\n")
    status, said = ci_master("reconfig", running.home)
    assert status == 1
    assert "the running configuration stays as it is" in said
    assert "c['workers'] must be" in said and "c['builders'] must be" in said
    (running.home.parent / "w1" / "gated" / "build" / "go").touch()
    for one in (request, waiting):
        assert running.finished(one)["results"] == SUCCESS
        assert len(running.rest.all(f"buildrequests/{one}/builds")) == 1
    assert running.forced("quick")["results"] == SUCCESS
    running.configure(GOOD + "c['title'] = 'mended'\n")
    status, said = ci_master("reconfig", running.home)
    assert (status, "configuration update complete" in said) == (0, True)


@pytest.mark.parametrize("options", [(), ("--nodaemon",)], ids=["daemon", "nodaemon"])
@pytest.mark.parametrize(
    "mistake",
    [one for one in MISTAKES if one.name in ("syntax", "exception", "several")],
    ids=lambda one: one.name,
)
def test_a_start_fails_with_all_that_is_wrong(
    farm: Farm, mistake: Mistake, options: tuple[str, ...]
) -> None:
    master = farm.master()
    line = write(master, mistake.lines)
    database = (master.home / "state.sqlite").read_bytes()
    status, said = ci_master("start", *options, master.home)
    assert status == 1
    expect(mistake, said, line)
    assert not (master.home / "twistd.pid").exists()
    assert (master.home / "state.sqlite").read_bytes() == database
    expect(mistake, master.log(), line)  # the log tells it as well


def test_a_configuration_that_is_not_there_is_told(farm: Farm) -> None:
    master = farm.master()
    for command in ("start", "checkconfig"):
        status, said = ci_master(command, master.home)
        assert status == 1
        assert f"'{master.home / 'master.cfg'}' does not exist" in said
        assert "copy master.cfg.sample to master.cfg and edit it" in said


def test_a_mistake_in_a_module_of_ones_own_names_that_module(running: Master) -> None:
    helper: Path = running.home / "house_rules.py"
    helper.write_text("def rules():\n    return 1 / 0\n")
    write(running, "import house_rules\nhouse_rules.rules()\n")
    said = running.reload()
    assert "house_rules.py:2: ZeroDivisionError: division by zero" in said
    assert "configuration update aborted without making any changes" in said
    helper.write_text("def rules():\n    return 1\n")
    assert "configuration update complete" in running.reload()
