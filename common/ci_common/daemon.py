"""Run a Twisted application from the ``buildbot.tac`` of a base directory; start it, stop it.

``run_in_foreground`` is the daemon itself; ``start_daemon`` starts that in a process of its own and
waits for its word that it works (see ``ci_common.startup``); ``stop_daemon`` ends it. Nothing here
knows what the application does. The module ``twisted.application.app`` is left out on purpose: it
would cost a worker a tenth of its memory.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ci_common.ending import EndedEarly, Ending
from ci_common.pidfile import AlreadyRunning, PidFile, is_alive
from ci_common.processes.identity import MARK_VARIABLE
from ci_common.startup import (
    FAILED,
    REPORT_VARIABLE,
    adopt_starter,
    read_report,
    report_failed,
    report_ready,
    start_has_failed,
)

__all__ = [
    "AlreadyRunning",
    "BrokenTac",
    "LoadedApplication",
    "load_application",
    "report_failed",
    "report_ready",
    "run_in_foreground",
    "start_daemon",
    "stop_daemon",
]

TAC, PIDFILE, LOGFILE = "buildbot.tac", "twistd.pid", "twistd.log"

_POLL_S = 0.02  # how often a starter looks for the report, and a stopper for the end

_END_S = 5.0  # how long a starter waits for the end of a daemon that could not start

Say = Callable[[str], None]


class BrokenTac(Exception):
    """The tac file is missing or fails; the text says where and why."""


@dataclass(frozen=True)
class LoadedApplication:
    """What executing a tac file gave: its ``application``, and all its variables."""

    application: Any
    names: dict[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    """Print one message to the terminal at once."""
    print(text, flush=True)


def load_application(basedir: str | os.PathLike[str], tac: str = TAC) -> LoadedApplication:
    """Change into ``basedir`` and execute its tac file.

    :raises BrokenTac: with file, line and reason, when there is no such file, when it fails, or
        when it makes no ``application``; also when it has the ``basedir`` of another directory,
        as in a copy: half of the commands would then work on this one and half on that.
    """
    try:
        os.chdir(basedir)
        source = Path(tac).read_bytes()
    except OSError as error:
        raise BrokenTac(f"cannot read {Path(basedir) / tac}: {error.strerror}") from error
    path = os.path.abspath(tac)
    names: dict[str, Any] = {"__file__": path, "__name__": "__main__"}
    try:
        program = compile(source, path, "exec")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise BrokenTac(f"{path}:{line}: {getattr(error, 'msg', error)}") from error
    # A path that stands in the file is looked at before the file is executed, which may open the
    # log of that other directory.
    if elsewhere := _names_elsewhere(path, {"basedir": _written_basedir(source)}):
        raise BrokenTac(elsewhere)
    try:
        exec(program, names)
    except SyntaxError as error:
        raise BrokenTac(f"{error.filename or path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise BrokenTac(_names_elsewhere(path, names) or _what_failed(path, error)) from error
    if elsewhere := _names_elsewhere(path, names):
        raise BrokenTac(elsewhere)
    if "application" not in names:
        raise BrokenTac(f"{path}: it sets no variable 'application'")
    return LoadedApplication(names["application"], names)


def _written_basedir(source: bytes) -> str | None:
    """The text that a tac file assigns to ``basedir``, if that is a plain text."""
    import ast

    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if "basedir" in names and isinstance(node.value.value, str):
                return node.value.value
    return None


def _names_elsewhere(tac: str, names: dict[str, Any]) -> str:
    """What to mend if the ``basedir`` in a tac file is another directory than its own."""
    home, given = os.path.dirname(tac), names.get("basedir")
    if not isinstance(given, str):
        return ""
    with contextlib.suppress(OSError):
        if os.path.samefile(os.path.join(home, os.path.expanduser(given)), home):
            return ""
    return (
        f"{tac}: basedir is {given!r}, but the file is in {home}: was the directory copied or"
        f" moved? Write basedir = {home!r} there; or, so that it can be moved again,"
        " basedir = os.path.abspath(os.path.dirname(__file__))"
    )


def _what_failed(tac: str, error: Exception) -> str:
    """The place that raised it and the exception; then what the tac file did to get there."""
    frames = traceback.extract_tb(error.__traceback__)
    what = "".join(traceback.format_exception_only(error)).strip()
    last = frames[-1]
    if last.filename == tac:
        return f"{tac}:{last.lineno}: {what}"
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == tac), 0)
    return f"{last.filename}:{last.lineno}: {what}\n    called by {tac}:{line}"


def run_in_foreground(
    basedir: str | os.PathLike[str],
    *,
    tac: str = TAC,
    pidfile: str = PIDFILE,
    logfile: str = LOGFILE,
    to_stdout: bool = True,
    say: Say = say,
) -> int:
    """Be the daemon: load the application, run the reactor until SIGTERM, SIGINT or its own end.

    :param to_stdout: write the log to standard output as well as to its file.
    :returns: the exit status: 1 if the start failed (``report_failed``), else 0.
    """
    adopt_starter()
    home = Path(basedir).resolve()
    pid_file = PidFile(home / pidfile)

    def by_force(why: str) -> None:
        text = f"ended by force: {why}"
        with contextlib.suppress(OSError), (home / logfile).open("a", encoding="utf-8") as log:
            log.write(f"{text}\n")
        say(text)
        pid_file.drop()

    ending = Ending(by_force)
    ending.install()
    try:
        try:
            os.chdir(home)  # the mark of who serves it, where there are no locks
            pid_file.take()
        except AlreadyRunning as error:
            return _refuse(str(error), say)
        except OSError as error:
            return _refuse(
                f"cannot write {error.filename or pid_file.path}: {error.strerror or error};"
                f" the account that it runs as needs to write to {home}",
                say,
            )
        try:
            with ending.raising():
                loaded = load_application(home, tac)
            return _run(loaded, Path.cwd() / logfile, ending, to_stdout=to_stdout)
        except BrokenTac as error:
            return _refuse(str(error), say)
        except EndedEarly:
            say("told to end while it started")
            return 0
        finally:
            pid_file.drop()
    finally:
        if not ending.wanted:
            ending.restore()


def _refuse(reason: str, say: Say) -> int:
    say(reason)
    report_failed(reason)
    return 1


def _run(loaded: LoadedApplication, log_path: Path, ending: Ending, *, to_stdout: bool) -> int:
    from twisted.application.service import IService
    from twisted.internet import reactor
    from twisted.internet.error import ReactorNotRunning
    from twisted.internet.protocol import AbstractDatagramProtocol, Factory
    from twisted.python import log

    from ci_common.daemonlog import start_logging

    # A line for the begin and the end of each connection says nothing, and floods the log.
    Factory.noisy = AbstractDatagramProtocol.noisy = False
    start_logging(loaded.application, loaded.names, log_path, to_stdout=to_stdout)
    service = IService(loaded.application)

    def start() -> None:
        if ending.wanted:
            return
        try:
            service.privilegedStartService()
            service.startService()
        except Exception as error:
            log.err(None, "the service cannot start")
            report_failed(f"the service cannot start: {type(error).__name__}: {error}")
            reactor.callLater(0, reactor.stop)

    own: Any = reactor

    def stop() -> None:
        with contextlib.suppress(ReactorNotRunning):  # it stops already
            reactor.stop()

    # The reactor takes the signals when it starts; we take them back first of all.
    reactor.callWhenRunning(ending.act_by, lambda: own.callFromThread(stop))
    reactor.callWhenRunning(start)
    reactor.addSystemEventTrigger("before", "shutdown", ending.begun)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    return 1 if start_has_failed() else 0


def start_daemon(
    basedir: str | os.PathLike[str],
    *,
    start_timeout_s: float | None = 60.0,
    pidfile: str = PIDFILE,
    module: str = "ci_common.daemon",
    say: Say = say,
    quiet: bool = False,
) -> int:
    """Start the daemon of ``basedir`` in the background, and wait until it says that it works.

    :param start_timeout_s: how long to wait for its word; None waits for ever. A daemon that has
        said nothing by then runs on, but the outcome is 1.
    :param module: what ``python -m`` runs, with the base directory as its argument: the default, or
        a module that prepares something before it calls ``run_in_foreground``.
    :param quiet: say nothing unless it fails.
    :returns: 0 if it reported that it is ready, else 1, after saying why.
    """
    pid = PidFile(Path(basedir) / pidfile).serving()
    if pid is not None:
        say(f"{basedir}: already running as pid {pid}")
        return 1
    with tempfile.TemporaryDirectory(prefix="ci-start-") as scratch:
        report = Path(scratch) / "report"
        with (Path(scratch) / "output").open("w+b") as output:
            child = _spawn_detached(module, basedir, output, report)
            return _await_report(child, report, output, start_timeout_s, _Sayer(say, quiet))


@dataclass(frozen=True)
class _Sayer:
    say: Say
    quiet: bool

    def well(self, text: str) -> int:
        if not self.quiet and text:
            self.say(text)
        return 0

    def ill(self, text: str) -> int:
        self.say(text)
        return 1


def _spawn_detached(
    module: str, basedir: str | os.PathLike[str], output: IO[bytes], report: Path
) -> subprocess.Popen[bytes]:
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {
            "creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        }
    return subprocess.Popen(
        [sys.executable, "-m", module, os.path.abspath(basedir)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=_environment(report),
        **options,
    )


def _environment(report: Path) -> dict[str, str]:
    """What a daemon sees: not the mark of a build's step, which may be what starts it."""
    kept = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}
    return {**kept, REPORT_VARIABLE: str(report)}


