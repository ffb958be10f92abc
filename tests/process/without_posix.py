"""Make this process look as if it ran on Windows, as far as our code and Twisted's can see.

Run as ``python -m tests.process.without_posix import|create|start|stop|run ...``; used by
``test_without_posix``.

Hidden: the modules ``fcntl``, ``pwd``, ``grp``, ``resource``, ``termios``, ``pty`` and ``tty``, the
functions of ``os``, the signals and the options of sockets that Windows lacks. ``sys.platform`` is
``win32``, ``os.name`` is ``nt``. Ctrl-Break, which Windows alone has, is the number ``CTRL_BREAK``.

Imported before that, and so as on POSIX: the standard library, ``psutil`` and ``filelock``. Paths
stay those of the real file system. Twisted is imported after it, and takes its own code for
Windows: the codes of errors that Windows sockets give are mapped to those of this system.

Faked: the functions of ``pywin32`` for job objects and the flags of ``subprocess.Popen``, which
together are the process interface of Windows. The fake keeps what the system promises: a process
that is started suspended does nothing until it is resumed; what is in a job ends when the job is
terminated, or closed with that limit set. A detached process (that of ``start``) is one of POSIX.
"""

import errno
import importlib
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

HIDDEN_MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "pty", "tty")

HIDDEN_OF_OS = (
    *("fork", "forkpty", "setsid", "getsid", "killpg", "getpgid", "getpgrp", "setpgid", "setpgrp"),
    *("getuid", "geteuid", "getgid", "getegid", "setuid", "setgid", "initgroups", "getgroups"),
    *("chown", "lchown", "fchown", "mkfifo", "mknod", "nice", "uname", "openpty", "pipe2"),
    *("sched_getaffinity", "wait3", "wait4", "WNOHANG", "WIFSIGNALED", "WTERMSIG", "O_NONBLOCK"),
    *("O_CLOEXEC", "fchmod", "sysconf", "posix_spawn", "posix_spawnp", "statvfs", "fork_exec"),
)

HIDDEN_SIGNALS = ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGCONT", "SIGSTOP")

#: Options of sockets.
HIDDEN_OF_SOCKET = ("TCP_USER_TIMEOUT",)

#: What Windows has and this system has not; it comes by a number that is none of a signal there.
CTRL_BREAK = signal.SIGUSR1

#: Flags of ``CreateProcess``.
SUSPENDED, DETACHED, NEW_GROUP = 0x00000004, 0x00000008, 0x00000200

#: The descriptor on which a suspended process waits. A shell need not know those of two digits,
#: and how many others are open by then is not for us to say.
WAITS_ON = 9


def become_windows() -> "FakeJobs":
    """Hide what Windows does not have. There is no way back."""
    keep_descriptor()
    preload()
    keep_what_is_imported()
    killpg, real, stop = os.killpg, subprocess.Popen, signal.SIGKILL
    jobs = FakeJobs(lambda pid: killpg(pid, stop))
    install_errors()
    for name in HIDDEN_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # that is how to hide one
    for name in HIDDEN_OF_OS:
        if hasattr(os, name):
            delattr(os, name)
    for name in HIDDEN_SIGNALS:
        if hasattr(signal, name):
            delattr(signal, name)
    for name in HIDDEN_OF_SOCKET:
        if hasattr(socket, name):
            delattr(socket, name)
    signal.SIGBREAK = CTRL_BREAK  # type: ignore[attr-defined]
    install_processes(jobs, real)
    sys.modules.update(jobs.modules())
    sys.platform, os.name = "win32", "nt"
    os.environ["COMSPEC"] = "/bin/sh"
    return jobs


