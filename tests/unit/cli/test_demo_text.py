"""The configuration of the demonstration is the sample's, with a repository."""

from pathlib import Path

import pytest

from ci_master.cli import demo_setup
from ci_master.cli.create_master import sample_text
from ci_master.cli.demo_setup import demo_text
from ci_master.cli.problem import Problem
from ci_master.config.load import load_config
from ci_master.config.model import Config


def loaded(home: Path, text: str) -> Config:
    home.mkdir()
    (home / "master.cfg").write_text(text)
    return load_config(str(home), "master.cfg")


def first_steps(config: Config) -> list[str]:
    return [builder.factory.steps[0].buildStep().name for builder in config.builders]


def test_the_sample_needs_no_repository(tmp_path: Path) -> None:
    config = loaded(tmp_path / "m", sample_text())
    assert config.change_sources == []
    assert list(config.schedulers) == ["main", "force", "hourly"]
    assert first_steps(config) == ["sums.py", "sums.py"]


def test_the_sample_builds_the_repository_that_it_is_given(tmp_path: Path) -> None:
    text = sample_text().replace("REPOSITORY = None", 'REPOSITORY = "https://example.org/p.git"')
    config = loaded(tmp_path / "m", text)
    assert [source.name for source in config.change_sources] == ["https://example.org/p.git"]
    assert first_steps(config) == ["git", "git"]


def test_the_demonstration_builds_its_repository_wherever_it_is(tmp_path: Path) -> None:
    config = loaded(tmp_path / "master", demo_text())
    assert [source.name for source in config.change_sources] == [
        f"file://{tmp_path}/repository.git"
    ]
    assert list(config.schedulers) == ["main", "force", "soak", "again"]
    assert str(tmp_path) not in demo_text()


def test_a_sample_that_was_changed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_setup, "sample_text", lambda: "nothing")
    with pytest.raises(Problem, match="the sample configuration has no line"):
        demo_text()