def _await_report(
    child: subprocess.Popen[bytes],
    path: Path,
    output: IO[bytes],
    timeout_s: float | None,
    sayer: _Sayer,
) -> int:
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        ended = child.poll()  # asked before the report is looked for, so that none is missed
        report = read_report(path)
        if report is not None:
            if report.state == FAILED:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_END_S)  # so that what it leaves behind is tidied up
                return sayer.ill(f"not started: {report.text}")
            child.returncode = child.returncode or 0  # it lives on: nobody has to wait for it
            return sayer.well(report.text)
        if ended is not None:
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
            return sayer.ill(f"not started: the process ended with status {ended}\n{said}".strip())
        if deadline is not None and time.monotonic() > deadline:
            return sayer.ill(
                f"no word of success within {timeout_s:g} s; it still runs as pid {child.pid}, "
                f"see {LOGFILE}"
            )
        time.sleep(_POLL_S)


def stop_daemon(
    basedir: str | os.PathLike[str],
    *,
    clean: bool = False,
    wait: bool = True,
    timeout_s: float | None = 75.0,
    pidfile: str = PIDFILE,
    say: Say = say,
    quiet: bool = False,
) -> int:
    """End the daemon of ``basedir``.

    :param clean: let it finish its work first (SIGUSR1); then there is no time limit by default.
    :param wait: return only when the process has ended.
    :returns: 0 if it was told to end (and has ended), and also if none runs, which is said; 1 if
        it is not ours to stop, or if it outlives ``timeout_s``.
    """
    import psutil  # costs the daemon itself memory

    sayer = _Sayer(say, quiet)
    file = PidFile(Path(basedir) / pidfile)
    pid = file.read()
    if pid is None:
        return sayer.well(f"{basedir}: not running (there is no pid file)")
    if file.serving() is None:
        file.path.unlink(missing_ok=True)
        return sayer.well(f"{basedir}: not running (removed the stale pid file of process {pid})")
    try:
        _tell_to_stop(pid, clean)
    except psutil.AccessDenied:
        return sayer.ill(f"{basedir}: process {pid} belongs to someone else: no permission")
    except psutil.NoSuchProcess:
        return sayer.well(f"process {pid} has ended")
    if not wait:
        return sayer.well(f"told process {pid} to stop")
    deadline = None if timeout_s is None or clean else time.monotonic() + timeout_s
    while is_alive(pid):
        if deadline is not None and time.monotonic() > deadline:
            return sayer.ill(f"process {pid} still runs after {timeout_s:g} s")
        time.sleep(_POLL_S)
    with contextlib.suppress(OSError):
        if file.read() == pid:  # Windows ends a process without a chance to tidy up
            file.path.unlink()
    return sayer.well(f"process {pid} has ended")


def _tell_to_stop(pid: int, clean: bool) -> None:
    """Send the signal; where there are none the process is ended, and its job with it."""
    import psutil

    process = psutil.Process(pid)
    if clean and hasattr(signal, "SIGUSR1"):
        process.send_signal(signal.SIGUSR1)
    else:
        process.terminate()


def _main() -> int:
    """The entry of the process in the background: ``python -m ci_common.daemon BASEDIR``."""
    return run_in_foreground(sys.argv[1], to_stdout=False)


if __name__ == "__main__":
    sys.exit(_main())
