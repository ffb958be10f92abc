"""A program that can be stopped in whatever state it is, and whose end is always told.

The states: running; ended, with its output held open by what it started; running with its output
closed; deaf to the first signal; stopped; gone but for what made a session of its own; beyond the
reach of every signal.
"""

import signal
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import error
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from ci_common.processes.records import ProcessRecords
from ci_common.processes.spawn import spawn_in_session
from ci_common.processes.tree import ProcessTree

#: Seconds from a signal that a program may ignore to the one that it cannot, by default; and so
#: long from that one until a program that is not gone, or its output not closed, is given up.
SURVIVAL_S = 5.0

#: Seconds that the rest has when a program that was stopped has followed its signal.
REST_S = 1.0

KILL = int(getattr(signal, "SIGKILL", 9))

Ended = error.ProcessDone | error.ProcessTerminated


def signal_number(name: str | int) -> int:
    """The number of a signal's name, with or without SIG; KILL for one there is not here."""
    if isinstance(name, int):
        return name
    full = name if name.startswith("SIG") else f"SIG{name}"
    return int(getattr(signal, full, KILL))


class ChildProcess(ProcessProtocol):
    """One run of a program. A subclass says what becomes of its output and its end.

    :param clock: the reactor; it starts the program and measures the time of its stopping.
    :param records: where it is written down while it runs.
    :ivar stopping: it was told to stop.
    :ivar killed: it got the signal that it cannot ignore.
    :ivar over: its end was told; nothing more is.
    """

    transport: Any  # a process transport, once there is a process

    def __init__(self, clock: IReactorTime, records: ProcessRecords | None = None) -> None:
        self._clock = clock
        self._records = records
        self._tree: ProcessTree | None = None
        self._timer: Any = None
        self._exit: Ended | None = None
        self._next_signal = KILL
        self._patience_s = SURVIVAL_S
        self._paused = False
        self.killed = False
        self.stopping = False
        self.over = False

    # for the subclass

    def program_over(self, ended: Ended) -> None:
        """It is over: the program has ended, and its output is closed."""
        raise NotImplementedError

    def program_survived(self) -> None:
        """It is over all the same: the program was killed, and lives."""
        raise NotImplementedError

    def output_held(self) -> None:
        """It will be over at once: the program has ended, but what it started cannot be killed
        and holds its output open."""

    # what one does with it

    def spawn(
        self,
        argv: Sequence[str] | str,
        *,
        env: Mapping[str, str],
        cwd: str,
        use_pty: bool = False,
        with_stdin: bool = False,
    ) -> None:
        """Start it.

        :raises OSError: if the program cannot be executed.
        """
        self._tree = spawn_in_session(
            self._clock,
            self,
            argv,
            env=env,
            cwd=cwd,
            use_pty=use_pty,
            with_stdin=with_stdin,
            records=self._records,
        )
        self._tree.root_has_ended |= self._exit is not None

    def end(
        self,
        interrupt_signal: str | int = "KILL",
        sigterm_time_s: float | None = None,
        *,
        patience_s: float = SURVIVAL_S,
    ) -> None:
        """Stop it, and all that it started. A second call does nothing.

        :param interrupt_signal: what is sent first; if it is not KILL, then that follows.
        :param sigterm_time_s: seconds that it has to follow SIGTERM, which is then sent before
            ``interrupt_signal``.
        :param patience_s: seconds from ``interrupt_signal`` to KILL.
        """
        if self.stopping or self.over or self._tree is None:
            return
        self.stopping = True
        self._tree.snapshot()
        self._next_signal = signal_number(interrupt_signal)
        self._patience_s = patience_s
        if sigterm_time_s:
            self._tree.signal(signal.SIGTERM)
            self._timer = self._clock.callLater(sigterm_time_s, self._interrupt)
        else:
            self._interrupt()
        if self._tree.root_has_ended:
            self.hurry(REST_S)

    def hurry(self, most_s: float) -> None:
        """One that was told to stop is killed in ``most_s`` seconds at the latest."""
        timer = self._timer
        if self.stopping and not self.killed and timer is not None and timer.active():
            if timer.getTime() > self._clock.seconds() + most_s:
                timer.reset(most_s)
            self._next_signal = KILL

    def pause(self) -> None:
        """Read no more of its output for now. One that was killed is read to its end."""
        self._paused = True
        if self.transport is not None and not self.killed and not self.over:
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        if self.transport is not None and not self.over:
            self.transport.resumeProducing()

    # what the reactor calls

    def processExited(self, reason: Failure) -> None:
        """The program has ended; its output may be open."""
        self._exit = _ended(reason)
        if self._tree is not None:
            self._tree.root_has_ended = True
            self.hurry(REST_S)

    def processEnded(self, reason: Failure) -> None:
        """The program has ended, and so has its output."""
        if not self.over:
            self._exit = _ended(reason)
            self._over()
            self.program_over(self._exit)

    # inside

    def _interrupt(self) -> None:
        assert self._tree is not None
        if self._next_signal == KILL:
            self._kill()
            return
        self._tree.signal(self._next_signal)
        self._timer = self._clock.callLater(self._patience_s, self._kill)

    def _kill(self) -> None:
        assert self._tree is not None
        self.killed = True
        self._timer = self._clock.callLater(SURVIVAL_S, self._survived)
        self._tree.kill()
        if self._paused and self.transport is not None:
            self.transport.resumeProducing()

    def _survived(self) -> None:
        ended = self._exit
        if ended is None:
            self.over = True
            self.program_survived()
            self.transport.loseConnection()
            return
        self.output_held()
        self._over()
        self.program_over(ended)
        self.transport.loseConnection()

    def _over(self) -> None:
        """Leave nothing behind: no timer, and, of a program that was stopped, no process."""
        self.over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._tree is not None:
            self._tree.root_has_ended = True
            if self.stopping:
                self._tree.kill()
            self._tree.close()


def _ended(reason: Failure) -> Ended:
    ended = reason.value
    assert isinstance(ended, error.ProcessDone | error.ProcessTerminated)
    return ended
