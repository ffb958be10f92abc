"""Uploads that fail, on our worker and on a stock one: the old file stays, and nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.results import CANCELLED, FAILURE, RETRY, SUCCESS
from tests.conftest import missing
from tests.process.farm import STOCK_WORKER, Farm, Master, farm_in, wait_until

BUILDERS = """
upload = dict(workersrc='file', masterdest=GOT + '/file')
make = "rm -rf tree; mkdir tree; echo new > file; echo new > tree/file; "
builder('good', sh(make + 'touch -d @1000000 file'),
    steps.FileUpload(keepstamp=True, mode=0o640, **upload))
builder('missing', steps.FileUpload(workersrc='nothing', masterdest=GOT + '/file'))
builder('large', sh('head -c 5000 /dev/zero > big'),
    steps.FileUpload(workersrc='big', masterdest=GOT + '/file', maxsize=1000))
builder('largedir', sh(make + 'head -c 50000 /dev/zero > tree/big'),
    steps.DirectoryUpload(workersrc='tree', masterdest=GOT + '/tree', maxsize=20000))
builder('below', sh(make),
    steps.FileUpload(workersrc='file', masterdest=GOT + '/file/below', name='f',
        haltOnFailure=False),
    steps.DirectoryUpload(workersrc='tree', masterdest=GOT + '/file/below', name='d'))
builder('odd', sh(make + "cd tree; ln -s /etc/passwd abs; ln -s ../.. up; ln -s file in; "
        "mkfifo pipe; mkdir sub; ln -s ../file sub/back; ln file hard"),
    steps.DirectoryUpload(workersrc='tree', masterdest=GOT + '/tree', compress='gz'))
builder('multiple', sh(make), steps.MultipleFileUpload(
    workersrcs=['file', 'nothing', 'tree'], masterdest=GOT + '/multi'))
builder('endless', sh('truncate -s 100G endless'),
    steps.FileUpload(workersrc='endless', masterdest=GOT + '/file', blocksize=16384))
force_all()
"""

PREFIX = ".buildbot-transfer-"


@pytest.fixture(params=["ours", pytest.param("stock", marks=pytest.mark.peer)])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "stock" and STOCK_WORKER is None:
        missing("no stock worker: set CI_PEER_WORKER to the path of a 'buildbot-worker' command")
    return str(request.param)


@pytest.fixture
def got(tmp_path: Path) -> Path:
    place = tmp_path / "got"
    (place / "tree").mkdir(parents=True)
    (place / "file").write_text("old")
    (place / "tree" / "file").write_text("old")
    return place


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    yield from farm_in(tmp_path)


@pytest.fixture
def master(farm: Farm, got: Path, kind: str) -> Master:
    made = farm.master()
    made.configure(f"GOT = {str(got)!r}\n{BUILDERS}")
    made.start()
    farm.worker(made, stock=kind == "stock")
    made.wait_for_worker()
    return made


pytestmark = pytest.mark.process


def seen(got: Path) -> dict[str, str]:
    """Contents of all files, texts of links."""
    return {
        str(path.relative_to(got)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in got.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def temporary(got: Path) -> list[Path]:
    return [path for path in got.iterdir() if path.name.startswith(PREFIX)]


def test_what_fails_leaves_what_was_there(master: Master, got: Path) -> None:
    before = seen(got)
    for builder in ("missing", "large", "largedir"):
        build = master.forced(builder)
        assert (builder, build["results"]) == (builder, FAILURE)
        assert seen(got) == before
    build = master.forced("below")
    assert [master.steps(build)[name]["results"] for name in "fd"] == [FAILURE, FAILURE]
    for name in "fd":
        text = f"Cannot write '{got}/file/below' on the master: Not a directory"
        assert text in master.log_text(build, name)
    assert seen(got) == before
    assert "Traceback" not in master.log()


def test_what_succeeds_replaces_it(master: Master, got: Path) -> None:
    assert master.forced("good")["results"] == SUCCESS
    status = (got / "file").stat()
    assert (got / "file").read_text() == "new\n"
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 1000000)
    assert temporary(got) == []


def test_odd_entries_are_left_out_and_told(master: Master, got: Path) -> None:
    build = master.forced("odd")
    step = master.steps(build)["upload"]
    assert step["state_string"] == "uploaded tree, 3 left out (warnings)"
    text = master.log_text(build, "upload")
    for name in ("'abs': a symbolic link to '/etc/passwd'", "'up': a symbolic link", "'pipe': a"):
        assert name in text
    assert seen(got) == {
        "file": "old", "tree/file": "new\n", "tree/in": "file", "tree/sub/back": "../file",
        "tree/hard": "new\n",
    }  # fmt: skip


def test_one_of_several_that_is_missing_does_not_keep_the_others(master: Master, got: Path) -> None:
    assert master.forced("multiple")["results"] == FAILURE
    assert {n: t for n, t in seen(got).items() if n.startswith("multi")} == {
        "multi/file": "new\n", "multi/tree/file": "new\n",
    }  # fmt: skip


def begun(master: Master, got: Path) -> tuple[int, Path]:
    """Begin an upload that does not end; its request, and its temporary file."""
    request = master.force("endless")
    [path] = wait_until(lambda: temporary(got), "an upload to begin")
    wait_until(lambda: path.stat().st_size > 0, "some bytes of it")
    return request, path


def test_a_stopped_upload_leaves_the_old_file(master: Master, got: Path) -> None:
    request, _ = begun(master, got)
    build = master.build_of(request)
    master.rest.call(f"builds/{build['buildid']}", "stop", reason="enough")
    assert master.finished(request)["results"] == CANCELLED
    wait_until(lambda: temporary(got) == [], "the temporary file to go")
    assert seen(got) == {"file": "old", "tree/file": "old"}


def test_a_lost_worker_leaves_the_old_file(farm: Farm, master: Master, got: Path) -> None:
    request, _ = begun(master, got)
    build = master.build_of(request)
    for daemon in farm._daemons[1:]:
        daemon.kill()
    wait_until(
        lambda: master.rest.one(f"builds/{build['buildid']}")["results"] == RETRY, "the retry"
    )
    wait_until(lambda: temporary(got) == [], "the temporary file to go")
    assert seen(got) == {"file": "old", "tree/file": "old"}


def test_what_a_killed_master_left_goes_at_its_next_start(
    farm: Farm, master: Master, got: Path
) -> None:
    _, path = begun(master, got)
    for daemon in farm._daemons:
        daemon.kill()
    assert path.exists()
    master.start()
    wait_until(lambda: not path.exists(), "the temporary file to go")
    assert f"removed {path}, which an upload of an earlier run left" in master.log()
    assert seen(got) == {"file": "old", "tree/file": "old"}
