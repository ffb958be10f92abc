"""Steps that move files, with real files in a temporary directory."""

import io
import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ci_common.faults import ConfigError
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from ci_master.builds.properties import Interpolate, Property
from ci_master.steps.transfer import (
    DirectoryUpload,
    FileDownload,
    FileUpload,
    JSONPropertiesDownload,
    JSONStringDownload,
    MultipleFileUpload,
    StringDownload,
)
from tests.fakes.builds import Sent, StepHarness


@pytest.fixture
def harness(tmp_path: Path) -> StepHarness:
    made = StepHarness(properties={"x": "y"}, stamps=[{"branch": "main", "revision": "r1"}])
    made.master.basedir = str(tmp_path)
    return made


def archive(**files: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


# -- uploads


def test_a_file_is_uploaded_below_the_masters_directory(
    harness: StepHarness, tmp_path: Path
) -> None:
    harness.expect(
        "uploadFile",
        workdir="build",
        workersrc="out/y.bin",
        maxsize=None,
        blocksize=256 * 1024,
        keepstamp=True,
    ).upload(b"content", timestamp=(1000.0, 2000.0))
    step = FileUpload(
        workersrc=Interpolate("out/%(prop:x)s.bin"),
        masterdest=Interpolate("public/%(prop:x)s/got"),
        mode=0o640,
        keepstamp=True,
        url="http://files/got",
    )
    ran = harness.run(step)
    got = tmp_path / "public" / "y" / "got"
    assert (ran.result, ran.state) == (SUCCESS, "uploaded y.bin")
    assert got.read_bytes() == b"content"
    assert stat.S_IMODE(got.stat().st_mode) == 0o640
    assert got.stat().st_mtime == 2000.0
    assert ran.urls == {"got": "http://files/got"}
    assert os.listdir(got.parent) == ["got"]


def test_an_absolute_destination_and_a_text_of_the_link(
    harness: StepHarness, tmp_path: Path
) -> None:
    harness.expect("uploadFile").upload(b"")
    target = tmp_path / "elsewhere" / "file"
    step = FileUpload(workersrc="a", masterdest=str(target), url="http://u", urlText="here")
    assert harness.run(step).urls == {"here": "http://u"}
    assert target.read_bytes() == b""


def test_a_missing_source_fails_the_step_and_leaves_nothing(
    harness: StepHarness, tmp_path: Path
) -> None:
    harness.expect("uploadFile").stderr("Cannot open file 'a'\n").rc(1)
    ran = harness.run(FileUpload(workersrc="a", masterdest="got"))
    assert (ran.result, ran.state) == (FAILURE, "uploading a (failure)")
    assert ran.log("stdio").stderr == "Cannot open file 'a'\n"
    assert os.listdir(tmp_path) == []


def half(sent: Sent) -> None:
    """The worker sends a part of a file, and no more."""
    sent.args["writer"]._write(b"half")


def test_half_a_file_is_never_seen(harness: StepHarness, tmp_path: Path) -> None:
    (tmp_path / "got").write_text("old")
    harness.expect("uploadFile").calls(half).loses_connection()
    ran = harness.run(FileUpload(workersrc="a", masterdest="got"))
    assert ran.result == RETRY
    ran.commands[0].args["writer"]._abandon()  # what a thread would have done by now
    assert (tmp_path / "got").read_text() == "old"
    assert os.listdir(tmp_path) == ["got"]


@pytest.mark.parametrize("branch", ["..", "a/../../b", "..\\x", "a\0b"])
@pytest.mark.parametrize("kind", [FileUpload, DirectoryUpload, MultipleFileUpload])
def test_properties_do_not_lead_upwards(branch: str, kind: Any) -> None:
    harness = StepHarness(properties={"where": branch})
    more = {"workersrcs" if kind is MultipleFileUpload else "workersrc": "a"}
    ran = harness.run(kind(masterdest=Interpolate("got/%(prop:where)s/out"), **more))
    assert ran.result == FAILURE and ran.commands == []
    assert "the properties make" in ran.state


def test_what_is_written_out_may_lead_upwards(harness: StepHarness, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    harness.master.basedir = str(tmp_path / "sub")
    harness.expect("uploadFile").upload(b"content")
    harness.run(FileUpload(workersrc="a", masterdest=Interpolate("../%(prop:x)s")))
    assert (tmp_path / "y").read_bytes() == b"content"


def test_a_stopped_upload_is_cancelled(harness: StepHarness) -> None:
    harness.expect("uploadFile").hangs()
    ran = harness.start(FileUpload(workersrc="a", masterdest="got"))
    ran.build.stop("enough")
    assert ran.result == CANCELLED


def test_a_file_beyond_its_maximal_size_fails_the_step(
    harness: StepHarness, tmp_path: Path
) -> None:
    (tmp_path / "got").write_text("old")
    harness.expect("uploadFile", maxsize=3).upload(b"con").stderr("too long\n").rc(1)
    ran = harness.run(FileUpload(workersrc="a", masterdest="got", maxsize=3))
    assert ran.result == FAILURE
    assert (tmp_path / "got").read_text() == "old"
    assert os.listdir(tmp_path) == ["got"]


def test_a_worker_that_sends_too_much_and_says_that_all_is_well(
    harness: StepHarness, tmp_path: Path
) -> None:
    harness.expect("uploadFile").calls(lambda sent: sent.args["writer"].write(b"content")).rc(0)
    ran = harness.run(FileUpload(workersrc="a", masterdest="got", maxsize=3))
    assert ran.result == FAILURE
    assert "larger than 3 bytes" in ran.log("stdio").stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", [FileUpload, DirectoryUpload])
def test_what_the_master_cannot_write_is_told_in_the_log(
    harness: StepHarness, tmp_path: Path, step: Any
) -> None:
    (tmp_path / "file").write_text("")
    name = "uploadFile" if step is FileUpload else "uploadDirectory"

    def refused(sent: Sent) -> None:
        answers: list[Any] = []
        sent.args["writer"].write(b"x").addErrback(answers.append)
        assert len(answers) == 1

    harness.expect(name).calls(refused).fails(RuntimeError("what the worker made of it"))
    ran = harness.run(step(workersrc="a", masterdest="file/below"))
    assert ran.result == FAILURE
    assert ran.log("stdio").stderr == (
        f"Cannot write '{tmp_path}/file/below' on the master: Not a directory\n"
    )


def test_another_failure_of_the_worker_is_an_exception(harness: StepHarness) -> None:
    harness.expect("uploadFile").fails(RuntimeError("broken"))
    ran = harness.run(FileUpload(workersrc="a", masterdest="got"))
    assert ran.result == EXCEPTION and "broken" in ran.log("err.text").text


def test_a_directory_is_uploaded(harness: StepHarness, tmp_path: Path) -> None:
    harness.expect(
        "uploadDirectory", workersrc="docs", compress=None, blocksize=16384, maxsize=None
    ).unpack(archive(a="1", b="2"))
    ran = harness.run(DirectoryUpload(workersrc="docs", masterdest="got", url="http://u"))
    assert (ran.result, ran.state) == (SUCCESS, "uploaded docs")
    assert {path.name: path.read_text() for path in (tmp_path / "got").iterdir()} == {
        "a": "1",
        "b": "2",
    }
    assert ran.urls == {"got": "http://u"}


def test_an_archive_that_leads_elsewhere_is_refused(harness: StepHarness, tmp_path: Path) -> None:
    harness.expect("uploadDirectory").unpack(archive(**{"good": "x", "../evil": "x"}))
    ran = harness.run(DirectoryUpload(workersrc="docs", masterdest="got/here"))
    assert ran.result == FAILURE
    assert "the archive has the path '../evil', which leads out of it" in ran.log("stdio").stderr
    assert os.listdir(tmp_path) == []


def test_what_is_left_out_of_a_directory_is_told(harness: StepHarness, tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, target in (("in", "file"), ("out", "/etc/passwd")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    harness.expect("uploadDirectory").unpack(data.getvalue()).update("left_out", 2)
    ran = harness.run(DirectoryUpload(workersrc="docs", masterdest="got"))
    assert (ran.result, ran.state) == (WARNINGS, "uploaded docs, 3 left out (warnings)")
    assert "left out: 'out': a symbolic link to '/etc/passwd'" in ran.log("stdio").stderr
    assert os.listdir(tmp_path / "got") == ["in"]


class Noted(MultipleFileUpload):
    """Remembers what its hooks hear."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heard: list[Any] = []

    def uploadDone(self, result: int, source: str, masterdest: str) -> None:
        self.heard.append((result, source))

    def allUploadsDone(self, result: int, sources: list[str], masterdest: str) -> None:
        self.heard.append((result, sources))


def test_several_files_and_directories(harness: StepHarness, tmp_path: Path) -> None:
    harness.expect("stat", file="a.txt", workdir="build").stat()
    harness.expect("uploadFile", workersrc="a.txt").upload(b"A")
    harness.expect("stat", file="sub/dir").stat(0o040755)
    harness.expect("uploadDirectory", workersrc="sub/dir").unpack(archive(inner="I"))
    ran = harness.run(
        Noted(workersrcs=["a.txt", "sub/dir"], masterdest="got", url="http://u", urlText="all")
    )
    assert (ran.result, ran.state) == (SUCCESS, "uploaded 2 files")
    assert (tmp_path / "got" / "a.txt").read_text() == "A"
    assert (tmp_path / "got" / "dir" / "inner").read_text() == "I"
    assert ran.step.heard == [
        (SUCCESS, "a.txt"),
        (SUCCESS, "sub/dir"),
        (SUCCESS, ["a.txt", "sub/dir"]),
    ]
    assert ran.urls == {"all": "http://u"}


def test_one_that_is_missing_fails_the_step_after_the_others(harness: StepHarness) -> None:
    harness.expect("stat", file="a").rc(2)
    harness.expect("stat", file="b").stat()
    harness.expect("uploadFile", workersrc="b").upload(b"B")
    ran = harness.run(Noted(workersrcs=["a", "b"], masterdest="got"))
    assert ran.result == FAILURE
    assert ran.log("stdio").stderr == "File build/a not available at worker\n"
    assert ran.step.heard == [(FAILURE, "a"), (SUCCESS, "b"), (FAILURE, ["a", "b"])]


@pytest.mark.parametrize("mode", [2**70, -1, "x", 1.5])
def test_a_kind_of_file_that_is_none_is_as_good_as_no_file(
    harness: StepHarness, tmp_path: Path, mode: Any
) -> None:
    harness.expect("stat", file="a").stat(mode)
    ran = harness.run(Noted(workersrcs=["a"], masterdest="got"))
    assert ran.result == FAILURE
    assert not (tmp_path / "got" / "a").exists()


def test_patterns_are_looked_up_on_the_worker(harness: StepHarness, tmp_path: Path) -> None:
    harness.expect("glob", path="build/*.txt").files("/w/build/b.txt", "/w/build/a.txt")
    for name in ("a", "b"):
        harness.expect("stat", file=f"/w/build/{name}.txt").stat()
        harness.expect("uploadFile", workersrc=f"/w/build/{name}.txt").upload(name)
    ran = harness.run(MultipleFileUpload(workersrcs="*.txt", masterdest="got", glob=True))
    assert ran.result == SUCCESS
    assert sorted(os.listdir(tmp_path / "got")) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    "name",
    ["..", "/w/build/..", "/w/build/.", "/", "a\\..\\..\\b", "C:x", "a/C:\\x", "x\0y", "nul",
     "/w/con.txt", "/w/LPT1", "a\n", "trailing.", "space ", "/w/" + "n" * 300],
)  # fmt: skip
def test_names_that_a_worker_makes_up_do_not_become_paths(
    harness: StepHarness, tmp_path: Path, name: str
) -> None:
    (tmp_path / "master.cfg").write_text("keep")
    names = sorted(["/w/build/good", name])
    harness.expect("glob").files("/w/build/good", name)
    for one in names:
        harness.expect("stat", file=one).stat()
        if one == "/w/build/good":
            harness.expect("uploadFile", workersrc=one).upload("good")
    ran = harness.run(MultipleFileUpload(workersrcs="*", masterdest="got", glob=True))
    assert ran.result == FAILURE
    assert "cannot be uploaded under its name" in ran.log("stdio").stderr
    assert os.listdir(tmp_path / "got") == ["good"]
    assert sorted(os.listdir(tmp_path)) == ["got", "master.cfg"]
    assert (tmp_path / "master.cfg").read_text() == "keep"


@pytest.mark.parametrize("answer", [None, "names", 5, {"a": 1}, [1, None, ["x"]]])
def test_an_answer_that_lists_no_names_lists_nothing(harness: StepHarness, answer: Any) -> None:
    harness.expect("glob").update("files", answer).rc(0)
    ran = harness.run(MultipleFileUpload(workersrcs=["*"], masterdest="got", glob=True))
    assert ran.result == SKIPPED


@pytest.mark.parametrize("answer", [None, [], "x", ["x"], [None] * 10])
def test_a_stat_without_a_mode_is_no_file(harness: StepHarness, answer: Any) -> None:
    harness.expect("stat").update("stat", answer).rc(0)
    ran = harness.run(MultipleFileUpload(workersrcs=["a"], masterdest="got"))
    assert ran.result == FAILURE
    assert "'a' is neither a regular file nor a directory" in ran.log("stdio").stderr


def test_a_pattern_that_matches_nothing_skips_the_step(harness: StepHarness) -> None:
    harness.expect("glob").files()
    ran = harness.run(MultipleFileUpload(workersrcs=["*.txt"], masterdest="got", glob=True))
    assert (ran.result, ran.state) == (SKIPPED, "uploaded 0 files (skipped)")


# -- downloads


def test_a_file_is_downloaded(harness: StepHarness, tmp_path: Path) -> None:
    (tmp_path / "y.conf").write_bytes(b"x" * 40000)
    expected = harness.expect(
        "downloadFile", workdir="build", workerdest="etc/conf", mode=0o600, maxsize=None
    ).download()
    step = FileDownload(mastersrc=Interpolate("%(prop:x)s.conf"), workerdest="etc/conf", mode=0o600)
    ran = harness.run(step)
    assert (ran.result, ran.state) == (SUCCESS, "downloaded conf")
    assert expected.downloaded == b"x" * 40000


def test_what_is_not_on_the_master_fails_the_step_and_is_named(harness: StepHarness) -> None:
    ran = harness.run(FileDownload(mastersrc="missing", workerdest="a"))
    assert ran.result == FAILURE
    assert "/missing' cannot be read on the master: No such file" in ran.log("stderr").text
    assert ran.commands == []


@pytest.mark.parametrize(
    ("step", "content", "name"),
    [
        (StringDownload(Interpolate("é %(prop:x)s"), workerdest="d"), "é y".encode(), "d"),
        (StringDownload(b"\xff", workerdest="d"), b"\xff", "d"),
        (JSONStringDownload({"k": [Property("x"), 1]}, workerdest="d"), b'{"k": ["y", 1]}', "d"),
    ],
)
def test_texts_and_values_are_downloaded(
    harness: StepHarness, step: Any, content: bytes, name: str
) -> None:
    expected = harness.expect("downloadFile", workerdest=name, workdir="build").download()
    ran = harness.run(step)
    assert (ran.result, ran.state) == (SUCCESS, "downloaded d")
    assert expected.downloaded == content


def test_properties_and_sources_are_downloaded(harness: StepHarness) -> None:
    expected = harness.expect("downloadFile").download()
    harness.run(JSONPropertiesDownload(workerdest="build.json"))
    assert expected.downloaded is not None
    told = json.loads(expected.downloaded)
    assert told["properties"]["x"] == "y"
    assert told["properties"]["buildername"] == "b1"
    assert told["sourcestamps"][0]["revision"] == "r1"


def test_a_worker_that_refuses_a_file_fails_the_step(harness: StepHarness) -> None:
    harness.expect("downloadFile").stderr("no room\n").rc(1)
    assert harness.run(StringDownload("s", workerdest="d")).result == FAILURE


def test_a_worker_without_the_command_is_an_exception() -> None:
    ran = StepHarness(worker_commands={}).run(StringDownload("s", workerdest="d"))
    assert ran.result == EXCEPTION


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FileUpload(workersrc="a"), "needs 'workersrc' and 'masterdest'"),
        (lambda: DirectoryUpload(masterdest="a"), "needs 'workersrc' and 'masterdest'"),
        (lambda: MultipleFileUpload(masterdest="a"), "needs 'workersrcs' and 'masterdest'"),
        (lambda: FileDownload("a"), "needs 'workerdest'"),
        (lambda: StringDownload("a"), "needs 'workerdest'"),
        (lambda: FileUpload("a", "b", mode="644"), "write an octal number such as 0o644"),
        (lambda: DirectoryUpload("a", "b", compress="zip"), "write None, 'gz' or 'bz2'"),
        (lambda: FileUpload(slavesrc="a", masterdest="b", workersrc="c"), "slavesrc"),
    ],
)
def test_wrong_arguments_are_faults(make: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make()
    assert words in str(raised.value)
