"""Builds on our worker and on a stock buildbot-worker: a master's users see no difference."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS
from tests.conftest import missing
from tests.process.farm import (
    STOCK_WORKER,
    Daemon,
    Farm,
    Master,
    Repository,
    farm_in,
    wait_until,
)

pytestmark = [pytest.mark.process, pytest.mark.peer]

BUILDERS = """
builder('ok', sh('echo out; echo err >&2; printf partial'),
    steps.ShellCommand(command='echo a line of $WHAT', env={'WHAT': 'text'}))
builder('fail', sh('echo broken; exit 3'), sh('echo never'))
builder('unknown', steps.ShellCommand(command=['/no/such/program']))
builder('timeout', sh('echo before; sleep 600', timeout=1))
builder('maxtime', sh('echo before; sleep 600', maxTime=1, timeout=None))
builder('signal', sh('echo before; kill -9 $$'))
builder('place', sh('echo $GREETING from $(basename $(pwd)); echo ${GONE-unset}',
    env={'GREETING': 'hello', 'GONE': None, 'LIST': ['a', 'b']}, workdir='elsewhere'),
    env={'GREETING': 'overridden', 'GONE': 'not'})
builder('input', steps.ShellCommand(command=['cat'], initialStdin='given\\n'),
    sh('echo $0 "$@" | wc -w', usePTY=False), sh('test -t 1 && echo terminal', usePTY=True))
builder('decode', sh('exit 3', decodeRC={3: util.WARNINGS, 0: util.SUCCESS}))
builder('logfiles', sh('echo 1 > a.log; echo x > b.log; sleep 0.2; echo 2 >> a.log',
    logfiles={'a': 'a.log', 'b': {'filename': 'b.log', 'follow': False}, 'none': 'no.log'}))
builder('lazy', sh('echo 1 > a.log', logfiles={'a': 'a.log', 'none': 'no.log'}, lazylogfiles=True))
builder('transfer',
    steps.StringDownload('text \\u20ac\\n', workerdest='sub/text.txt'),
    steps.FileDownload(mastersrc=OUT + '/source.bin', workerdest='sub/more/source.bin',
        mode=0o640, blocksize=1000),
    sh('cat sub/text.txt; wc -c < sub/more/source.bin; stat -c %a sub/more/source.bin'),
    steps.FileUpload(workersrc='sub/more/source.bin', masterdest=GOT + '/file.bin',
        blocksize=777, keepstamp=True, url='http://localhost/file'),
    steps.DirectoryUpload(workersrc='sub', masterdest=GOT + '/dir', compress='gz'),
    steps.DirectoryUpload(workersrc='sub', masterdest=GOT + '/dir2', compress='bz2'),
    steps.DirectoryUpload(workersrc='sub', masterdest=GOT + '/dir3'),
    steps.MultipleFileUpload(workersrcs=['sub/text.txt', 'sub/more'], masterdest=GOT + '/multi'),
    steps.MultipleFileUpload(workersrcs=['sub/*.txt'], masterdest=GOT + '/globbed', glob=True),
    steps.JSONStringDownload({'a': [1, None]}, workerdest='a.json'),
    steps.JSONPropertiesDownload(workerdest='p.json'),
    sh('cat a.json; grep -c buildername p.json'))
builder('nofile', steps.FileUpload(workersrc='nothing', masterdest=GOT + '/nothing'))
builder('toobig', sh('head -c 5000 /dev/zero > big'),
    steps.FileUpload(workersrc='big', masterdest=GOT + '/big', maxsize=1000))
builder('files',
    steps.MakeDirectory(dir='build/made/deep'),
    sh('echo content > made/deep/file'),
    steps.CopyDirectory(src='build/made', dest='build/copied'),
    steps.FileExists(file='build/copied/deep/file'),
    sh('cat copied/deep/file'),
    steps.RemoveDirectory(dir='build/copied'),
    sh('ls'))
builder('notthere', steps.FileExists(file='build/nothing'))
builder('removed', steps.RemoveDirectory(dir='build/never/was'))
builder('git', steps.Git(repourl=REPO, mode='full', method='clean', getDescription=True),
    sh('cat state.txt; git log --format=%s'))
builder('gitinc', steps.Git(repourl=REPO, mode='incremental', branch='side'), sh('cat state.txt'))
builder('nogit', steps.Git(repourl=REPO + '.not', mode='full', retry=(0, 1)))
builder('property',
    steps.SetPropertyFromCommand(command='echo " value "', property='mine'),
    steps.SetPropertyFromCommand(command=['sh', '-c', 'echo a; echo b >&2'],
        extract_fn=lambda rc, out, err: {'rc': rc, 'out': out, 'err': err}),
    sh(util.Interpolate('echo %(prop:mine)s')))
builder('sequence', steps.ShellSequence(commands=[
    util.ShellArg(command=['echo', 'one'], logname='first'),
    util.ShellArg(command=['sh', '-c', 'exit 1'], logname='second', haltOnFailure=True),
    util.ShellArg(command=['echo', 'three'], logname='third')]))
