"""The overview of ``ci-master``, and how mistakes at the command line are answered."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from ci_common.faults import ConfigError
from ci_master.cli.main import _LIGHT, _NEEDED, COMMANDS, main
from ci_master.config.load import load_config


def test_every_command_tells_about_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name, (module, _) in COMMANDS.items():
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
        told = capsys.readouterr().out
        assert f"ci-master {name}" in told
        doc = importlib.import_module(f"ci_master.cli.{module}").__doc__
        assert doc is not None and doc.splitlines()[0] in told


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


def test_without_a_command_the_overview_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    assert "usage: ci-master" in capsys.readouterr().err


def test_a_directory_without_a_configuration_says_how_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, "master.cfg")
    assert "name the directory of a master that" in caught.value.faults[0].hint


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ci-master 0.")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["strat"], "ci-master: there is no command 'strat'; did you mean 'start'?\n"),
        (["xyzzy"], "ci-master: there is no command 'xyzzy'; see ci-master --help\n"),
        (
            ["create-worker", "w", "host", "w", "pw"],
            "there is no command 'create-worker'; workers are made by 'ci-worker create-worker'",
        ),
        (["start", "nosuch"], "name the master's directory, or make one with 'ci-master create-m"),
        (["--verbos"], "ci-master: there is no option --verbos; see ci-master --help\n"),
        (["stop", "/nowhere"], "is not the directory of a master: it has no buildbot.tac"),
        (["sighup", "/nowhere"], "is not the directory of a master: it has no buildbot.tac"),
        (["sendchange"], "tell where the master is: --master=HOST:PORT"),
        (["sendchange", "-m", "host"], "--master is 'host', but must be HOST:PORT"),
        (["sendchange", "-m", "h:1"], "tell who made the change: --who='Name <address>'"),
    ],
)
def test_a_mistake_is_told_and_the_status_is_1(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: object,
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(words) == 1
    assert told in capsys.readouterr().err


def test_a_wrong_argument_leaves_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["start", "--nonsense"])
    assert left.value.code == 1
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "sendchange"])
def test_what_a_master_needs_is_looked_for_before_anything_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    monkeypatch.setattr("ci_master.cli.main.find_spec", lambda name: None)
    basedir = tmp_path / "m"
    assert main([command, str(basedir)]) == 1
    said = capsys.readouterr().err
    if command in ("stop", "reconfig"):
        assert "is not the directory of a master" in said
    else:
        assert said.count("\n") == 1 and "for a master run" in said and "[master]" in said
        assert "which adds sqlalchemy, alembic" in said and "-m pip install" in said
    assert not basedir.exists()


WITHOUT_EXTRAS = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name in {missing!r} else found(name, package))
from ci_master.cli.main import main
sys.exit(main({words!r}))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_plain_installation_says_in_one_line_how_a_master_is_installed(
    tmp_path: Path, command: str
) -> None:
    """In a process of its own, where what the extra brings cannot be imported."""
    words = [command] if command == "sendchange" else [command, str(tmp_path / "m")]
    script = WITHOUT_EXTRAS.format(missing=_NEEDED, words=words)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("ci-master: ") and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert ("-m pip install" in done.stderr) is (command not in _LIGHT)
