"""What a person is told whose account has no rights in a daemon's directory."""

from pathlib import Path

import pytest

from ci_common.rights import refusal
from ci_master.cli import directory
from ci_master.cli.main import main as ci_master
from ci_master.storage.backup import read_backup
from ci_worker.cli import running
from ci_worker.cli.main import main as ci_worker


def denied(path: Path) -> PermissionError:
    return PermissionError(13, "Permission denied", str(path))


def test_the_account_that_may_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ci_common.rights._account", lambda: "somebody")
    owner = tmp_path.owner()
    told = refusal(denied(tmp_path / "twistd.pid"), "ci-master")
    assert told == (
        f"the account 'somebody' may not do this: {tmp_path / 'twistd.pid'}: Permission denied."
        f" It belongs to '{owner}': run the command as that account, sudo -u {owner} ci-master ..."
    )


def test_no_other_account_is_proposed_to_the_owner(tmp_path: Path) -> None:
    told = refusal(denied(tmp_path / "twistd.pid"), "ci-master")
    assert told.endswith(f"may not do this: {tmp_path / 'twistd.pid'}: Permission denied")
    assert "sudo" not in told


def test_a_failure_without_a_path_is_told_as_it_is() -> None:
    assert "Operation not permitted" in refusal(PermissionError(1, "Operation not permitted"), "x")


def _deny(self: Path, *words: object, **options: object) -> str:
    raise denied(self)


@pytest.mark.parametrize("command", ["start", "stop", "reconfig", "upgrade-master", "cleanupdb"])
def test_a_master_that_cannot_be_looked_at_is_not_called_missing(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory.Path, "read_text", _deny)
    assert ci_master([command, str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "may not do this" in told and str(tmp_path / "buildbot.tac") in told
    assert "has no buildbot.tac" not in told


@pytest.mark.parametrize("command", ["start", "stop", "restart"])
def test_a_worker_that_cannot_be_looked_at_is_not_called_missing(
    command: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running.Path, "read_text", _deny)
    assert ci_worker([command, str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "may not do this" in told and str(tmp_path / "buildbot.tac") in told
    assert "is not a worker's directory" not in told


def test_a_backup_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "master.ci"
    backup.touch()
    monkeypatch.setattr(Path, "open", _deny)
    with pytest.raises(PermissionError):
        read_backup(backup)
