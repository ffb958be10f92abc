"""Who serves a directory, and what became of its start."""

import os
from pathlib import Path

import pytest

from ci_common import pidfile, startup
from ci_common.pidfile import AlreadyRunning, PidFile, is_alive
from ci_common.startup import FAILED, READY, StartReport

#: Above the largest process id that Linux and macOS give out.
NO_PROCESS = 2**22 + 7


def test_a_process_is_alive_or_not() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(NO_PROCESS)
    assert not is_alive(0)


@pytest.mark.parametrize("left_behind", [None, "", "nonsense", str(NO_PROCESS)])
def test_a_pid_file_is_taken_over_from_the_dead(tmp_path: Path, left_behind: str | None) -> None:
    file = PidFile(tmp_path / "twistd.pid")
    if left_behind is not None:
        file.path.write_text(left_behind)
    file.take()
    assert file.read() == os.getpid()
    file.drop()
    assert not file.path.exists()


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="no /proc tells when processes began")
def test_a_number_that_went_to_another_program_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pidfile, "_directory_of", lambda pid: str(tmp_path))
    file = PidFile(tmp_path / "twistd.pid")
    file.path.write_text(str(os.getppid()))
    assert file.serving() == os.getppid()
    os.utime(file.path, (1e9, 1e9))
    assert file.serving() is None
    file.take()
    assert file.read() == os.getpid()
    os.utime(file.path, (1e9, 1e9))  # whatever the clock did: it is locked, and so a daemon's
    assert PidFile(file.path).serving() == os.getpid()
    file.drop()
    assert not file.path.exists()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_pid_file_of_the_living_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    directory = str(tmp_path) if is_told else None
    monkeypatch.setattr(pidfile, "_directory_of", lambda pid: directory)
    file = PidFile(tmp_path / "twistd.pid")
    file.path.write_text(str(os.getppid()))
    with pytest.raises(AlreadyRunning, match=f"already running as pid {os.getppid()}"):
        file.take()
    file.drop()
    assert file.path.exists()


def test_in_a_copied_directory_nobody_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy").mkdir()
    file = PidFile(tmp_path / "twistd.pid")
    file.take()
    copy = PidFile(tmp_path / "copy" / "twistd.pid")
    copy.path.write_text(file.path.read_text())
    assert (file.serving(), copy.serving()) == (os.getpid(), None)
    file.drop()


def test_of_two_that_start_at_once_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pidfile, "_LOOK_S", 0.01)
    first, second = (PidFile(tmp_path / "twistd.pid") for _ in range(2))
    first.take()
    first.path.unlink()  # as if it had the lock, and had not written the file yet
    with pytest.raises(AlreadyRunning, match="being started by another process"):
        second.take()
    second.drop()
    first.drop()
    second.take()
    second.drop()


def test_where_no_lock_can_be_had_the_file_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, timeout: float) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("filelock.FileLock.acquire", fail)
    monkeypatch.chdir(tmp_path)
    file = PidFile(tmp_path / "twistd.pid")
    file.take()
    assert PidFile(file.path).serving() == os.getpid()
    file.drop()
    assert not file.path.exists()


class TestReports:
    @pytest.fixture(autouse=True)
    def starter(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = tmp_path / "report"
        monkeypatch.setenv(startup.REPORT_VARIABLE, str(self.path))
        monkeypatch.setattr(startup._Outcome, "failed", False)
        monkeypatch.setattr(startup._Outcome, "report_to", None)

    def test_the_first_report_counts(self) -> None:
        assert startup.read_report(self.path) is None
        startup.report_ready("works")
        startup.report_failed("later")
        assert startup.read_report(self.path) == StartReport(READY, "works")

    def test_a_failure_has_its_reason_and_is_remembered(self) -> None:
        startup.report_failed("no\nway")
        assert startup.read_report(self.path) == StartReport(FAILED, "no\nway")
        assert startup.start_has_failed()

    def test_programs_that_the_daemon_runs_do_not_see_the_report(self) -> None:
        startup.adopt_starter()
        assert startup.REPORT_VARIABLE not in os.environ
        startup.report_ready("works")
        assert startup.read_report(self.path) == StartReport(READY, "works")

    def test_a_starter_that_is_gone_does_no_harm(self, tmp_path: Path) -> None:
        os.environ[startup.REPORT_VARIABLE] = str(tmp_path / "gone" / "report")
        startup.report_ready()

    def test_a_starter_that_looks_at_the_wrong_moment_does_not_miss_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(startup, "_TRY_AGAIN_S", 0)
        replace, failures = os.replace, [PermissionError(), PermissionError()]

        def replace_later(source: str, target: str) -> None:
            if failures:
                raise failures.pop()
            replace(source, target)

        monkeypatch.setattr(os, "replace", replace_later)
        startup.report_ready("works")
        assert startup.read_report(self.path) == StartReport(READY, "works")
