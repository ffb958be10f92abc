"""The change that ``ci-master sendchange`` makes of its arguments and the options file."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from ci_master.cli.options_file import read_options
from ci_master.cli.problem import Problem
from ci_master.cli.sendchange import add_arguments, change_of


def change(words: list[str], defaults: dict[str, Any] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return change_of(parser.parse_args(words), defaults or {})


def test_all_that_is_given_is_sent() -> None:
    words = (
        "-W me -b main -r abc -C cat -R repo -P proj -c text -p a:1 -p b:x:y -s git"
        " -l http://l --codebase cb -w 3.5 one.c two.c"
    )
    assert change(words.split()) == {
        "who": "me",
        "branch": "main",
        "revision": "abc",
        "category": "cat",
        "repository": "repo",
        "project": "proj",
        "comments": "text",
        "properties": {"a": "1", "b": "x:y"},
        "src": "git",
        "revlink": "http://l",
        "codebase": "cb",
        "when": 3.5,
        "files": ["one.c", "two.c"],
    }


def test_a_codebase_that_is_not_given_is_not_sent() -> None:
    assert "codebase" not in change(["-W", "me"])


def test_the_options_file_gives_defaults() -> None:
    sent = change(["-b", "mine"], {"who": "file", "branch": "file", "category": "c", "vc": "hg"})
    assert (sent["who"], sent["branch"], sent["category"], sent["src"]) == (
        "file",
        "mine",
        "c",
        "hg",
    )


def test_comments_and_revision_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a long\nstory\n")
    (tmp_path / "rev").write_text("123\n")
    sent = change(["-W", "me", "-F", f"{tmp_path}/log", "--revision_file", f"{tmp_path}/rev"])
    assert (sent["comments"], sent["revision"]) == ("a long\nstory\n", "123")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-b", "x"], "tell who made the change"),
        (["-W", "me", "-s", "rcs"], "--vc is 'rcs', but must be one of cvs, svn"),
        (["-W", "me", "-p", "x"], "--property is 'x', but must be NAME:VALUE"),
        (["-W", "me", "-F", "/nowhere"], "cannot read /nowhere"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], told: str) -> None:
    with pytest.raises(Problem, match=told):
        change(words)


def test_the_nearest_options_file_counts(tmp_path: Path) -> None:
    for place, who in ((tmp_path, "upper"), (tmp_path / "a", "nearer")):
        (place / ".buildbot").mkdir(parents=True)
        (place / ".buildbot" / "options").write_text(f"who = {who!r}\n")
    (tmp_path / "a" / "b").mkdir()
    assert read_options(tmp_path / "a" / "b", tmp_path)["who"] == "nearer"
    assert read_options(tmp_path, tmp_path)["who"] == "upper"


def test_the_home_directory_comes_last(tmp_path: Path) -> None:
    (tmp_path / "home" / ".buildbot").mkdir(parents=True)
    (tmp_path / "home" / ".buildbot" / "options").write_text("master = 'h:1'\n")
    (tmp_path / "work").mkdir()
    assert read_options(tmp_path / "work", tmp_path / "home") == {"master": "h:1"}


def test_without_an_options_file_there_are_no_defaults(tmp_path: Path) -> None:
    assert read_options(tmp_path, tmp_path) == {}


def test_an_options_file_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / ".buildbot").mkdir()
    (tmp_path / ".buildbot" / "options").write_text("1 / 0\n")
    with pytest.raises(Problem, match="options fails: ZeroDivisionError"):
        read_options(tmp_path, tmp_path)
