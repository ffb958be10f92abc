"""What ``ci-master checkconfig`` prints."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_master.cli.main import main
from tests.unit.config.minimal import MINIMAL


@pytest.fixture(autouse=True)
def collection_as_before() -> Iterator[None]:
    """The command switches garbage collection off for its own short life."""
    yield
    gc.enable()


def test_a_good_file_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.cfg").write_text(MINIMAL)
    assert main(["checkconfig", str(tmp_path / "my.cfg")]) == 0
    assert capsys.readouterr().out == "Config file is good!\n"


def test_faults_are_counted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "master.cfg").write_text(MINIMAL + "c['titel'] = 1\nc['title'] = 1\n")
    assert main(["checkconfig", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "master.cfg has 2 faults:\n"
        "master.cfg:7: Unknown BuildmasterConfig key titel\n"
        "    did you mean 'title'?\n"
        "master.cfg:8: c['title'] must be a string, not 1 (int)\n"
    )


def test_of_a_directory_the_tac_names_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "buildbot.tac").write_text("configfile = 'other.cfg'\n")
    (tmp_path / "other.cfg").write_text(MINIMAL)
    assert main(["checkconfig", "-q", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("tac", "told"),
    [
        (b"x = 1\ny = (\n", "buildbot.tac:2: '(' was never closed"),
        (b"x = '\xff'\n", "buildbot.tac"),
        (b"\0", "buildbot.tac"),
    ],
)
def test_a_tac_file_that_is_not_python_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tac: bytes, told: str
) -> None:
    (tmp_path / "buildbot.tac").write_bytes(tac)
    assert main(["checkconfig", str(tmp_path)]) == 1
    assert told in capsys.readouterr().err
