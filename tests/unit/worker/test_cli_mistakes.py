"""Typical mistakes at the command line of ``ci-worker``, and what it answers."""

from pathlib import Path

import pytest

from ci_worker.cli.main import main


def test_a_mistyped_command_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["strat", "w"])
    assert left.value.code == 1
    told = capsys.readouterr().err
    assert told == "ci-worker: there is no command 'strat'; did you mean 'start'?\n"


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
def test_the_directory_of_a_master_is_recognised(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "buildbot.tac").write_text("application = service.Application('buildmaster')\n")
    assert main([command, str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert f"is that of a master: use 'ci-master ... {tmp_path}'" in told.out + told.err


def test_a_directory_of_nothing_says_how_one_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["start", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "make one with 'ci-worker create-worker'" in told.out + told.err


def test_a_worker_is_not_called_configured_while_its_former_settings_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = str(tmp_path / "w")
    assert main(["create-worker", directory, "localhost", "w", "first"]) == 0
    assert "worker configured in" in "".join(capsys.readouterr())
    assert main(["create-worker", directory, "localhost", "w", "second"]) == 0
    told = "".join(capsys.readouterr())
    assert "worker configured" not in told
    assert "starts with its former settings" in told
    assert main(["create-worker", "--force", directory, "localhost", "w", "second"]) == 0
    assert "worker configured in" in "".join(capsys.readouterr())
