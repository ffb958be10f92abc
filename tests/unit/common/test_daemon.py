"""Load a tac file; stop what runs or does not."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from ci_common import daemon, pidfile
from ci_common.daemon import BrokenTac, load_application, run_in_foreground, stop_daemon
from tests.unit.common.test_pidfile_and_startup import NO_PROCESS


@pytest.fixture(autouse=True)
def keep_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pidfile, "_directory_of", lambda pid: str(tmp_path))


def test_a_tac_is_executed_in_its_directory(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac").write_text("import os\napplication = os.getcwd(), __file__\n")
    loaded = load_application(tmp_path)
    assert loaded.application == (str(tmp_path), str(tmp_path / "buildbot.tac"))
    assert "os" in loaded.names


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read .*buildbot.tac: No such file"),
        ("x = 1", "sets no variable 'application'"),
        ("x = (", "buildbot.tac:1: '\\(' was never closed"),
        ("\n1 / 0", "buildbot.tac:2: ZeroDivisionError"),
        ("def f():\n    int('x')\n\nf()", "buildbot.tac:2: ValueError"),
    ],
)
def test_a_broken_tac_is_explained(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "buildbot.tac").write_text(text)
    with pytest.raises(BrokenTac, match=why):
        load_application(tmp_path)


@pytest.mark.parametrize("rest", ["", "open(basedir + '/no/log', 'a')\n"])
@pytest.mark.parametrize("given", ["/", "/no/such/directory", "..", "sub"])
def test_a_tac_of_another_directory_is_refused(tmp_path: Path, given: str, rest: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "buildbot.tac").write_text(f"basedir = {given!r}\n{rest}application = 1\n")
    with pytest.raises(BrokenTac, match="was the directory copied or moved") as caught:
        load_application(tmp_path)
    assert f"Write basedir = {str(tmp_path)!r} there" in str(caught.value)


def test_a_tac_of_another_directory_is_not_even_executed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    trace = "open(basedir + '/trace', 'w').close()\napplication = 1\n"
    for line in ("basedir = 'sub'\n", "basedir: str = 'sub'\n", "here = basedir = 'sub'\n"):
        (tmp_path / "buildbot.tac").write_text(line + trace)
        with pytest.raises(BrokenTac, match="so that it can be moved again"):
            load_application(tmp_path)
    assert not (tmp_path / "sub" / "trace").exists()


def test_a_tac_that_finds_its_own_directory_is_executed_wherever_that_is(tmp_path: Path) -> None:
    (tmp_path / "buildbot.tac").write_text(
        "import os\nbasedir = '.'\nif basedir == '.':\n"
        "    basedir = os.path.abspath(os.path.dirname(__file__))\napplication = basedir\n"
    )
    moved = tmp_path.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    assert load_application(moved).application == str(moved)


@pytest.mark.parametrize("given", [".", "sub/..", "{here}", "{here}/", "{here}-link"])
def test_a_tac_names_its_directory_in_any_way(tmp_path: Path, given: str) -> None:
    (tmp_path / "sub").mkdir()
    tmp_path.with_name(f"{tmp_path.name}-link").symlink_to(tmp_path)
    basedir = given.format(here=tmp_path)
    (tmp_path / "buildbot.tac").write_text(f"basedir = {basedir!r}\napplication = 1\n")
    assert load_application(tmp_path).application == 1


def test_a_directory_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pidfile, "write_private_text", refuse)
    said: list[str] = []
    assert run_in_foreground(tmp_path, say=said.append) == 1
    path = tmp_path / "twistd.pid"
    assert f"cannot write {path}: Permission denied; the account" in said[0]


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (
            "def make():\n    raise OSError('no room')\n",
            "{here}/parts.py:2: OSError: no room\n    called by {here}/buildbot.tac:2",
        ),
        ("x = (\n", "{here}/parts.py:1: '(' was never closed"),
    ],
)
def test_what_fails_in_another_file_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, why: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "parts", raising=False)
    (tmp_path / "parts.py").write_text(module)
    (tmp_path / "buildbot.tac").write_text("import parts\napplication = parts.make()\n")
    with pytest.raises(BrokenTac) as caught:
        load_application(tmp_path)
    assert str(caught.value) == why.format(here=tmp_path)


def test_a_living_process_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "twistd.pid").write_text(str(os.getppid()))
    said: list[str] = []
    assert run_in_foreground(tmp_path, say=said.append) == 1
    assert f"already running as pid {os.getppid()}" in said[0]


class Killed:
    """Stands in for the process table: one process that dies when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.signals: list[int] = []
        self.error = error
        for module in (daemon, pidfile):
            monkeypatch.setattr(module, "is_alive", lambda pid: not self.signals)
        monkeypatch.setattr(os, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        if self.error is not None:
            raise self.error
        self.signals.append(number)


class TestStop:
    def stop(self, basedir: Path, **options: Any) -> tuple[int, str]:
        said: list[str] = []
        status = stop_daemon(basedir, say=said.append, **options)
        return status, "\n".join(said)

    def test_nothing_to_stop_is_said(self, tmp_path: Path) -> None:
        status, said = self.stop(tmp_path)
        assert (status, "not running" in said) == (0, True)

    def test_a_stale_pid_file_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "twistd.pid").write_text(str(NO_PROCESS))
        status, said = self.stop(tmp_path)
        assert (status, "stale pid file" in said) == (0, True)
        assert not (tmp_path / "twistd.pid").exists()

    @pytest.mark.parametrize(("clean", "number"), [(False, signal.SIGTERM), (True, signal.SIGUSR1)])
    def test_the_signal_says_how(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean: bool, number: int
    ) -> None:
        killed = Killed(monkeypatch)
        (tmp_path / "twistd.pid").write_text("7")
        status, said = self.stop(tmp_path, clean=clean)
        assert (status, said) == (0, "process 7 has ended")
        assert killed.signals == [number]

    def test_somebody_elses_process_is_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Killed(monkeypatch, PermissionError())
        (tmp_path / "twistd.pid").write_text("7")
        status, said = self.stop(tmp_path)
        assert (status, "no permission" in said) == (1, True)

    def test_one_that_does_not_end_in_time_is_a_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Killed(monkeypatch)
        monkeypatch.setattr(daemon, "is_alive", lambda pid: True)
        (tmp_path / "twistd.pid").write_text("7")
        status, said = self.stop(tmp_path, timeout_s=0)
        assert (status, said) == (1, "process 7 still runs after 0 s")
