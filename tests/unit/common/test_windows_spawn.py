"""What Windows refuses when a program is started is told as OSError, and nothing is left behind."""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from ci_common.processes import windows


class Refused(Exception):
    winerror, strerror = 5, "Access is denied"


class Child:
    """A process that was started suspended; all that is asked of it is its end."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.pid = os.getpid()
        self.calls: list[str] = []
        children.append(self)

    def kill(self) -> None:
        self.calls.append("kill")

    def wait(self) -> None:
        self.calls.append("wait")


children: list[Child] = []


class System:
    """The interface of job objects; ``refuses`` is the name of the call that fails."""

    JobObjectExtendedLimitInformation = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 1

    def __init__(self) -> None:
        self.refuses = ""
        self.open_jobs = 0

    def _asked(self, name: str) -> None:
        if name == self.refuses:
            raise Refused

    def CreateJobObject(self, attributes: Any, name: str) -> Any:
        self._asked("CreateJobObject")
        self.open_jobs += 1

        def close() -> None:
            self.open_jobs -= 1

        return SimpleNamespace(Close=close)

    def QueryInformationJobObject(self, job: Any, kind: int) -> Any:
        return {"BasicLimitInformation": {"LimitFlags": 0}}

    def SetInformationJobObject(self, job: Any, kind: int, limits: Any) -> None:
        return None

    def AssignProcessToJobObject(self, job: Any, process: int) -> None:
        self._asked("AssignProcessToJobObject")

    def resume(self) -> None:
        if self.refuses == "resume":
            raise psutil.NoSuchProcess(1)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    system = System()
    contents: dict[str, Any] = {
        "win32job": {name: getattr(system, name) for name in dir(system) if name[0].isupper()},
        "win32api": {"OpenProcess": lambda *_: 1, "CloseHandle": lambda _: None},
        "win32con": {"PROCESS_SET_QUOTA": 1, "PROCESS_TERMINATE": 2},
        "pywintypes": {"error": Refused},
    }
    for name, content in contents.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(windows.subprocess, "Popen", Child)
    monkeypatch.setattr(psutil.Process, "resume", lambda _: system.resume())
    children.clear()
    return system


def spawn() -> None:
    windows.spawn(
        *(None, None, ["true"]), env={}, cwd=".", use_pty=False, with_stdin=False, mark="m"
    )


def test_without_a_job_nothing_is_started(system: System) -> None:
    system.refuses = "CreateJobObject"
    with pytest.raises(OSError, match="Access is denied"):
        spawn()
    assert not children


@pytest.mark.parametrize(
    ("call", "why"),
    [("AssignProcessToJobObject", "Access is denied"), ("resume", "cannot be let run: .*pid=1")],
)
def test_what_cannot_be_let_run_does_not_stay_suspended(
    system: System, call: str, why: str
) -> None:
    system.refuses = call
    with pytest.raises(OSError, match=why):
        spawn()
    assert [child.calls for child in children] == [["kill", "wait"]]
    assert system.open_jobs == 0