builder('warnings', steps.Compile(command=['sh', '-c', 'echo a.c:1: warning: unused'],
    warnOnWarnings=True))
builder('many', sh('seq 1 20000'))
builder('slow', sh('echo begun; sleep 600 & wait', name='wait'),
    sh('echo cleaned', name='clean', alwaysRun=True))
builder('gated', sh('echo begun; until test -e go; do sleep 0.05; done; echo ended'))
force_all()
"""

#: What each ends with.
EXPECTED = {
    "ok": SUCCESS, "fail": FAILURE, "unknown": FAILURE, "timeout": FAILURE, "maxtime": FAILURE,
    "signal": FAILURE, "place": SUCCESS, "input": SUCCESS, "decode": SUCCESS, "logfiles": SUCCESS,
    "lazy": SUCCESS, "transfer": SUCCESS, "nofile": FAILURE, "toobig": FAILURE, "files": SUCCESS,
    "notthere": FAILURE, "removed": SUCCESS, "git": SUCCESS, "gitinc": SUCCESS, "nogit": FAILURE,
    "property": SUCCESS, "sequence": FAILURE, "warnings": 1, "many": SUCCESS,
}  # fmt: skip

#: Properties that tell one build from another, or one worker's place from another's.
PRIVATE = {"buildnumber", "builddir", "workername", "basedir", "builduid"}


@dataclass
class Run:
    """What can be seen of a build, without what must differ."""

    results: int
    state: str
    steps: list[tuple[str, int, str]]
    properties: dict[str, Any]
    logs: dict[str, str] = field(default_factory=dict)


@dataclass
class Site:
    """A master, and the worker that is connected at the moment."""

    master: Master
    directory: Path
    runs: dict[str, dict[str, Run]] = field(default_factory=dict)

    def farm(self, kind: str) -> Farm:
        directory = self.directory / kind
        directory.mkdir(exist_ok=True)
        return Farm(directory)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The master of this module."""
    if STOCK_WORKER is None:
        missing("no stock worker: set CI_PEER_WORKER to the path of a 'buildbot-worker' command")
    directory = tmp_path_factory.mktemp("interop")
    repository = Repository(directory)
    repository.commit("begin", state="good\n")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("side", state="other\n")
    repository.push("--all")
    (directory / "source.bin").write_bytes(bytes(range(256)) * 40)
    for farm in farm_in(directory):
        master = farm.master()
        head = f"OUT = {str(directory)!r}\nGOT = {str(directory / 'got')!r}\n"
        master.configure(f"{head}REPO = {repository.url!r}\n{BUILDERS}")
        master.start()
        yield Site(master, directory)
        assert "Traceback" not in master.log()


def all_runs(site: Site, kind: str) -> dict[str, Run]:
    """Run all of the builders on a worker of this kind, once."""
    if kind in site.runs:
        return site.runs[kind]
    master, farm = site.master, site.farm(kind)
    try:
        farm.worker(master, stock=kind == "stock")
        master.wait_for_worker()
        requests = {name: master.force(name) for name in EXPECTED}
        runs = {}
        for name, request in requests.items():
            master.finished(request)
            runs[name] = seen_of(site, master.build_of(request), kind)
        site.runs[kind] = runs
    finally:
        farm.close()
        master.wait_for_worker(connected=False)
        (site.directory / "got").rename(site.directory / f"got-{kind}")
    return runs


def seen_of(site: Site, build: dict[str, Any], kind: str) -> Run:
    master = site.master
    steps = master.rest.all(f"builds/{build['buildid']}/steps")
    properties = {
        name: value for name, value in master.properties(build).items() if name not in PRIVATE
    }
    run = Run(
        build["results"],
        build["state_string"],
        [(one["name"], one["results"], one["state_string"]) for one in steps],
        properties,
    )
    for one in steps:
        for log in master.rest.all(f"steps/{one['stepid']}/logs"):
            content = master.rest.one(f"logs/{log['logid']}/contents")["content"]
            run.logs[f"{one['name']}/{log['name']}"] = normalised(content, site.directory / kind)
    return run


def normalised(content: str, home: Path) -> str:
    """Each stream by itself, as their order is chance; of headers, what ended the program."""
    lines = content.replace(str(home), "HOME").split("\n")
    streams = {letter: [one[1:] for one in lines if one[:1] == letter] for letter in "oe"}
    exits = re.findall(r"(?m)^h.*?(exit code -?\d+|signal \d+)", content)
    return "\n".join([*streams["o"], "--", *streams["e"], "--", *exits])


@pytest.mark.parametrize("builder", EXPECTED)
def test_a_build_is_the_same_on_both_workers(site: Site, builder: str) -> None:
    ours, stock = all_runs(site, "ours")[builder], all_runs(site, "stock")[builder]
    assert ours.results == EXPECTED[builder], (ours.steps, ours.logs)
    assert stock.steps == ours.steps
    assert stock.properties == ours.properties
    if builder == "unknown":  # each says in its own words that there is no such program
        assert all("No such file or directory" in run.logs["shell/stdio"] for run in (ours, stock))
        return
    assert stock == ours


