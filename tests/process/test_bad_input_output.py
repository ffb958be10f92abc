"""Programs whose output is no tidy text, and workers whose disk is full."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_common.results import FAILURE, SUCCESS
from tests.process.farm import Farm, Master, farm_in, wait_until

pytestmark = pytest.mark.process

MIB = 1024 * 1024

PROGRAMS = {
    "latin": r"w(b'gr\xfc\xdfe\n'); e(b'\xe9t\xe9\n')",
    "random": r"w(random.Random(5).randbytes(300_000) + b'\n'); w(b'the end\n')",
    "nul": r"w(b'a\0b\n\0\0\nend\n')",
    "control": r"w(b'\x1b[31mred\x1b[0m\x07\x08\n\x85\xe2\x80\xa8next\n')",
    "cut": r"w(b'\xe2'); time.sleep(0.3); w(b'\x82'); time.sleep(0.3); w(b'\xac\n')",
    "longline": r"w(b'x' * 10_000_000); w(b'\nthe end\n')",
    "lines": r"w(b'\n' * 1_000_000); w(b'the end\n')",
    "progress": r"[w(b'%d %%\r' % n) for n in range(20_000)]; w(b'\nthe end\n')",
    "crlf": r"w(b'one\r\ntwo\r\n'); w(b'three')",
    "surrogate": r"w(b'\xed\xa0\x80 \xf0\x9f\x98\x80\n')",
}

HEAD = """
import random, sys, time
def w(data): sys.stdout.buffer.write(data); sys.stdout.buffer.flush()
def e(data): sys.stderr.buffer.write(data); sys.stderr.buffer.flush()
"""

CONFIG = """
for name, script in PROGRAMS.items():
    builder(name, steps.ShellCommand(command=[PYTHON, '-c', script]))
force_all()
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master with a worker, and a builder for each program."""
    for farm in farm_in(tmp_path_factory.mktemp("output")):
        made = farm.master()
        programs = {name: HEAD + script for name, script in PROGRAMS.items()}
        made.configure(f"PYTHON = {sys.executable!r}\nPROGRAMS = {programs!r}\n{CONFIG}")
        made.start()
        farm.worker(made)
        made.wait_for_worker()
        yield made
        assert "Traceback" not in made.log()
        worker_log = (farm.directory / "w1" / "twistd.log").read_text(errors="replace")
        assert "Traceback" not in worker_log
        assert made.daemon is not None
        status = Path(f"/proc/{made.daemon.pid}/status")
        if status.exists():
            (peak,) = [one for one in status.read_text().splitlines() if one.startswith("VmHWM")]
            assert int(peak.split()[1]) * 1024 < 200 * MIB, "the master holds what it is sent"


def output_of(master: Master, builder: str, step: str = "shell") -> str:
    """Have the program run; what it printed, by REST, and the same as raw text."""
    build = master.forced(builder)
    assert build["results"] == SUCCESS
    text = master.log_text(build, step)
    stepid = master.steps(build)[step]["stepid"]
    log = master.rest.one(f"steps/{stepid}/logs/stdio")
    for kind in ("raw", "raw_inline"):
        status, raw = master.rest.open("GET", f"/api/v2/logs/{log['logid']}/{kind}")
        assert status == 200
        assert raw.decode("utf-8").count("the end") >= text.count("the end")
    assert len(master.rest.one(f"logs/{log['logid']}/contents?limit=1")["content"]) >= 1
    return text


def test_what_is_no_utf_8_is_marked(master: Master) -> None:
    text = output_of(master, "latin")
    assert "gr\ufffd\ufffde\n" in text
    assert "\ufffdt\ufffd\n" in text


def test_random_bytes_do_no_harm(master: Master) -> None:
    assert output_of(master, "random").endswith("the end\n")


def test_nul_bytes_do_no_harm(master: Master) -> None:
    text = output_of(master, "nul")
    assert text.startswith("a") and text.endswith("end\n")
    assert text.count("\n") == 3


def test_control_characters_stay_within_their_lines(master: Master) -> None:
    text = output_of(master, "control")
    assert text.startswith("\x1b[31mred\x1b[0m\x07")
    build = master.rest.all("builds?order=-buildid&limit=1")[0]
    stepid = master.steps(build)["shell"]["stepid"]
    content = master.rest.one(f"steps/{stepid}/logs/stdio/contents")["content"]
    assert all(line[0] in "oeh" for line in content.split("\n")[:-1])
    assert "o\ufffd\u2028next\n" in content  # these two are no ends of lines


def test_a_character_that_comes_in_parts_is_whole(master: Master) -> None:
    assert output_of(master, "cut") == "€\n"


def test_a_line_of_10_mb_comes_whole_or_in_parts(master: Master) -> None:
    text = output_of(master, "longline")
    assert text.count("x") == 10_000_000
    assert text.endswith("the end\n")


def test_a_million_empty_lines_are_kept(master: Master) -> None:
    build = master.forced("lines")
    assert build["results"] == SUCCESS
    stepid = master.steps(build)["shell"]["stepid"]
    log = master.rest.one(f"steps/{stepid}/logs/stdio")
    assert log["num_lines"] > 1_000_000
    begin = log["num_lines"] - 20  # how many lines the environment takes is not ours to know
    last = master.rest.one(f"logs/{log['logid']}/contents?offset={begin}&limit=20")["content"]
    assert "othe end\n" in last
    status, raw = master.rest.open("GET", f"/api/v2/logs/{log['logid']}/raw")
    assert status == 200
    assert raw.count(b"\n") >= 1_000_000


def test_a_progress_that_overwrites_itself_is_readable(master: Master) -> None:
    text = output_of(master, "progress")
    assert "19999 %" in text
    assert text.endswith("the end\n")


def test_line_ends_of_windows_are_line_ends(master: Master) -> None:
    assert output_of(master, "crlf") == "one\ntwo\nthree\n"


def test_surrogates_are_marked_and_emoji_kept(master: Master) -> None:
    text = output_of(master, "surrogate")
    assert "\ufffd" in text and "😀" in text


# -- a full disk

SMALL = """
import string
big = 'x' * (3 * 1024 * 1024)
builder('download', steps.FileDownload(mastersrc=BIG, workerdest='big.bin'),
    workerbuilddir='a', locks=[])