def keep_descriptor() -> None:
    """Keep ``WAITS_ON`` from being given to anything else."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    assert nothing != WAITS_ON, "too many descriptors are open at the start"
    os.dup2(nothing, WAITS_ON, inheritable=False)
    os.close(nothing)


def preload() -> None:
    """Import what is to stay as it is on this system."""
    for name in (
        *("argparse", "asyncio", "codecs", "concurrent.futures", "contextlib", "ctypes", "difflib"),
        *("getpass", "glob", "hashlib", "inspect", "json", "logging", "pathlib", "platform"),
        *("secrets", "select", "selectors", "shlex", "shutil", "ssl", "stat", "tarfile"),
        *("tempfile", "threading", "traceback", "typing", "urllib.parse", "uuid", "zlib"),
        *("importlib.metadata", "unittest", "psutil", "filelock", "OpenSSL"),
    ):
        importlib.import_module(name)


def keep_what_is_imported() -> None:
    """Give all that is imported by now modules ``os`` and ``signal`` that stay as they are."""
    for module in (os, signal):
        copy = ModuleType(module.__name__)
        copy.__dict__.update(module.__dict__)
        for name, other in list(sys.modules.items()):
            if other is not sys.modules["__main__"] and vars(other).get(module.__name__) is module:
                assert not name.startswith(("ci_", "twisted")), f"{name} must not be imported yet"
                setattr(other, module.__name__, copy)


def install_errors() -> None:
    """The names by which Windows knows the errors of sockets."""
    for name in dir(errno):
        if name.startswith("E"):
            setattr(errno, f"WSA{name}", getattr(errno, name))
    socket.errorTab = {}  # type: ignore[attr-defined]  # there is one on Windows


def install_processes(jobs: "FakeJobs", real: type["subprocess.Popen[bytes]"]) -> None:
    """``Popen`` with the flags and the command lines of Windows, and ``resume`` of psutil."""
    import psutil

    class Popen(real):  # type: ignore[misc,valid-type]  # a class that is a value here
        def __init__(self, argv: Any, *, creationflags: int = 0, **options: Any) -> None:
            if creationflags == DETACHED | NEW_GROUP:
                super().__init__(argv, start_new_session=True, **options)
                return
            assert creationflags & SUSPENDED, "what it starts could escape its job"
            if isinstance(argv, str):  # the shell of this system, given a line as cmd.exe has it
                shell, text = argv.split(" /c ", 1)
                assert text[0] == text[-1] == '"', "cmd.exe takes what is between outer quotes"
                argv = [shell, "-c", text[1:-1]]
            # The process waits for a byte before it becomes the program.
            reader, writer = os.pipe()
            os.dup2(reader, WAITS_ON, inheritable=False)
            os.close(reader)
            script = f'read -r go <&{WAITS_ON} || exit; exec {WAITS_ON}<&-; exec "$@"'
            waiting = ["/bin/sh", "-c", script, "sh", *argv]
            try:
                super().__init__(waiting, pass_fds=[WAITS_ON], start_new_session=True, **options)
            except BaseException:
                os.close(writer)
                raise
            finally:
                keep_descriptor()
            jobs.suspended[self.pid] = writer

    def resume_process(self: Any) -> None:
        assert self.pid in jobs.members, "it is let run before it is in its job"
        writer = jobs.suspended.pop(self.pid)
        os.write(writer, b"go\n")
        os.close(writer)

    subprocess.Popen = Popen  # type: ignore[misc]
    subprocess.DETACHED_PROCESS = DETACHED  # type: ignore[attr-defined]
    subprocess.CREATE_NEW_PROCESS_GROUP = NEW_GROUP  # type: ignore[attr-defined]
    psutil.Process.resume = resume_process


class FakeJobs:
    """Job objects, as ``win32job`` gives them."""

    JobObjectExtendedLimitInformation = 9
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 0x2000

    def __init__(self, kill_group: Callable[[int], None]) -> None:
        self._kill_group = kill_group
        self.suspended: dict[int, int] = {}
        self.members: set[int] = set()
        self.log: list[str] = []

    def modules(self) -> dict[str, ModuleType]:
        """The modules of ``pywin32`` that are used, by name."""

        class error(Exception):
            winerror, strerror = 5, "Access is denied"

        def made(name: str, **content: Any) -> ModuleType:
            module = ModuleType(name)
            module.__dict__.update(content)
            return module

        names = (
            *("CreateJobObject", "QueryInformationJobObject", "SetInformationJobObject"),
            *(
                "AssignProcessToJobObject",
                "TerminateJobObject",
                "JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE",
            ),
            "JobObjectExtendedLimitInformation",
        )
        return {
            "win32job": made("win32job", **{name: getattr(self, name) for name in names}),
            "win32api": made("win32api", OpenProcess=lambda _, __, pid: pid, CloseHandle=id),
            "win32con": made("win32con", PROCESS_SET_QUOTA=0x100, PROCESS_TERMINATE=1),
            "pywintypes": made("pywintypes", error=error),
        }

    def CreateJobObject(self, attributes: Any, name: str) -> Any:
        job = SimpleNamespace(pids=[], flags=0)

        def close() -> None:
            if job.flags & self.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE:
                self.TerminateJobObject(job, 1)
            self.log.append("closed")

        job.Close = close
        return job

    def QueryInformationJobObject(self, job: Any, kind: int) -> dict[str, Any]:
        return {"BasicLimitInformation": {"LimitFlags": job.flags}}

    def SetInformationJobObject(self, job: Any, kind: int, limits: dict[str, Any]) -> None:
        job.flags = limits["BasicLimitInformation"]["LimitFlags"]

    def AssignProcessToJobObject(self, job: Any, process: int) -> None:
        job.pids.append(process)
        self.members.add(process)

    def TerminateJobObject(self, job: Any, status: int) -> None:
        self.log.append("terminated")
        for pid in job.pids:
            try:
                self._kill_group(pid)
            except ProcessLookupError:
                continue


def import_all() -> None:
    """Import every module of the worker and of what it has in common with the master."""
    for package in ("ci_common", "ci_worker"):
        root = importlib.import_module(package)
        for found in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
                print(found.name)


def main() -> int:
    """Do what is asked, as if on Windows."""
    jobs = become_windows()
    what, *argv = sys.argv[1:]
    if what == "import":
        import_all()
        return 0
    from ci_worker.cli.main import main as ci_worker

    if what != "run":
        return ci_worker(["create-worker" if what == "create" else what, *argv])
    status = ci_worker(["start", "--nodaemon", *argv])
    print("jobs:", *jobs.log)
    return status


if __name__ == "__main__":
    sys.exit(main())
