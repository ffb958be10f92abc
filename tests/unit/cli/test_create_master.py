"""The files of a new master."""

import ast
from pathlib import Path

import pytest

from ci_master.cli.create_master import sample_text, write_sample, write_tac
from ci_master.cli.directory import config_named_by, master_directory
from ci_master.cli.problem import Problem
from ci_master.cli.tac import Settings, tac_text

ROOT = Path(__file__).parents[3]


def test_the_sample_beside_the_readme_is_the_packaged_one() -> None:
    assert (ROOT / "master.cfg.sample").read_text() == sample_text()


def test_the_sample_gets_the_database_that_was_chosen(tmp_path: Path) -> None:
    write_sample(tmp_path, "postgresql://h/d")
    path = tmp_path / "master.cfg.sample"
    assert 'c["db"] = {"db_url": "postgresql://h/d"}' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("basedir", ["/srv/master", "."])
def test_the_tac_is_recognised_as_a_masters(tmp_path: Path, basedir: str) -> None:
    text = tac_text(Settings(basedir, "my.cfg", None, 3))
    ast.parse(text)
    write_tac(tmp_path, text, force=False)
    assert master_directory(str(tmp_path)) == tmp_path
    assert config_named_by(tmp_path) == "my.cfg"
    assert "rotateLength = None" in text and "maxRotatedFiles = 3" in text


def test_only_a_directory_that_can_be_moved_is_looked_for_at_the_start() -> None:
    assert "__file__" in tac_text(Settings(".", "master.cfg", 1, 1))
    assert "__file__" not in tac_text(Settings("/srv/m", "master.cfg", 1, 1))


def test_a_tac_that_was_edited_is_kept(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "buildbot.tac").write_text("mine")
    write_tac(tmp_path, "new", force=False, say=told.append)
    assert (tmp_path / "buildbot.tac").read_text() == "mine"
    assert (tmp_path / "buildbot.tac.new").read_text() == "new"
    assert "exists and is kept" in told[0]


def test_with_force_the_tac_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac").write_text("mine")
    write_tac(tmp_path, "new", force=True)
    assert (tmp_path / "buildbot.tac").read_text() == "new"


def test_the_tac_of_a_worker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac").write_text("application = service.Application('buildbot-worker')")
    with pytest.raises(Problem, match="is that of a worker: use 'ci-worker"):
        master_directory(str(tmp_path))
