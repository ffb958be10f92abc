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
from ci_common.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS
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


def test_a_stopped_upload_is_cancelled(harness: StepHarness) -> None:
    harness.expect("uploadFile").hangs()
    ran = harness.start(FileUpload(workersrc="a", masterdest="got"))
    ran.build.stop("enough")
    assert ran.result == CANCELLED


def test_a_file_beyond_its_maximal_size_fails_the_step(
    harness: StepHarness, tmp_path: Path
) -> None:
    harness.expect("uploadFile", maxsize=3).upload(b"content").stderr("too long\n").rc(1)
    ran = harness.run(FileUpload(workersrc="a", masterdest="got", maxsize=3))
    assert ran.result == FAILURE
    assert (tmp_path / "got").read_bytes() == b"con"


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
    harness.expect("uploadDirectory").calls(
        lambda sent: sent.args["writer"]._write(archive(**{"../evil": "x"}))
    ).calls(lambda sent: sent.args["writer"]._unpack())
    ran = harness.run(DirectoryUpload(workersrc="docs", masterdest="got/here"))
    assert ran.result == EXCEPTION
    assert "cannot unpack" in ran.log("err.text").text
    assert not (tmp_path / "got" / "evil").exists()


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


def test_patterns_are_looked_up_on_the_worker(harness: StepHarness, tmp_path: Path) -> None:
    harness.expect("glob", path="build/*.txt").files("/w/build/b.txt", "/w/build/a.txt")
    for name in ("a", "b"):
        harness.expect("stat", file=f"/w/build/{name}.txt").stat()
        harness.expect("uploadFile", workersrc=f"/w/build/{name}.txt").upload(name)
    ran = harness.run(MultipleFileUpload(workersrcs="*.txt", masterdest="got", glob=True))
    assert ran.result == SUCCESS
    assert sorted(os.listdir(tmp_path / "got")) == ["a.txt", "b.txt"]


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
