"""The objects that a worker calls back while it runs a command."""

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.spread import pb

from ci_master.wire.calls import Callee, Misuse
from ci_master.wire.checks import UpdateCheck
from ci_master.workers.session import CommandSink, RemoteException
from ci_master.workers.transfer import DirectoryWriter, FileReader, FileWriter, TransferError

#: A worker may ask for at most this many bytes of a file at once; what fits into one string.
_MOST_READ_BYTES = 640 * 1024


class CommandReceiver(Callee):
    """Takes what a worker reports of one command, until it is complete or lost."""

    def __init__(self, sink: CommandSink) -> None:
        self._sink: CommandSink | None = sink
        self._check = UpdateCheck()
        #: called when the command was ended on this side, while the worker goes on with it
        self.on_broken: Callable[[], None] = _nothing
        self._remotes: list[_RemoteWriter | _RemoteReader] = []

    def wire_args(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they are sent: file objects become objects the worker can call."""
        sent = dict(args)
        for key, value in args.items():
            remote: _RemoteWriter | _RemoteReader
            if isinstance(value, FileWriter | DirectoryWriter):
                remote = _RemoteWriter(value, lambda: self.on_broken())
            elif isinstance(value, FileReader):
                remote = _RemoteReader(value)
            else:
                continue
            sent[key] = remote
            self._remotes.append(remote)
        return sent

    def remote_update(self, updates: list[Any]) -> Any:
        """Take ``[[dict, number], ...]``; the highest number acknowledges them.

        Updates that make no sense end the command: what it did is not known any more.
        """
        if self._sink is None:
            return 0
        try:
            values, highest = self._check.take(updates)
            wait = self._sink.updates(values)
        except Misuse as error:
            self.end(Failure(RemoteException(f"the worker broke the protocol: {error}")))
            self.on_broken()
            raise
        except Exception:  # of a step, or an observer, that was given them: its build ends
            self.end(Failure())
            self.on_broken()
            return 0
        if wait is None:
            return highest
        return wait.addCallback(lambda _: highest)

    def remote_complete(self, failure: Any = None) -> None:
        """The command is over; ``failure`` says that the worker could not run it."""
        if failure is not None:
            told_of = failure if isinstance(failure, Failure) else Failure(RuntimeError(failure))
            failure = told(told_of)
        self.end(failure)

    def end(self, failure: Failure | None) -> None:
        """Tell the sink, once; the worker may use the command's files no more.

        After a success the sink decides what becomes of them; else they are dropped.
        """
        sink, self._sink = self._sink, None
        remotes, self._remotes = self._remotes, []
        for remote in remotes:
            remote.release(drop=failure is not None or sink is None)
        if sink is not None:
            sink.complete(failure)

    def forget(self) -> None:
        """The command never started: who asked for it is told in another way."""
        self._sink = None
        self.end(None)


def _nothing() -> None:
    """Nobody wants to know."""


def told(failure: Failure) -> Failure:
    """What a worker says went wrong, as an exception of ours; a failure of ours as it is."""
    if isinstance(failure, pb.CopiedFailure):
        state = vars(failure)  # all of it came from the worker
        kind, text, trace = (state.get(name, "") for name in ("type", "value", "traceback"))
    elif isinstance(failure.value, pb.RemoteError):
        error = failure.value
        kind, text, trace = error.remoteType, error, error.remoteTraceback
    elif failure.check(RuntimeError):
        kind, text, trace = "the worker reports", failure.value, ""
    else:
        return failure
    shown = ": ".join(_shown(part, 2000) for part in (kind, text))
    return Failure(RemoteException(f"{shown}\n{_shown(trace, 20_000)}".rstrip()))


def _shown(value: Any, most: int) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= most else f"{text[:most]}..."


class _RemoteWriter(Callee):
    """A file or a directory that a worker sends."""

    def __init__(self, file: FileWriter | DirectoryWriter, on_problem: Callable[[], None]) -> None:
        self._file: FileWriter | DirectoryWriter | None = file
        self._on_problem = on_problem
        self._has_problem = False

    def release(self, *, drop: bool) -> None:
        """The command is over."""
        file, self._file = self._file, None
        if drop and file is not None:
            file.abandon()

    def remote_write(self, data: bytes | str) -> Deferred[None]:
        """Add bytes.

        That they cannot be written is no answer: a stock worker that gets an error here never
        ends its command. It is interrupted; whoever asked for the file is told by the file.
        """
        if not isinstance(data, bytes | str):
            raise Misuse(f"write: {type(data).__name__} are no bytes")
        file = self._open
        written = file.write(data if isinstance(data, bytes) else data.encode())
        return written.addErrback(self._not_written)

    def _not_written(self, failure: Failure) -> None:
        failure.trap(TransferError)
        if not self._has_problem:
            self._has_problem = True
            self._on_problem()

    def remote_close(self) -> Deferred[None]:
        """All bytes have come."""
        return _answered(self._single.close)

    def remote_utime(self, times: tuple[float, float]) -> Deferred[None]:
        """Set access and modification time of the file."""
        if (
            not isinstance(times, tuple | list)
            or len(times) != 2
            or not all(isinstance(time, int | float) for time in times)
        ):
            raise Misuse("utime: these are no two times")
        accessed, modified = times
        return _answered(self._single.utime, (accessed, modified))

    def remote_unpack(self) -> Deferred[None]:
        """All bytes of the archive have come."""
        file = self._open
        if not isinstance(file, DirectoryWriter):
            raise Misuse("unpack: this is no directory")
        return _answered(file.unpack)

    @property
    def _open(self) -> FileWriter | DirectoryWriter:
        if self._file is None:
            raise Misuse("a transfer of a command that is over")
        return self._file

    @property
    def _single(self) -> FileWriter:
        file = self._open
        if not isinstance(file, FileWriter):
            raise Misuse("this is no single file")
        return file


class _RemoteReader(Callee):
    """A file that a worker fetches."""

    def __init__(self, file: FileReader) -> None:
        self._file: FileReader | None = file

    def release(self, *, drop: bool) -> None:
        """The command is over: the file is closed in either case."""
        file, self._file = self._file, None
        if file is not None:
            file.abandon()

    def remote_read(self, length: int) -> Deferred[bytes]:
        """The next bytes; none at the end."""
        if not isinstance(length, int) or length <= 0:
            raise Misuse("read: that is no number of bytes")
        return _answered(self._open.read, min(length, _MOST_READ_BYTES))

    def remote_close(self) -> Deferred[None]:
        """No more is wanted."""
        return _answered(self._open.close)

    @property
    def _open(self) -> FileReader:
        if self._file is None:
            raise Misuse("a transfer of a command that is over")
        return self._file


def _answered(work: Callable[..., Deferred[Any]], *args: Any) -> Deferred[Any]:
    """Do something to a file; that it cannot be done is an answer, not an error of ours."""
    try:
        return work(*args).addErrback(_as_answer)
    except TransferError as error:
        raise pb.Error(str(error)) from error


def _as_answer(failure: Failure) -> Any:
    failure.trap(TransferError)
    raise pb.Error(failure.getErrorMessage())