builder('text', steps.StringDownload(big, workerdest='big.txt'), workerbuilddir='a')
builder('shell', sh('dd if=/dev/zero of=big.out bs=65536 count=100'), workerbuilddir='a')
builder('room', sh('rm -f big.*; echo room'), workerbuilddir='a')
builder('fill', sh('n=0; while touch big.$n; do n=$((n + 1)); done; true'), workerbuilddir='a')
builder('mkdir', steps.MakeDirectory(dir='build/' + '/'.join(['d' * 200] * 15)),
    workerbuilddir='a')
force_all()
"""


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A master whose worker lives on a disk of 1 MiB."""
    home = tmp_path_factory.mktemp("cramped")
    disk = home / "w1"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m,nr_inodes=200", "tmpfs", str(disk)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield from small_site(home, disk)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def small_site(home: Path, disk: Path) -> Iterator[Master]:
    for farm in farm_in(home):
        master = farm.master()
        big = home / "big.bin"
        big.write_bytes(b"x" * (3 * MIB))
        master.configure(f"BIG = {str(big)!r}\n{SMALL}")
        master.start()
        made = Farm(home / "elsewhere")
        made.directory.mkdir()
        made.worker(master, start=False)
        for path in (made.directory / "w1").iterdir():
            subprocess.run(["cp", "-r", str(path), str(disk)], check=True)
        tac = disk / "buildbot.tac"
        tac.write_text(tac.read_text().replace(str(made.directory / "w1"), str(disk)))
        farm.worker(master)
        master.wait_for_worker()
        yield master


def all_text(master: Master, build: dict[str, object], step: str) -> str:
    """All logs of a step, header lines too."""
    stepid = master.steps(build)[step]["stepid"]
    logs = master.rest.all(f"steps/{stepid}/logs")
    contents = (master.rest.one(f"logs/{log['logid']}/contents")["content"] for log in logs)
    return "\n".join(contents)


@pytest.mark.parametrize(
    ("builder", "step"), [("download", "download"), ("text", "string_download"), ("shell", "shell")]
)
def test_a_disk_that_gets_full_fails_the_step_only(
    cramped: Master, builder: str, step: str
) -> None:
    build = cramped.forced(builder)
    assert build["results"] == FAILURE
    text = all_text(cramped, build, step)
    assert "No space left on device" in text
    assert "Traceback" not in text
    assert "big." in text
    again = cramped.forced("room")
    assert cramped.log_text(again, "shell") == "room\n"
    assert cramped.rest.one("workers/w1")["connected_to"]
    assert len(cramped.rest.all(f"buildrequests/{build['buildrequestid']}/builds")) == 1


def test_a_directory_that_cannot_be_made_fails_the_step_only(cramped: Master) -> None:
    assert cramped.forced("fill")["results"] == SUCCESS
    build = cramped.forced("mkdir")
    assert build["results"] == FAILURE
    text = all_text(cramped, build, "MakeDirectory")
    assert "No space left on device" in text
    assert "Traceback" not in text
    wait_until(lambda: cramped.rest.one("workers/w1")["connected_to"], "the worker")
    assert cramped.log_text(cramped.forced("room"), "shell") == "room\n"
