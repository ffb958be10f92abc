"""A worker's PB connection, seen from the master."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_common.aio import to_deferred
from ci_master.wire.broker import PBBroker
from ci_master.wire.checks import told_info, told_references, told_texts
from ci_master.wire.commands import CommandReceiver, told
from ci_master.workers.session import CommandSink

#: seconds that a worker may take to answer a ping, or one question while it attaches
ANSWER_S = 60.0

#: seconds that a worker may take to prove that it is still there when another claims its name
DUPLICATE_S = 10.0

_NO_SUCH_METHOD = "twisted.spread.flavors.NoSuchMethod"


class PBSession:
    """One live connection to a worker. Implements :class:`ci_master.workers.session.Session`.

    :param mind: the worker's own object, given at its login.
    """

    log = Logger()

    def __init__(self, mind: pb.RemoteReference, worker_name: str, clock: IReactorTime) -> None:
        self.worker_name = worker_name
        self.info: dict[str, Any] = {}
        self.commands: dict[str, str] = {}
        self.basedir = ""
        self.system = ""
        self._mind = mind
        self._broker: PBBroker = mind.broker
        self._clock = clock
        self._builders: dict[str, pb.RemoteReference] = {}
        self._running: dict[str, CommandReceiver] = {}
        self._lost_callbacks: list[Callable[[], None]] = []
        self.lost = bool(self._broker.disconnected)
        if not self.lost:
            self._broker.notifyOnDisconnect(self._gone)

    def __repr__(self) -> str:
        return f"<PB session of worker {self.worker_name!r}{' (lost)' if self.lost else ''}>"

    @property
    def heard_at(self) -> float:
        """Clock seconds of the last bytes received."""
        return self._broker.heard_at

    # -- beginning and end

    async def introduce(self) -> None:
        """Greet the worker and ask what it is; fills ``info`` and what follows from it.

        :raises ConnectionLost: if it is lost meanwhile.
        :raises TimeoutError: if it does not answer.
        """
        greeted = self._ask(self._mind, "print", message="attached")
        asked = self._ask(self._mind, "getWorkerInfo")
        await greeted
        try:
            info = await asked
        except pb.RemoteError as error:
            if _type_of(error) != _NO_SUCH_METHOD:
                raise
            info = await self._introduce_old()
        self._take_info(info)

    async def _introduce_old(self) -> dict[str, Any]:
        """As ``getWorkerInfo``, from workers of the time when they had another name."""
        try:
            info = told_info(await self._ask(self._mind, "getSlaveInfo"))
        except pb.RemoteError as error:
            if _type_of(error) != _NO_SUCH_METHOD:
                raise
            info = {}
        if "slave_commands" in info:
            info["worker_commands"] = info.pop("slave_commands")
        else:
            info["worker_commands"] = await self._ask(self._mind, "getCommands")
            info.setdefault("version", await self._ask(self._mind, "getVersion"))
        return info

    def _take_info(self, info: Mapping[Any, Any]) -> None:
        told = told_info(info)
        self.commands = told_texts(told.pop("worker_commands", None), "commands")
        self.basedir, self.system = (_only_text(told.get(key)) for key in ("basedir", "system"))
        self.info = told

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back when the connection is lost; at once if it is already."""
        if self.lost:
            callback()
        else:
            self._lost_callbacks.append(callback)

    def close(self) -> None:
        """End the connection now, without another word."""
        if not self.lost:
            self._broker.transport.abortConnection()

    def _gone(self) -> None:
        """The connection is gone: the slot hears of it before the commands of its builds."""
        self.lost = True
        callbacks, self._lost_callbacks = self._lost_callbacks, []
        receivers = list(self._running.values())
        self._builders.clear()
        for callback in callbacks:
            self._tell(callback)
        for receiver in receivers:
            self._tell(receiver.end, Failure(ConnectionLost()))

    def _tell(self, listener: Callable[..., None], *args: Any) -> None:
        try:
            listener(*args)
        except Exception:
            self.log.failure("telling that {session} is lost failed", session=self)

    # -- what a master may ask

    async def set_builders(self, builders: Sequence[tuple[str, str]]) -> None:
        """Tell the worker for which builders (name, directory) it works; all of them."""
        wanted = [(name, directory) for name, directory in builders]
        answer = await self._ask(self._mind, "setBuilderList", wanted)
        names = {name for name, _ in wanted}
        known = {**self._builders, **told_references(answer)}
        self._builders = {name: ref for name, ref in known.items() if name in names}

    async def ping(self) -> None:
        """Make sure that the worker is there.

        :raises ConnectionLost: if it is not, or does not answer in time.
        """
        try:
            await self._ask(self._mind, "print", message="ping")
        except TimeoutError:
            self.close()
            raise ConnectionLost("the worker did not answer a ping") from None

    async def is_alive(self) -> bool:
        """Whether the worker answers, now that another one came with its name."""
        asked = self._call(self._mind, "print", message="master got a duplicate connection")
        try:
            await asked.addTimeout(DUPLICATE_S, self._clock)
        except (TimeoutError, CancelledError, ConnectionLost, pb.RemoteError):
            return False
        return True

    def start_build(self, builder: str) -> Deferred[Any]:
        """Tell the worker that a build begins."""
        reference = self._builders.get(builder)
        if reference is None:
            return self._no_builder(builder)
        return self._call(reference, "startBuild").addTimeout(ANSWER_S, self._clock)

    def start_command(
        self, builder: str, command_id: str, name: str, args: Mapping[str, Any], sink: CommandSink
    ) -> Deferred[Any]:
        """Have the worker run a command; fires when it has accepted it."""
        reference = self._builders.get(builder)
        if reference is None:
            return self._no_builder(builder)
        receiver = _Tracked(sink, self._running, command_id)
        receiver.on_broken = lambda: self._stop_broken(builder, command_id)
        self._running[command_id] = receiver
        accepted = self._call(
            reference, "startCommand", receiver, command_id, name, receiver.wire_args(args)
        )

        def refused(failure: Failure) -> Failure:
            receiver.forget()
            return told(failure)

        return accepted.addErrback(refused)

    def interrupt_command(self, builder: str, command_id: str, why: str) -> Deferred[Any]:
        """Ask the worker to end a command."""
        reference = self._builders.get(builder)
        if reference is None:
            return self._no_builder(builder)
        return self._call(reference, "interruptCommand", command_id, why)

    def _stop_broken(self, builder: str, command_id: str) -> None:
        """Nobody listens to a command any more: it shall not go on."""
        asked = self.interrupt_command(builder, command_id, "what it sends cannot be taken")
        asked.addErrback(self._not_stopped)

    def _not_stopped(self, failure: Failure) -> None:
        if failure.check(ConnectionLost) is None:
            text = failure.getErrorMessage()
            self.log.warn("{session} could not stop a command: {text}", session=self, text=text)

    async def shutdown(self) -> None:
        """Have the worker end itself."""
        try:
            await self._ask(self._mind, "shutdown")
        except ConnectionLost:
            return  # it was quicker than its answer

    # -- calls

    def _no_builder(self, builder: str) -> Deferred[Any]:
        if self.lost:
            return fail(ConnectionLost())
        return fail(LookupError(f"worker {self.worker_name} does not know builder {builder}"))

    def _ask(
        self, reference: pb.RemoteReference, method: str, *args: Any, **kw: Any
    ) -> Deferred[Any]:
        return self._call(reference, method, *args, **kw).addTimeout(ANSWER_S, self._clock)

    def _call(
        self, reference: pb.RemoteReference, method: str, *args: Any, **kw: Any
    ) -> Deferred[Any]:
        try:
            answer = to_deferred(reference.callRemote(method, *args, **kw))
        except pb.DeadReferenceError:
            return fail(ConnectionLost())
        return answer.addErrback(_lost_is_lost)


class _Tracked(CommandReceiver):
    """A command that leaves its session's list when it ends."""

    def __init__(
        self, sink: CommandSink, running: dict[str, CommandReceiver], command_id: str
    ) -> None:
        super().__init__(sink)
        self._running = running
        self._command_id = command_id

    def end(self, failure: Failure | None) -> None:
        """Leave the list, and tell the sink."""
        self._running.pop(self._command_id, None)
        super().end(failure)


def _lost_is_lost(failure: Failure) -> Failure:
    """What Twisted calls a lost PB connection, as what it calls any other lost connection."""
    if failure.check(pb.PBConnectionLost, pb.DeadReferenceError):
        return Failure(ConnectionLost())
    return failure


def _only_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _type_of(error: pb.RemoteError) -> str:
    return str(_text(error.remoteType))


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
