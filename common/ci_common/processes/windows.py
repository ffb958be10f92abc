"""Windows: programs in job objects, which end with all that was started in them.

A program is started suspended, put into its job and then let run, so that nothing it starts can
escape. When this process dies, the system closes the job and ends what is in it. Twisted's own
transport is not used: it knows neither jobs nor command lines as they are.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ci_common.processes.identity import ProcessId
from ci_common.processes.threaded import ThreadedProcess
from ci_common.processes.tree import ProcessTree

#: Source: "Process Creation Flags", https://learn.microsoft.com/windows/win32/procthread/
CREATE_SUSPENDED = 0x00000004
CREATE_NEW_PROCESS_GROUP = 0x00000200
CREATE_NO_WINDOW = 0x08000000


@contextlib.contextmanager
def _system_errors() -> Iterator[None]:
    """What the system refuses is told as OSError."""
    import pywintypes

    try:
        yield
    except pywintypes.error as problem:
        raise OSError(problem.winerror, problem.strerror) from problem


class Job:
    """A job object; what is in it ends when the job is closed, or this process dies.

    :raises OSError: if the system gives none.
    """

    def __init__(self) -> None:
        import win32job

        self._api: Any = win32job
        with _system_errors():
            self._handle: Any = win32job.CreateJobObject(None, "")
            self._end_with_us(True)

    def add(self, pid: int) -> None:
        """Put a process in, and thereby all that it will start.

        :raises OSError: if the system refuses.
        """
        import win32api
        import win32con

        access = win32con.PROCESS_SET_QUOTA | win32con.PROCESS_TERMINATE
        with _system_errors():
            process = win32api.OpenProcess(access, False, pid)
            try:
                self._api.AssignProcessToJobObject(self._handle, process)
            finally:
                win32api.CloseHandle(process)

    def kill(self) -> None:
        """End all that is in it."""
        if self._handle is not None:
            self._api.TerminateJobObject(self._handle, 1)

    def release(self) -> None:
        """Let what is left in it live on."""
        if self._handle is not None:
            self._end_with_us(False)
            self._handle.Close()
            self._handle = None

    def _end_with_us(self, wanted: bool) -> None:
        kind = self._api.JobObjectExtendedLimitInformation
        limits = self._api.QueryInformationJobObject(self._handle, kind)
        flags = limits["BasicLimitInformation"]["LimitFlags"]
        bit = self._api.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        flags = flags | bit if wanted else flags & ~bit
        limits["BasicLimitInformation"]["LimitFlags"] = flags
        self._api.SetInformationJobObject(self._handle, kind, limits)


class JobTree(ProcessTree):
    """A program in a job. Beside the job the processes are walked: some can leave it."""

    def __init__(self, pid: int, *, mark: str, job: Job) -> None:
        super().__init__(pid, mark=mark)
        self._job: Job | None = job

    def close(self) -> None:
        """Have what is left of it live on."""
        job, self._job = self._job, None
        if job is not None:
            job.release()
        super().close()

    def _kill_at_once(self, targets: Iterable[ProcessId]) -> None:
        if self._job is not None:
            self._job.kill()


def spawn(
    reactor: Any,
    protocol: Any,
    argv: Sequence[str] | str,
    *,
    env: Mapping[str, str],
    cwd: str,
    use_pty: bool,
    with_stdin: bool,
    mark: str,
) -> JobTree:
    """Start a program; see :func:`ci_common.processes.spawn.spawn_in_session`.

    There is no terminal: ``use_pty`` has no effect.
    """
    job = Job()
    try:
        child = subprocess.Popen(
            argv if isinstance(argv, str) else [_found(argv[0], env), *argv[1:]],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW,
        )
    except BaseException:
        job.release()
        raise
    try:
        job.add(child.pid)
        tree = JobTree(child.pid, mark=mark, job=job)
        _let_run(child.pid)
    except BaseException:
        child.kill()
        child.wait()
        job.release()
        raise
    ThreadedProcess(reactor, protocol, child).start()
    return tree


def _let_run(pid: int) -> None:
    """Resume a process that was started suspended.

    :raises OSError: if it is gone already, or the system refuses.
    """
    import psutil

    try:
        psutil.Process(pid).resume()
    except psutil.Error as problem:
        raise OSError(f"it cannot be let run: {problem}") from problem


def _found(program: str, env: Mapping[str, str]) -> str:
    """The program's file, looked for in the PATH that it will have, with the usual endings.

    The system itself would look in ours, and for ``.exe`` only.
    """
    path = next((value for name, value in env.items() if name.upper() == "PATH"), None)
    return shutil.which(program, path=path) or program
