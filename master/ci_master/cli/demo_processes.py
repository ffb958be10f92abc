"""The processes of the demonstration: started together, watched, ended together."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from ci_master.cli.problem import Problem

_POLL_S = 0.1
_OWN_ACCORD_S = 2.0  # for an end by the Ctrl-C that went to all: a second signal would hurry it
_PATIENCE_S = 15.0  # for an orderly end
_TAIL_LINES = 15


class StopRequest:
    """Ctrl-C, SIGTERM and a closed terminal, counted, and looked for after whatever is done.

    An exception out of the blue, as Python has it for Ctrl-C, may be raised where it is lost.
    """

    def __init__(self) -> None:
        self.wanted = 0

    def install(self) -> None:
        """Take the signals, also where what started us has them ignored."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none
        if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:  # as nohup has it
            signal.signal(hangup, self._heard)

    def _heard(self, number: int, frame: object) -> None:
        self.wanted += 1


class Processes:
    """Daemons in the foreground, in this process group, so that Ctrl-C reaches all.

    What they print goes to ``console.log`` in the directory of each.
    """

    def __init__(self, home: Path, stop: StopRequest) -> None:
        self._home = home
        self.stop = stop
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all that still run: by the Ctrl-C that reached them too, politely, by force.

        A second Ctrl-C, or the lack of patience, is force at once.
        """
        asked = self.stop.wanted
        if kind is None:
            self._wait_for_all(_OWN_ACCORD_S)
        for process in reversed(self._running.values()):
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        self._wait_for_all(_PATIENCE_S, asked)
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
            process.wait()

    def _wait_for_all(self, timeout_s: float, asked: int | None = None) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if asked is not None and self.stop.wanted > max(1, asked):
                return
            if all(process.poll() is not None for process in self._running.values()):
                return
            time.sleep(_POLL_S)

    def start(self, name: str, command: list[str]) -> None:
        """Start the daemon of the directory ``name``: ``command start --nodaemon DIRECTORY``."""
        directory = self._home / name
        with (directory / "console.log").open("wb") as console:
            self._running[name] = subprocess.Popen(
                [*command, "start", "--nodaemon", str(directory)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def wait(self, timeout_s: float | None) -> str | None:
        """Wait until one ends, or until somebody wants a stop.

        :returns: what it printed last; None if all still run after ``timeout_s`` seconds.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.stop.wanted and (deadline is None or time.monotonic() < deadline):
            for name, process in self._running.items():
                if process.poll() is not None:
                    return self._last_words(name)
            time.sleep(_POLL_S)
        return None

    def wait_for_port(self, port: int, timeout_s: float) -> None:
        """Wait until something listens on a port of this machine, or somebody wants a stop.

        :raises Problem: if a process ends before, or if it takes too long.
        """
        deadline = time.monotonic() + timeout_s
        while not self.stop.wanted and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            ended = self.wait(_POLL_S)
            if ended is not None:
                raise Problem(ended)
        if self.stop.wanted:
            return
        raise Problem(f"nothing listens on port {port} after {timeout_s:g} s")

    def _last_words(self, name: str) -> str:
        text = (self._home / name / "console.log").read_text(errors="replace")
        tail = "\n".join(text.splitlines()[-_TAIL_LINES:])
        return f"the {name} has ended (status {self._running[name].returncode}):\n{tail}"