def test_what_was_uploaded_is_the_same_from_both_workers(site: Site) -> None:
    all_runs(site, "ours")
    all_runs(site, "stock")

    def files(kind: str) -> dict[str, bytes]:
        top = site.directory / f"got-{kind}"
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    ours = files("ours")
    assert ours["file.bin"] == (site.directory / "source.bin").read_bytes()
    assert ours["dir/text.txt"] == ours["multi/text.txt"] == "text €\n".encode()
    assert files("stock") == ours


# -- what happens to workers

kinds = pytest.mark.parametrize("kind", ["ours", "stock"])


@pytest.fixture
def worker(site: Site, kind: str, tmp_path: Path) -> Iterator[tuple[Farm, Daemon]]:
    """A connected worker in a directory of its own."""
    farm = Farm(tmp_path)
    try:
        daemon = farm.worker(site.master, stock=kind == "stock")
        assert daemon is not None
        site.master.wait_for_worker()
        yield farm, daemon
    finally:
        farm.close()
        site.master.wait_for_worker(connected=False)


def begun(master: Master, builder: str, step: str) -> tuple[int, dict[str, Any]]:
    """A request whose build has printed something, and that build."""
    request = master.force(builder)
    build = master.build_of(request)
    wait_until(lambda: step in master.steps(build), "the step")
    wait_until(lambda: "begun" in master.log_text(build, step), "its output")
    return request, build


@kinds
def test_a_stopped_build_ends_its_program(
    site: Site, worker: tuple[Farm, Daemon], kind: str
) -> None:
    master = site.master
    request, build = begun(master, "slow", "wait")
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert master.finished(request)["results"] == CANCELLED
    steps = master.steps(build)
    assert steps["wait"]["results"] == CANCELLED
    assert master.log_text(build, "clean") == "cleaned\n"


@kinds
def test_a_build_whose_worker_is_lost_is_made_again(
    site: Site, worker: tuple[Farm, Daemon], kind: str
) -> None:
    master, (farm, daemon) = site.master, worker
    request, _ = begun(master, "gated", "shell")
    daemon.kill()
    master.wait_for_worker(connected=False)
    (farm.directory / "w1" / "gated" / "build" / "go").touch()
    farm.worker(master, stock=kind == "stock")
    assert master.finished(request)["results"] == SUCCESS
    builds = master.rest.all(f"buildrequests/{request}/builds?order=number")
    assert [one["results"] for one in builds] == [RETRY, SUCCESS]


@kinds
def test_a_second_worker_of_the_same_name_is_refused(
    site: Site, worker: tuple[Farm, Daemon], kind: str, tmp_path: Path
) -> None:
    master = site.master
    request, build = begun(master, "gated", "shell")
    begin = len(master.log())
    (tmp_path / "second").mkdir()
    second = Farm(tmp_path / "second")
    try:
        daemon = second.worker(master, stock=kind == "stock")
        assert daemon is not None
        wait_until(lambda: "refused a second worker w1" in master.log()[begin:], "the refusal")
        wait_until(lambda: not daemon.is_running(), "the end of the second worker", 120)
    finally:
        second.close()
    (tmp_path / "w1" / "gated" / "build" / "go").touch()
    assert master.finished(request)["results"] == SUCCESS
    assert master.rest.one(f"builds/{build['buildid']}")["results"] == SUCCESS


@kinds
def test_a_paused_worker_gets_no_build(site: Site, worker: tuple[Farm, Daemon], kind: str) -> None:
    master = site.master
    running, _ = begun(master, "gated", "shell")
    master.rest.call("workers/w1", "pause", reason="tea")
    wait_until(lambda: master.rest.one("workers/w1")["paused"], "the pause")
    waiting = master.force("ok")
    (worker[0].directory / "w1" / "gated" / "build" / "go").touch()
    assert master.finished(running)["results"] == SUCCESS
    assert not master.rest.all(f"buildrequests/{waiting}/builds")
    master.rest.call("workers/w1", "unpause", reason="")
    assert master.finished(waiting)["results"] == SUCCESS


@kinds
def test_a_graceful_shutdown_waits_for_the_build(
    site: Site, worker: tuple[Farm, Daemon], kind: str
) -> None:
    master, (farm, daemon) = site.master, worker
    request, _ = begun(master, "gated", "shell")
    master.rest.call("workers/w1", "stop", reason="going home")
    wait_until(lambda: master.rest.one("workers/w1")["graceful"], "the wish to be known")
    assert daemon.is_running()
    (farm.directory / "w1" / "gated" / "build" / "go").touch()
    assert master.finished(request)["results"] == SUCCESS
    assert len(master.rest.all(f"buildrequests/{request}/builds")) == 1
    wait_until(lambda: not daemon.is_running(), "the end of the worker")
    master.wait_for_worker(connected=False)
