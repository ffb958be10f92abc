"""One command from its start to its completion."""

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_common.aio import to_deferred
from ci_worker.commands.base import Command
from ci_worker.session.updates import Updates

log = Logger()

#: Seconds that a program which knows SIGTERM has, once nobody waits for its result.
ABANDONED_S = 10.0


class DoesNotEnd(Exception):
    """A command was told to stop and did not; what it waits for is left behind."""


class CommandRun:
    """Runs a command, tells how long it took, and completes it; whatever happens, exactly once.

    One that was told to stop ends within its ``stop_limit_s``, or is given up then.

    :ivar ended: fires when all is over, including the command's processes. Never fails.
    """

    def __init__(self, command: Command, updates: Updates, clock: IReactorTime) -> None:
        self.command = command
        self._updates = updates
        self._clock = clock
        self._abandoned = False
        self._limit: Any = None
        self.ended: Deferred[None] = Deferred()

    def start(self) -> None:
        """Begin. The command may end before this returns."""
        self._started_at = self._clock.seconds()
        to_deferred(self.command.run()).addBoth(self._finish)

    def interrupt(self) -> None:
        """The master wants it to stop: the command says so and ends in its own way."""
        if self.ended.called:
            return
        if not self.command.interrupted:
            self._limit = self._clock.callLater(self.command.stop_limit_s, self._give_up)
        self.command.interrupted = True
        try:
            self.command.interrupt()
        except Exception:
            log.failure("cannot stop the command {name}", name=self.command.name)
            self._give_up()

    def abandon(self) -> Deferred[None]:
        """The master is gone: stop the command and tell nobody."""
        self._abandoned = True
        self._updates.mute()
        if not self.ended.called:
            self.interrupt()
            self.command.hurry(ABANDONED_S)
        return self.ended

    def _give_up(self) -> None:
        if not self.ended.called:
            text = f"the command '{self.command.name}' was told to stop and does not end"
            log.error("{text}; it is given up", text=text)
            self._finish(Failure(DoesNotEnd(text)))

    def _finish(self, result: Any) -> None:
        if self.ended.called:
            return  # it was given up before
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        failure = result if isinstance(result, Failure) else None
        if self._abandoned:
            if failure is not None:
                log.failure("a command that was given up failed", failure=failure)
            sent = succeed(None)
        else:
            if not self.command.interrupted:
                self._updates.put("elapsed", self._clock.seconds() - self._started_at)
            if failure is not None:
                log.failure("{name} failed", failure=failure, name=self.command.name)
            sent = self._updates.complete(failure and pb.CopyableFailure(failure))
        self.ended.callback(None)
        sent.addErrback(lambda failure: log.failure("completion is lost", failure=failure))
