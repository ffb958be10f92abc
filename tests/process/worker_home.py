"""A real worker process that cannot outlive its test."""

import signal
import subprocess
import sys
from pathlib import Path

from ci_common.pidfile import PidFile, is_alive


def ci_worker(*args: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the command line of the worker to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ci_worker", *args],
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


class WorkerHome:
    """A worker's directory, and the process in the foreground that serves it."""

    def __init__(self, basedir: Path, master: str, *options: str, name: str = "w1") -> None:
        self.basedir = basedir
        made = ci_worker("create-worker", "-q", *options, str(basedir), master, name, "secret")
        assert made.returncode == 0, made.stdout + made.stderr
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the worker in the foreground of a process of its own."""
        with (self.basedir / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ci_worker", "start", "--nodaemon", str(self.basedir)],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def log(self) -> str:
        """What the worker has logged."""
        path = self.basedir / "twistd.log"
        return path.read_text() if path.exists() else ""

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 15) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def cleanup(self) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        pid = PidFile(self.basedir / "twistd.pid").read()
        if pid is not None and is_alive(pid):
            ci_worker("stop", "-q", str(self.basedir))
